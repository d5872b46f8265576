//! HyperLogLogs: PFADD, PFCOUNT, PFMERGE, and PFDEBUG and PFSELFTEST, with which Redis tests them.
//!
//! They are strings ([`crate::store::types::hyperloglog`]). A dense one is changed in place; a sparse one, which is
//! small, is copied, changed and stored again. A corrupted one is refused and left as it is, once it is found out.
//!
//! PFCOUNT of one key keeps the cardinality that it has computed in the string. For this it counts as a reading command
//! that changes data: it is allowed wherever reads are, and propagated when it has changed the string. Redis:
//! hyperloglog.c.

use std::fmt::Write as _;

use protocol::resp::Args;

use crate::base::rng::Rng;
use crate::command::error::c_string;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Data, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, error,
};
use crate::store::types::hyperloglog::{self as hll, Corrupted, Form, Place, REGISTERS, dense, sparse};
use crate::store::{Encoding, EntryRef, StringValue, Ttl, ValueRef};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("PFADD", Arity::at_least(2), Group::HyperLogLog, Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST), pfadd as KeyedFn)
        .since("2.8.9")
        .summary("Adds the specified elements to the specified HyperLogLog.")
        .complexity("O(1) to add every element.")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key [element:string+]"),
    Declared::new("PFCOUNT", Arity::at_least(2), Group::HyperLogLog, Flags::READONLY.and(Flags::MAY_REPLICATE), pfcount as KeyedFn)
        .since("2.8.9")
        .summary("Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).")
        .complexity("O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.")
        .keys(&[KeySpec::range(1, -1, 1).rw().access().notes("RW because it may change the internal representation of the key, and propagate to replicas")])
        .syntax("key:key+"),
    Declared::new("PFDEBUG", Arity::exactly(3), Group::HyperLogLog, Flags::WRITE.and(Flags::DENYOOM).and(Flags::ADMIN), pfdebug as KeyedFn)
        .since("2.8.9")
        .summary("Internal commands for debugging HyperLogLog values")
        .complexity("N/A")
        .keys(&[KeySpec::at(2).rw().access()])
        .syntax("subcommand:string key:key")
        .syscmd(),
    Declared::new("PFMERGE", Arity::at_least(2), Group::HyperLogLog, Flags::WRITE.and(Flags::DENYOOM), pfmerge as KeyedFn)
        .since("2.8.9")
        .summary("Merge N different HyperLogLogs into a single one.")
        .complexity("O(N) to merge N HyperLogLogs, but with high constant times.")
        .keys(&[KeySpec::at(1).rw().access().insert(), KeySpec::range(2, -1, 1).ro().access()])
        .syntax("destkey:key sourcekey:key+"),
    Declared::new("PFSELFTEST", Arity::exactly(1), Group::HyperLogLog, Flags::ADMIN, pfselftest as KeyedFn)
        .since("2.8.9")
        .summary("An internal command for testing HyperLogLog values")
        .complexity("N/A")
        .syscmd(),
];

