//! List commands on one key: push, pop, read, edit.
//!
//! Commands that move elements between lists or wait for them are in [`super::list_moves`]. The list itself is in
//! [`crate::store::types::list`]; this file gives its operations words, replies and events. A key whose list becomes
//! empty is removed at once ([`Data::edit`](crate::command::Data::edit)), so an existing list always has an element.
//! Redis: t_list.c.

use std::ops::ControlFlow;

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use crate::base::number::parse_i64;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, DataLimits, Declared, Edit, Flags, Group, KeySpec, KeyedCtx, KeyedFn, NotifyClass,
    error,
};
use crate::store::EntryRef;
use crate::store::types::list::{Element, List, Needle};

const ADD: Flags = Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST);
const EDIT: Flags = Flags::WRITE.and(Flags::DENYOOM);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("LPUSH", Arity::at_least(3), Group::List, ADD, lpush as KeyedFn)
        .since("1.0.0")
        .summary("Prepend one or multiple elements to a list")
        .complexity("O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key element:string+")
        .history(&[("2.4.0", "Accepts multiple `element` arguments.")]),
    Declared::new("RPUSH", Arity::at_least(3), Group::List, ADD, rpush as KeyedFn)
        .since("1.0.0")
        .summary("Append one or multiple elements to a list")
        .complexity("O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key element:string+")
        .history(&[("2.4.0", "Accepts multiple `element` arguments.")]),
    Declared::new("LPUSHX", Arity::at_least(3), Group::List, ADD, lpushx as KeyedFn)
        .since("2.2.0")
        .summary("Prepend an element to a list, only if the list exists")
        .complexity("O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key element:string+")
        .history(&[("4.0.0", "Accepts multiple `element` arguments.")]),
    Declared::new("RPUSHX", Arity::at_least(3), Group::List, ADD, rpushx as KeyedFn)
        .since("2.2.0")
        .summary("Append an element to a list, only if the list exists")
        .complexity("O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key element:string+")
        .history(&[("4.0.0", "Accepts multiple `element` arguments.")]),
    Declared::new("LPOP", Arity::at_least(2), Group::List, Flags::WRITE.and(Flags::FAST), lpop as KeyedFn)
        .since("1.0.0")
        .summary("Remove and get the first elements in a list")
        .complexity("O(N) where N is the number of elements returned")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key [count:integer@6.2.0]")
        .history(&[("6.2.0", "Added the `count` argument.")]),
    Declared::new("RPOP", Arity::at_least(2), Group::List, Flags::WRITE.and(Flags::FAST), rpop as KeyedFn)
        .since("1.0.0")
        .summary("Remove and get the last elements in a list")
        .complexity("O(N) where N is the number of elements returned")
        .keys(&[KeySpec::at(1).rw().access().delete()])
        .syntax("key:key [count:integer@6.2.0]")
        .history(&[("6.2.0", "Added the `count` argument.")]),
    Declared::new("LLEN", Arity::exactly(2), Group::List, Flags::READONLY.and(Flags::FAST), llen as KeyedFn)
        .since("1.0.0")
        .summary("Get the length of a list")
        .complexity("O(1)")
        .keys(&[KeySpec::at(1).ro()])
        .syntax("key:key"),
    Declared::new("LINDEX", Arity::exactly(3), Group::List, Flags::READONLY, lindex as KeyedFn)
        .since("1.0.0")
        .summary("Get an element from a list by its index")
        .complexity("O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key index:integer"),
    Declared::new("LRANGE", Arity::exactly(4), Group::List, Flags::READONLY, lrange as KeyedFn)
        .since("1.0.0")
        .summary("Get a range of elements from a list")
        .complexity("O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key start:integer stop:integer"),
    Declared::new("LSET", Arity::exactly(4), Group::List, EDIT, lset as KeyedFn)
        .since("1.0.0")
        .summary("Set the value of an element in a list by its index")
        .complexity("O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).")
        .keys(&[KeySpec::at(1).rw().update()])
        .syntax("key:key index:integer element:string"),
    Declared::new("LINSERT", Arity::exactly(5), Group::List, EDIT, linsert as KeyedFn)
        .since("2.2.0")
        .summary("Insert an element before or after another element in a list")
        .complexity("O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).")
        .keys(&[KeySpec::at(1).rw().insert()])
        .syntax("key:key where:<'before|'after> pivot:string element:string"),
    Declared::new("LREM", Arity::exactly(4), Group::List, Flags::WRITE, lrem as KeyedFn)
        .since("1.0.0")
        .summary("Remove elements from a list")
        .complexity("O(N+M) where N is the length of the list and M is the number of elements removed.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key count:integer element:string"),
    Declared::new("LTRIM", Arity::exactly(4), Group::List, Flags::WRITE, ltrim as KeyedFn)
        .since("1.0.0")
        .summary("Trim a list to the specified range")
        .complexity("O(N) where N is the number of elements to be removed by the operation.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key start:integer stop:integer"),
    Declared::new("LPOS", Arity::at_least(3), Group::List, Flags::READONLY, lpos as KeyedFn)
        .since("6.0.6")
        .summary("Return the index of matching elements on a list")
        .complexity("O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key element:string [RANK=rank:integer] [COUNT=num-matches:integer] [MAXLEN=len:integer]"),
];

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Left,
    Right,
}

