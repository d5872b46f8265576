//! List commands that move elements between lists, pop from the first of several, or wait for an element.
//!
//! A blocking command is its plain form with one more outcome: if no list has an element, it returns
//! [`Outcome::Block`]. When a push makes a key ready, the engine runs the same handler again for the waiting client
//! (`ctx.serving` names the key), so there is one code path for "at once" and "later". Redis: t_list.c, blocked.c.

use protocol::resp::Args;

use super::lists::{End, changed, new_list, pop_many, pop_one, push_to, write_element};
use super::multi_pop::{MultiPop, block, first_that_holds, holds, parse_timeout};
use crate::command::outcome::DONE;
use crate::command::spec::{BeginSearch, FindKeys};
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, NotifyClass, Outcome,
};
use crate::store::types::list::{List, OwnedElement};
use crate::store::{EntryRef, Type};

const MOVE: Flags = Flags::WRITE.and(Flags::DENYOOM);
const WAIT: Flags = Flags::WRITE.and(Flags::NOSCRIPT).and(Flags::BLOCKING);

const SOURCE: KeySpec = KeySpec::at(1).rw().access().delete();
const TARGET: KeySpec = KeySpec::at(2).rw().insert();
const ANY_OF: KeySpec = KeySpec::at(1).rw().access().delete().find(FindKeys::Range { last: -2, step: 1, limit: 0 });

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
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

/// Moves one element; the source is known to be a list.
fn move_element(ctx: &mut KeyedCtx<'_>, args: Args<'_>, from: End, to: End) -> CmdResult {
    let (source, target) = (ctx.data.key(&args[1]), ctx.data.key(&args[2]));
    if source.bytes == target.bytes {
        return rotate(ctx, &source, from, to);
    }
    let index = if from == End::Left { 0 } else { -1 };
    let list = ctx.data.peek(&source).and_then(EntryRef::collection::<List>);
    let Some(value) = list.and_then(|list| list.with_index(index, OwnedElement::copy_of)) else {
        ctx.reply.null();
        return DONE;
    };
    let limits = ctx.limits;
    // The target first: its events come first, and if it is not a list nothing has been popped.
    ctx.data.edit_or_create(
        &target,
        || new_list(limits),
        |list: &mut List| {
            value.as_element().with_text(|text| push_to(list, to, text));
            changed(to.push_event(), 1, ())
        },
    )?;
    let reply = &mut ctx.reply;
    ctx.data.edit(&source, |list: &mut List| {
        pop_one(list, from, reply);
        changed(from.pop_event(), 1, ())
    })?;
    // Both lists have changed, but by one command.
    ctx.data.effects.dirty -= 1;
    DONE
}

/// Moves an element from one end of a list to an end of the same list, which is never empty in between.
fn rotate(ctx: &mut KeyedCtx<'_>, key: &Key<'_>, from: End, to: End) -> CmdResult {
    let reply = &mut ctx.reply;
    ctx.data.edit(key, |list: &mut List| {
        let value = match from {
            End::Left => list.pop_front(),
            End::Right => list.pop_back(),
        };
        let value = value.expect("a list that a key holds has an element");
        write_element(reply, value.as_element());
        value.as_element().with_text(|text| push_to(list, to, text));
        changed(to.push_event(), 1, ())
    })?;
    ctx.data.changed(key, NotifyClass::List, from.pop_event());
    ctx.data.effects.dirty -= 1;
    DONE
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
    if !holds::<List>(&mut ctx.data, &source)? {
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
    if holds::<List>(&mut ctx.data, &source)? {
        return move_element(ctx, args, from, to);
    }
    if !ctx.may_block {
        ctx.reply.null();
        return DONE;
    }
    Ok(block(1..2, timeout_ms, Type::List))
}

fn pop_first_or_block(ctx: &mut KeyedCtx<'_>, args: Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let timeout_ms = parse_timeout(&args[last])?;
    let Some(position) = first_that_holds::<List>(ctx, args, 1..last)? else {
        if !ctx.may_block {
            ctx.reply.null_array();
            return DONE;
        }
        return Ok(block(1..last, timeout_ms, Type::List));
    };
    let key = ctx.data.key(&args[position]);
    let reply = &mut ctx.reply;
    ctx.data.edit(&key, |list: &mut List| {
        reply.array(2);
        reply.bulk(key.bytes);
        pop_one(list, end, reply);
        changed(end.pop_event(), 1, ())
    })?;
    ctx.data.effects.propagate_instead(&[end.pop_verb(), key.bytes]);
    DONE
}

fn blpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_first_or_block(ctx, args, End::Left)
}

fn brpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop_first_or_block(ctx, args, End::Right)
}

/// Pops from the first list; `false` if there is none.
fn multi_pop(ctx: &mut KeyedCtx<'_>, args: Args<'_>, pop: &MultiPop<End>) -> Result<bool, CmdError> {
    let Some(position) = first_that_holds::<List>(ctx, args, pop.keys.clone())? else { return Ok(false) };
    let key = ctx.data.key(&args[position]);
    let reply = &mut ctx.reply;
    let popped = ctx.data.edit(&key, |list: &mut List| {
        reply.array(2);
        reply.bulk(key.bytes);
        let count = pop_many(list, pop.end, pop.count, reply);
        changed(pop.end.pop_event(), count, count)
    })?;
    let Some(count) = popped else { return Ok(false) };
    ctx.data.effects.propagate_instead(&[pop.end.pop_verb(), key.bytes, count.to_string().as_bytes()]);
    Ok(true)
}

fn lmpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let pop = MultiPop::parse(args, 1, End::parse)?;
    if !multi_pop(ctx, args, &pop)? {
        ctx.reply.null_array();
    }
    DONE
}

fn blmpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let pop = MultiPop::parse(args, 2, End::parse)?;
    let timeout_ms = parse_timeout(&args[1])?;
    if multi_pop(ctx, args, &pop)? {
        return DONE;
    }
    if !ctx.may_block {
        ctx.reply.null_array();
        return DONE;
    }
    Ok(block(pop.keys, timeout_ms, Type::List))
}
