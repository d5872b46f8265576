//! List commands that move elements between lists, pop from the first of several, or wait for an element.
//!
//! A blocking command is its plain form and one more outcome: when no list has an element, it returns [`Outcome::Block`]. When a
//! push makes a key ready the engine runs the same handler again for the waiting client (`ctx.serving` names the key), so that
//! there is one code path for "at once" and "later". Redis: t_list.c, blocked.c.

use protocol::resp::Args;
use smallvec::SmallVec;

use super::lists::{End, holds_list, list_mut, pop_many, popped, push_one, remove_empty, write_element};
use crate::base::number::{parse_f64, parse_i64};
use crate::command::outcome::DONE;
use crate::command::spec::{BeginSearch, FindKeys};
use crate::command::{
    Arity, BlockSpec, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass, Outcome,
    TimeoutReply, error,
};
use crate::store::Type;
use crate::store::types::list::OwnedElement;

const MOVE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const WAIT: Flags = Flags::WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING);

const SOURCE: KeySpec = KeySpec::at(1).rw().access().delete();
const TARGET: KeySpec = KeySpec::at(2).rw().insert();
const ANY_OF: KeySpec = KeySpec::at(1).rw().access().delete().find(FindKeys::Range { last: -2, step: 1, limit: 0 });

/// The commands of this file.
pub static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("LMOVE", Arity::exactly(5), Group::List, MOVE, lmove as KeyedFn)
        .since("6.2.0")
        .summary("Pop an element from a list, push it to another list and return it")
        .complexity("O(1)")
        .keys(&[SOURCE, TARGET])
        .syntax("source:key destination:key wherefrom:<'left|'right> whereto:<'left|'right>"),
    Declared::new("RPOPLPUSH", Arity::exactly(3), Group::List, MOVE, rpoplpush as KeyedFn)
        .since("1.2.0")
        .summary("Remove the last element in a list, prepend it to another list and return it")
        .complexity("O(1)")
        .keys(&[SOURCE, TARGET])
        .syntax("source:key destination:key")
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
    Declared::new("LMPOP", Arity::at_least(4), Group::List, Flags::WRITE, lmpop as KeyedFn)
        .since("7.0.0")
        .summary("Pop elements from a list")
        .complexity("O(N+M) where N is the number of provided keys and M is the number of elements returned.")
        .keys(&[KeySpec::numkeys(1).rw().access().delete()])
        .syntax("numkeys:integer key:key+ where:<'left|'right> [COUNT=count:integer]"),
    Declared::new("BLPOP", Arity::at_least(3), Group::List, WAIT, blpop as KeyedFn)
        .since("2.0.0")
        .summary("Remove and get the first element in a list, or block until one is available")
        .complexity("O(N) where N is the number of provided keys.")
        .keys(&[ANY_OF])
        .syntax("key:key+ timeout:double")
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    Declared::new("BRPOP", Arity::at_least(3), Group::List, WAIT, brpop as KeyedFn)
        .since("2.0.0")
        .summary("Remove and get the last element in a list, or block until one is available")
        .complexity("O(N) where N is the number of provided keys.")
        .keys(&[ANY_OF])
        .syntax("key:key+ timeout:double")
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    Declared::new("BLMOVE", Arity::exactly(6), Group::List, WAIT.and(Flags::DENYOOM), blmove as KeyedFn)
        .since("6.2.0")
        .summary("Pop an element from a list, push it to another list and return it; or block until one is available")
        .complexity("O(1)")
        .keys(&[SOURCE, TARGET])
        .syntax("source:key destination:key wherefrom:<'left|'right> whereto:<'left|'right> timeout:double"),
    Declared::new("BRPOPLPUSH", Arity::exactly(4), Group::List, WAIT.and(Flags::DENYOOM), brpoplpush as KeyedFn)
        .since("2.2.0")
        .summary("Pop an element from a list, push it to another list and return it; or block until one is available")
        .complexity("O(1)")
        .keys(&[SOURCE, TARGET])
        .syntax("source:key destination:key timeout:double")
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    Declared::new("BLMPOP", Arity::at_least(5), Group::List, Flags::WRITE.and(Flags::BLOCKING), blmpop as KeyedFn)
        .since("7.0.0")
        .summary("Pop elements from a list, or block until one is available")
        .complexity("O(N+M) where N is the number of provided keys and M is the number of elements returned.")
        .keys(&[KeySpec {
            begin: BeginSearch::Index(2),
            find: FindKeys::KeyNum { keynum: 0, first: 1, step: 1 },
            ..KeySpec::at(2).rw().access().delete()
        }])
        .syntax("timeout:double numkeys:integer key:key+ where:<'left|'right> [COUNT=count:integer]"),
];

