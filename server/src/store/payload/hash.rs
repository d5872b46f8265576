//! Hashes as bytes: a listpack while the hash is packed, otherwise a count and so many pairs of strings. Read are the
//! ziplists and zipmaps of older versions, too.
//!
//! A field that occurs twice makes a payload invalid, in every form: nothing that reads a hash may have to choose.

use std::collections::BTreeSet;

use protocol::rdb::{Reader, Writer, opcode};

use super::PayloadError;
use crate::store::encoding::listpack::Listpack;
use crate::store::encoding::{Corrupt, ziplist, zipmap};
use crate::store::types::hash::{Element, Hash, HashLimits, Saved};

const TWICE: Corrupt = Corrupt("hash field occurs twice");

/// The type byte of what [`write()`] writes.
pub(super) fn object_type(hash: &Hash) -> u8 {
    match hash.saved() {
        Saved::Packed(_) => opcode::TYPE_HASH_LISTPACK,
        Saved::Table(_) => opcode::TYPE_HASH,
    }
}

/// Writes the body of a hash.
pub(super) fn write(hash: &Hash, out: &mut Writer) {
    match hash.saved() {
        Saved::Packed(listpack) => out.string(&listpack.to_bytes()),
        Saved::Table(table) => {
            out.length(table.len() as u64);
            for member in table.iter() {
                out.string(member.field);
                out.string(member.value);
            }
        }
    }
}

/// A count and so many pairs of strings.
pub(super) fn read_plain(input: &mut Reader<'_>, limits: HashLimits) -> Result<Hash, PayloadError> {
    let count = input.length()?;
    // What will be a table begins as one, so that no field is looked for among hundreds of packed ones.
    let many = HashLimits { max_entries: 0, ..limits };
    let limits = if count > limits.max_entries as u64 { many } else { limits };
    let mut hash = Hash::new();
    for _ in 0..count {
        let (field, value) = (input.string()?, input.string()?);
        if !hash.set(&field, &value, &limits) {
            return Err(TWICE.into());
        }
    }
    Ok(hash)
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
    Ok(Hash::of_pairs(listpack, &limits))
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
