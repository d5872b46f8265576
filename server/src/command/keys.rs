//! The one key extractor: from a command's words to the positions of its keys.
//!
//! Routing, slot locks, ACL checks and COMMAND GETKEYS all use it, so they cannot disagree about what a key is. Fixed
//! positions (all but a handful of commands) cost one range computation and no allocation.

use protocol::resp::Args;
use protocol::slot::SlotId;
use smallvec::SmallVec;

use super::CmdError;
use super::spec::{BeginSearch, FindKeys, KeyFlags, KeySpec, Spec};
use crate::base::number::parse_i64;

/// Positions of keys among the words of a command, each with what the command does to that key.
pub(crate) type KeyPositions = SmallVec<[(u32, KeyFlags); 4]>;

/// The words do not fit the key specs (a number of keys that is no number, or more keys than words).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadKeys;

/// Appends the positions of all keys of `args` to `out`.
///
/// # Errors
/// [`BadKeys`] if the words contradict the specs; the handler then reports what is wrong with them, if
/// anything.
pub(crate) fn extract(spec: &Spec, args: Args<'_>, out: &mut KeyPositions) -> Result<(), BadKeys> {
    if let Some(f) = spec.keys_fn {
        f(args, out);
        return Ok(());
    }
    for key_spec in spec.keys {
        extract_one(key_spec, args, out)?;
    }
    if let Some(f) = spec.key_flags_fn {
        let flags = f(args);
        out.iter_mut().for_each(|(_, known)| *known = flags);
    }
    Ok(())
}

fn extract_one(spec: &KeySpec, args: Args<'_>, out: &mut KeyPositions) -> Result<(), BadKeys> {
    let words = args.len() as i64;
    let mut flags = spec.flags;
    let first = match spec.begin {
        BeginSearch::Index(index) => i64::from(index),
        BeginSearch::Keyword { keyword, start_from } => match find_keyword(args, keyword, start_from) {
            Some(position) => position + 1,
            None => return Ok(()),
        },
        BeginSearch::Unknown => return Err(BadKeys),
    };
    let (first, last, step) = match spec.find {
        FindKeys::Range { last, step, limit } => {
            let end = if last >= 0 {
                first + i64::from(last)
            } else if limit <= 1 {
                words + i64::from(last)
            } else {
                // `limit` 2: only the first half of the rest are keys (XREAD).
                first + (words - first) / i64::from(limit) + i64::from(last)
            };
            (first, end, i64::from(step))
        }
        FindKeys::KeyNum { keynum, first: offset, step } => {
            let at = first + i64::from(keynum);
            let word = usize::try_from(at).ok().and_then(|at| args.get(at)).ok_or(BadKeys)?;
            // Bounded by the existing words, so that a huge number is an error and not a loop.
            let count = match parse_i64(word).filter(|count| (0..=words).contains(count)) {
                Some(count) => count,
                None => {
                    flags = KeyFlags::NONE;
                    Some(c_int(word)).filter(|count| (1..=words).contains(count)).ok_or(BadKeys)?
                }
            };
            let start = first + i64::from(offset);
            (start, start + (count - 1) * i64::from(step), i64::from(step))
        }
        FindKeys::Unknown => return Err(BadKeys),
    };
    if last >= words || first < 0 {
        return Err(BadKeys);
    }
    // Bounded by the existing words.
    out.reserve(usize::try_from((last - first) / step.max(1) + 1).unwrap_or(0));
    let mut position = first;
    while position <= last {
        out.push((position as u32, flags));
        position += step;
    }
    Ok(())
}

/// A number as C's `atoi` reads it: what follows the digits is ignored, and too large numbers wrap. Redis falls back to
/// it (`genericGetKeys`, which knows no flags), so a command with a bad number of keys is redirected like one with a
/// good number.
fn c_int(word: &[u8]) -> i64 {
    let word = word.trim_ascii_start();
    let (negative, digits) = match word.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, word),
    };
    // `atoi` clamps to the range of `long` and then takes the lower half.
    let number = digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0i64, |sum, byte| {
        let digit = i64::from(byte - b'0');
        sum.saturating_mul(10).saturating_add(if negative { -digit } else { digit })
    });
    i64::from(number as i32)
}

fn find_keyword(args: Args<'_>, keyword: &str, start_from: i16) -> Option<i64> {
    let words = args.len() as i64;
    let (mut at, step, end) =
        if start_from > 0 { (i64::from(start_from), 1, words) } else { (words + i64::from(start_from), -1, 0) };
    while at != end && (0..words).contains(&at) {
        if args[at as usize].eq_ignore_ascii_case(keyword.as_bytes()) {
            return Some(at);
        }
        at += step;
    }
    None
}

/// The legacy triple (first key, last key, step) that COMMAND INFO prints; zeros if there is no key at a fixed place.
///
/// Redis: `populateCommandLegacyRangeSpec`.
pub(crate) fn legacy_range(spec: &Spec) -> (i64, i64, i64) {
    let mut result: Option<(i64, i64, i64)> = None;
    let mut previous_last = 0;
    for key_spec in spec.keys {
        let (BeginSearch::Index(first), FindKeys::Range { last, step, .. }) = (key_spec.begin, key_spec.find) else {
            continue;
        };
        let first = i64::from(first);
        let step = i64::from(step);
        let last = if last >= 0 { i64::from(last) + first } else { i64::from(last) };
        match result {
            // Several specs merge only if they are adjacent and have step 1, like two keys side by side.
            Some((lo, _, 1)) if step == 1 && previous_last >= 0 && previous_last + 1 == first => {
                result = Some((lo, last, 1));
            }
            Some(_) => break,
            None => result = Some((first, last, step)),
        }
        previous_last = last;
    }
    result.unwrap_or((0, 0, 0))
}

/// The slot that a word names by its number.
///
/// # Errors
/// Redis's text for anything else.
pub(crate) fn slot_of(word: &[u8]) -> Result<SlotId, CmdError> {
    parse_i64(word)
        .and_then(|slot| u16::try_from(slot).ok())
        .and_then(SlotId::new)
        .ok_or(CmdError::text("ERR Invalid or out of range slot"))
}
