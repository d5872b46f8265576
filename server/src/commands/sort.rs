//! SORT and SORT_RO: the elements of a list, set or sorted set in order, with values of other keys.
//!
//! BY and GET make the names of keys from the elements, so no word names them. Outside of cluster mode such a command
//! runs alone ([`reaches_other_keys`]) and any slot may be used; in cluster mode it is refused. Without patterns, only
//! the slots of the key and of the target of STORE are locked. Redis: sort.c.

use std::ops::Range;

use protocol::resp::Args;

use super::integer;
use super::sort_elements::{Collation, Texts, Weights, score_of, sorted};
use crate::command::keys::KeyPositions;
use crate::command::outcome::DONE;
use crate::command::{
    Arity, Categories, CmdError, CmdResult, Data, Declared, Flags, Group, KeyFlags, KeySpec, KeyedCtx, KeyedFn,
    NotifyClass, error,
};
use crate::store::types::hash::Hash;
use crate::store::types::list::{List, ListOptions};
use crate::store::types::set::{Set, SetRef};
use crate::store::types::zset::{ZSet, ZSetRef};
use crate::store::{EntryRef, Value};

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).";
const CATEGORIES: Categories =
    Categories::SET.and(Categories::SORTED_SET).and(Categories::LIST).and(Categories::DANGEROUS);
const PATTERNS: KeySpec = KeySpec::unknown().ro().access().notes("For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort");
const TARGET: KeySpec = KeySpec::unknown().ow().update().notes("For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array");

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("SORT", Arity::at_least(2), Group::Generic, Flags::WRITE.and(Flags::DENYOOM), sort as KeyedFn)
        .summary("Sort the elements in a list, set or sorted set")
        .complexity(COMPLEXITY)
        .acl(CATEGORIES)
        .keys(&[KeySpec::at(1).ro().access(), PATTERNS, TARGET])
        .keys_fn(find_keys)
        .unnamed_keys_fn(reaches_other_keys)
        .syntax("key:key [BY=pattern:pattern] [LIMIT=offset_count:{offset:integer count:integer}] [GET=pattern:pattern++] [order:<'asc|'desc>] [ALPHA='sorting] [STORE=destination:key]"),
    Declared::new("SORT_RO", Arity::at_least(2), Group::Generic, Flags::READONLY, sort_ro as KeyedFn)
        .since("7.0.0")
        .summary("Sort the elements in a list, set or sorted set. Read-only variant of SORT.")
        .complexity(COMPLEXITY)
        .acl(CATEGORIES)
        .keys(&[KeySpec::at(1).ro().access(), PATTERNS])
        .keys_fn(find_only_key)
        .unnamed_keys_fn(reaches_other_keys)
        .syntax("key:key [BY=pattern:pattern] [LIMIT=offset_count:{offset:integer count:integer}] [GET=pattern:pattern++] [order:<'asc|'desc>] [ALPHA='sorting]"),
];

/// Whether the word at `at` is this one, in any case.
fn is(args: Args<'_>, at: usize, word: &[u8]) -> bool {
    args.get(at).is_some_and(|found| found.eq_ignore_ascii_case(word))
}

/// The sorted key, and the one behind the last STORE.
fn find_keys(args: Args<'_>, out: &mut KeyPositions) {
    find_only_key(args, out);
    let (mut target, mut at) = (None, 2);
    while at < args.len() {
        if is(args, at, b"LIMIT") {
            at += 2;
        } else if is(args, at, b"GET") || is(args, at, b"BY") {
            at += 1;
        } else if is(args, at, b"STORE") && at + 1 < args.len() {
            target = Some(at + 1);
        }
        at += 1;
    }
    out.extend(target.map(|at| (at as u32, KeyFlags::OW.and(KeyFlags::UPDATE))));
}

fn find_only_key(_args: Args<'_>, out: &mut KeyPositions) {
    out.push((1, KeyFlags::RO.and(KeyFlags::ACCESS)));
}

/// Whether a pattern makes names of keys from elements.
fn reaches_other_keys(args: Args<'_>) -> bool {
    let mut at = 2;
    while at < args.len() {
        if is(args, at, b"LIMIT") {
            at += 2;
        } else if is(args, at, b"STORE") {
            at += 1;
        } else if is(args, at, b"GET") || is(args, at, b"BY") {
            at += 1;
            if args.get(at).is_some_and(|pattern| matches!(Pattern::parse(pattern), Pattern::Key { .. })) {
                return true;
            }
        }
        at += 1;
    }
    false
}