const NOT_ONE: CmdError = CmdError::text("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPTED: CmdError = CmdError::text("INVALIDOBJ Corrupted HLL object detected");
const NO_KEY: CmdError = CmdError::text("ERR The specified key does not exist");
const NOT_SPARSE: CmdError = CmdError::text("ERR HLL encoding is not sparse");
const TEST_FAILED: CmdError = CmdError::text("TESTFAILED A HyperLogLog is not what its elements make it");

impl From<Corrupted> for CmdError {
    fn from(_: Corrupted) -> Self {
        CORRUPTED
    }
}

/// A HyperLogLog and its form.
fn open(entry: EntryRef<'_>) -> Result<(&[u8], Form), CmdError> {
    match entry.value() {
        ValueRef::Str(bytes) => Form::of(bytes).map(|form| (bytes, form)).ok_or(NOT_ONE),
        ValueRef::Int(_) => Err(NOT_ONE),
        ValueRef::Collection(_) => Err(error::WRONG_TYPE),
    }
}

/// Stores a HyperLogLog at a key, whose expiry stays. It is `raw` to OBJECT ENCODING.
fn store(data: &mut Data<'_>, key: &Key<'_>, bytes: &[u8]) {
    data.set_string(key, StringValue::Bytes(bytes), Ttl::Keep);
    make_raw(data, key);
}

/// Makes a string `raw` to OBJECT ENCODING, as Redis does before it looks into it.
fn make_raw(data: &mut Data<'_>, key: &Key<'_>) {
    if data.peek(key).is_some_and(|entry| entry.encoding() != Encoding::Raw) {
        edit(data, key, |_| {});
    }
}

/// Changes the bytes of a string in place.
fn edit(data: &mut Data<'_>, key: &Key<'_>, change: impl FnOnce(&mut [u8])) {
    if let Some(mut entry) = data.get_mut(key)
        && let Some(bytes) = entry.bytes_mut(0)
    {
        change(bytes);
    }
}

fn pfadd(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let elements = args.skip(2);
    let max = ctx.limits.hll_sparse_max_bytes;
    let form = ctx.data.peek(&key).map(open).transpose()?;
    let mut changes = 0;
    if let Some((_, Form::Dense)) = form {
        edit(&mut ctx.data, &key, |bytes| {
            let registers = dense::registers_mut(bytes);
            changes = elements.iter().filter(|element| dense::raise(registers, Place::of(element))).count();
            if changes > 0 {
                hll::make_stale(bytes);
            }
        });
    } else {
        let mut bytes = form.map_or_else(hll::empty, |(bytes, _)| bytes.to_vec());
        changes += usize::from(form.is_none());
        make_raw(&mut ctx.data, &key);
        for element in elements {
            changes += usize::from(hll::raise(&mut bytes, Place::of(element), max)?);
        }
        if changes > 0 {
            hll::make_stale(&mut bytes);
            store(&mut ctx.data, &key, &bytes);
        }
    }
    if changes > 0 {
        ctx.data.changed(&key, NotifyClass::String, "pfadd");
        ctx.data.effects.dirty += changes as u64 - 1;
    }
    ctx.reply.int(i64::from(changes > 0));
    DONE
}

fn pfcount(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 2 {
        let (registers, _) = merged(ctx, args.skip(1))?;
        ctx.reply.int(hll::count_registers(&registers) as i64);
        return DONE;
    }
    let key = ctx.data.key(&args[1]);
    let Some(entry) = ctx.data.read(&key) else {
        ctx.reply.int(0);
        return DONE;
    };
    let (bytes, _) = open(entry)?;
    let cached = hll::cached(bytes);
    let counted = cached.map_or_else(|| hll::count(bytes), Ok);
    if entry.encoding() != Encoding::Raw {
        make_raw(&mut ctx.data, &key);
    }
    let cardinality = counted?;
    if cached.is_none() {
        edit(&mut ctx.data, &key, |bytes| hll::set_cached(bytes, cardinality));
        ctx.data.effects.propagate_instead(&[b"PFCOUNT", key.bytes]);
        ctx.data.changed_silently(&key);
    }
    ctx.reply.int(cardinality as i64);
    DONE
}

/// The greatest value of each register among several keys, and whether any of them is dense.
fn merged(ctx: &mut KeyedCtx<'_>, words: Args<'_>) -> Result<(Box<hll::Registers>, bool), CmdError> {
    let (mut registers, mut is_any_dense) = (Box::new([0; REGISTERS]), false);
    for word in words {
        let key = ctx.data.key(word);
        if let Some(entry) = ctx.data.read(&key) {
            let (bytes, form) = open(entry)?;
            is_any_dense |= form == Form::Dense;
            hll::merge(&mut registers, bytes)?;
        }
    }
    Ok((registers, is_any_dense))
}

fn pfmerge(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let max = ctx.limits.hll_sparse_max_bytes;
    let (registers, is_any_dense) = merged(ctx, args.skip(1))?;
    let target = ctx.data.key(&args[1]);
    let mut bytes = match ctx.data.peek(&target) {
        Some(entry) => open(entry)?.0.to_vec(),
        None => hll::empty(),
    };
    if is_any_dense && Form::of(&bytes) == Some(Form::Sparse) {
        bytes = hll::to_dense(&bytes)?;
    }
    let mut cursor = sparse::Cursor::START;
    for (register, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        hll::raise_after(&mut bytes, Place { register, value }, max, &mut cursor)?;
    }
    hll::make_stale(&mut bytes);
    store(&mut ctx.data, &target, &bytes);
    // For Redis it is an addition of many elements.
    ctx.data.changed(&target, NotifyClass::String, "pfadd");
    ctx.reply.ok();
    DONE
}

fn pfdebug(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (name, key) = (c_string(&args[1]), ctx.data.key(&args[2]));
    open(ctx.data.peek(&key).ok_or(NO_KEY)?)?;
    make_raw(&mut ctx.data, &key);
    let (bytes, form) = open(ctx.data.peek(&key).ok_or(NO_KEY)?)?;
    let dense = match form {
        Form::Sparse if name.eq_ignore_ascii_case(b"GETREG") || name.eq_ignore_ascii_case(b"TODENSE") => {
            Some(hll::to_dense(bytes)?)
        }
        Form::Sparse | Form::Dense => None,
    };
    if name.eq_ignore_ascii_case(b"GETREG") {
        ctx.reply.array(REGISTERS);
        dense::for_each(dense::registers(dense.as_deref().unwrap_or(bytes)), |_, value| ctx.reply.int(value.into()));
    } else if name.eq_ignore_ascii_case(b"DECODE") {
        if form == Form::Dense {
            return Err(NOT_SPARSE);
        }
        ctx.reply.bulk(decoded(bytes).trim_end().as_bytes());
    } else if name.eq_ignore_ascii_case(b"ENCODING") {
        ctx.reply.simple(match form {
            Form::Dense => "dense",
            Form::Sparse => "sparse",
        });
    } else if name.eq_ignore_ascii_case(b"TODENSE") {
        ctx.reply.int(i64::from(dense.is_some()));
    } else {
        return Err(CmdError::quoting("ERR Unknown PFDEBUG subcommand '", name, "'"));
    }
    if let Some(dense) = dense {
        store(&mut ctx.data, &key, &dense);
        ctx.data.changed_silently(&key);
    }
    DONE
}

/// The runs of a sparse HyperLogLog in words.
fn decoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for run in sparse::runs(bytes) {
        let _ = match run {
            sparse::Run::Zeros { len, bytes: 1 } => write!(text, "z:{len} "),
            sparse::Run::Zeros { len, .. } => write!(text, "Z:{len} "),
            sparse::Run::Values { len, value } => write!(text, "v:{value},{len} "),
        };
    }
    text
}

