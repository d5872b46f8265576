//! The window: the next requests of a pipeline, parsed before the first of them runs.
//!
//! A key that is not in the processor's caches costs three misses, one after the other: its slot, its place in the
//! slot's table, its entry. In a pipeline of GETs over 100,000 keys, that was a third of the work. So the requests of a
//! pipeline are handled together: first all slots are prefetched, then all places, then all entries, and the misses of
//! different commands overlap.
//!
//! Nothing is decided here. What is looked up ahead (the command, the slot and hash of its key) is a function of the
//! request's own words; everything that depends on earlier requests is left to [`super::dispatch`]. The two exceptions
//! are handled where they arise: limits of the parser that AUTH lifts (before it, one request at a time), and inline
//! commands, which the parser unescapes in place and which therefore must not be parsed twice.
//!
//! Of a script, the first key is prefetched that it declares: that takes a tenth off a script of two commands. If it
//! declares none, the word in its place is an argument, and the prefetch is in vain.

use protocol::resp::limits::Limits;
use protocol::resp::request::{Parsed, ProtocolError, RequestParser};
use protocol::resp::{ArgRange, ArgVec, Args};
use protocol::slot::{SlotId, key_slot};

use super::Engine;
use super::handler::Command;
use super::intake::Intake;
use super::registry::LastFound;
use crate::command::KnownKey;
use crate::store::{Hints, KeyHash, Peek};

/// Requests parsed at once. A processor keeps 10 to 16 misses in flight.
const REQUESTS: usize = 16;
/// Words of a window. A request that does not fit is left for the next window.
const WORDS: usize = 64;

/// One request of a window.
#[derive(Clone, Copy, Default)]
pub(super) struct Request {
    /// Where it begins and ends in the input, bytes.
    pub start: usize,
    pub end: usize,
    /// Range of its words among the window's; empty if they are the parser's.
    words: (u8, u8),
    pub lead: Lead,
}

/// What is known of a request ahead of its turn.
#[derive(Clone, Copy, Default)]
pub(super) struct Lead {
    /// Number of the command in the registry plus one; 0 if there is no such command.
    command: u16,
    /// Which word is the only key of a keyed command; 0 if unknown.
    key: u16,
    /// Of that key, or of the first one that a script declares.
    slot: SlotId,
    hash: KeyHash,
    /// Whether they are known.
    is_hashed: bool,
}

/// The key that was looked up last, and what is known of it: pipelines often stay with one.
#[derive(Default)]
struct LastKey<'a> {
    key: &'a [u8],
    slot: SlotId,
    hash: KeyHash,
}

impl<'a> LastKey<'a> {
    /// Looks a key up, unless it is this one. Noticing that it is not must take a few instructions only: keys mostly
    /// differ in their last bytes. Short ones are quickly hashed anyway.
    #[inline(always)]
    fn look_up(&mut self, engine: &Engine, key: &'a [u8]) -> (SlotId, KeyHash) {
        let last = |text: &[u8]| text.last_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
        if last(key).is_none_or(|text| last(self.key) != Some(text)) || key != self.key {
            *self = Self { key, slot: key_slot(key), hash: engine.keyspace.hash(key) };
        }
        (self.slot, self.hash)
    }
}

impl Lead {
    /// Looks up what follows from a request's words alone.
    #[inline(always)]
    pub(super) fn of(engine: &Engine, args: Args<'_>) -> Self {
        let Some(command) = engine.registry.find_first(args) else { return Self::default() };
        match args.get(command.ahead) {
            // Nothing is fetched ahead here, and what is no key may be long.
            Some(key) if command.home != 0 || command.ahead != 0 && args.get(2) == Some(b"1") => {
                Self::of_key(command, key_slot(key), engine.keyspace.hash(key))
            }
            _ => Self::of_command(command),
        }
    }

    #[inline(always)]
    fn of_command(command: &Command) -> Self {
        Self { command: command.index as u16 + 1, ..Self::default() }
    }

    #[inline(always)]
    fn of_key(command: &Command, slot: SlotId, hash: KeyHash) -> Self {
        Self { command: command.index as u16 + 1, key: command.home as u16, slot, hash, is_hashed: true }
    }