/// What BY or GET makes of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern<'a> {
    /// `#`
    Itself,
    /// Without a `*` it stands for nothing.
    Nothing,
    /// The value at a key, or that of a field of a hash.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    fn parse(word: &'a [u8]) -> Self {
        if word == b"#" {
            return Self::Itself;
        }
        let text = error::c_string(word);
        let Some(star) = text.iter().position(|byte| *byte == b'*') else { return Self::Nothing };
        let (before, after) = (&word[..star], &word[star + 1..]);
        let arrow = text[star + 1..].windows(2).position(|pair| pair == b"->");
        match arrow.filter(|at| star + 1 + at + 2 < text.len()) {
            Some(at) => Self::Key { before, after: &after[..at], field: Some(&after[at + 2..]) },
            None => Self::Key { before, after, field: None },
        }
    }

    /// Passes on the value that it stands for, if there is one. `name` is a buffer for the name of the key.
    fn with_value<R>(
        &self,
        data: &mut Data<'_>,
        name: &mut Vec<u8>,
        element: &[u8],
        f: impl FnOnce(Option<&[u8]>) -> R,
    ) -> R {
        let (before, after, field) = match *self {
            Self::Itself => return f(Some(element)),
            Self::Nothing => return f(None),
            Self::Key { before, after, field } => (before, after, field),
        };
        name.clear();
        name.extend_from_slice(before);
        name.extend_from_slice(element);
        name.extend_from_slice(after);
        let key = data.key(name);
        let Some(entry) = data.read(&key) else { return f(None) };
        match field {
            None => f(entry.value().string_bytes(&mut itoa::Buffer::new())),
            Some(field) => match entry.collection::<Hash>().and_then(|hash| hash.get(field)) {
                Some(value) => value.with_text(|text| f(Some(text))),
                None => f(None),
            },
        }
    }
}

/// A parsed command.
#[derive(Debug)]
struct Request<'a> {
    descending: bool,
    alpha: bool,
    offset: i64,
    /// Negative is no limit.
    limit: i64,
    by: Option<Pattern<'a>>,
    /// A BY says that nothing is to be sorted. As in Redis, that outlasts a later BY with a pattern.
    keeps_order: bool,
    gets: Vec<Pattern<'a>>,
    target: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn parse(args: Args<'a>, stores: bool, in_cluster: bool) -> Result<Self, CmdError> {
        let mut request = Self {
            descending: false,
            alpha: false,
            offset: 0,
            limit: -1,
            by: None,
            keeps_order: false,
            gets: Vec::new(),
            target: None,
        };
        let mut at = 2;
        while at < args.len() {
            let (first, second) = (args.get(at + 1), args.get(at + 2));
            match (first, second) {
                _ if is(args, at, b"ASC") => request.descending = false,
                _ if is(args, at, b"DESC") => request.descending = true,
                _ if is(args, at, b"ALPHA") => request.alpha = true,
                (Some(offset), Some(limit)) if is(args, at, b"LIMIT") => {
                    (request.offset, request.limit) = (integer(offset)?, integer(limit)?);
                    at += 2;
                }
                (Some(target), _) if stores && is(args, at, b"STORE") => {
                    request.target = Some(target);
                    at += 1;
                }
                (Some(pattern), _) if is(args, at, b"BY") => {
                    let pattern = Pattern::parse(pattern);
                    if in_cluster && matches!(pattern, Pattern::Key { .. }) {
                        return Err(CmdError::text("ERR BY option of SORT denied in Cluster mode."));
                    }
                    request.keeps_order |= !matches!(pattern, Pattern::Key { .. });
                    request.by = Some(pattern);
                    at += 1;
                }
                (Some(_), _) if is(args, at, b"GET") && in_cluster => {
                    return Err(CmdError::text("ERR GET option of SORT denied in Cluster mode."));
                }
                (Some(pattern), _) if is(args, at, b"GET") => {
                    request.gets.push(Pattern::parse(pattern));
                    at += 1;
                }
                _ => return Err(error::SYNTAX),
            }
            at += 1;
        }
        Ok(request)
    }

    /// The part of so many elements that LIMIT asks for.
    fn part(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(self.limit).unwrap_or(usize::MAX).min(len - start);
        start..start + count
    }
}

/// What a key holds that can be sorted.
enum Source<'a> {
    List(&'a List),
    Set(SetRef<'a>),
    ZSet(ZSetRef<'a>),
}

impl<'a> Source<'a> {
    fn of(entry: EntryRef<'a>) -> Result<Self, CmdError> {
        let list = entry.collection::<List>().map(Self::List);
        let set = || entry.collection::<Set>().map(Self::Set);
        list.or_else(set).or_else(|| entry.collection::<ZSet>().map(Self::ZSet)).ok_or(error::WRONG_TYPE)
    }

    fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Set(set) => set.len(),
            Self::ZSet(zset) => zset.len(),
        }
    }

    /// A part of the elements in their own order, counted from the end if `descending`. A set has no order.
    fn load(&self, part: Range<usize>, descending: bool) -> Texts {
        let mut texts = Texts::default();
        match self {
            Self::List(list) if descending => {
                let start = list.len() - part.end;
                list.range(start, part.len(), |element| element.with_text(|text| texts.push(text)));
                let mut reversed = Texts::default();
                (0..texts.len()).rev().for_each(|index| reversed.push(texts.get(index)));
                return reversed;
            }
            Self::List(list) => {
                list.range(part.start, part.len(), |element| element.with_text(|text| texts.push(text)));
            }
            Self::Set(set) => {
                let elements = set.iter().skip(part.start).take(part.len());
                elements.for_each(|element| element.with_text(|text| texts.push(text)));
            }
            Self::ZSet(zset) => {
                zset.range(part.start, part.len(), descending, |element, _| {
                    element.with_text(|text| texts.push(text));
                });
            }
        }
        texts
    }
}

