//! Hashes as bytes: a listpack while the hash is packed, otherwise a count and so many pairs of strings. Read are the
//! ziplists and zipmaps of older versions, too.
//!
//! Of a hash whose fields expire, the first expiry comes first, so that it is known before the fields are read. A table
//! follows as triples of time, field and value, the times counted from that first one; a packed one as a listpack.
//! Valkey writes triples of field, value and absolute time.
//!
//! A field that occurs twice makes a payload invalid, in every form: nothing that reads a hash may have to choose.

use std::borrow::Cow;
use std::collections::BTreeSet;

use protocol::rdb::{Reader, Writer, opcode};

use super::PayloadError;
use super::pieces::Pieces;
use crate::base::clock::UnixMillis;
use crate::store::encoding::listpack::Listpack;
use crate::store::encoding::{Corrupt, ziplist, zipmap};
use crate::store::types::hash::{Element, Hash, HashLimits, HashRef, Saved, Triples};
use crate::store::types::members::{Bulk, Member, Members, NEVER, Values};

const BAD_EXPIRY: Corrupt = Corrupt("hash field with an invalid expiry");
const TWICE: Corrupt = Corrupt("hash field occurs twice");

/// The type byte of what [`write()`] writes.
pub(super) fn object_type(hash: HashRef<'_>) -> u8 {
    match hash.saved() {
        Saved::Packed(_) => opcode::TYPE_HASH_LISTPACK,
        Saved::Table(_) => opcode::TYPE_HASH,
        Saved::Triples(_) => opcode::TYPE_HASH_LISTPACK_EX,
        Saved::TimedTable(_) => opcode::TYPE_HASH_METADATA,
    }
}

/// Writes the body of a hash.
pub(super) fn write<E>(
    hash: HashRef<'_>,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    match hash.saved() {
        Saved::Packed(pack) => pieces.string(&pack.serialise()),
        Saved::Table(table) => {
            let first = begin(table, false, pieces);
            table.iter().try_for_each(|member| put(member, first, pieces))
        }
        Saved::Triples(triples) => {
            pieces.out.i64_le(hash.next_expiry().unwrap_or(NEVER));
            pieces.string(&triples.listpack().to_bytes())
        }
        Saved::TimedTable(table) => {
            let first = begin(table, true, pieces);
            table.iter().try_for_each(|member| put(member, first, pieces))
        }
    }
}

/// The same for a hash that is not needed any more ([`super::consume`]).
pub(super) fn consume<E>(
    hash: Hash,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    match hash.into_table() {
        Ok((table, timed)) => {
            let first = begin(&table, timed, pieces);
            table.consume(|member| put(member, first, pieces))
        }
        Err(hash) => write(hash.view(), pieces),
    }
}

/// What precedes the elements of a table. Returns the first expiry if some expire.
fn begin<F>(table: &Members, timed: bool, pieces: &mut Pieces<'_, F>) -> Option<UnixMillis> {
    let first = timed.then(|| {
        // Not the index's first: that knows no times beyond its range.
        table.iter().map(|member| member.at).filter(|at| *at != NEVER).min().unwrap_or(NEVER)
    });
    if let Some(first) = first {
        pieces.out.i64_le(first);
    }
    pieces.out.length(table.len() as u64);
    first
}

/// An element of a table, with its time if some expire, the first of them at `first`.
fn put<E>(
    member: Member<'_>,
    first: Option<UnixMillis>,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    if let Some(first) = first {
        pieces.out.length(if member.at == NEVER { 0 } else { (member.at - first + 1) as u64 });
    }
    pieces.string(member.field)?;
    pieces.string(member.value)
}

/// A count and so many pairs of strings.
pub(super) fn read_plain(input: &mut Reader<'_>, limits: HashLimits) -> Result<Hash, PayloadError> {
    read_fields(input, limits, |input| Ok((input.string()?, input.string()?, NEVER)))
}

/// Fields with values and expiries: a count and so many triples. `relative`: the first expiry precedes them, and the
/// others are counted from it.
pub(super) fn read_metadata(input: &mut Reader<'_>, limits: HashLimits, relative: bool) -> Result<Hash, PayloadError> {
    let first = if relative { expiry(input.i64_le()?)? } else { NEVER };
    read_fields(input, limits, |input| {
        let time = input.length()?;
        let (field, value) = (input.string()?, input.string()?);
        let at = match i64::try_from(time) {
            Ok(0) => NEVER,
            Ok(time) if relative => first.saturating_add(time - 1),
            Ok(time) => time,
            Err(_) => return Err(BAD_EXPIRY.into()),
        };
        Ok((field, value, expiry(at)?))
    })
}

