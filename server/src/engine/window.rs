//! The window: the next requests of a pipeline, taken apart before the first of them runs.
//!
//! A key that is not in the processor's caches costs three misses, one after the other: its slot, its place in the slot's table,
//! its entry. Measured on a pipelined GET over 100,000 keys, that was a third of the work. So the requests of a pipeline are looked
//! at together: all slots are asked for, then all places, then all entries, and the misses of different commands overlap.
//!
//! Nothing is decided here. What was looked up ahead (the command, the slot and hash of its key) is a function of the request's
//! own words; everything that depends on what earlier requests do is left to [`super::dispatch`]. The two exceptions are handled where
//! they arise: limits of the parser that AUTH lifts (one request at a time before it), and inline commands, which the parser
//! unescapes in place and which therefore are never looked at twice.

use protocol::resp::limits::Limits;
use protocol::resp::request::{Parsed, ProtocolError};
use protocol::resp::{ArgRange, Args};
use protocol::slot::{SlotId, key_slot};
use smallvec::SmallVec;

use super::Engine;
use super::dispatch::Intake;
use super::registry::Handler;
use crate::command::KnownKey;

/// Requests taken apart at once. A processor keeps 10 to 16 misses under way.
const REQUESTS: usize = 16;
/// A window ends with the request that brings it to this many words.
const WORDS: usize = 64;

/// One request of a window.
#[derive(Clone, Copy)]
pub(super) struct Request {
    /// Where it begins and ends in the input, bytes.
    pub start: usize,
    pub end: usize,
    words: (u32, u32),
    pub lead: Lead,
}

/// What was found out about a request ahead of its turn.
#[derive(Clone, Copy, Default)]
pub(super) struct Lead {
    /// Number of the command in the registry plus one; 0 if there is no such command.
    command: u16,
    /// Slot and hash of its only key.
    pub home: Option<Home>,
}

/// The slot and the hash of a command's only key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    /// Which word the key is.
    pub position: usize,
    pub slot: SlotId,
    pub hash: crate::store::KeyHash,
}

impl Home {
    /// For the handler: the key itself with what is known of it.
    pub(super) fn of(self, args: Args<'_>) -> Option<KnownKey<'_>> {
        args.get(self.position).map(|key| KnownKey { key, slot: self.slot, hash: self.hash })
    }
}

impl Lead {
    /// Looks up what a request's words say by themselves.
    #[inline]
    pub(super) fn of(engine: &Engine, args: Args<'_>) -> Self {
        let Some(command) = args.get(0).and_then(|name| engine.registry.find(name)) else { return Self::default() };
        let home = match (command.handler, command.single_key) {
            (Handler::Keyed(_), Some(position)) => {
                args.get(position).map(|key| Home { position, slot: key_slot(key), hash: engine.keyspace.hash(key) })
            }
            _ => None,
        };
        Self { command: command.index as u16 + 1, home }
    }

    /// Number of the command in the registry.
    #[inline]
    pub(super) fn command(self) -> Option<usize> {
        (self.command as usize).checked_sub(1)
    }
}

/// Why a window ends.
pub(super) enum Tail {
    /// It is full, or what follows must not be looked at yet.
    More,
    /// The input ends within the next request; the whole of it needs so many bytes, as far as known.
    Incomplete { need: usize },
    /// The next request cannot be read.
    Broken(ProtocolError),
}

/// The next requests of a pipeline.
pub(super) struct Window {
    pub requests: SmallVec<[Request; REQUESTS]>,
    words: SmallVec<[ArgRange; WORDS + 8]>,
    /// What is used up when all requests are done, bytes.
    pub end: usize,
    pub tail: Tail,
}

impl Window {
    /// Takes apart what begins at `from`. `several`: more than one request may be looked at.
    #[inline]
    pub(super) fn open(
        engine: &Engine,
        intake: &mut Intake,
        input: &mut [u8],
        from: usize,
        limits: &Limits,
        several: bool,
        db: usize,
    ) -> Self {
        let mut window = Self { requests: SmallVec::new(), words: SmallVec::new(), end: from, tail: Tail::More };
        let most = if several { REQUESTS } else { 1 };
        loop {
            let start = window.end;
            let rest = &mut input[start..];
            match intake.parser.parse(rest, limits, &mut intake.words) {
                Ok(Parsed::Command { consumed }) => window.add(engine, &intake.words, rest, start, consumed, db),
                Ok(Parsed::Empty { consumed }) => window.end += consumed,
                Ok(Parsed::Incomplete { need }) => {
                    window.tail = Tail::Incomplete { need };
                    break;
                }
                Err(problem) => {
                    window.tail = Tail::Broken(problem);
                    break;
                }
            }
            let next_is_inline = input.get(window.end).is_some_and(|&byte| byte != b'*');
            if window.requests.len() >= most || window.words.len() >= WORDS || next_is_inline {
                break;
            }
        }
        if window.requests.len() > 1 {
            window.prefetch(engine, db);
        }
        window
    }

    #[inline]
    fn add(&mut self, engine: &Engine, words: &[ArgRange], buffer: &[u8], start: usize, consumed: usize, db: usize) {
        let lead = Lead::of(engine, Args::new(buffer, words));
        if let Some(home) = lead.home {
            engine.keyspace.prefetch(db, home.slot);
        }
        let first = self.words.len() as u32;
        self.words.extend_from_slice(words);
        self.end = start + consumed;
        self.requests.push(Request { start, end: self.end, words: (first, self.words.len() as u32), lead });
    }

    /// Two passes over the keys: first where their entries stand, then the entries.
    fn prefetch(&self, engine: &Engine, db: usize) {
        let homes = || self.requests.iter().filter_map(|request| request.lead.home);
        for home in homes() {
            engine.keyspace.peek(db, home.slot, |slot| slot.prefetch(home.hash));
        }
        for home in homes() {
            engine.keyspace.peek(db, home.slot, |slot| slot.prefetch_entry(home.hash));
        }
    }

    /// The words of a request.
    #[inline]
    pub(super) fn args<'a>(&'a self, request: &Request, input: &'a [u8]) -> Args<'a> {
        let (first, end) = request.words;
        Args::new(&input[request.start..request.end], &self.words[first as usize..end as usize])
    }
}