/// A timeout in seconds with fractions, as milliseconds; `None` waits for ever.
///
/// # Errors
/// Redis's texts (timeout.c).
fn parse_timeout(word: &[u8]) -> Result<Option<u64>, CmdError> {
    let seconds = parse_f64(word).filter(|seconds| !seconds.is_nan()).ok_or(error::TIMEOUT_NOT_FLOAT)?;
    let ms = (seconds * 1000.0).ceil();
    if ms < 0.0 {
        return Err(error::TIMEOUT_NEGATIVE);
    }
    if ms >= i64::MAX as f64 {
        return Err(error::TIMEOUT_OUT_OF_RANGE);
    }
    Ok((ms > 0.0).then_some(ms as u64))
}

/// Moves one element; the source is known to be a list.
fn move_element(ctx: &mut KeyedCtx<'_>, args: Args<'_>, from: End, to: End) -> CmdResult {
    let (source, target) = (ctx.data.key(&args[1]), ctx.data.key(&args[2]));
    let target_exists = holds_list(&mut ctx.data, &target)?;
    let Some(mut entry) = ctx.data.get_mut(&source) else {
        ctx.reply.null();
        return DONE;
    };
    let list = list_mut(&mut entry)?;
    let popped_value = match from {
        End::Left => list.pop_front(),
        End::Right => list.pop_back(),
    };
    let Some(value) = popped_value else {
        ctx.reply.null();
        return DONE;
    };
    write_element(&mut ctx.reply, value.as_element());
    push_value(ctx, &args[2], to, &value)?;
    ctx.data.effects.dirty -= 1;
    let emptied = match ctx.data.get_mut(&source) {
        Some(mut entry) => list_mut(&mut entry)?.is_empty(),
        None => false,
    };
    ctx.data.changed(&source, NotifyClass::List, from.pop_event());
    if emptied {
        remove_empty(&mut ctx.data, &source);
    }
    if !target_exists || source.bytes == target.bytes {
        ctx.data.ready(&target);
    }
    DONE
}

fn push_value(ctx: &mut KeyedCtx<'_>, target: &[u8], to: End, value: &OwnedElement) -> Result<(), CmdError> {
    let target = ctx.data.key(target);
    let owned = value.as_element().to_vec();
    let words = protocol::resp::OwnedArgs::from_slices(&[owned]);
    push_one(&mut ctx.data, ctx.limits, &target, to, words.view())?;
    ctx.data.changed(&target, NotifyClass::List, to.push_event());
    Ok(())
}

fn lmove(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (from, to) = (End::parse(&args[3])?, End::parse(&args[4])?);
    move_or_null(ctx, args, from, to)
}

fn rpoplpush(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    move_or_null(ctx, args, End::Right, End::Left)
}

fn move_or_null(ctx: &mut KeyedCtx<'_>, args: Args<'_>, from: End, to: End) -> CmdResult {
    let source = ctx.data.key(&args[1]);
    if !holds_list(&mut ctx.data, &source)? {
        ctx.reply.null();
        return DONE;
    }
    move_element(ctx, args, from, to)
}

fn blmove(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (from, to) = (End::parse(&args[3])?, End::parse(&args[4])?);
    let timeout_ms = parse_timeout(&args[5])?;
    let result = move_or_block(ctx, args, from, to, timeout_ms)?;
    if matches!(result, Outcome::Done) && ctx.data.effects.dirty > 0 {
        ctx.data.effects.propagate_instead(&[b"LMOVE", &args[1], &args[2], from.word(), to.word()]);
    }
    Ok(result)
}

fn brpoplpush(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let timeout_ms = parse_timeout(&args[3])?;
    let result = move_or_block(ctx, args, End::Right, End::Left, timeout_ms)?;
    if matches!(result, Outcome::Done) && ctx.data.effects.dirty > 0 {
        ctx.data.effects.propagate_instead(&[b"RPOPLPUSH", &args[1], &args[2]]);
    }
    Ok(result)
}

fn move_or_block(ctx: &mut KeyedCtx<'_>, args: Args<'_>, from: End, to: End, timeout_ms: Option<u64>) -> CmdResult {
    let source = ctx.data.key(&args[1]);
    if holds_list(&mut ctx.data, &source)? {
        return move_element(ctx, args, from, to);
    }
    if !ctx.may_block {
        ctx.reply.null();
        return DONE;
    }
    Ok(block(&[1], timeout_ms))
}

fn block(keys: &[u32], timeout_ms: Option<u64>) -> Outcome {
    Outcome::Block(BlockSpec {
        keys: SmallVec::from_slice(keys),
        timeout_ms,
        awaited: Type::List,
        on_timeout: TimeoutReply::NullArray,
    })
}

