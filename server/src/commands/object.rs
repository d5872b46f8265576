//! OBJECT: how a value is stored, and how recently or often it was used. Redis: object.c.

use protocol::resp::Args;

use crate::command::outcome::DONE;
use crate::command::{Arity, CmdResult, Data, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, error};
use crate::store::{AccessClock, EntryRef, ValueRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("OBJECT", Arity::at_least(2), Group::Generic, Flags::CONTAINER, help as KeyedFn)
        .since("2.2.3")
        .summary("A container for object introspection commands")
        .complexity("Depends on subcommand."),
    Declared::sub("OBJECT", "ENCODING", Arity::exactly(3), Group::Generic, Flags::READONLY, encoding as KeyedFn)
        .since("2.2.3")
        .summary("Inspect the internal encoding of a Redis object")
        .keys(&[KeySpec::at(2).ro()])
        .syntax("key:key")
        .tips(&["nondeterministic_output"]),
    Declared::sub("OBJECT", "FREQ", Arity::exactly(3), Group::Generic, Flags::READONLY, freq as KeyedFn)
        .since("4.0.0")
        .summary("Get the logarithmic access frequency counter of a Redis object")
        .keys(&[KeySpec::at(2).ro()])
        .syntax("key:key")
        .tips(&["nondeterministic_output"]),
    Declared::sub(
        "OBJECT",
        "HELP",
        Arity::exactly(2),
        Group::Generic,
        Flags::LOADING.and(Flags::STALE),
        help as KeyedFn,
    )
    .since("6.2.0")
    .summary("Show helpful text about the different subcommands"),
    Declared::sub("OBJECT", "IDLETIME", Arity::exactly(3), Group::Generic, Flags::READONLY, idletime as KeyedFn)
        .since("2.2.3")
        .summary("Get the time since a Redis object was last accessed")
        .keys(&[KeySpec::at(2).ro()])
        .syntax("key:key")
        .tips(&["nondeterministic_output"]),
    Declared::sub("OBJECT", "REFCOUNT", Arity::exactly(3), Group::Generic, Flags::READONLY, refcount as KeyedFn)
        .since("2.2.3")
        .summary("Get the number of references to the value of the key")
        .keys(&[KeySpec::at(2).ro()])
        .syntax("key:key")
        .tips(&["nondeterministic_output"]),
];

/// Integers below this are shared objects in Redis, whose number of references is [`SHARED_REFERENCES`].
const SHARED_INTEGERS: i64 = 10_000;
/// What OBJECT REFCOUNT shows for a shared object.
const SHARED_REFERENCES: i64 = i32::MAX as i64;

/// Finds the key that is asked about: counts a hit or a miss, but neither a use nor an event.
fn find<'d>(data: &'d mut Data<'_>, word: &[u8]) -> Option<EntryRef<'d>> {
    let key = data.key(word);
    if data.peek(&key).is_some() {
        data.effects.hits += 1;
    } else {
        data.effects.misses += 1;
    }
    data.peek(&key)
}

fn encoding(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    match find(&mut ctx.data, &args[2]) {
        None => ctx.reply.null(),
        Some(entry) => ctx.reply.bulk_str(entry.encoding().name()),
    }
    DONE
}

fn refcount(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let shares_integers = ctx.limits.shares_integers;
    match find(&mut ctx.data, &args[2]).map(EntryRef::value) {
        None => ctx.reply.null(),
        // slotd shares no objects; but tools take this number for "a small integer", so it is shown as in Redis.
        Some(ValueRef::Int(0..SHARED_INTEGERS)) if shares_integers => ctx.reply.int(SHARED_REFERENCES),
        Some(ValueRef::Int(_) | ValueRef::Str(_) | ValueRef::Collection(_)) => ctx.reply.int(1),
    }
    DONE
}

fn idletime(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let now = AccessClock::at(ctx.data.now);
    let lfu = ctx.data.lfu.is_some();
    match find(&mut ctx.data, &args[2]).map(EntryRef::access) {
        None => ctx.reply.null(),
        Some(_) if lfu => return Err(error::LFU_SELECTED),
        Some(access) => ctx.reply.int(i64::from(now.seconds_since(access))),
    }
    DONE
}

fn freq(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (now, lfu) = (ctx.data.now, ctx.data.lfu);
    match (find(&mut ctx.data, &args[2]).map(EntryRef::access), lfu) {
        (None, _) => ctx.reply.null(),
        (Some(_), None) => return Err(error::LFU_NOT_SELECTED),
        (Some(access), Some(lfu)) => ctx.reply.int(i64::from(lfu.frequency(access, now))),
    }
    DONE
}

fn help(ctx: &mut KeyedCtx<'_>, _args: Args<'_>) -> CmdResult {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        "HELP",
        "    Prints this help.",
    ];
    ctx.reply.array(LINES.len());
    for line in LINES {
        ctx.reply.simple(line);
    }
    DONE
}