    /// Whether it has the key of the request before it, for all that can be told from the hash.
    #[inline(always)]
    fn repeats(&self, before: &Lead) -> bool {
        before.is_hashed && (before.slot, before.hash) == (self.slot, self.hash)
    }

    /// Number of the command in the registry.
    #[inline]
    pub(super) fn command(&self) -> Option<usize> {
        (self.command as usize).checked_sub(1)
    }

    /// Whether the command has a single key, whose slot and hash are known.
    #[inline]
    pub(super) fn is_home(&self) -> bool {
        self.key != 0
    }

    /// The slot of a key, if it is known.
    #[inline]
    fn slot(&self) -> Option<SlotId> {
        self.is_hashed.then_some(self.slot)
    }

    /// The only key, with what is known of it. Only for commands that [have one](Self::is_home).
    #[inline]
    pub(super) fn key<'a>(&self, args: Args<'a>) -> KnownKey<'a> {
        let key = args.get(self.key as usize).unwrap_or_default();
        KnownKey { key, hash: self.hash, position: u32::from(self.key), slot: self.slot, is_channel: false }
    }

    /// The only key that a script declares, if it is one key.
    #[inline]
    pub(super) fn sole_key_of_script<'a>(&self, command: &Command, args: Args<'a>) -> Option<KnownKey<'a>> {
        if !self.is_hashed || self.is_home() || args.get(2) != Some(b"1") {
            return None;
        }
        let (key, position) = (args.get(command.ahead)?, command.ahead as u32);
        Some(KnownKey { key, hash: self.hash, position, slot: self.slot, is_channel: false })
    }
}

/// What a window is to parse.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// Where the first request begins in the input.
    pub from: usize,
    pub limits: Limits,
    /// Whether more than one request may be parsed.
    pub several: bool,
    /// The selected database.
    pub db: usize,
}

/// Why a window ends.
pub(super) enum Tail {
    /// It is full, or the following request must not be parsed yet.
    More,
    /// The input ends inside the next request, which needs this many bytes in all, as far as known.
    Incomplete { need: usize },
    /// The next request is malformed.
    Broken(ProtocolError),
}

/// The next requests of a pipeline.
pub(super) struct Window {
    requests: [Request; REQUESTS],
    count: usize,
    words: [ArgRange; WORDS],
    words_used: usize,
    /// Bytes used up when all requests are done.
    pub end: usize,
    pub tail: Tail,
}

impl Window {
    /// An empty window.
    pub(super) fn new() -> Self {
        Self {
            requests: [Request::default(); REQUESTS],
            count: 0,
            words: [ArgRange { start: 0, len: 0 }; WORDS],
            words_used: 0,
            end: 0,
            tail: Tail::More,
        }
    }

    /// A window of the one request at the beginning of `input`.
    #[cold]
    #[inline(never)]
    pub(super) fn of_one(engine: &Engine, intake: &mut Intake, input: &mut [u8], limits: &Limits) -> Self {
        let mut window = Self::new();
        window.open_slowly(engine, intake, input, limits);
        window
    }

    /// Parses the next requests of `input`.
    #[inline(always)]
    pub(super) fn open(&mut self, engine: &Engine, intake: &mut Intake, input: &mut [u8], look: Look) {
        let Look { from, limits, several, db } = look;
        let limits = &limits;
        (self.count, self.words_used, self.end, self.tail) = (0, 0, from, Tail::More);
        let most = if several { REQUESTS } else { 1 };
        let hints = engine.keyspace.hints(db);
        if intake.parser.is_idle() {
            let (mut last, mut last_key) = (LastFound::default(), LastKey::default());
            while self.count < most && self.add_whole(engine, input, limits, hints, (&mut last, &mut last_key)) {}
        }
        match self.count {
            0 => self.open_slowly(engine, intake, input, limits),
            _ if self.end == input.len() => self.tail = Tail::Incomplete { need: 1 },
            _ => {}
        }
        if self.count > 1 {
            self.prefetch(hints);
        }
    }

