//! Streams: adding entries, reading ranges of them, and removing them.
//!
//! XREAD and XREADGROUP are in [`super::stream_reads`], consumer groups in [`super::stream_groups`], claims in
//! [`super::stream_claims`], XINFO in [`super::stream_info`], XDELEX and XACKDEL in [`super::stream_removal`]. The
//! stream itself is in [`crate::store::types::stream`]. What is propagated of XADD and XTRIM does not depend on time or
//! limits: a found id and the outcome of a trim are put in place of what asked for them. Redis: t_stream.c.

use protocol::resp::{Args, OwnedArgs};

use super::integer;
use super::stream_removal::told_of;
use super::stream_words::{AddOptions, changed, interval, stream_of, strict_id, strict_ids, write_entries, write_id};
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Edit, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::types::stream::{NotAdded, References, Removal, Stream, StreamId, WrittenId};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("XADD", Arity::at_least(5), Group::Stream, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), xadd as KeyedFn)
        .since("5.0.0")
        .summary("Appends a new entry to a stream")
        .complexity("O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.")
        .keys(&[KeySpec::at(1).rw().update().notes("UPDATE instead of INSERT because of the optional trimming feature")])
        .syntax("key:key ['nomkstream@6.2.0] [condition:<'keepref|'delref|'acked>@8.2.0] [trim:{strategy:<'maxlen|'minid@6.2.0> [operator:<=='equal|~='approximately>] threshold:string [LIMIT=count:integer@6.2.0]}] id_or_auto:<*='auto_id|id:string> field_value:{field:string value:string}+")
        .tips(&["nondeterministic_output"])
        .history(&[("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."), ("7.0.0", "Added support for the `<ms>-*` explicit ID form."), ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options.")]),
    Declared::new("XLEN", Arity::exactly(2), Group::Stream, Flags::READONLY.and(Flags::FAST), xlen as KeyedFn)
        .since("5.0.0")
        .summary("Return the number of entries in a stream")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key"),
    Declared::new("XRANGE", Arity::at_least(4), Group::Stream, Flags::READONLY, xrange as KeyedFn)
        .since("5.0.0")
        .summary("Return a range of elements in a stream, with IDs matching the specified IDs interval")
        .complexity("O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key start:string end:string [COUNT=count:integer]")
        .history(&[("6.2.0", "Added exclusive ranges.")]),
    Declared::new("XREVRANGE", Arity::at_least(4), Group::Stream, Flags::READONLY, xrevrange as KeyedFn)
        .since("5.0.0")
        .summary("Return a range of elements in a stream, with IDs matching the specified IDs interval, in reverse order (from greater to smaller IDs) compared to XRANGE")
        .complexity("O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key end:string start:string [COUNT=count:integer]")
        .history(&[("6.2.0", "Added exclusive ranges.")]),
    Declared::new("XDEL", Arity::at_least(3), Group::Stream, Flags::WRITE.and(Flags::FAST), xdel as KeyedFn)
        .since("5.0.0")
        .summary("Removes the specified entries from the stream. Returns the number of items actually deleted, that may be different from the number of IDs passed in case certain IDs do not exist.")
        .complexity("O(1) for each single item to delete in the stream, regardless of the stream size.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key id:string+"),
    Declared::new("XTRIM", Arity::at_least(4), Group::Stream, Flags::WRITE, xtrim as KeyedFn)
        .since("5.0.0")
        .summary("Trims the stream to (approximately if '~' is passed) a certain size")
        .complexity("O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key trim:{strategy:<'maxlen|'minid@6.2.0> [operator:<=='equal|~='approximately>] threshold:string [LIMIT=count:integer@6.2.0] [condition:<'keepref|'delref|'acked>@8.2.0]}")
        .tips(&["nondeterministic_output"])
        .history(&[("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."), ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options.")]),
    Declared::new("XSETID", Arity::at_least(3), Group::Stream, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), xsetid as KeyedFn)
        .since("5.0.0")
        .summary("An internal command for replicating stream values")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key last-id:string [ENTRIESADDED=entries_added:integer@7.0.0] [MAXDELETEDID=max_deleted_entry_id:string@7.0.0]")
        .history(&[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")]),
];

const ZERO_ID: CmdError = CmdError::text("ERR The ID specified in XADD must be greater than 0-0");

/// Why nothing was added, as Redis words it.
fn not_added(why: NotAdded) -> CmdError {
    CmdError::text(match why {
        NotAdded::NotGreater => "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        NotAdded::Exhausted => "ERR The stream has exhausted the last possible ID, unable to add more items",
        // Redis has no other words for a sequence that is at its end.
        NotAdded::NoSequence | NotAdded::TooLarge => "ERR Elements are too large to be stored",
    })
}

fn xadd(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let options = AddOptions::parse(ctx, args, true)?;
    let pairs = args.skip(options.end + 1);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(error::wrong_arity(ctx.name));
    }
    if options.id == Some(WrittenId { id: StreamId::MIN, has_seq: true }) {
        return Err(ZERO_ID);
    }
    let key = ctx.data.key(&args[1]);
    if options.nomkstream && ctx.data.peek(&key).is_none() {
        ctx.reply.null();
        return DONE;
    }
    let (limits, now, propagating) = (&ctx.limits.stream, ctx.data.now, ctx.data.effects.propagating);
    let reply = &mut ctx.reply;
    let added = ctx.data.edit_or_create(&key, Stream::new, |stream: &mut Stream| {
        let log = stream.log_mut();
        let id = match log.add(options.id, pairs, limits, now) {
            Ok(id) => id,
            Err(why) => return Edit::none(Err(not_added(why))),
        };
        write_id(reply, id);
        let references = options.references_in(stream);
        let removal = options.trim.map(|trim| stream.trim(trim, references)).unwrap_or_default();
        let found = options.id.is_none_or(|id| !id.has_seq).then_some(id);
        let rewritten = if propagating { options.rewritten(args, found, stream.log(), references) } else { None };
        changed("xadd", 1, Ok((removal, rewritten)))
    })?;
    let (removal, rewritten) = added?;
    if removal.count() > 0 {
        ctx.data.notify(NotifyClass::Stream, "xtrim", &key);
    }
    settle_trim(ctx, &key, &removal, rewritten);
    DONE
}

fn xlen(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let len = match ctx.data.read(&key) {
        Some(entry) => stream_of(entry)?.len(),
        None => 0,
    };
    ctx.reply.int(len as i64);
    DONE
}

fn xrange(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, false)
}

fn xrevrange(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    range(ctx, args, true)
}

fn range(ctx: &mut KeyedCtx<'_>, args: Args<'_>, back: bool) -> CmdResult {
    let (start, end) = if back { interval(&args[3], &args[2])? } else { interval(&args[2], &args[3])? };
    let mut count = usize::MAX;
    let mut at = 4;
    while let Some(option) = args.get(at) {
        let Some(value) = args.get(at + 1).filter(|_| option.eq_ignore_ascii_case(b"count")) else {
            return Err(error::SYNTAX);
        };
        // A number that Redis takes for "all" is one that no stream reaches.
        count = integer(value)?.max(0) as usize;
        at += 2;
    }
    let key = ctx.data.key(&args[1]);
    let Some(entry) = ctx.data.read(&key) else {
        ctx.reply.array(0);
        return DONE;
    };
    let log = stream_of(entry)?.log();
    if count == 0 {
        ctx.reply.null_array();
    } else if back {
        write_entries(&mut ctx.reply, log.range_back(start, end).take(count));
    } else {
        write_entries(&mut ctx.reply, log.range(start, end).take(count));
    }
    DONE
}

fn xdel(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    match ctx.data.peek(&key).map(stream_of).transpose()? {
        Some(_) => {}
        None => {
            ctx.reply.int(0);
            return DONE;
        }
    }
    let ids = strict_ids(args.skip(2))?;
    let deleted = ctx.data.edit(&key, |stream: &mut Stream| {
        let log = stream.log_mut();
        let deleted = ids.iter().filter(|id| log.delete(**id)).count();
        if deleted > 0 {
            log.deleted();
        }
        changed("xdel", deleted, deleted).lessening()
    })?;
    ctx.reply.int(deleted.unwrap_or(0) as i64);
    DONE
}

/// Propagates a command that has trimmed, in other words if there are any, and what it did to references.
fn settle_trim(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, removal: &Removal, rewritten: Option<OwnedArgs>) {
    ctx.data.effects.dirty += removal.released.len() as u64;
    if ctx.data.effects.propagating && (rewritten.is_some() || !removal.deleted.is_empty()) {
        let told = told_of(key.bytes, removal);
        ctx.data.effects.propagate_all_instead(rewritten.into_iter().chain(told));
    }
}

fn xtrim(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let options = AddOptions::parse(ctx, args, false)?;
    let Some(trim) = options.trim else { return Err(error::SYNTAX) };
    let key = ctx.data.key(&args[1]);
    let propagating = ctx.data.effects.propagating;
    let trimmed = ctx.data.edit(&key, |stream: &mut Stream| {
        let references = options.references_in(stream);
        let removal = stream.trim(trim, references);
        let is_told = propagating && references != References::Respect;
        let rewritten = if is_told { options.rewritten(args, None, stream.log(), references) } else { None };
        changed("xtrim", removal.count() as usize, (removal, rewritten)).lessening()
    })?;
    let (removal, rewritten) = trimmed.unwrap_or_default();
    if removal.count() > 0 {
        settle_trim(ctx, &key, &removal, rewritten);
    }
    ctx.reply.int(removal.count() as i64);
    DONE
}

/// The options of XSETID.
#[derive(Clone, Copy, Debug, Default)]
struct SetIdOptions {
    added: Option<u64>,
    max_deleted: StreamId,
}

impl SetIdOptions {
    fn parse(args: Args<'_>, id: StreamId) -> Result<Self, CmdError> {
        let mut options = Self::default();
        let mut at = 3;
        while let Some(option) = args.get(at) {
            let value = args.get(at + 1).ok_or(error::SYNTAX)?;
            if option.eq_ignore_ascii_case(b"entriesadded") {
                let added = u64::try_from(integer(value)?);
                options.added = Some(added.map_err(|_| CmdError::text("ERR entries_added must be positive"))?);
            } else if option.eq_ignore_ascii_case(b"maxdeletedid") {
                options.max_deleted = strict_id(value)?;
                if id < options.max_deleted {
                    return Err(CmdError::text(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
            } else {
                return Err(error::SYNTAX);
            }
            at += 2;
        }
        Ok(options)
    }
}

fn xsetid(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let id = strict_id(&args[2])?;
    let options = SetIdOptions::parse(args, id)?;
    let key = ctx.data.key(&args[1]);
    let found = ctx.data.edit(&key, |stream: &mut Stream| {
        let log = stream.log_mut();
        if log.last_live().is_some_and(|last| id < last) {
            let text = "ERR The ID specified in XSETID is smaller than the target stream top item";
            return Edit::none(Err(CmdError::text(text)));
        }
        if !log.is_empty() && options.added.is_some_and(|added| added < log.len()) {
            let text = "ERR The entries_added specified in XSETID is smaller than the target stream length";
            return Edit::none(Err(CmdError::text(text)));
        }
        let counters = log.counters_mut();
        counters.last_id = id;
        counters.added = options.added.unwrap_or(counters.added);
        if options.max_deleted != StreamId::MIN {
            counters.max_deleted = options.max_deleted;
        }
        Edit::unseen(Ok(()))
    })?;
    found.ok_or(error::NO_SUCH_KEY)??;
    // Watchers are not told, nor are clients that wait: there is no new entry.
    ctx.data.effects.count(NotifyClass::Stream, "xsetid", ctx.data.db, key.bytes);
    ctx.reply.ok();
    DONE
}