/// Valkey's form: a count and so many triples, each with its expiry at the end, or -1.
pub(super) fn read_valkey(input: &mut Reader<'_>, limits: HashLimits) -> Result<Hash, PayloadError> {
    read_fields(input, limits, |input| {
        let (field, value) = (input.string()?, input.string()?);
        let at = match input.i64_le()? {
            -1 => NEVER,
            at => expiry(at)?.max(1),
        };
        Ok((field, value, at))
    })
}

/// A field, its value, and when it expires.
type Field<'r> = (Cow<'r, [u8]>, Cow<'r, [u8]>, UnixMillis);

/// A count, and so many fields.
fn read_fields<'r>(
    input: &mut Reader<'r>,
    limits: HashLimits,
    mut next: impl FnMut(&mut Reader<'r>) -> Result<Field<'r>, PayloadError>,
) -> Result<Hash, PayloadError> {
    let count = input.length()?;
    if count > limits.max_entries as u64 {
        // What will be a table begins as one, and the order of its expiries is found when all are known.
        let (mut members, mut timed) = (Bulk::new(Values::Kept, limits.seed), false);
        members.expect(usize::try_from(count).unwrap_or(usize::MAX), input.remaining());
        for _ in 0..count {
            let (field, value, at) = next(input)?;
            timed |= at != NEVER;
            members.push(&field, &value, at);
        }
        return match members.finish() {
            (members, 0) => Ok(Hash::of_table(members, timed)),
            _ => Err(TWICE.into()),
        };
    }
    let mut hash = Hash::new();
    for _ in 0..count {
        let (field, value, at) = next(input)?;
        let is_new = match at {
            NEVER => hash.set(&field, &value, &limits),
            at => hash.set_until(&field, &value, at, &limits),
        };
        if !is_new {
            return Err(TWICE.into());
        }
    }
    Ok(hash)
}

/// One listpack of triples. `dated`: the first expiry precedes it.
pub(super) fn read_triples(input: &mut Reader<'_>, limits: HashLimits, dated: bool) -> Result<Hash, PayloadError> {
    if dated {
        // The listpack tells it again.
        expiry(input.i64_le()?)?;
    }
    let listpack = Listpack::from_bytes(&input.string()?)?;
    let count = listpack.len() / 3;
    if has_twins(listpack.iter().step_by(3), count) {
        return Err(TWICE.into());
    }
    Ok(Hash::of_triples(Triples::of_listpack(listpack)?, &limits))
}

/// An expiry, which must be one that a server could have written.
fn expiry(at: UnixMillis) -> Result<UnixMillis, PayloadError> {
    if at < 0 { Err(BAD_EXPIRY.into()) } else { Ok(at) }
}

/// One listpack.
pub(super) fn read_listpack(input: &mut Reader<'_>, limits: HashLimits) -> Result<Hash, PayloadError> {
    of_listpack(Listpack::from_bytes(&input.string()?)?, limits)
}

/// One ziplist (Redis before 7.0).
pub(super) fn read_ziplist(input: &mut Reader<'_>, limits: HashLimits) -> Result<Hash, PayloadError> {
    of_listpack(ziplist::to_listpack(&input.string()?)?, limits)
}

/// One zipmap (Redis before 2.6).
pub(super) fn read_zipmap(input: &mut Reader<'_>, limits: HashLimits) -> Result<Hash, PayloadError> {
    let mut hash = Hash::new();
    let mut twice = false;
    zipmap::read(&input.string()?, |field, value| twice |= !hash.set(field, value, &limits))?;
    if twice { Err(TWICE.into()) } else { Ok(hash) }
}

fn of_listpack(listpack: Listpack, limits: HashLimits) -> Result<Hash, PayloadError> {
    if !listpack.len().is_multiple_of(2) {
        return Err(Corrupt("hash field without value").into());
    }
    if has_twins(listpack.iter().step_by(2), listpack.len() / 2) {
        return Err(TWICE.into());
    }
    Ok(Hash::of_pairs(&listpack, &limits))
}

/// Whether one of `count` texts occurs twice.
pub(super) fn has_twins<'a>(mut texts: impl Iterator<Item = Element<'a>>, count: usize) -> bool {
    /// So many are compared with each other; that is faster than copying them.
    const COMPARED: usize = 32;
    if count <= COMPARED {
        let texts: Vec<Element<'_>> = texts.collect();
        return texts.iter().enumerate().any(|(at, text)| texts[..at].contains(text));
    }
    let mut seen = BTreeSet::new();
    texts.any(|text| !seen.insert(text.to_vec()))
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