impl End {
    /// Reads LEFT or RIGHT.
    pub(super) fn parse(word: &[u8]) -> Result<Self, CmdError> {
        if word.eq_ignore_ascii_case(b"left") {
            Ok(Self::Left)
        } else if word.eq_ignore_ascii_case(b"right") {
            Ok(Self::Right)
        } else {
            Err(error::SYNTAX)
        }
    }
    /// The word as it is propagated.
    pub(super) fn word(self) -> &'static [u8] {
        match self {
            Self::Left => b"left",
            Self::Right => b"right",
        }
    }
    pub(super) fn push_event(self) -> &'static str {
        match self {
            Self::Left => "lpush",
            Self::Right => "rpush",
        }
    }
    pub(super) fn pop_event(self) -> &'static str {
        match self {
            Self::Left => "lpop",
            Self::Right => "rpop",
        }
    }
    pub(super) fn pop_verb(self) -> &'static [u8] {
        match self {
            Self::Left => b"LPOP",
            Self::Right => b"RPOP",
        }
    }
}

/// Writes an element as a bulk string.
#[inline]
pub(super) fn write_element(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Int(number) => reply.bulk_int(number),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// The list in an entry, for reading.
fn list_of(entry: EntryRef<'_>) -> Result<&List, CmdError> {
    entry.collection::<List>().ok_or(error::WRONG_TYPE)
}

/// The result of an edit: the event, and how many changes it counts as.
pub(super) fn changed<R>(event: &'static str, count: usize, result: R) -> Edit<R> {
    Edit::of(NotifyClass::List, event, count, result)
}

/// A list with the present configuration.
pub(super) fn new_list(limits: &DataLimits) -> List {
    List::new(limits.list_options())
}

/// Pushes one element.
#[inline]
pub(super) fn push_to(list: &mut List, end: End, value: &[u8]) {
    match end {
        End::Left => list.push_front(value),
        End::Right => list.push_back(value),
    }
}

fn push(ctx: &mut KeyedCtx<'_>, args: Args<'_>, end: End, only_existing: bool) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    if only_existing && ctx.data.peek(&key).is_none() {
        ctx.reply.int(0);
        return DONE;
    }
    let (values, limits) = (args.skip(2), ctx.limits);
    let len = ctx.data.edit_or_create(
        &key,
        || new_list(limits),
        |list: &mut List| {
            values.iter().for_each(|value| push_to(list, end, value));
            changed(end.push_event(), values.len(), list.len())
        },
    )?;
    ctx.reply.int(len as i64);
    DONE
}

fn lpush(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    push(ctx, args, End::Left, false)
}

fn rpush(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    push(ctx, args, End::Right, false)
}

fn lpushx(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    push(ctx, args, End::Left, true)
}

fn rpushx(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    push(ctx, args, End::Right, true)
}

/// Writes the element at an end and removes it.
#[inline]
pub(super) fn pop_one(list: &mut List, end: End, reply: &mut Reply<'_>) {
    match end {
        End::Left => list.pop_front_with(|element| write_element(reply, element)),
        End::Right => list.pop_back_with(|element| write_element(reply, element)),
    };
}

