//! When fields of hashes expire: the HEXPIRE family and the commands that read the expiries.
//!
//! As for keys, a time is stored and propagated as absolute Unix milliseconds, and a time that has passed deletes the
//! field at once, except in a primary's stream. Redis 8.0.6 defines the replies, the texts and the order of checks:
//! t_hash.c.

use protocol::resp::Args;
use smallvec::SmallVec;

use super::hashes::{changed, read};
use super::integer;
use super::strings::is_past;
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Edit, Flags, Group, KeySpec, KeyedCtx, KeyedFn, Role, error,
};
use crate::store::types::hash::Hash;

const WRITE: Flags = Flags::WRITE.and(Flags::FAST);
const READ: Flags = Flags::READONLY.and(Flags::FAST);
const ORDER: &str = "O(N) where N is the number of specified fields";
const FIELDS: &str = "key:key FIELDS=fields:{numfields:integer field:string+}";

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("HEXPIRE", Arity::at_least(6), Group::Hash, WRITE, hexpire as KeyedFn)
        .since("7.4.0")
        .summary("Set expiry for hash field using relative time to expire (seconds)")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key seconds:integer [condition:<'nx|'xx|'gt|'lt>] FIELDS=fields:{numfields:integer field:string+}"),
    Declared::new("HPEXPIRE", Arity::at_least(6), Group::Hash, WRITE, hpexpire as KeyedFn)
        .since("7.4.0")
        .summary("Set expiry for hash field using relative time to expire (milliseconds)")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key milliseconds:integer [condition:<'nx|'xx|'gt|'lt>] FIELDS=fields:{numfields:integer field:string+}"),
    Declared::new("HEXPIREAT", Arity::at_least(6), Group::Hash, WRITE, hexpireat as KeyedFn)
        .since("7.4.0")
        .summary("Set expiry for hash field using an absolute Unix timestamp (seconds)")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key unix-time-seconds:unix-time [condition:<'nx|'xx|'gt|'lt>] FIELDS=fields:{numfields:integer field:string+}"),
    Declared::new("HPEXPIREAT", Arity::at_least(6), Group::Hash, WRITE, hpexpireat as KeyedFn)
        .since("7.4.0")
        .summary("Set expiry for hash field using an absolute Unix timestamp (milliseconds)")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key unix-time-milliseconds:unix-time [condition:<'nx|'xx|'gt|'lt>] FIELDS=fields:{numfields:integer field:string+}"),
    Declared::new("HPERSIST", Arity::at_least(5), Group::Hash, WRITE, hpersist as KeyedFn)
        .since("7.4.0")
        .summary("Removes the expiration time for each specified field")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax(FIELDS),
    Declared::new("HTTL", Arity::at_least(5), Group::Hash, READ, httl as KeyedFn)
        .since("7.4.0")
        .summary("Returns the TTL in seconds of a hash field.")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax(FIELDS)
        .tips(&["nondeterministic_output"]),
    Declared::new("HPTTL", Arity::at_least(5), Group::Hash, READ, hpttl as KeyedFn)
        .since("7.4.0")
        .summary("Returns the TTL in milliseconds of a hash field.")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax(FIELDS)
        .tips(&["nondeterministic_output"]),
    Declared::new("HEXPIRETIME", Arity::at_least(5), Group::Hash, READ, hexpiretime as KeyedFn)
        .since("7.4.0")
        .summary("Returns the expiration time of a hash field as a Unix timestamp, in seconds.")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax(FIELDS),
    Declared::new("HPEXPIRETIME", Arity::at_least(5), Group::Hash, READ, hpexpiretime as KeyedFn)
        .since("7.4.0")
        .summary("Returns the expiration time of a hash field as a Unix timestamp, in msec.")
        .complexity(ORDER)
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax(FIELDS),
];

const FIELDS_MISSING: CmdError =
    CmdError::text("ERR Mandatory argument FIELDS is missing or not at the right position");
const FIELDS_NOT_POSITIVE: CmdError = CmdError::text("ERR Number of fields must be a positive integer");
const NUM_FIELDS_NOT_POSITIVE: CmdError = CmdError::text("ERR Parameter `numFields` should be greater than 0");
const FIELDS_MISMATCH: CmdError = CmdError::text("ERR The `numfields` parameter must match the number of arguments");
const NEGATIVE_TIME: CmdError = CmdError::text("ERR invalid expire time, must be >= 0");

