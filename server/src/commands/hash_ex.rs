//! Hash commands that do two things at once: HGETDEL, HGETEX and HSETEX.
//!
//! Redis 8.0.6 defines the replies, the texts and the order of checks: t_hash.c.

use protocol::resp::Args;
use smallvec::SmallVec;

use super::hash_expiry::{Scale, check_type, fields};
use super::hashes::{changed, hash_of};
use super::lists::write_element;
use super::strings::is_past;
use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Edit, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, Role, error,
};
use crate::store::types::hash::{Hash, HashRef};

const WRITE: Flags = Flags::WRITE.and(Flags::FAST);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("HGETDEL", Arity::at_least(5), Group::Hash, WRITE, hgetdel as KeyedFn)
        .since("8.0.0")
        .summary("Returns the value of a field and deletes it from the hash.")
        .complexity("O(N) where N is the number of specified fields")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key FIELDS=fields:{numfields:integer field:string+}"),
    Declared::new("HGETEX", Arity::at_least(5), Group::Hash, WRITE, hgetex as KeyedFn)
        .since("8.0.0")
        .summary("Get the value of one or more fields of a given hash key, and optionally set their expiration.")
        .complexity("O(N) where N is the number of specified fields")
        .keys(&[KeySpec::at(1).rw().access().update().notes("RW and UPDATE because it changes the TTL")])
        .syntax("key:key [expiration:<EX=seconds:integer|PX=milliseconds:integer|EXAT=unix-time-seconds:unix-time|PXAT=unix-time-milliseconds:unix-time|'persist>] FIELDS=fields:{numfields:integer field:string+}"),
    Declared::new("HSETEX", Arity::at_least(6), Group::Hash, WRITE.and(Flags::DENYOOM), hsetex as KeyedFn)
        .since("8.0.0")
        .summary("Set the value of one or more fields of a given hash key, and optionally set their expiration.")
        .complexity("O(N) where N is the number of fields being set.")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key [condition:<'fnx|'fxx>] [expiration:<EX=seconds:integer|PX=milliseconds:integer|EXAT=unix-time-seconds:unix-time|PXAT=unix-time-milliseconds:unix-time|'keepttl>] FIELDS=fields:{numfields:integer data:{field:string value:string}+}"),
];

const BOTH_CONDITIONS: CmdError = CmdError::text("ERR Only one of FXX or FNX arguments can be specified");
const MANY_EXPIRIES: CmdError =
    CmdError::text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
const BAD_COUNT: CmdError = CmdError::text("ERR invalid number of fields");

/// What the number behind EX, PX, EXAT or PXAT means.
fn scale(word: &[u8], now: i64) -> Option<Scale> {
    Some(match word.to_ascii_uppercase().as_slice() {
        b"EX" => Scale { unit: 1000, from: now },
        b"PX" => Scale { unit: 1, from: now },
        b"EXAT" => Scale { unit: 1000, from: 0 },
        b"PXAT" => Scale { unit: 1, from: 0 },
        _ => return None,
    })
}

fn hgetdel(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    check_type(ctx, &args[1])?;
    let fields = fields(args, 2)?;
    let key = ctx.data.key(&args[1]);
    ctx.reply.array(fields.len());
    let reply = &mut ctx.reply;
    let removed = ctx.data.edit(&key, |hash: &mut Hash| {
        let mut removed = 0;
        for field in fields {
            match hash.get(field) {
                None => reply.null(),
                Some(value) => {
                    write_element(reply, value);
                    removed += usize::from(hash.remove(field));
                }
            }
        }
        if removed == 0 { Edit::none(0) } else { changed("hdel", removed, removed) }
    })?;
    match removed {
        None => (0..fields.len()).for_each(|_| ctx.reply.null()),
        Some(0) => {}
        Some(_) => {
            let mut words: SmallVec<[&[u8]; 16]> = SmallVec::from_slice(&[b"HDEL", key.bytes]);
            words.extend(fields);
            ctx.data.effects.propagate_instead(&words);
        }
    }
    DONE
}

/// What HGETEX does to the fields that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    Persist,
    ExpireAt(i64),
    Delete,
}