    /// Adds the next request, if it is an ordinary one and fits. Returns whether it did.
    #[inline]
    fn add_whole<'r>(
        &mut self,
        engine: &'r Engine,
        input: &'r [u8],
        limits: &Limits,
        hints: Hints<'_>,
        (last, last_key): (&mut LastFound<'r>, &mut LastKey<'r>),
    ) -> bool {
        let (start, first) = (self.end, self.words_used);
        let (Some(rest), Some(room)) = (input.get(start..), self.words.get_mut(first..)) else { return false };
        let Some((count, consumed)) = RequestParser::whole(rest, limits, room) else { return false };
        let words = &room[..count];
        let lead = match engine.registry.find_next(Args::new(rest, words), last) {
            None => Lead::default(),
            Some(command) => match words.get(command.ahead) {
                Some(key) if command.ahead != 0 => {
                    let (slot, hash) = last_key.look_up(engine, key.of(rest));
                    hints.prefetch(slot);
                    Lead::of_key(command, slot, hash)
                }
                _ => Lead::of_command(command),
            },
        };
        self.end = start + consumed;
        self.words_used = first + count;
        self.requests[self.count] = Request { start, end: self.end, words: (first as u8, self.words_used as u8), lead };
        self.count += 1;
        true
    }

    /// A window of one request of any kind: long, inline, unfinished, malformed.
    fn open_slowly(&mut self, engine: &Engine, intake: &mut Intake, input: &mut [u8], limits: &Limits) {
        loop {
            let start = self.end;
            let rest = &mut input[start..];
            match intake.parser.parse(rest, limits, &mut intake.words) {
                Ok(Parsed::Command { consumed }) => {
                    let lead = Lead::of(engine, Args::new(rest, &intake.words));
                    self.end = start + consumed;
                    self.requests[0] = Request { start, end: self.end, words: (0, 0), lead };
                    self.count = 1;
                    return;
                }
                Ok(Parsed::Empty { consumed }) => self.end += consumed,
                Ok(Parsed::Incomplete { need }) => {
                    self.tail = Tail::Incomplete { need };
                    return;
                }
                Err(problem) => {
                    self.tail = Tail::Broken(problem);
                    return;
                }
            }
        }
    }

    /// Two passes over the keys: first the places of their entries, then the entries. The slots stay locked in between;
    /// nothing waits meanwhile.
    #[inline]
    fn prefetch(&self, hints: Hints<'_>) {
        let mut peeks: [Option<Peek<'_>>; REQUESTS] = [const { None }; REQUESTS];
        let repeats = |at: usize| at > 0 && self.requests[at].lead.repeats(&self.requests[at - 1].lead);
        for (at, Request { lead, .. }) in self.requests().iter().enumerate() {
            if lead.is_hashed && !repeats(at) {
                peeks[at] = hints.peek(lead.slot);
                if let Some(slot) = self.peek_of(&peeks, at) {
                    slot.prefetch(lead.hash);
                }
            }
        }
        for (at, Request { lead, .. }) in self.requests().iter().enumerate() {
            if !repeats(at)
                && let Some(slot) = self.peek_of(&peeks, at)
            {
                slot.prefetch_entry(lead.hash);
            }
        }
    }

    /// The locked slot of a request's key: its own, or one locked by an earlier request.
    #[inline]
    fn peek_of<'p, 'k>(&self, peeks: &'p [Option<Peek<'k>>; REQUESTS], at: usize) -> Option<&'p Peek<'k>> {
        let own = peeks[at].as_ref();
        if own.is_some() || !self.requests[at].lead.is_hashed { own } else { self.shared_peek(peeks, at) }
    }

    #[cold]
    fn shared_peek<'p, 'k>(&self, peeks: &'p [Option<Peek<'k>>; REQUESTS], at: usize) -> Option<&'p Peek<'k>> {
        let wanted = self.requests[at].lead.slot;
        let earlier = self.requests[..at].iter().zip(peeks);
        earlier.filter(|(request, _)| request.lead.slot() == Some(wanted)).find_map(|(_, peek)| peek.as_ref())
    }

    /// The requests, in their order.
    #[inline]
    pub(super) fn requests(&self) -> &[Request] {
        &self.requests[..self.count]
    }

    /// The words of a request; `parsed` are the words that the parser found last.
    #[inline]
    pub(super) fn args<'a>(&'a self, request: &Request, input: &'a [u8], parsed: &'a ArgVec) -> Args<'a> {
        let words = match request.words {
            (_, 0) => &parsed[..],
            (first, end) => &self.words[first as usize..end as usize],
        };
        Args::new(&input[request.start..request.end], words)
    }
}
