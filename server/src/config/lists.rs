//! Directives whose values are lists: save points, output buffer limits, OOM scores, addresses, the primary,
//! percentiles.
//!
//! Each is read from words into its canonical text (what CONFIG GET prints), and from that text into a structure for
//! the code that uses it. The second step reads text that the first one wrote, so it cannot fail: what does not parse
//! there is skipped.

use super::value::Reason;
use crate::base::longdouble::trim_fraction;
use crate::base::number::{parse_f64, parse_memory};

/// Save when `seconds` have passed since the last save and there were at least `changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SavePoint {
    /// At least one.
    pub seconds: i64,
    /// May be zero.
    pub changes: i64,
}

/// Limits of the replies that wait for a client of one class; zero is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct BufferLimit {
    /// Bytes that close the connection at once.
    pub hard_bytes: u64,
    /// Bytes that close the connection when they are exceeded for `soft_seconds` without a break.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: i64,
}

/// The classes of clients with output buffer limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct BufferLimits {
    /// Ordinary clients.
    pub normal: BufferLimit,
    /// Replicas.
    pub replica: BufferLimit,
    /// Clients with subscriptions.
    pub pubsub: BufferLimit,
}

impl BufferLimits {
    /// The limits of a client in MONITOR mode: those of ordinary clients, and where these have none, those of
    /// subscribers, since a monitor is sent as much as all others send.
    pub(crate) fn of_monitors(&self) -> BufferLimit {
        let mut limit = self.normal;
        if limit.hard_bytes == 0 {
            limit.hard_bytes = self.pubsub.hard_bytes;
        }
        if limit.soft_bytes == 0 {
            (limit.soft_bytes, limit.soft_seconds) = (self.pubsub.soft_bytes, self.pubsub.soft_seconds);
        }
        limit
    }
}

/// The greatest number of seconds or changes: a larger one is refused here, and wraps in Redis.
const MAX_COUNT: i64 = i32::MAX as i64;

/// C's `strtoll` if it has to use the whole text: leading blanks and a plus are allowed, and an empty text is zero.
fn parse_loose(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let text = std::str::from_utf8(text).ok()?;
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b' ').filter(|field| !field.is_empty())
}

/// Reads `save`; `before` are the save points that the new ones are added to.
pub(super) fn read_save_points(words: &[&[u8]], before: Option<&[u8]>) -> Result<String, Reason> {
    const INVALID: Reason = Reason::Borrowed("Invalid save parameters");
    // `save ""` drops everything, including the lines before it.
    let (words, before) = if words == [b""] { (&[][..], None) } else { (words, before) };
    if !words.len().is_multiple_of(2) {
        return Err(INVALID);
    }
    let mut points = before.map(parse_save_points).unwrap_or_default();
    for pair in words.chunks_exact(2) {
        let (Some(seconds), Some(changes)) = (parse_loose(pair[0]), parse_loose(pair[1])) else { return Err(INVALID) };
        if seconds < 1 || !(0..=MAX_COUNT).contains(&changes) {
            return Err(INVALID);
        }
        points.push(SavePoint { seconds, changes });
    }
    let texts: Vec<String> = points.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect();
    Ok(texts.join(" "))
}

pub(super) fn parse_save_points(text: &[u8]) -> Vec<SavePoint> {
    let numbers: Vec<i64> = fields(text).filter_map(parse_loose).collect();
    numbers.chunks_exact(2).map(|pair| SavePoint { seconds: pair[0], changes: pair[1] }).collect()
}

/// Reads `client-output-buffer-limit`; classes that are not named keep what `before` says.
pub(super) fn read_buffer_limits(words: &[&[u8]], before: &[u8]) -> Result<String, Reason> {
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = parse_buffer_limits(before);
    for group in words.chunks_exact(4) {
        let limit = buffer_class(&mut limits, group[0])
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let seconds = parse_loose(group[3]).filter(|seconds| (0..=MAX_COUNT).contains(seconds));
        let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) =
            (parse_memory(group[1]), parse_memory(group[2]), seconds)
        else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        *limit = BufferLimit { hard_bytes, soft_bytes, soft_seconds };
    }
    let class = |name: &str, limit: &BufferLimit| {
        format!("{name} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
    };
    Ok([class("normal", &limits.normal), class("slave", &limits.replica), class("pubsub", &limits.pubsub)].join(" "))
}

fn buffer_class<'a>(limits: &'a mut BufferLimits, name: &[u8]) -> Option<&'a mut BufferLimit> {
    if name.eq_ignore_ascii_case(b"normal") {
        Some(&mut limits.normal)
    } else if name.eq_ignore_ascii_case(b"slave") || name.eq_ignore_ascii_case(b"replica") {
        Some(&mut limits.replica)
    } else if name.eq_ignore_ascii_case(b"pubsub") {
        Some(&mut limits.pubsub)
    } else {
        None
    }
}

pub(super) fn parse_buffer_limits(text: &[u8]) -> BufferLimits {
    let mut limits = BufferLimits::default();
    let words: Vec<&[u8]> = fields(text).collect();
    for group in words.chunks_exact(4) {
        if let Some(limit) = buffer_class(&mut limits, group[0]) {
            *limit = BufferLimit {
                hard_bytes: parse_memory(group[1]).unwrap_or_default(),
                soft_bytes: parse_memory(group[2]).unwrap_or_default(),
                soft_seconds: parse_loose(group[3]).unwrap_or_default(),
            };
        }
    }
    limits
}

pub(super) fn read_oom_scores(words: &[&[u8]]) -> Result<String, Reason> {
    if words.len() != 3 {
        return Err("wrong number of arguments".into());
    }
    let mut scores = Vec::with_capacity(3);
    for word in words {
        match parse_loose(word).filter(|score| (-2000..=2000).contains(score)) {
            Some(score) => scores.push(score.to_string()),
            None => return Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into()),
        }
    }
    Ok(scores.join(" "))
}

pub(super) fn read_addresses(words: &[&[u8]]) -> Result<Vec<u8>, Reason> {
    const MAX: usize = 16;
    if words.len() > MAX {
        return Err("Too many bind addresses specified.".into());
    }
    let named: Vec<&[u8]> = words.iter().copied().filter(|word| !word.is_empty()).collect();
    Ok(named.join(&b' '))
}

pub(super) fn parse_addresses(text: &[u8]) -> Vec<String> {
    fields(text).map(|address| String::from_utf8_lossy(address).into_owned()).collect()
}

/// Reads `replicaof <host> <port>`; `None` is `no one`.
pub(super) fn read_primary(words: &[&[u8]]) -> Result<Option<String>, Reason> {
    let [host, port] = words else {
        return Err("wrong number of arguments".into());
    };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(None);
    }
    let port = parse_loose(port).filter(|port| (0..=65535).contains(port)).ok_or("Invalid master port")?;
    Ok(Some(format!("{} {port}", String::from_utf8_lossy(host))))
}

pub(super) fn parse_primary(text: &[u8]) -> Option<(String, u16)> {
    let text = std::str::from_utf8(text).ok()?;
    let (host, port) = text.rsplit_once(' ')?;
    Some((host.to_owned(), port.parse().ok()?))
}

pub(super) fn read_percentiles(words: &[&[u8]]) -> Result<String, Reason> {
    let words = if words == [b""] { &[][..] } else { words };
    let mut percentiles = Vec::with_capacity(words.len());
    for word in words {
        let number = parse_f64(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&number) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
        }
        percentiles.push(trim_fraction(&format!("{number:.6}")).to_owned());
    }
    Ok(percentiles.join(" "))
}