fn hgetex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    check_type(ctx, &args[1])?;
    let (change, fields_at) = match scale(&args[2], ctx.data.now) {
        Some(scale) => {
            let at = scale.time(&args[3], ctx.name, ctx.data.role)?;
            (if is_past(ctx, at) { Change::Delete } else { Change::ExpireAt(at) }, 4)
        }
        None if args[2].eq_ignore_ascii_case(b"PERSIST") => (Change::Persist, 3),
        None => (Change::None, 2),
    };
    if args.len() < fields_at + 2 {
        return Err(error::wrong_arity(ctx.name));
    }
    let fields = fields(args, fields_at)?;
    if change == Change::None {
        return get_fields(ctx, &args[1], fields);
    }
    let limits = &ctx.limits.hash;
    let key = ctx.data.key(&args[1]);
    ctx.reply.array(fields.len());
    let reply = &mut ctx.reply;
    let mut deleted: SmallVec<[&[u8]; 8]> = SmallVec::new();
    let count = ctx.data.edit(&key, |hash: &mut Hash| {
        let mut count = 0;
        for field in fields {
            let Some((value, old)) = hash.view().get_timed(field) else {
                reply.null();
                continue;
            };
            write_element(reply, value);
            count += usize::from(match change {
                Change::None => false,
                Change::Persist => old.is_some() && hash.set_expiry(field, None, limits),
                Change::ExpireAt(at) => hash.set_expiry(field, Some(at), limits),
                Change::Delete => {
                    deleted.push(field);
                    hash.remove(field)
                }
            });
        }
        let event = match change {
            Change::Persist => "hpersist",
            Change::ExpireAt(_) => "hexpire",
            Change::Delete | Change::None => "hdel",
        };
        if count == 0 { Edit::none(0) } else { changed(event, count, count) }
    })?;
    match count {
        None => (0..fields.len()).for_each(|_| ctx.reply.null()),
        Some(0) => {}
        Some(_) => propagate_change(ctx, change, (key.bytes, fields), &deleted),
    }
    DONE
}

/// HGETEX without an option: it changes nothing.
fn get_fields(ctx: &mut KeyedCtx<'_>, word: &[u8], fields: Args<'_>) -> CmdResult {
    let (key, now) = (ctx.data.key(word), ctx.data.field_time());
    let hash = ctx.data.peek(&key).map(hash_of).transpose()?.map(|hash| hash.seen(now));
    ctx.reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => write_element(&mut ctx.reply, value),
            None => ctx.reply.null(),
        }
    }
    DONE
}

fn propagate_change(ctx: &mut KeyedCtx<'_>, change: Change, (key, fields): (&[u8], Args<'_>), deleted: &[&[u8]]) {
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let count = count.format(fields.len()).as_bytes();
    let mut words: SmallVec<[&[u8]; 16]> = match change {
        Change::None => return,
        Change::Persist => SmallVec::from_slice(&[b"HPERSIST", key, b"FIELDS", count]),
        Change::ExpireAt(at) => {
            SmallVec::from_slice(&[b"HPEXPIREAT", key, time.format(at).as_bytes(), b"FIELDS", count])
        }
        Change::Delete => SmallVec::from_slice(&[b"HDEL", key]),
    };
    if change == Change::Delete {
        words.extend_from_slice(deleted);
    } else {
        words.extend(fields);
    }
    ctx.data.effects.propagate_instead(&words);
}

/// What HSETEX does to the expiries of the fields that it sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Clear,
    Keep,
    /// The time, and where the option stands among the words.
    At(i64, usize),
}

struct SetRequest<'a> {
    /// Set only if all (`true`) or none (`false`) of the fields are there.
    condition: Option<bool>,
    expiry: Expiry,
    pairs: Args<'a>,
}

