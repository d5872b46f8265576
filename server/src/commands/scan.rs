//! Commands that visit a whole database: SCAN, KEYS, RANDOMKEY, DBSIZE.
//!
//! Slots are visited one at a time, so a huge database never stops the node. [`crate::store::ScanCursor`] explains what
//! SCAN guarantees, and how its cursors do it. SCAN and RANDOMKEY remove expired keys that they find, as Redis does.
//! Each removal is announced at once, under its slot's lock and as a unit of its own, since such keys are unrelated to
//! each other. Redis: db.c.

use protocol::resp::Args;
use protocol::resp::reply::Reply;
use protocol::slot::key_slot;

use super::integer;
use crate::base::glob;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, Categories, CmdError, CmdResult, Declared, Flags, Group, KeyspaceCtx, KeyspaceFn, Role, error,
};
use crate::store::{Cause, Change, EntryRef, ScanCursor, Slot};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyspaceFn>] = &[
    Declared::new("DBSIZE", Arity::exactly(1), Group::Server, Flags::READONLY.and(Flags::FAST), dbsize as KeyspaceFn)
        .acl(Categories::KEYSPACE)
        .summary("Return the number of keys in the selected database")
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    Declared::new("KEYS", Arity::exactly(2), Group::Generic, Flags::READONLY, keys as KeyspaceFn)
        .acl(Categories::DANGEROUS)
        .summary("Find all keys matching the given pattern")
        .complexity("O(N) with N being the number of keys in the database, under the assumption that the key names in the database and the given pattern have limited length.")
        .syntax("pattern:pattern")
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    Declared::new("RANDOMKEY", Arity::exactly(1), Group::Generic, Flags::READONLY, randomkey as KeyspaceFn)
        .summary("Return a random key from the keyspace")
        .tips(&["request_policy:all_shards", "nondeterministic_output"]),
    Declared::new("SCAN", Arity::at_least(2), Group::Generic, Flags::READONLY, scan as KeyspaceFn)
        .since("2.8.0")
        .summary("Incrementally iterate the keys space")
        .complexity("O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.")
        .syntax("cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer] [TYPE=type:string@6.0.0]")
        .tips(&["nondeterministic_output", "request_policy:special"])
        .history(&[("6.0.0", "Added the `TYPE` subcommand.")]),
];

/// How often RANDOMKEY draws on a replica, which removes nothing, before it visits the keys one by one.
const DRAWS: usize = 100;
/// Keys that SCAN visits by default, and members that HSCAN and its kin visit.
pub(super) const DEFAULT_COUNT: usize = 10;

fn dbsize(ctx: &mut KeyspaceCtx<'_>, _args: Args<'_>) -> CmdResult {
    ctx.reply.int(ctx.keyspace.len(ctx.db) as i64);
    DONE
}

/// Whether readers still see this key. The primary's stream also sees expired keys.
fn is_live(ctx: &KeyspaceCtx<'_>, entry: EntryRef<'_>) -> bool {
    ctx.role == Role::Stream || !entry.is_expired(ctx.now)
}

fn randomkey(ctx: &mut KeyspaceCtx<'_>, _args: Args<'_>) -> CmdResult {
    let keyspace = ctx.keyspace;
    let mut draws = DRAWS;
    while draws > 0 {
        let Some(slot) = keyspace.random_slot(ctx.db, ctx.rng.next_u64()) else { break };
        let mut slot = ctx.lock(ctx.db, slot)?;
        match slot.random(ctx.rng.next_u64()) {
            Some(entry) if is_live(ctx, entry) => {
                ctx.reply.bulk(entry.key());
                return DONE;
            }
            Some(entry) if ctx.role == Role::Primary => {
                let key = entry.key().to_vec();
                remove_expired(ctx, &mut slot, &key);
            }
            // Hidden, or removed between the choice of the slot and its lock.
            Some(_) | None => draws -= 1,
        }
    }
    // Nearly everything is expired and not yet removed: take the first key that is not expired.
    for slot in keyspace.occupied(ctx.db) {
        let slot = ctx.lock(ctx.db, slot)?;
        if let Some(entry) = slot.iter().find(|entry| is_live(ctx, *entry)) {
            ctx.reply.bulk(entry.key());
            return DONE;
        }
    }
    ctx.reply.null();
    DONE
}

fn keys(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>) -> CmdResult {
    let pattern = &args[1];
    let everything = pattern == b"*";
    let array = ctx.reply.deferred_array();
    let mut found = 0;
    let keyspace = ctx.keyspace;
    for slot in keyspace.occupied(ctx.db) {
        let slot = ctx.lock(ctx.db, slot)?;
        for entry in slot.iter() {
            if (everything || glob::matches(pattern, entry.key(), false)) && is_live(ctx, entry) {
                ctx.reply.bulk(entry.key());
                found += 1;
            }
        }
    }
    ctx.reply.set_len(array, found);
    DONE
}

/// Which keys SCAN returns, and about how many it visits.
pub(super) struct ScanRequest<'a> {
    pattern: Option<&'a [u8]>,
    ty: Option<&'a [u8]>,
    pub(super) count: usize,
}

impl<'a> ScanRequest<'a> {
    fn parse(words: Args<'a>) -> Result<Self, CmdError> {
        Self::parse_with(words, |_, _| Ok(false))
    }

