//! `string`: the functions with patterns, and those that make one text of another; the others are Lua's own.
//!
//! In C these run for as long as the pattern wants, which may be longer than anyone lives, and Lua's hook that ends a
//! script cannot reach them. Results and errors are those of Lua 5.1.

mod matcher;

use matcher::Matcher;
use memchr::memmem;

use super::arguments::{self, bad_argument};
use super::numbers::to_i64;
use super::work::{Output, ensure_room, not_enough_memory, spend, spend_bytes};
use crate::script::lua::{Failure, Frame, HostFn, Kind, Returns};

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[
    (b"find", find),
    (b"match", match_pattern),
    (b"gmatch", gmatch),
    (b"gsub", gsub),
    (b"rep", rep),
    (b"upper", upper),
    (b"lower", lower),
    (b"reverse", reverse),
];

/// Bytes that mean something in a pattern.
const SPECIALS: &[u8] = b"^$*+?.([%-";
/// Bytes that are searched or copied between two pauses.
const STRETCH: usize = 256 * 1024;

fn find(frame: &Frame<'_>) -> Returns {
    search(frame, true)
}

fn match_pattern(frame: &Frame<'_>) -> Returns {
    search(frame, false)
}

/// `find` and `match`, which differ in what they return.
fn search(frame: &Frame<'_>, is_find: bool) -> Returns {
    let state = frame.state;
    let (subject, pattern) = (arguments::bytes(frame, 1)?, arguments::bytes(frame, 2)?);
    let first = match arguments::integer_or(frame, 3, 1)? {
        first if first < 0 => first.saturating_add(subject.len() as i64 + 1),
        first => first,
    };
    let first = (first - 1).clamp(0, subject.len() as i64) as usize;
    let as_c = until_nul(pattern);
    if is_find && (state.is_true(4) || !as_c.iter().any(|byte| SPECIALS.contains(byte))) {
        return match find_plain(frame, &subject[first..], pattern)? {
            Some(at) => {
                state.push_number((first + at + 1) as f64);
                state.push_number((first + at + pattern.len()) as f64);
                Ok(2)
            }
            None => not_found(frame),
        };
    }
    let (pattern, is_anchored) = strip_anchor(as_c);
    let mut matcher = Matcher::new(frame, subject, pattern);
    let mut start = first;
    loop {
        if !is_anchored {
            start = matcher.next_start(start)?;
        }
        if let Some(end) = matcher.match_at(start)? {
            if !is_find {
                return matcher.push_captures(Some((start, end)));
            }
            state.push_number((start + 1) as f64);
            state.push_number(end as f64);
            return Ok(matcher.push_captures(None)? + 2);
        }
        if is_anchored || start >= subject.len() {
            return not_found(frame);
        }
        start += 1;
    }
}

fn not_found(frame: &Frame<'_>) -> Returns {
    frame.state.push_nil();
    Ok(1)
}

/// Patterns end at their first NUL.
fn until_nul(pattern: &[u8]) -> &[u8] {
    memchr::memchr(0, pattern).map_or(pattern, |end| &pattern[..end])
}

fn strip_anchor(pattern: &[u8]) -> (&[u8], bool) {
    pattern.strip_prefix(b"^").map_or((pattern, false), |rest| (rest, true))
}

/// Where the text is in the subject.
fn find_plain(frame: &Frame<'_>, subject: &[u8], text: &[u8]) -> Result<Option<usize>, Failure> {
    if text.len() > subject.len() {
        return Ok(None);
    }
    let finder = memmem::Finder::new(text);
    let mut start = 0;
    loop {
        // A stretch ends where the next begins, so what is found in both overlaps.
        let end = (start + STRETCH.max(text.len()) + text.len()).min(subject.len());
        if let Some(at) = finder.find(&subject[start..end]) {
            return Ok(Some(start + at));
        }
        if end == subject.len() {
            return Ok(None);
        }
        spend_bytes(frame, end - start)?;
        start = end - text.len() + 1;
    }
}

/// Own values of the function that `gmatch` returns: the subject, the pattern, and where to go on.
const SUBJECT: i32 = 0;
const PATTERN: i32 = 1;
const POSITION: i32 = 2;