impl<'a> SetRequest<'a> {
    fn parse(args: Args<'a>, (now, role): (i64, Role), name: &str) -> Result<Self, CmdError> {
        let (mut condition, mut expiry, mut at) = (None, Expiry::Clear, 2);
        while let Some(word) = args.get(at) {
            if word.eq_ignore_ascii_case(b"FIELDS") {
                let pairs = Self::pairs(args, at, name)?;
                return Ok(Self { condition, expiry, pairs });
            }
            if word.eq_ignore_ascii_case(b"FXX") || word.eq_ignore_ascii_case(b"FNX") {
                if condition.is_some() {
                    return Err(BOTH_CONDITIONS);
                }
                condition = Some(word.eq_ignore_ascii_case(b"FXX"));
            } else if word.eq_ignore_ascii_case(b"KEEPTTL") {
                if expiry != Expiry::Clear {
                    return Err(MANY_EXPIRIES);
                }
                expiry = Expiry::Keep;
            } else if let Some(scale) = scale(word, now) {
                if expiry != Expiry::Clear {
                    return Err(MANY_EXPIRIES);
                }
                let number = args.get(at + 1).ok_or_else(|| error::wrong_arity(name))?;
                expiry = Expiry::At(scale.time(number, name, role)?, at);
                at += 1;
            } else {
                return Err(CmdError::quoting("ERR unknown argument: ", word, ""));
            }
            at += 1;
        }
        Err(error::wrong_arity(name))
    }

    /// The pairs behind `FIELDS`, which is the word at `at`.
    fn pairs(args: Args<'a>, at: usize, name: &str) -> Result<Args<'a>, CmdError> {
        if args.len() < at + 4 {
            return Err(error::wrong_arity(name));
        }
        let count = parse_i64(&args[at + 1]).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
        let count = count.ok_or(BAD_COUNT)?;
        let pairs = args.skip(at + 2);
        if pairs.len() as i64 == 2 * count { Ok(pairs) } else { Err(error::wrong_arity(name)) }
    }

    fn is_met(&self, hash: Option<HashRef<'_>>) -> bool {
        self.condition.is_none_or(|wanted| {
            self.pairs.iter().step_by(2).all(|field| hash.is_some_and(|hash| hash.contains(field)) == wanted)
        })
    }
}

fn hsetex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let request = SetRequest::parse(args, (ctx.data.now, ctx.data.role), ctx.name)?;
    check_type(ctx, &args[1])?;
    let key = ctx.data.key(&args[1]);
    // Expired fields go first, so that they do not count as being there.
    let hash = ctx.data.get_mut(&key);
    if !request.is_met(hash.as_ref().and_then(|entry| entry.as_ref().collection::<Hash>())) {
        ctx.reply.int(0);
        return DONE;
    }
    ctx.reply.int(1);
    if let Expiry::At(at, _) = request.expiry
        && is_past(ctx, at)
    {
        return set_and_delete(ctx, args, &request);
    }
    let limits = &ctx.limits.hash;
    ctx.data.edit_or_create(&key, Hash::new, |hash: &mut Hash| {
        let mut words = request.pairs.iter();
        while let (Some(field), Some(value)) = (words.next(), words.next()) {
            match request.expiry {
                Expiry::Clear => hash.set(field, value, limits),
                Expiry::Keep => hash.set_keeping(field, value, limits),
                Expiry::At(at, _) => hash.set_until(field, value, at, limits),
            };
        }
        changed("hset", request.pairs.len() / 2, ())
    })?;
    if let Expiry::At(at, option) = request.expiry {
        ctx.data.notify(NotifyClass::Hash, "hexpire", &key);
        let mut time = itoa::Buffer::new();
        let mut words: SmallVec<[&[u8]; 16]> = args.iter().collect();
        (words[option], words[option + 1]) = (b"PXAT", time.format(at).as_bytes());
        ctx.data.effects.propagate_instead(&words);
    }
    DONE
}

/// HSETEX with a time that has passed: the fields are set and deleted at once.
fn set_and_delete(ctx: &mut KeyedCtx<'_>, args: Args<'_>, request: &SetRequest<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    if ctx.data.peek(&key).is_none() {
        return DONE;
    }
    ctx.data.notify(NotifyClass::Hash, "hset", &key);
    let fields = request.pairs.iter().step_by(2);
    ctx.data.edit(&key, |hash: &mut Hash| {
        fields.clone().for_each(|field| _ = hash.remove(field));
        changed("hdel", fields.len(), ())
    })?;
    let mut words: SmallVec<[&[u8]; 16]> = SmallVec::from_slice(&[b"HDEL", key.bytes]);
    words.extend(fields);
    ctx.data.effects.propagate_instead(&words);
    DONE
}
