//! All commands of a node, found by name.
//!
//! The tables of the families and subsystems are passed in at wiring time; nothing registers itself. A command gets a
//! number (its index here), which statistics use. A look-up is one hash of the upper-cased name and one comparison.

use std::collections::BTreeMap;

use protocol::resp::{ArgRange, Args};

use super::handler::{Command, Handler, SessionFn, Subsystem};
use crate::command::{Declared, Flags, KeyedFn, KeyspaceFn, Spec, Traits};

/// A table passed in at wiring time.
pub(crate) enum Table {
    Keyed(&'static [Declared<KeyedFn>]),
    Keyspace(&'static [Declared<KeyspaceFn>]),
    Session(&'static [Declared<SessionFn>]),
    /// Specs of a subsystem's table, in the order of its indexes.
    Service(Subsystem, Vec<&'static Spec>),
}

/// All commands.
pub(crate) struct Registry {
    commands: Vec<Command>,
    /// Open addressing over the upper-cased name.
    names: Box<[Name]>,
    mask: usize,
}

/// An entry of the table of names.
#[derive(Clone, Copy, Default)]
struct Name {
    /// The first eight letters ([`upper`] of [`Args::head`]).
    head: u64,
    len: u8,
    /// Number of the command plus one; 0 if the entry is empty.
    command: u16,
}

/// The command that was looked up last, as it was spelled. Only names that fit into eight bytes are kept.
#[derive(Default)]
pub(super) struct LastFound<'r> {
    head: u64,
    len: usize,
    command: Option<&'r Command>,
}

/// Longest command name; no longer word is a command.
const MAX_NAME: usize = 32;

/// Eight bytes with their letters in upper case. Most names are no longer, and compare by this one word alone.
#[inline]
fn upper(packed: u64) -> u64 {
    // The top bit of each byte tells whether it is between `a` and `z`.
    let low = packed & 0x7f7f_7f7f_7f7f_7f7f;
    let small = (low + 0x1f1f_1f1f_1f1f_1f1f) & !(low + 0x0505_0505_0505_0505) & !packed & 0x8080_8080_8080_8080;
    packed ^ (small >> 2)
}

/// The first entry to look at for a name. Names come from our own tables, so a multiplication is a good enough hash.
#[inline]
fn hash_name(head: u64, len: usize) -> usize {
    ((head ^ (len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

impl Registry {
    /// Builds the registry.
    ///
    /// # Panics
    /// If two entries share a name, or a subcommand's container is not declared: mistakes in our own tables.
    pub(crate) fn new(tables: Vec<Table>) -> Self {
        let mut commands: Vec<Command> = Vec::new();
        let mut add = |spec: &'static Spec, handler: Handler| {
            let index = commands.len();
            // COMMAND also works without a subcommand; the other containers are containers only.
            let alone = spec.arity.accepts(1);
            let handler = if spec.flags.has(Flags::CONTAINER) && !alone { Handler::Container } else { handler };
            let home = single_key(spec)
                .filter(|_| matches!(handler, Handler::Keyed(_)) && spec.other_db.is_none())
                .filter(|_| !spec.traits.has(Traits::NEEDS_ITS_SENDER))
                .unwrap_or(0);
            commands.push(Command {
                spec,
                flags: spec.flags,
                traits: spec.traits,
                arity: spec.arity,
                handler,
                index,
                full_name: spec.full_name(),
                subcommands: Vec::new(),
                has_keys: !spec.keys.is_empty() || spec.keys_fn.is_some(),
                home,
                // The script or its name, the number of keys, the keys.
                ahead: if spec.traits.has(Traits::RUNS_A_SCRIPT) { 3 } else { home },
            });
        };
        for table in tables {
            match table {
                Table::Keyed(list) => list.iter().for_each(|c| add(&c.spec, Handler::Keyed(c.handler))),
                Table::Keyspace(list) => list.iter().for_each(|c| add(&c.spec, Handler::Keyspace(c.handler))),
                Table::Session(list) => list.iter().for_each(|c| add(&c.spec, Handler::Session(c.handler))),
                Table::Service(subsystem, specs) => {
                    specs
                        .into_iter()
                        .enumerate()
                        .for_each(|(index, spec)| add(spec, Handler::Service { subsystem, index }));
                }
            }
        }
        let size = (commands.len() * 4).next_power_of_two();
        let mut registry = Self { commands, names: vec![Name::default(); size].into_boxed_slice(), mask: size - 1 };
        registry.index_names();
        registry
    }

    fn index_names(&mut self) {
        let mut children: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for index in 0..self.commands.len() {
            let spec = self.commands[index].spec;
            if let Some(container) = spec.container {
                children.entry(container).or_default().push(index);
                continue;
            }
            assert!(self.find(spec.name.as_bytes()).is_none(), "{} is declared twice", spec.name);
            assert!(spec.name.len() <= MAX_NAME, "{} is too long a name", spec.name);
            let bytes = spec.name.as_bytes();
            let len = bytes.len();
            let range = [ArgRange { start: 0, len: len as u32 }];
            let head = Args::new(bytes, &range).head(0).map_or(0, |(head, _)| upper(head));
            let mut at = hash_name(head, len) & self.mask;
            while self.names[at].command != 0 {
                at = (at + 1) & self.mask;
            }
            self.names[at] = Name { head, len: len as u8, command: index as u16 + 1 };
        }
        for (container, mut list) in children {
            let parent = self
                .find(container.as_bytes())
                .unwrap_or_else(|| panic!("container {container} is not declared"))
                .index;
            // Meant for them alone: refusing the container's name without a subcommand is none of theirs.
            let traits = std::mem::take(&mut self.commands[parent].traits);
            list.iter().for_each(|&index| self.commands[index].traits = self.commands[index].traits.and(traits));
            list.sort_by_key(|&index| self.commands[index].spec.name);
            self.commands[parent].subcommands = list;
        }
    }

    /// The command with this name (any case); containers included, subcommands not.
    pub(crate) fn find(&self, word: &[u8]) -> Option<&Command> {
        let range = [ArgRange { start: 0, len: u32::try_from(word.len()).ok()? }];
        self.find_first(Args::new(word, &range))
    }

    /// The command that a request's first word names; like [`Registry::find`].
    #[inline(always)]
    pub(crate) fn find_first(&self, args: Args<'_>) -> Option<&Command> {
        let (head, len) = args.head(0)?;
        self.find_by_head(args, head, len)
    }

    /// [`Registry::find_first`] for the next request of a pipeline, which mostly repeats the command of the one before
    /// it.
    #[inline(always)]
    pub(super) fn find_next<'r>(&'r self, args: Args<'_>, last: &mut LastFound<'r>) -> Option<&'r Command> {
        let (head, len) = args.head(0)?;
        if let Some(command) = last.command
            && (head, len) == (last.head, last.len)
        {
            return Some(command);
        }
        let found = self.find_by_head(args, head, len)?;
        if len <= 8 {
            *last = LastFound { head, len, command: Some(found) };
        }
        Some(found)
    }

    #[inline(always)]
    fn find_by_head(&self, args: Args<'_>, head: u64, len: usize) -> Option<&Command> {
        if len > MAX_NAME {
            return None;
        }
        let head = upper(head);
        let mut at = hash_name(head, len) & self.mask;
        loop {
            let name = self.names[at];
            if name.command == 0 {
                return None;
            }
            if name.head == head && name.len as usize == len {
                let command = &self.commands[name.command as usize - 1];
                if len <= 8 || is_name(command, args) {
                    return Some(command);
                }
            }
            at = (at + 1) & self.mask;
        }
    }

    /// The subcommand of `container` with this name (any case).
    pub(crate) fn find_sub(&self, container: &Command, word: &[u8]) -> Option<&Command> {
        container
            .subcommands
            .iter()
            .map(|&index| &self.commands[index])
            .find(|sub| sub.spec.name.as_bytes().eq_ignore_ascii_case(word))
    }

    /// The command with this number.
    pub(crate) fn by_index(&self, index: usize) -> &Command {
        &self.commands[index]
    }

    /// All commands, subcommands included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter()
    }

    /// How many commands there are, subcommands included.
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }
}

/// Whether a request's first word is the command's name, in any case: for names longer than their head.
#[inline(never)]
fn is_name(command: &Command, args: Args<'_>) -> bool {
    args.get(0).is_some_and(|word| command.spec.name.as_bytes().eq_ignore_ascii_case(word))
}

/// The position of the only key, for commands whose one spec says so.
fn single_key(spec: &Spec) -> Option<usize> {
    use crate::command::spec::{BeginSearch, FindKeys, KeyFlags};
    match (spec.keys, spec.keys_fn) {
        ([only], None) if !only.flags.has(KeyFlags::NOT_KEY) => match (only.begin, only.find) {
            (BeginSearch::Index(first), FindKeys::Range { last: 0, .. }) => usize::try_from(first).ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