fn gmatch(frame: &Frame<'_>) -> Returns {
    arguments::bytes(frame, 1)?;
    arguments::bytes(frame, 2)?;
    frame.state.set_top(2);
    frame.state.push_number(0.0);
    frame.push_function(next_match, 3);
    Ok(1)
}

fn next_match(frame: &Frame<'_>) -> Returns {
    let own = |number| frame.state.bytes(Frame::upvalue(number)).unwrap_or_default();
    let (subject, pattern) = (own(SUBJECT), own(PATTERN));
    let position = frame.state.number(Frame::upvalue(POSITION)).map_or(0, to_i64) as usize;
    let mut matcher = Matcher::new(frame, subject, until_nul(pattern));
    let mut start = position;
    while start <= subject.len() {
        start = matcher.next_start(start)?;
        if let Some(end) = matcher.match_at(start)? {
            // What is empty is not found again.
            let next = end + usize::from(end == start);
            frame.state.push_number(next as f64);
            frame.set_upvalue(POSITION);
            return matcher.push_captures(Some((start, end)));
        }
        start += 1;
    }
    Ok(0)
}

fn gsub(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    let (subject, pattern) = (arguments::bytes(frame, 1)?, arguments::c_string(frame, 2)?);
    let kind = state.kind(3);
    // As a C int, here and in `rep`.
    let most = arguments::integer_or(frame, 4, subject.len() as i64 + 1)? as i32;
    if !matches!(kind, Kind::Number | Kind::String | Kind::Function | Kind::Table) {
        return Err(bad_argument(frame, 3, "string/function/table expected"));
    }
    if kind == Kind::Number {
        arguments::bytes(frame, 3)?;
    }
    let (pattern, is_anchored) = strip_anchor(pattern);
    let mut matcher = Matcher::new(frame, subject, pattern);
    let mut out = Output::new(frame);
    let (mut at, mut count) = (0, 0);
    while count < most {
        if !is_anchored {
            let next = matcher.next_start(at)?;
            out.extend(&subject[at..next])?;
            at = next;
        }
        let end = matcher.match_at(at)?;
        if let Some(end) = end {
            count += 1;
            replace(frame, &matcher, (at, end), &mut out)?;
        }
        match end {
            Some(end) if end > at => at = end,
            _ if at < subject.len() => {
                out.push(subject[at])?;
                at += 1;
            }
            _ => break,
        }
        if is_anchored {
            break;
        }
    }
    out.extend(&subject[at..])?;
    out.push_string()?;
    state.push_number(f64::from(count));
    Ok(2)
}

/// Adds what replaces a match.
fn replace(
    frame: &Frame<'_>,
    matcher: &Matcher<'_, '_>,
    (start, end): (usize, usize),
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let state = frame.state;
    match state.kind(3) {
        Kind::Function => {
            state.push_value(3);
            let count = matcher.push_captures(Some((start, end)))?;
            frame.call(count, 1)?;
        }
        Kind::Table => {
            matcher.push_capture(0, Some((start, end)))?;
            index(frame)?;
        }
        _ => return fill_in(frame, matcher, (start, end), out),
    }
    if state.is_true(-1) {
        if !matches!(state.kind(-1), Kind::String | Kind::Number) {
            let text = format!("invalid replacement value (a {})", state.type_name(-1));
            return Err(Failure::Here(text.into_bytes()));
        }
        add_top(frame, out)?;
    } else {
        out.extend(matcher.subject(start, end))?;
    }
    state.pop(1);
    Ok(())
}

/// Adds the topmost value, a string or number.
fn add_top(frame: &Frame<'_>, out: &mut Output<'_>) -> Result<(), Failure> {
    match frame.state.bytes(-1) {
        Some(bytes) => out.extend(bytes),
        None => out.extend(&frame.state.text(-1).unwrap_or_default()),
    }
}