/// The elements of the result in order.
fn elements(ctx: &mut KeyedCtx<'_>, args: Args<'_>, request: &mut Request<'_>) -> Result<Texts, CmdError> {
    let key = ctx.data.key(&args[1]);
    let Some(entry) = ctx.data.read(&key) else { return Ok(Texts::default()) };
    let source = Source::of(entry)?;
    if request.keeps_order {
        if !(matches!(source, Source::Set(_)) && (request.target.is_some() || ctx.in_script)) {
            return Ok(source.load(request.part(source.len()), request.descending));
        }
        // What is stored, or a script sees, must not depend on the order in which this node keeps the members.
        (request.by, request.alpha) = (None, true);
    }
    let texts = source.load(0..source.len(), false);
    let weights = weights(ctx, &texts, request)?;
    let collation = if request.target.is_some() { Collation::Whole } else { Collation::UpToZero };
    let order = sorted(&texts, &weights, request.descending, collation, request.part(texts.len()));
    let mut result = Texts::default();
    order.into_iter().for_each(|index| result.push(texts.get(index)));
    Ok(result)
}

/// What the elements are compared by.
fn weights(ctx: &mut KeyedCtx<'_>, texts: &Texts, request: &Request<'_>) -> Result<Weights, CmdError> {
    let mut name = Vec::new();
    let indices = 0..texts.len();
    let scores: Option<Vec<f64>> = match (&request.by, request.alpha) {
        (None, true) => return Ok(Weights::Own),
        (None, false) => indices.map(|index| score_of(texts.get(index))).collect(),
        (Some(pattern), false) => indices
            .map(|index| {
                // A missing value counts as zero.
                pattern
                    .with_value(&mut ctx.data, &mut name, texts.get(index), |value| value.map_or(Some(0.0), score_of))
            })
            .collect(),
        (Some(pattern), true) => {
            let mut others = Texts::default();
            let mut which = Vec::with_capacity(texts.len());
            for index in indices {
                pattern.with_value(&mut ctx.data, &mut name, texts.get(index), |value| {
                    which.push(value.map(|_| others.len()));
                    value.into_iter().for_each(|value| others.push(value));
                });
            }
            return Ok(Weights::Others(others, which));
        }
    };
    scores.map(Weights::Scores).ok_or(CmdError::text("ERR One or more scores can't be converted into double"))
}

fn run(ctx: &mut KeyedCtx<'_>, args: Args<'_>, stores: bool) -> CmdResult {
    let mut request = Request::parse(args, stores, ctx.limits.cluster_enabled)?;
    let texts = elements(ctx, args, &mut request)?;
    match request.target {
        Some(target) => store(ctx, target, &texts, &request.gets),
        None => reply(ctx, &texts, &request.gets),
    }
    DONE
}

fn reply(ctx: &mut KeyedCtx<'_>, texts: &Texts, gets: &[Pattern<'_>]) {
    let KeyedCtx { data, reply, .. } = ctx;
    reply.array(texts.len().saturating_mul(gets.len().max(1)));
    let mut name = Vec::new();
    for element in (0..texts.len()).map(|index| texts.get(index)) {
        if gets.is_empty() {
            reply.bulk(element);
        }
        for pattern in gets {
            pattern.with_value(data, &mut name, element, |value| match value {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            });
        }
        if reply.is_full() {
            return;
        }
    }
}

fn store(ctx: &mut KeyedCtx<'_>, target: &[u8], texts: &Texts, gets: &[Pattern<'_>]) {
    // Redis 7.0 makes this list without `list-max-listpack-size` and `list-compress-depth`; later versions obey them.
    let packed_threshold = ctx.limits.list_options().packed_threshold;
    let mut list = List::new(ListOptions { packed_threshold, ..ListOptions::default() });
    let mut name = Vec::new();
    for element in (0..texts.len()).map(|index| texts.get(index)) {
        if gets.is_empty() {
            list.push_back(element);
        }
        for pattern in gets {
            pattern.with_value(&mut ctx.data, &mut name, element, |value| list.push_back(value.unwrap_or_default()));
        }
    }
    let (target, len) = (ctx.data.key(target), list.len());
    if len == 0 {
        ctx.data.delete_even_expired(&target);
    } else {
        list.settle();
        ctx.data.set_result(&target, Value::from(list));
        ctx.data.changed(&target, NotifyClass::List, "sortstore");
        // One change was counted already.
        ctx.data.effects.dirty += len as u64 - 1;
    }
    ctx.reply.int(len as i64);
}

fn sort(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, true)
}

fn sort_ro(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    run(ctx, args, false)
}
