//! The one table of directives.
//!
//! It has every directive that Redis 7.0.15 shows or hides, those that a file written for a later version or for Valkey
//! may contain (`later.rs`), and slotd's own. The sections only keep the files short; [`all`] is the whole table.
//! CONFIG REWRITE appends in the order of the table.

use std::collections::HashMap;

use super::directive::{Directive, DirectiveId};

mod checks;
mod cluster;
mod data;
mod later;
mod network;
mod persistence;
mod replication;
mod server;

const SECTIONS: [&[Directive]; 7] = [
    network::DIRECTIVES,
    server::DIRECTIVES,
    data::DIRECTIVES,
    persistence::DIRECTIVES,
    replication::DIRECTIVES,
    cluster::DIRECTIVES,
    later::DIRECTIVES,
];

/// How many directives there are.
pub(super) const COUNT: usize = later::END as usize;

static TABLE: [Directive; COUNT] = joined();

const fn joined() -> [Directive; COUNT] {
    let mut table = [SECTIONS[0][0]; COUNT];
    let (mut section, mut next) = (0, 0);
    while section < SECTIONS.len() {
        let mut i = 0;
        while i < SECTIONS[section].len() {
            table[next] = SECTIONS[section][i];
            next += 1;
            i += 1;
        }
        section += 1;
    }
    assert!(next == COUNT, "each section starts where the one before it ends");
    table
}

/// Every directive with its id.
pub(crate) fn all() -> impl Iterator<Item = (DirectiveId, &'static Directive)> {
    TABLE.iter().enumerate().map(|(index, directive)| (DirectiveId(index as u16), directive))
}

/// The directive with this name or alias, in any case.
pub(crate) fn find(name: &[u8]) -> Option<DirectiveId> {
    all().find(|(_, directive)| directive.is_named(name)).map(|(id, _)| id)
}

/// All names, for callers that look up many of them.
pub(crate) struct Index(HashMap<Vec<u8>, DirectiveId>);

impl Index {
    /// Longer than any name; longer words are not looked up.
    const MAX_NAME: usize = 64;

    /// An index of the whole table.
    pub(crate) fn of_all() -> Self {
        let names = |(id, directive): (DirectiveId, &'static Directive)| {
            directive.names().map(move |name| (name.to_ascii_lowercase().into_bytes(), id))
        };
        Self(all().flat_map(names).collect())
    }

    /// As [`find`].
    pub(crate) fn find(&self, name: &[u8]) -> Option<DirectiveId> {
        let mut lower = [0; Self::MAX_NAME];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.0.get(&*lower).copied()
    }
}

pub(super) fn at(id: DirectiveId) -> &'static Directive {
    &TABLE[id.index()]
}

/// An id for every directive.
pub(crate) mod ids {
    pub(crate) use super::cluster::ids::*;
    pub(crate) use super::data::ids::*;
    pub(crate) use super::later::ids::*;
    pub(crate) use super::network::ids::*;
    pub(crate) use super::persistence::ids::*;
    pub(crate) use super::replication::ids::*;
    pub(crate) use super::server::ids::*;
}