/// Adds the replacement text, with captures instead of `%0` to `%9`.
fn fill_in(
    frame: &Frame<'_>,
    matcher: &Matcher<'_, '_>,
    (start, end): (usize, usize),
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut rest = frame.state.bytes(3).unwrap_or_default();
    spend_bytes(frame, rest.len())?;
    while let Some(escape) = memchr::memchr(b'%', rest) {
        out.extend(&rest[..escape])?;
        match rest.get(escape + 1).copied().unwrap_or(0) {
            b'0' => out.extend(matcher.subject(start, end))?,
            digit @ b'1'..=b'9' => {
                matcher.push_capture(usize::from(digit - b'1'), Some((start, end)))?;
                add_top(frame, out)?;
                frame.state.pop(1);
            }
            other => out.push(other)?,
        }
        rest = rest.get(escape + 2..).unwrap_or_default();
        spend(frame, 1)?;
    }
    out.extend(rest)
}

/// Replaces the topmost value, a key, by what the third argument, a table, has for it, with metamethods.
fn index(frame: &Frame<'_>) -> Result<(), Failure> {
    /// Lua follows so many tables that stand in for others.
    const FOLLOWED: usize = 100;
    let state = frame.state;
    // Key and table; each step replaces the table.
    state.push_value(3);
    for _ in 0..FOLLOWED {
        if state.kind(-1) == Kind::Table {
            state.push_value(-2);
            state.raw_get(-2);
            if state.kind(-1) != Kind::Nil {
                state.insert(-3);
                state.pop(2);
                return Ok(());
            }
            state.pop(1);
        }
        let has_metatable = state.metatable(-1);
        if has_metatable {
            state.field(-1, b"__index");
            state.remove(-2);
        }
        if !has_metatable || state.kind(-1) == Kind::Nil {
            if has_metatable {
                state.pop(1);
            }
            if state.kind(-1) != Kind::Table {
                let text = format!("attempt to index a {} value", state.type_name(-1));
                return Err(Failure::Plain(text.into_bytes()));
            }
            state.pop(2);
            state.push_nil();
            return Ok(());
        }
        if state.kind(-1) == Kind::Function {
            // Key, table, function: called with the table and the key.
            state.insert(-3);
            state.insert(-2);
            return frame.call(2, 1);
        }
        state.remove(-2);
    }
    Err(Failure::Plain(b"loop in gettable".to_vec()))
}

fn rep(frame: &Frame<'_>) -> Returns {
    let text = arguments::bytes(frame, 1)?;
    let count = (arguments::integer(frame, 2)? as i32).max(0) as usize;
    let Some(len) = text.len().checked_mul(count) else { return Err(not_enough_memory()) };
    ensure_room(frame, len)?;
    let mut out = Vec::new();
    out.try_reserve_exact(len).map_err(|_| not_enough_memory())?;
    // What is there is doubled until it is a stretch, which is copied then.
    while out.len() < len {
        let more = if out.is_empty() { text.len() } else { out.len().min(STRETCH.max(text.len())) };
        let more = (more - more % text.len()).min(len - out.len());
        if out.is_empty() {
            out.extend_from_slice(text);
        } else {
            out.extend_from_within(..more);
        }
        spend_bytes(frame, more)?;
    }
    frame.state.push_bytes(&out);
    Ok(1)
}

fn upper(frame: &Frame<'_>) -> Returns {
    map(frame, false, |byte| byte.to_ascii_uppercase())
}

fn lower(frame: &Frame<'_>) -> Returns {
    map(frame, false, |byte| byte.to_ascii_lowercase())
}

fn reverse(frame: &Frame<'_>) -> Returns {
    map(frame, true, |byte| byte)
}

/// Makes a text of the bytes of another, in their order or the other way round.
#[inline]
fn map(frame: &Frame<'_>, is_reversed: bool, byte: impl Fn(u8) -> u8) -> Returns {
    let text = arguments::bytes(frame, 1)?;
    ensure_room(frame, 2 * text.len())?;
    let mut out = Vec::new();
    out.try_reserve_exact(text.len()).map_err(|_| not_enough_memory())?;
    if is_reversed {
        for part in text.rchunks(STRETCH) {
            spend_bytes(frame, part.len())?;
            out.extend(part.iter().rev());
        }
    } else {
        for part in text.chunks(STRETCH) {
            spend_bytes(frame, part.len())?;
            out.extend(part.iter().map(|it| byte(*it)));
        }
    }
    frame.state.push_bytes(&out);
    Ok(1)
}

#[cfg(test)]
#[path = "string_tests.rs"]
mod tests;
