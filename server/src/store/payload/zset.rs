//! Sorted sets as bytes: four forms, of which we write the two newest.
//!
//! A small set is its listpack as it is. A large one is a count and so many members with scores, from the greatest to
//! the least, which Redis does because its skip list is built fastest from the end.
//!
//! A set from outside may have its elements in any order if they are written one by one. A block must be in order and
//! have no member twice, since it is used as it is.

use std::borrow::Cow;

use protocol::rdb::{Reader, Writer, opcode};

use super::PayloadError;
use super::pieces::Pieces;
use crate::store::encoding::listpack::Listpack;
use crate::store::encoding::{Corrupt, ziplist};
use crate::store::types::zset::{Element, ZSet, ZSetOptions, ZSetRef, score};

const DUPLICATE: Corrupt = Corrupt("sorted set has a member twice");
const NO_SCORE: Corrupt = Corrupt("score of a sorted set is not a number");

/// Elements that are written in one walk.
const WALK: usize = 1024;

/// The type byte of what [`write()`] writes.
pub(super) fn object_type(zset: ZSetRef<'_>) -> u8 {
    if zset.as_pack().is_some() { opcode::TYPE_ZSET_LISTPACK } else { opcode::TYPE_ZSET_2 }
}

/// Writes the body of a sorted set.
pub(super) fn write<E>(
    zset: ZSetRef<'_>,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    if let Some(packed) = zset.as_pack() {
        return pieces.string(&packed.serialise());
    }
    pieces.out.length(zset.len() as u64);
    // A walk cannot be ended, so it is short.
    for start in (0..zset.len()).step_by(WALK) {
        let mut result = Ok(());
        zset.range(start, WALK, true, |member, score| {
            if result.is_ok() {
                result = member.with_text(|text| pieces.string(text));
                pieces.out.f64_le(score);
            }
        });
        result?;
    }
    Ok(())
}

/// The same for a sorted set that is not needed any more ([`super::consume`]).
pub(super) fn consume<E>(
    zset: ZSet,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    match zset.into_tree() {
        Ok(tree) => {
            pieces.out.length(tree.len() as u64);
            tree.consume(|member, score| {
                pieces.string(member)?;
                pieces.out.f64_le(score);
                Ok(())
            })
        }
        Err(zset) => write(zset.view(), pieces),
    }
}

/// A count and so many members, each with its score: in eight bytes, or as text (before Redis 4.0).
pub(super) fn read_pairs(input: &mut Reader<'_>, options: &ZSetOptions, is_binary: bool) -> Result<ZSet, PayloadError> {
    let mut elements: Vec<(f64, Cow<'_, [u8]>)> = Vec::new();
    for _ in 0..input.length()? {
        let member = input.string()?;
        let score = if is_binary { input.f64_le()? } else { input.text_double()? };
        if score.is_nan() {
            return Err(NO_SCORE.into());
        }
        elements.push((score, member));
    }
    // What Redis writes is descending.
    elements.reverse();
    if !is_unique(elements.iter().map(|(_, member)| Cow::Borrowed(&**member))) {
        return Err(DUPLICATE.into());
    }
    Ok(ZSet::of_elements(elements, options))
}

/// One ziplist (Redis before 7.0).
pub(super) fn read_ziplist(input: &mut Reader<'_>, options: &ZSetOptions) -> Result<ZSet, PayloadError> {
    of_block(ziplist::to_listpack(&input.string()?)?, options)
}

/// One listpack.
pub(super) fn read_listpack(input: &mut Reader<'_>, options: &ZSetOptions) -> Result<ZSet, PayloadError> {
    of_block(Listpack::from_bytes(&input.string()?)?, options)
}

/// Checks that a block is a sorted set.
fn of_block(block: Listpack, options: &ZSetOptions) -> Result<ZSet, PayloadError> {
    if !block.len().is_multiple_of(2) {
        return Err(Corrupt("sorted set has a member without score").into());
    }
    let mut members: Vec<Cow<'_, [u8]>> = Vec::with_capacity(block.len() / 2);
    let mut last: Option<f64> = None;
    let mut elements = block.iter();
    while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
        let member = match member {
            Element::Int(_) => Cow::Owned(member.to_vec()),
            Element::Bytes(text) => Cow::Borrowed(text),
        };
        let score = score::stored(score).ok_or(NO_SCORE)?;
        if last.is_some_and(|last| last > score || (score::same(last, score) && members.last() >= Some(&member))) {
            return Err(Corrupt("sorted set is not in order").into());
        }
        last = Some(score);
        members.push(member);
    }
    if !is_unique(members.into_iter()) {
        return Err(DUPLICATE.into());
    }
    let mut zset = ZSet::of_listpack(&block);
    // Redis does not ask how long the members are.
    zset.pack(&ZSetOptions { max_value: usize::MAX, ..*options });
    Ok(zset)
}

fn is_unique<'a>(members: impl Iterator<Item = Cow<'a, [u8]>>) -> bool {
    let mut members: Vec<_> = members.collect();
    members.sort_unstable();
    members.windows(2).all(|pair| pair[0] != pair[1])
}