/// The first of the keys that holds a list; a key of another type is an error. A waiting client is served from the key that became
/// ready and from no other, wherever it stands in the command.
fn first_list(
    ctx: &mut KeyedCtx<'_>,
    args: Args<'_>,
    positions: std::ops::Range<usize>,
) -> Result<Option<usize>, CmdError> {
    let positions = match ctx.serving {
        Some(position) => position as usize..position as usize + 1,
        None => positions,
    };
    for position in positions {
        let key = ctx.data.key(&args[position]);
        match holds_list(&mut ctx.data, &key) {
            Ok(true) => return Ok(Some(position)),
            Ok(false) => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(None)
}

fn pop_first_or_block(ctx: &mut KeyedCtx<'_>, args: Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let timeout_ms = parse_timeout(&args[last])?;
    let Some(position) = first_list(ctx, args, 1..last)? else {
        if !ctx.may_block {
            ctx.reply.null_array();
            return DONE;
        }
        let keys: SmallVec<[u32; 4]> = (1..last as u32).collect();
        return Ok(block(&keys, timeout_ms));
    };
    let key = ctx.data.key(&args[position]);
    let Some(mut entry) = ctx.data.get_mut(&key) else { return Err(error::NO_SUCH_KEY) };
    let list = list_mut(&mut entry)?;
    ctx.reply.array(2);
    ctx.reply.bulk(key.bytes);
    let reply = &mut ctx.reply;
    match end {
        End::Left => list.pop_front_with(|element| write_element(reply, element)),
        End::Right => list.pop_back_with(|element| write_element(reply, element)),
    };
    let emptied = list.is_empty();
    popped(&mut ctx.data, &key, end, 1, emptied);
    ctx.data.effects.propagate_instead(&[end.pop_verb(), key.bytes]);
    DONE
}

fn blpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_first_or_block(ctx, args, End::Left)
}

fn brpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_first_or_block(ctx, args, End::Right)
}

/// What LMPOP and BLMPOP are asked for.
struct MultiPop {
    /// Positions of the keys.
    keys: std::ops::Range<usize>,
    end: End,
    count: usize,
}

fn parse_multi_pop(args: Args<'_>, numkeys_at: usize) -> Result<MultiPop, CmdError> {
    let numkeys = parse_i64(&args[numkeys_at])
        .filter(|&n| n > 0)
        .ok_or(CmdError::text("ERR numkeys should be greater than 0"))?;
    let where_at = usize::try_from(numkeys)
        .ok()
        .and_then(|n| n.checked_add(numkeys_at + 1))
        .filter(|&at| at < args.len())
        .ok_or(error::SYNTAX)?;
    let end = End::parse(&args[where_at])?;
    let mut count = None;
    let mut next = where_at + 1;
    while let Some(option) = args.get(next) {
        let (true, None, Some(value)) = (option.eq_ignore_ascii_case(b"count"), count, args.get(next + 1)) else {
            return Err(error::SYNTAX);
        };
        let parsed = parse_i64(value).filter(|&n| n > 0).ok_or(CmdError::text("ERR count should be greater than 0"))?;
        count = Some(parsed as usize);
        next += 2;
    }
    Ok(MultiPop { keys: numkeys_at + 1..where_at, end, count: count.unwrap_or(1) })
}

/// Pops from the first list; `false` if there is none.
fn multi_pop(ctx: &mut KeyedCtx<'_>, args: Args<'_>, pop: &MultiPop) -> Result<bool, CmdError> {
    let Some(position) = first_list(ctx, args, pop.keys.clone())? else { return Ok(false) };
    let key = ctx.data.key(&args[position]);
    let Some(mut entry) = ctx.data.get_mut(&key) else { return Ok(false) };
    let list = list_mut(&mut entry)?;
    ctx.reply.array(2);
    ctx.reply.bulk(key.bytes);
    let count = pop_many(list, pop.end, pop.count, &mut ctx.reply);
    let emptied = list.is_empty();
    popped(&mut ctx.data, &key, pop.end, count, emptied);
    ctx.data.effects.propagate_instead(&[pop.end.pop_verb(), key.bytes, count.to_string().as_bytes()]);
    Ok(true)
}

fn lmpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let pop = parse_multi_pop(args, 1)?;
    if !multi_pop(ctx, args, &pop)? {
        ctx.reply.null_array();
    }
    DONE
}

fn blmpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let pop = parse_multi_pop(args, 2)?;
    let timeout_ms = parse_timeout(&args[1])?;
    if multi_pop(ctx, args, &pop)? {
        return DONE;
    }
    if !ctx.may_block {
        ctx.reply.null_array();
        return DONE;
    }
    let keys: SmallVec<[u32; 4]> = (pop.keys.start as u32..pop.keys.end as u32).collect();
    Ok(block(&keys, timeout_ms))
}