/// The latest time that a field may expire at (Redis: `EB_EXPIRE_TIME_MAX`), the year 4199.
const LATEST: i64 = (1 << 46) - 1;

/// How many milliseconds a client's number stands for, and from when it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) unit: i64,
    pub(super) from: i64,
}

impl Scale {
    /// The time that a word of the command says.
    pub(super) fn time(self, word: &[u8], name: &str, role: Role) -> Result<i64, CmdError> {
        let number = integer(word)?;
        if number < 0 {
            return Err(NEGATIVE_TIME);
        }
        let at = number.checked_mul(self.unit).and_then(|number| number.checked_add(self.from));
        // A primary that is a Valkey knows no such limit.
        at.filter(|at| *at <= LATEST || role == Role::Stream).ok_or_else(|| error::invalid_expire(name))
    }
}

/// The fields that follow `FIELDS`, which is the word at `at`. `not_positive`: what to say about their number.
fn fields_at(args: Args<'_>, at: usize, not_positive: CmdError) -> Result<Args<'_>, CmdError> {
    if !args.get(at).is_some_and(|word| word.eq_ignore_ascii_case(b"FIELDS")) {
        return Err(FIELDS_MISSING);
    }
    let count = args.get(at + 1).and_then(parse_i64).filter(|count| *count > 0).ok_or(not_positive)?;
    let fields = args.skip(at + 2);
    if fields.len() as i64 == count { Ok(fields) } else { Err(FIELDS_MISMATCH) }
}

/// [`fields_at`] as most commands word it.
pub(super) fn fields(args: Args<'_>, at: usize) -> Result<Args<'_>, CmdError> {
    fields_at(args, at, FIELDS_NOT_POSITIVE)
}

/// Fails if a key holds anything but a hash: these commands look at it before they look at their words.
pub(super) fn check_type(ctx: &mut KeyedCtx<'_>, word: &[u8]) -> Result<(), CmdError> {
    let key = ctx.data.key(word);
    match ctx.data.peek(&key) {
        Some(entry) if entry.collection::<Hash>().is_none() => Err(error::WRONG_TYPE),
        Some(_) | None => Ok(()),
    }
}

/// Which fields HEXPIRE and its kin change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// NX
    Persistent,
    /// XX
    Volatile,
    /// GT; a field that does not expire counts as one that expires infinitely late.
    Later,
    /// LT
    Earlier,
}

impl Condition {
    fn parse(word: &[u8]) -> Option<Self> {
        Some(match word.to_ascii_uppercase().as_slice() {
            b"NX" => Condition::Persistent,
            b"XX" => Condition::Volatile,
            b"GT" => Condition::Later,
            b"LT" => Condition::Earlier,
            _ => return None,
        })
    }

    fn admits(self, old: Option<i64>, new: i64) -> bool {
        match self {
            Condition::Persistent => old.is_none(),
            Condition::Volatile => old.is_some(),
            Condition::Later => old.is_some_and(|old| new > old),
            Condition::Earlier => old.is_none_or(|old| new < old),
        }
    }
}

// What is replied for each field.
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const NOT_ADMITTED: i64 = 0;
const DONE_SO: i64 = 1;
const DELETED: i64 = 2;

/// Whether this answer says that the field was changed.
fn is_change(answer: i64) -> bool {
    matches!(answer, DONE_SO | DELETED)
}

fn hexpire(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let from = ctx.data.now;
    expire_at(ctx, args, Scale { unit: 1000, from })
}

fn hpexpire(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let from = ctx.data.now;
    expire_at(ctx, args, Scale { unit: 1, from })
}

fn hexpireat(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    expire_at(ctx, args, Scale { unit: 1000, from: 0 })
}

fn hpexpireat(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    expire_at(ctx, args, Scale { unit: 1, from: 0 })
}

fn expire_at(ctx: &mut KeyedCtx<'_>, args: Args<'_>, scale: Scale) -> CmdResult {
    check_type(ctx, &args[1])?;
    let at = scale.time(&args[2], ctx.name, ctx.data.role)?;
    // One, but a primary that is a Valkey may send XX with another.
    let most = if ctx.data.role == Role::Stream { 2 } else { 1 };
    let conditions: SmallVec<[Condition; 2]> = args.iter().skip(3).take(most).map_while(Condition::parse).collect();
    let fields = fields_at(args, 3 + conditions.len(), NUM_FIELDS_NOT_POSITIVE)?;
    let past = is_past(ctx, at);
    let limits = &ctx.limits.hash;
    let key = ctx.data.key(&args[1]);
    let admits = |old| conditions.iter().all(|condition| condition.admits(old, at));
    let mut count = 0;
    let answers = ctx.data.edit(&key, |hash: &mut Hash| {
        let mut answers: Vec<i64> = vec![NO_FIELD; fields.len()];
        if past {
            for (field, answer) in fields.iter().zip(&mut answers) {
                let Some((_, old)) = hash.view().get_timed(field) else { continue };
                *answer = if admits(old) { DELETED } else { NOT_ADMITTED };
                if *answer == DELETED {
                    hash.remove(field);
                }
            }
        } else {
            hash.set_expiries(
                fields.len(),
                |number| &fields[number],
                limits,
                |number, old| {
                    let is_admitted = admits(old);
                    answers[number] = if is_admitted { DONE_SO } else { NOT_ADMITTED };
                    if is_admitted { Some(at) } else { old }
                },
            );
        }
        count = answers.iter().filter(|answer| is_change(**answer)).count();
        match count {
            0 => Edit::none(answers),
            count => changed(if past { "hdel" } else { "hexpire" }, count, answers),
        }
    })?;
    reply_all(ctx, fields.len(), answers.as_deref());
    if !ctx.data.effects.propagating || count == 0 {
        return DONE;
    }
    let answers = answers.unwrap_or_default();
    let changed_fields = fields.iter().zip(answers).filter(|(_, answer)| is_change(*answer)).map(|(field, _)| field);
    let number = count;
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut words: SmallVec<[&[u8]; 16]> = SmallVec::new();
    if past {
        words.extend([b"HDEL", key.bytes]);
    } else {
        words.extend([b"HPEXPIREAT", key.bytes, time.format(at).as_bytes()]);
        words.extend((0..conditions.len()).map(|at| &args[3 + at]));
        words.extend([b"FIELDS", count.format(number).as_bytes()]);
    }
    words.extend(changed_fields);
    ctx.data.effects.propagate_instead(&words);
    DONE
}

/// Replies with a number for each field; without a hash, no field is there.
fn reply_all(ctx: &mut KeyedCtx<'_>, count: usize, answers: Option<&[i64]>) {
    ctx.reply.array(count);
    match answers {
        Some(answers) => answers.iter().for_each(|answer| ctx.reply.int(*answer)),
        None => (0..count).for_each(|_| ctx.reply.int(NO_FIELD)),
    }
}

fn hpersist(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    check_type(ctx, &args[1])?;
    let fields = fields(args, 2)?;
    let limits = &ctx.limits.hash;
    let key = ctx.data.key(&args[1]);
    let answers = ctx.data.edit(&key, |hash: &mut Hash| {
        let mut answers: Vec<i64> = vec![NO_FIELD; fields.len()];
        hash.set_expiries(
            fields.len(),
            |number| &fields[number],
            limits,
            |number, old| {
                answers[number] = if old.is_some() { DONE_SO } else { NO_EXPIRY };
                None
            },
        );
        let is_changed = answers.contains(&DONE_SO);
        // One change to Redis, however many fields.
        if is_changed { changed("hpersist", 1, answers) } else { Edit::none(answers) }
    })?;
    reply_all(ctx, fields.len(), answers.as_deref());
    DONE
}

fn httl(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let now = ctx.data.now;
    answer_times(ctx, args, |at| ((at - now).max(0) + 999) / 1000)
}

fn hpttl(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let now = ctx.data.now;
    answer_times(ctx, args, |at| (at - now).max(0))
}

fn hexpiretime(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    answer_times(ctx, args, |at| at.saturating_add(999) / 1000)
}

fn hpexpiretime(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    answer_times(ctx, args, |at| at)
}

fn answer_times(ctx: &mut KeyedCtx<'_>, args: Args<'_>, show: impl Fn(i64) -> i64) -> CmdResult {
    let hash = read(&mut ctx.data, &args[1])?;
    let fields = fields(args, 2)?;
    ctx.reply.array(fields.len());
    for field in fields {
        ctx.reply.int(match hash.and_then(|hash| hash.get_timed(field)) {
            None => NO_FIELD,
            Some((_, None)) => NO_EXPIRY,
            Some((_, Some(at))) => show(at),
        });
    }
    DONE
}