    /// Reads the words. Each option and its value are shown to `own` first, which returns whether it has taken them.
    pub(super) fn parse_with(
        words: Args<'a>,
        mut own: impl FnMut(&[u8], &[u8]) -> Result<bool, CmdError>,
    ) -> Result<Self, CmdError> {
        let mut request = Self { pattern: None, ty: None, count: DEFAULT_COUNT };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or(error::SYNTAX)?;
            if own(word, value)? {
                continue;
            }
            if word.eq_ignore_ascii_case(b"COUNT") {
                request.count = count_of(value)?;
            } else if word.eq_ignore_ascii_case(b"MATCH") {
                request.pattern = Some(value).filter(|pattern| *pattern != b"*");
            } else if word.eq_ignore_ascii_case(b"TYPE") {
                request.ty = Some(value);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(request)
    }

    fn wants(&self, entry: EntryRef<'_>) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, entry.key(), false))
            && self.ty.is_none_or(|ty| ty.eq_ignore_ascii_case(entry.ty().name().as_bytes()))
    }
}

/// The value of COUNT.
pub(super) fn count_of(word: &[u8]) -> Result<usize, CmdError> {
    usize::try_from(integer(word)?).ok().filter(|count| *count > 0).ok_or(error::SYNTAX)
}

/// A cursor as C's `strtoul` reads it, as in Redis: a sign is allowed, an empty text is 0, and a NUL ends it.
pub(super) fn cursor_number(word: &[u8]) -> Result<u64, CmdError> {
    let word = error::c_string(word);
    let (negative, digits) = match word {
        [] => return Ok(0),
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, word),
    };
    // `parse` accepts a sign itself, which would be the second one here.
    let number = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
    let number = number.ok_or(error::INVALID_CURSOR)?;
    Ok(if negative { number.wrapping_neg() } else { number })
}

/// Names of keys, stored one after the other.
#[derive(Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().scan(0, |start, &end| {
            let name = &self.bytes[*start..end];
            *start = end;
            Some(name)
        })
    }

    /// Writes them as an array.
    pub(super) fn write(&self, reply: &mut Reply<'_>) {
        reply.array(self.ends.len());
        self.iter().for_each(|name| reply.bulk(name));
    }
}

fn scan(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>) -> CmdResult {
    let cursor = ScanCursor::from_wire(cursor_number(&args[1])?);
    let request = ScanRequest::parse(args.skip(2))?;
    let (mut found, mut left) = (Names::default(), request.count);
    let next = scan_slots(ctx, cursor, &request, &mut left, &mut found)?;
    ctx.reply.array(2);
    ctx.reply.bulk_str(itoa::Buffer::new().format(next.map_or(0, ScanCursor::to_wire)));
    found.write(&mut ctx.reply);
    DONE
}

/// Visits about `left` keys from a cursor on; returns where to continue, `None` at the end.
///
/// # Errors
/// Those of [`KeyspaceCtx::lock`].
fn scan_slots(
    ctx: &mut KeyspaceCtx<'_>,
    cursor: ScanCursor,
    request: &ScanRequest<'_>,
    left: &mut usize,
    found: &mut Names,
) -> Result<Option<ScanCursor>, CmdError> {
    let keyspace = ctx.keyspace;
    let wanted = *left;
    for id in keyspace.occupied_from(ctx.db, cursor.slot()) {
        let here = if id == cursor.slot() { cursor } else { ScanCursor::start_of(id) };
        if *left == 0 {
            return Ok(Some(here));
        }
        match scan_slot(ctx, here, request, left, found) {
            Ok(None) => {}
            Ok(next) => return Ok(next),
            Err(_) if *left < wanted => {
                // Something was found: the client comes again for the rest.
                ctx.busy = None;
                return Ok(Some(here));
            }
            Err(busy) => return Err(busy),
        }
    }
    Ok(None)
}

/// The same in the slot of the cursor alone.
///
/// # Errors
/// Those of [`KeyspaceCtx::lock`].
pub(super) fn scan_slot(
    ctx: &mut KeyspaceCtx<'_>,
    here: ScanCursor,
    request: &ScanRequest<'_>,
    left: &mut usize,
    found: &mut Names,
) -> Result<Option<ScanCursor>, CmdError> {
    let mut slot = ctx.lock(ctx.db, here.slot())?;
    let mut expired = Names::default();
    let mut visited = 0;
    let next = slot.scan(here.position(), *left, |entry| {
        visited += 1;
        if request.wants(entry) {
            let names = if is_live(ctx, entry) { &mut *found } else { &mut expired };
            names.push(entry.key());
        }
    });
    *left = left.saturating_sub(visited);
    if ctx.role == Role::Primary {
        expired.iter().for_each(|name| remove_expired(ctx, &mut slot, name));
    }
    Ok(next.map(|position| here.at_position(position)))
}

/// Removes an expired key of a locked slot, and announces it.
fn remove_expired(ctx: &mut KeyspaceCtx<'_>, slot: &mut Slot, name: &[u8]) {
    let change = Change { db: ctx.db, slot: key_slot(name), key: name, cause: Cause::Expired };
    if slot.expire_if_due(ctx.keyspace.hash(name), change, ctx.now, ctx.effects) {
        (ctx.settle)(ctx.effects);
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
