//! Sorted sets: random members, and the whole set in steps.
//!
//! A random member is a random rank, so each is equally likely in both forms. A scan goes through the set in the order
//! of its members' hashes, which no change of scores disturbs. Redis: t_zset.c, db.c.

use std::collections::HashSet;

use protocol::resp::Args;
use protocol::resp::reply::Protocol;

use super::lists::write_element;
use super::member_scan::{self, MemberScan};
use super::zsets::zset_of;
use crate::base::limits::RANDOM_PICKS_MAX;
use crate::base::rng::Rng;
use crate::command::outcome::DONE;
use crate::command::{Arity, CmdError, CmdResult, Declared, Flags, Group, KeySpec, KeyedCtx, KeyedFn, error};
use crate::store::types::zset::ZSetRef;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("ZRANDMEMBER", Arity::at_least(2), Group::SortedSet, Flags::READONLY, zrandmember as KeyedFn)
        .since("6.2.0")
        .summary("Get one or multiple random elements from a sorted set")
        .complexity("O(N) where N is the number of elements returned")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key [options:{count:integer ['withscores]}]")
        .tips(&["nondeterministic_output"]),
    Declared::new("ZSCAN", Arity::at_least(3), Group::SortedSet, Flags::READONLY, zscan as KeyedFn)
        .since("2.8.0")
        .summary("Incrementally iterate sorted sets elements and associated scores")
        .complexity("O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..")
        .keys(&[KeySpec::at(1).ro().access()])
        .syntax("key:key cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer]")
        .tips(&["nondeterministic_output"]),
];

/// With scores, no more than so many members may be asked for.
const MOST_WITH_SCORES: i64 = i64::MAX / 2;

fn zrandmember(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let wanted = args.get(2).map(|word| parse_count(word, args)).transpose()?;
    let key = ctx.data.key(&args[1]);
    let zset = ctx.data.read(&key).map(zset_of).transpose()?;
    let (reply, rng) = (&mut ctx.reply, &mut *ctx.rng);
    match (zset, wanted) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some(zset), None) => {
            let rank = rng.below(zset.len() as u64) as usize;
            zset.range(rank, 1, false, |member, _| write_element(reply, member));
        }
        (Some(zset), Some((count, with_scores))) => {
            let nested = with_scores && reply.protocol() == Protocol::Resp3;
            if count < 0 && count.unsigned_abs() > RANDOM_PICKS_MAX as u64 {
                return Err(error::OUT_OF_RANGE);
            }
            let ranks = draw(zset, count, rng);
            let count = ranks.len();
            reply.array(if with_scores && !nested { count * 2 } else { count });
            let mut write = |rank, count, reversed| {
                zset.range(rank, count, reversed, |member, score| {
                    if nested {
                        reply.array(2);
                    }
                    write_element(reply, member);
                    if with_scores {
                        reply.double(score);
                    }
                });
            };
            match ranks {
                Ranks::All(count) => write(0, count, true),
                Ranks::Some(ranks) => ranks.into_iter().for_each(|rank| write(rank, 1, false)),
                Ranks::Repeated(count, mut rng) => {
                    let len = zset.len() as u64;
                    (0..count).for_each(|_| write(rng.below(len) as usize, 1, false));
                }
            }
        }
    }
    DONE
}

/// The count of ZRANDMEMBER, and whether scores are wanted.
fn parse_count(word: &[u8], args: Args<'_>) -> Result<(i64, bool), CmdError> {
    let count = super::integer(word)?;
    if count == i64::MIN {
        return Err(error::OUT_OF_RANGE_LONG);
    }
    let with_scores = match args.get(3) {
        None => false,
        Some(word) if args.len() == 4 && word.eq_ignore_ascii_case(b"withscores") => true,
        Some(_) => return Err(error::SYNTAX),
    };
    if with_scores && !(-MOST_WITH_SCORES..=MOST_WITH_SCORES).contains(&count) {
        return Err(error::OUT_OF_RANGE);
    }
    Ok((count, with_scores))
}

/// Which elements were drawn.
enum Ranks {
    /// All of them.
    All(usize),
    /// These, none twice.
    Some(Vec<usize>),
    /// So many that are drawn one by one, and may be the same.
    Repeated(usize, Rng),
}

impl Ranks {
    fn len(&self) -> usize {
        match self {
            Ranks::All(count) | Ranks::Repeated(count, _) => *count,
            Ranks::Some(ranks) => ranks.len(),
        }
    }
}

/// Draws `count` different elements, or, if it is negative, as many that may be the same.
fn draw(zset: ZSetRef<'_>, count: i64, rng: &mut Rng) -> Ranks {
    let len = zset.len();
    if count < 0 {
        return Ranks::Repeated(count.unsigned_abs() as usize, Rng::new(rng.next_u64()));
    }
    let count = count as usize;
    if count >= len {
        return Ranks::All(len);
    }
    // Floyd's way: each subset is equally likely, and nothing is drawn twice for long.
    let mut seen = HashSet::with_capacity(count);
    let mut ranks = Vec::with_capacity(count);
    for top in len - count..len {
        let rank = rng.below(top as u64 + 1) as usize;
        let rank = if seen.insert(rank) { rank } else { top };
        seen.insert(rank);
        ranks.push(rank);
    }
    // In a random order, too: the later ones tend to be greater.
    for at in (1..ranks.len()).rev() {
        ranks.swap(at, rng.below(at as u64 + 1) as usize);
    }
    Ranks::Some(ranks)
}

fn zscan(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let from = member_scan::cursor(&args[2])?;
    let key = ctx.data.key(&args[1]);
    let Some(zset) = ctx.data.read(&key).map(zset_of).transpose()? else {
        member_scan::write_none(&mut ctx.reply);
        return DONE;
    };
    let request = MemberScan::parse(args.skip(3), false)?;
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let next = zset.scan(from, request.count, |member, score| {
        if request.wants(member) {
            found.push((member.to_vec(), score.to_text()));
        }
    });
    member_scan::write_cursor(&mut ctx.reply, next);
    ctx.reply.array(found.len() * 2);
    for (member, score) in &found {
        ctx.reply.bulk(member);
        ctx.reply.bulk(score);
    }
    DONE
}
