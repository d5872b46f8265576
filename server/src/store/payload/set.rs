//! Sets as bytes: an intset while the set is one, otherwise a count and so many strings. Readers that know Redis 7.2
//! get a listpack as such.
//!
//! A member that occurs twice makes a payload invalid, in every form.

use protocol::rdb::{Reader, Writer, opcode};

use super::hash::has_twins;
use super::pieces::Pieces;
use super::{PayloadError, Vintage};
use crate::store::encoding::Corrupt;
use crate::store::encoding::intset::Intset;
use crate::store::encoding::listpack::Listpack;
use crate::store::types::set::{Gathered, Saved, Set, SetLimits, SetRef};

const TWICE: Corrupt = Corrupt("set member occurs twice");

/// The type byte of what [`write()`] writes.
pub(super) fn object_type(set: SetRef<'_>, vintage: Vintage) -> u8 {
    match (set.saved(), vintage) {
        (Saved::Ints(_), _) => opcode::TYPE_SET_INTSET,
        (Saved::Packed(_), Vintage::Redis72) => opcode::TYPE_SET_LISTPACK,
        (Saved::Packed(_), Vintage::Redis70) | (Saved::Table, _) => opcode::TYPE_SET,
    }
}

/// Writes the body of a set.
pub(super) fn write<E>(
    set: SetRef<'_>,
    vintage: Vintage,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    match (set.saved(), vintage) {
        (Saved::Ints(bytes), _) => pieces.string(bytes),
        (Saved::Packed(pack), Vintage::Redis72) => pieces.string(&pack.serialise()),
        (Saved::Packed(_), Vintage::Redis70) | (Saved::Table, _) => {
            pieces.out.length(set.len() as u64);
            set.iter().try_for_each(|member| member.with_text(|text| pieces.string(text)))
        }
    }
}

/// The same for a set that is not needed any more ([`super::consume`]).
pub(super) fn consume<E>(
    set: Set,
    vintage: Vintage,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    match set.into_table() {
        Ok(table) => {
            pieces.out.length(table.len() as u64);
            table.consume(|member| pieces.string(member.field))
        }
        Err(set) => write(set.view(), vintage, pieces),
    }
}

/// A count and so many strings. As in Redis, few members become an intset or a listpack, even if they were none when
/// they were saved.
pub(super) fn read_plain(input: &mut Reader<'_>, limits: &SetLimits) -> Result<Set, PayloadError> {
    let count = usize::try_from(input.length()?).unwrap_or(usize::MAX);
    let mut set =
        if count > limits.max_ints { Gathered::table(limits, count, input.remaining()) } else { Gathered::new(limits) };
    for _ in 0..count {
        set.add(&input.string()?);
    }
    match set.finish() {
        (set, 0) => Ok(set),
        _ => Err(TWICE.into()),
    }
}

/// One intset.
pub(super) fn read_intset(input: &mut Reader<'_>, limits: &SetLimits) -> Result<Set, PayloadError> {
    Ok(Set::of_ints(Intset::from_bytes(&input.string()?)?, limits))
}

/// One listpack (Redis 7.2).
pub(super) fn read_listpack(input: &mut Reader<'_>, limits: &SetLimits) -> Result<Set, PayloadError> {
    let listpack = Listpack::from_bytes(&input.string()?)?;
    if has_twins(listpack.iter(), listpack.len()) {
        return Err(TWICE.into());
    }
    Ok(Set::of_listpack(&listpack, limits))
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
