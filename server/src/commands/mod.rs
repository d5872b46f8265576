//! The data commands, one file per family: the table of declarations on top, the handlers below.
//!
//! A handler parses its words into a form that cannot express nonsense, works on the store's types, notes effects and
//! writes its reply. It never reads the clock, the configuration or a socket: everything it needs is in its context.
//!
//! Rank 4.

#![forbid(unsafe_code)]

pub(crate) mod bitfield;
pub(crate) mod bitmaps;
pub(crate) mod bitop;
pub(crate) mod cluster_scan;
mod comparison;
pub(crate) mod counters;
pub(crate) mod dump;
pub(crate) mod expire;
pub(crate) mod flush;
pub(crate) mod flush_slot;
pub(crate) mod geo;
pub(crate) mod geo_search;
mod geo_shapes;
pub(crate) mod hash_ex;
pub(crate) mod hash_expiry;
pub(crate) mod hash_picks;
pub(crate) mod hashes;
pub(crate) mod hyperloglog;
pub(crate) mod keys;
pub(crate) mod lcs;
pub(crate) mod list_moves;
pub(crate) mod lists;
mod member_scan;
mod multi_pop;
pub(crate) mod object;
pub(crate) mod scan;
pub(crate) mod set_algebra;
pub(crate) mod set_picks;
pub(crate) mod sets;
pub(crate) mod sort;
mod sort_elements;
pub(crate) mod stream_claims;
pub(crate) mod stream_groups;
pub(crate) mod stream_info;
pub(crate) mod stream_reads;
pub(crate) mod stream_removal;
mod stream_words;
pub(crate) mod streams;
pub(crate) mod string_conditions;
mod string_options;
pub(crate) mod string_ranges;
pub(crate) mod strings;
pub(crate) mod zset_algebra;
pub(crate) mod zset_pops;
pub(crate) mod zset_ranges;
pub(crate) mod zset_samples;
pub(crate) mod zsets;

use crate::base::number::parse_i64;
use crate::command::{CmdError, Declared, KeyedFn, KeyspaceFn, error};

/// The tables of commands that work on keys.
pub(crate) fn keyed() -> Vec<&'static [Declared<KeyedFn>]> {
    vec![
        strings::COMMANDS,
        string_ranges::COMMANDS,
        string_conditions::COMMANDS,
        bitmaps::COMMANDS,
        bitfield::COMMANDS,
        bitop::COMMANDS,
        hyperloglog::COMMANDS,
        counters::COMMANDS,
        lcs::COMMANDS,
        lists::COMMANDS,
        list_moves::COMMANDS,
        zsets::COMMANDS,
        zset_ranges::COMMANDS,
        hashes::COMMANDS,
        hash_expiry::COMMANDS,
        hash_ex::COMMANDS,
        hash_picks::COMMANDS,
        sets::COMMANDS,
        set_picks::COMMANDS,
        set_algebra::COMMANDS,
        zset_pops::COMMANDS,
        geo::COMMANDS,
        geo_search::COMMANDS,
        zset_algebra::COMMANDS,
        zset_samples::COMMANDS,
        streams::COMMANDS,
        stream_reads::COMMANDS,
        stream_groups::COMMANDS,
        stream_claims::COMMANDS,
        stream_info::COMMANDS,
        stream_removal::COMMANDS,
        keys::COMMANDS,
        expire::COMMANDS,
        dump::COMMANDS,
        object::COMMANDS,
        sort::COMMANDS,
    ]
}

/// The tables of commands that work on whole databases.
pub(crate) fn keyspace() -> Vec<&'static [Declared<KeyspaceFn>]> {
    vec![scan::COMMANDS, cluster_scan::COMMANDS, flush::COMMANDS, flush_slot::COMMANDS]
}

/// A word that must be a 64-bit integer.
///
/// # Errors
/// `value is not an integer or out of range`
#[inline]
fn integer(word: &[u8]) -> Result<i64, CmdError> {
    parse_i64(word).ok_or(error::NOT_INTEGER)
}

/// A word that must be the number of a database.
///
/// # Errors
/// Not an integer, beyond 32 bits, or no such database.
fn database(word: &[u8], databases: usize) -> Result<usize, CmdError> {
    let number = i32::try_from(integer(word)?).map_err(|_| error::NOT_32_BITS)?;
    usize::try_from(number).ok().filter(|db| *db < databases).ok_or(error::DB_OUT_OF_RANGE)
}