/// Writes up to `count` elements from an end, in the order in which they are popped, and removes them. Returns how many
/// there were.
pub(super) fn pop_many(list: &mut List, end: End, count: usize, reply: &mut Reply<'_>) -> usize {
    let count = count.min(list.len());
    reply.array(count);
    match end {
        End::Left => {
            list.range(0, count, |element| write_element(reply, element));
            list.remove_range(0, count);
        }
        End::Right => {
            let mut left = count;
            list.walk_back(list.len().saturating_sub(1), |_, element| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                write_element(reply, element);
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            list.remove_range(list.len() - count, count);
        }
    }
    count
}

fn pop(ctx: &mut KeyedCtx<'_>, args: Args<'_>, end: End) -> CmdResult {
    if args.len() > 3 {
        return Err(error::wrong_arity(ctx.name));
    }
    let count = match args.get(2) {
        None => None,
        Some(word) => {
            let count = parse_i64(word).ok_or(error::OUT_OF_RANGE_POSITIVE)?;
            Some(usize::try_from(count).map_err(|_| error::OUT_OF_RANGE_POSITIVE)?)
        }
    };
    let key = ctx.data.key(&args[1]);
    let reply = &mut ctx.reply;
    let found = ctx.data.edit(&key, |list: &mut List| match count {
        Some(0) => {
            reply.array(0);
            Edit::none(())
        }
        Some(count) => changed(end.pop_event(), pop_many(list, end, count, reply), ()),
        None => {
            pop_one(list, end, reply);
            changed(end.pop_event(), 1, ())
        }
    })?;
    match (found, count) {
        (Some(()), _) => {}
        (None, Some(_)) => ctx.reply.null_array(),
        (None, None) => ctx.reply.null(),
    }
    DONE
}

fn lpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop(ctx, args, End::Left)
}

fn rpop(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    pop(ctx, args, End::Right)
}

fn llen(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let len = match ctx.data.read(&key) {
        Some(entry) => list_of(entry)?.len(),
        None => 0,
    };
    ctx.reply.int(len as i64);
    DONE
}

fn lindex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let Some(entry) = ctx.data.read(&key) else {
        ctx.reply.null();
        return DONE;
    };
    let list = list_of(entry)?;
    let index = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
    let reply = &mut ctx.reply;
    if list.with_index(index, |element| write_element(reply, element)).is_none() {
        reply.null();
    }
    DONE
}

/// Start and count of the range that two inclusive indexes name in a list of `len` elements; `None` if it is empty.
fn range_of(start: i64, stop: i64, len: usize) -> Option<(usize, usize)> {
    let len = len as i64;
    let start = if start < 0 { (len + start).max(0) } else { start };
    let stop = if stop < 0 { len + stop } else { stop.min(len - 1) };
    (start <= stop && start < len).then(|| (start as usize, (stop - start + 1) as usize))
}

fn two_indexes(args: Args<'_>) -> Result<(i64, i64), CmdError> {
    Ok((parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?, parse_i64(&args[3]).ok_or(error::NOT_INTEGER)?))
}

fn lrange(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (start, stop) = two_indexes(args)?;
    let key = ctx.data.key(&args[1]);
    let Some(entry) = ctx.data.read(&key) else {
        ctx.reply.array(0);
        return DONE;
    };
    let list = list_of(entry)?;
    let Some((start, count)) = range_of(start, stop, list.len()) else {
        ctx.reply.array(0);
        return DONE;
    };
    ctx.reply.array(count);
    let reply = &mut ctx.reply;
    list.range(start, count, |element| write_element(reply, element));
    DONE
}

fn lset(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let key = ctx.data.key(&args[1]);
    let set = ctx.data.edit(&key, |list: &mut List| match parse_i64(&args[2]) {
        None => Edit::none(Err(error::NOT_INTEGER)),
        Some(index) if list.set(index, &args[3]) => changed("lset", 1, Ok(())),
        Some(_) => Edit::none(Err(error::INDEX_OUT_OF_RANGE)),
    })?;
    set.ok_or(error::NO_SUCH_KEY)??;
    ctx.reply.ok();
    DONE
}