/// Elements of the self-test.
const TESTED: u64 = 100_000;

/// Adds random elements to a sparse and to a dense HyperLogLog: they must agree with each other, and with the number of
/// elements as closely as can be expected.
fn pfselftest(ctx: &mut KeyedCtx<'_>, _: Args<'_>) -> CmdResult {
    let mut rng = Rng::new(ctx.rng.next_u64());
    let mut sparse = hll::empty();
    let mut dense = hll::to_dense(&sparse)?;
    let mut expected = Box::new([0; REGISTERS]);
    let mut next = 1;
    for count in 1..=TESTED {
        let place = Place::of(&rng.next_u64().to_le_bytes());
        expected[place.register] = place.value.max(expected[place.register]);
        hll::raise(&mut sparse, place, ctx.limits.hll_sparse_max_bytes)?;
        hll::raise(&mut dense, place, 0)?;
        if count == next {
            next *= 10;
            let mut registers = Box::new([0; REGISTERS]);
            hll::merge(&mut registers, &sparse)?;
            let estimates = [hll::count(&sparse)?, hll::count(&dense)?, hll::count_registers(&registers)];
            let tolerance = (1.04 / (REGISTERS as f64).sqrt() * 6.0 * count as f64).ceil() as u64;
            let fails = estimates.iter().any(|estimate| estimate.abs_diff(count) > tolerance.max(1));
            if fails || estimates[0] != estimates[1] || estimates[1] != estimates[2] || registers != expected {
                return Err(TEST_FAILED);
            }
        }
    }
    ctx.reply.ok();
    DONE
}