fn linsert(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let after = if args[2].eq_ignore_ascii_case(b"after") {
        true
    } else if args[2].eq_ignore_ascii_case(b"before") {
        false
    } else {
        return Err(error::SYNTAX);
    };
    let key = ctx.data.key(&args[1]);
    let len = ctx.data.edit(&key, |list: &mut List| {
        let (pivot, value) = (&args[3], &args[4]);
        if after && list.insert_after(pivot, value) || !after && list.insert_before(pivot, value) {
            changed("linsert", 1, list.len() as i64)
        } else {
            Edit::none(-1)
        }
    })?;
    ctx.reply.int(len.unwrap_or(0));
    DONE
}

fn lrem(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let count = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
    let key = ctx.data.key(&args[1]);
    let removed = ctx.data.edit(&key, |list: &mut List| match list.remove(&args[3], count) {
        0 => Edit::none(0),
        removed => changed("lrem", removed, removed),
    })?;
    ctx.reply.int(removed.unwrap_or(0) as i64);
    DONE
}

fn ltrim(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let (start, stop) = two_indexes(args)?;
    let key = ctx.data.key(&args[1]);
    ctx.data.edit(&key, |list: &mut List| {
        let before = list.len();
        let (start, count) = range_of(start, stop, before).unwrap_or((0, 0));
        list.trim(start, count);
        // Redis signals and notifies even if nothing was trimmed, but counts only removed elements.
        changed("ltrim", before - list.len(), ())
    })?;
    ctx.reply.ok();
    DONE
}

/// The arguments of LPOS.
struct Search {
    /// The match to begin with; negative counts from the end.
    rank: i64,
    /// How many matches to return; `None` is one, without an array, and zero is all.
    count: Option<usize>,
    /// How many elements to look at; zero is all.
    max_len: usize,
}

fn parse_search(args: Args<'_>) -> Result<Search, CmdError> {
    let mut search = Search { rank: 1, count: None, max_len: 0 };
    let mut next = 3;
    while let Some(option) = args.get(next) {
        let Some(value) = args.get(next + 1) else { return Err(error::SYNTAX) };
        if option.eq_ignore_ascii_case(b"rank") {
            search.rank = parse_i64(value).ok_or(error::NOT_INTEGER)?;
            if search.rank == 0 {
                return Err(CmdError::text(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
                ));
            }
            if search.rank == i64::MIN {
                // The negation of `i64::MIN` is itself, which for Redis is less than any number of matches.
                search.rank = -1;
            }
        } else if option.eq_ignore_ascii_case(b"count") {
            let count = parse_i64(value).and_then(|count| usize::try_from(count).ok());
            search.count = Some(count.ok_or(CmdError::text("ERR COUNT can't be negative"))?);
        } else if option.eq_ignore_ascii_case(b"maxlen") {
            let len = parse_i64(value).and_then(|len| usize::try_from(len).ok());
            search.max_len = len.ok_or(CmdError::text("ERR MAXLEN can't be negative"))?;
        } else {
            return Err(error::SYNTAX);
        }
        next += 2;
    }
    Ok(search)
}

/// Positions of the matches, in the order of the search.
fn find_positions(list: &List, element: &[u8], search: &Search) -> Vec<usize> {
    let needle = Needle::new(element);
    let wanted = match search.count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let mut to_skip = search.rank.unsigned_abs() - 1;
    let mut looked = 0;
    let mut found = Vec::new();
    let visit = |position: usize, element: Element<'_>| {
        looked += 1;
        if needle.matches(element) {
            if to_skip > 0 {
                to_skip -= 1;
            } else {
                found.push(position);
            }
        }
        if found.len() >= wanted || looked == search.max_len {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    if search.rank > 0 {
        list.walk(0, visit);
    } else {
        list.walk_back(usize::MAX, visit);
    }
    found
}

fn lpos(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let search = parse_search(args)?;
    let key = ctx.data.key(&args[1]);
    let found = match ctx.data.read(&key) {
        Some(entry) => find_positions(list_of(entry)?, &args[2], &search),
        None => Vec::new(),
    };
    match search.count {
        Some(_) => {
            ctx.reply.array(found.len());
            found.iter().for_each(|&position| ctx.reply.int(position as i64));
        }
        None => match found.first() {
            Some(&position) => ctx.reply.int(position as i64),
            None => ctx.reply.null(),
        },
    }
    DONE
}
