//! A directive's value: reading it from words and printing it.
//!
//! A value is a number or a text. Kinds with an inner structure (save points, buffer limits, ...) are kept as their
//! canonical text, exactly as CONFIG GET prints it, and [`super::lists`] turns that into structures where they are
//! needed. So the generic machinery (change detection, rollback, CONFIG GET) handles only these two.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::directive::{Check, Default, Directive, Kind, LATER, Names};
use super::{keyspace_events, lists};
use crate::base::number::{parse_i64, parse_memory};
use crate::command::error::c_string;

/// The value of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Numbers, booleans, names and flags; memory above `i64::MAX` wraps, and is printed unsigned.
    Number(i64),
    /// Text; `None` is unset.
    Text(Option<Arc<[u8]>>),
}

impl Value {
    pub(super) fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(Some(text.as_ref().into()))
    }

    /// The value of `directive` if it is not set.
    pub(super) fn default_of(directive: &Directive) -> Self {
        match directive.default {
            Default::Number(number) => Self::Number(number),
            Default::Text(text) => Self::text(text),
            Default::Unset => Self::Text(None),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(Some(text)) => text,
            _ => b"",
        }
    }
}

/// Why a value was refused: what follows the `-` in CONFIG SET's error, and the last line of a file's error.
pub(super) type Reason = Cow<'static, str>;

/// What reading a value depends on besides its words.
pub(super) struct Surroundings<'a> {
    /// The value so far: some directives change a part of it.
    pub(super) current: &'a Value,
    /// The working directory so far.
    pub(super) directory: &'a Path,
    /// Another `save` line of the same load: it adds to the present value.
    pub(super) append: bool,
}

/// Reads the words that follow a directive's name. A directive of one word gets exactly one.
pub(super) fn read(directive: &Directive, words: &[&[u8]], around: &Surroundings<'_>) -> Result<Value, Reason> {
    // Redis reads everything but whole numbers, percentiles and passwords as C strings.
    let whole_words = words;
    let words = &words.iter().map(|word| c_string(word)).collect::<Vec<_>>()[..];
    let first = whole_words.first().copied().unwrap_or(b"");
    let text = c_string(first);
    let value = match directive.kind {
        Kind::Bool => Value::Number(read_bool(text)?),
        Kind::Int { min, max } => Value::Number(read_int(first, min, max)?),
        Kind::Memory { min, max } => Value::Number(read_memory(text, min, max)?),
        Kind::MemoryOrPercent { max_percent } => Value::Number(read_memory_or_percent(text, max_percent)?),
        Kind::Octal { max } => Value::Number(read_octal(text, max)?),
        Kind::Choice(names) | Kind::Flags(names) => Value::Number(read_names(words, names)?),
        Kind::Text { empty_is_unset } => {
            if empty_is_unset && text.is_empty() {
                Value::Text(None)
            } else {
                Value::text(text)
            }
        }
        Kind::Secret => {
            if first.is_empty() {
                Value::Text(None)
            } else {
                Value::text(first)
            }
        }
        Kind::Directory => read_directory(text, around.directory)?,
        Kind::SavePoints => Value::text(lists::read_save_points(words, around.append.then(|| around.current.bytes()))?),
        Kind::OutputBufferLimits => Value::text(lists::read_buffer_limits(words, around.current.bytes())?),
        Kind::OomScores => Value::text(lists::read_oom_scores(words)?),
        Kind::KeyspaceEvents => Value::Number(keyspace_events::read(text)?),
        Kind::Addresses => Value::text(lists::read_addresses(words)?),
        Kind::Primary => Value::Text(lists::read_primary(words)?.map(|text| text.as_bytes().into())),
        Kind::Percentiles => Value::text(lists::read_percentiles(whole_words)?),
    };
    match (directive.check, &value) {
        (Check::Number(rule), Value::Number(number)) => rule(*number)?,
        (Check::Text(rule), Value::Text(Some(text))) => rule(text)?,
        (Check::WholeText(rule), _) => rule(first)?,
        _ => {}
    }
    Ok(value)
}

/// The value as CONFIG GET prints it.
pub(super) fn print(kind: Kind, value: &Value) -> Vec<u8> {
    let Value::Number(number) = *value else {
        return value.bytes().to_vec();
    };
    match kind {
        Kind::Bool => if number == 0 { "no" } else { "yes" }.into(),
        Kind::Memory { .. } => (number as u64).to_string().into_bytes(),
        Kind::MemoryOrPercent { .. } if number < 0 => format!("{}%", number.unsigned_abs()).into_bytes(),
        Kind::Octal { .. } => format!("{number:o}").into_bytes(),
        Kind::Choice(names) => name_of(names, number).into(),
        Kind::Flags(names) => flag_names(names, number).into_bytes(),
        Kind::KeyspaceEvents => keyspace_events::print(number).into_bytes(),
        _ => number.to_string().into_bytes(),
    }
}

/// The value as CONFIG REWRITE writes it after the directive's name, for the kinds that take one line and are not text.
pub(super) fn print_for_file(kind: Kind, number: i64) -> Vec<u8> {
    match kind {
        Kind::Memory { .. } => memory_with_unit(number),
        Kind::MemoryOrPercent { .. } if number >= 0 => memory_with_unit(number),
        _ => print(kind, &Value::Number(number)),
    }
}

/// An amount of memory in the largest 1024-based unit that divides it.
pub(super) fn memory_with_unit(bytes: i64) -> Vec<u8> {
    // Redis prints these signed. A limit beyond i64::MAX would read back as another number, so it is printed unsigned
    // here.
    let bytes = bytes as u64;
    for (unit, name) in [(1_u64 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit).into_bytes();
        }
    }
    bytes.to_string().into_bytes()
}

fn read_bool(word: &[u8]) -> Result<i64, Reason> {
    if word.eq_ignore_ascii_case(b"yes") {
        Ok(1)
    } else if word.eq_ignore_ascii_case(b"no") {
        Ok(0)
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

fn read_int(word: &[u8], min: i64, max: i64) -> Result<i64, Reason> {
    let number = parse_i64(word).ok_or("argument couldn't be parsed into an integer")?;
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(format!("argument must be between {min} and {max} inclusive").into())
}

fn read_memory(word: &[u8], min: u64, max: u64) -> Result<i64, Reason> {
    let bytes = parse_memory(word).ok_or("argument must be a memory value")?;
    if (min..=max).contains(&bytes) {
        return Ok(bytes as i64);
    }
    Err(format!("argument must be between {min} and {max} inclusive").into())
}

fn read_memory_or_percent(word: &[u8], max_percent: i64) -> Result<i64, Reason> {
    if let Some(bytes) = parse_memory(word) {
        return i64::try_from(bytes)
            .map_err(|_| format!("argument must be between {} and {} inclusive", -max_percent, i64::MAX).into());
    }
    let percent = word.strip_suffix(b"%").and_then(parse_i64).filter(|percent| *percent >= 0);
    match percent {
        Some(percent) if percent <= max_percent => Ok(-percent),
        Some(_) => Err(format!("percentage argument must be less or equal to {max_percent}").into()),
        None => Err("argument must be a memory or percent value".into()),
    }
}

fn read_octal(word: &[u8], max: i64) -> Result<i64, Reason> {
    let number = match word {
        // C's strtoll reads an empty text as zero.
        b"" => Some(0),
        _ => std::str::from_utf8(word).ok().and_then(|text| i64::from_str_radix(text, 8).ok()),
    };
    let number = number.ok_or("argument couldn't be parsed as an octal number")?;
    if (0..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between 0 and {max:o} inclusive").into())
    }
}

fn read_names(words: &[&[u8]], names: Names) -> Result<i64, Reason> {
    let value_of = |word: &&[u8]| {
        let is = |one: &&(&str, i64)| **one != LATER && one.0.as_bytes().eq_ignore_ascii_case(word);
        names.iter().find(is).map(|one| one.1)
    };
    let values: Option<Vec<i64>> = words.iter().map(value_of).collect();
    match values {
        Some(values) if !values.is_empty() => Ok(values.into_iter().fold(0, |all, one| all | one)),
        _ => {
            let known: Vec<&str> = names.iter().take_while(|one| **one != LATER).map(|(name, _)| *name).collect();
            Err(format!("argument(s) must be one of the following: {}", known.join(", ")).into())
        }
    }
}

/// The first name of `value`.
pub(super) fn name_of(names: Names, value: i64) -> &'static str {
    names.iter().find(|(_, v)| *v == value).map_or("unknown", |(name, _)| name)
}

/// The names of the bits of `value`, or the name of the whole.
fn flag_names(names: Names, value: i64) -> String {
    if let Some((name, _)) = names.iter().find(|(_, v)| *v == value) {
        return (*name).to_owned();
    }
    let set: Vec<&str> = names.iter().filter(|(_, v)| *v != 0 && value & v == *v).map(|(name, _)| *name).collect();
    set.join(" ")
}

/// `dir`: as for Redis's chdir, the directory must exist; as from its getcwd, the stored name is absolute and without
/// links.
fn read_directory(word: &[u8], current: &Path) -> Result<Value, Reason> {
    let path = current.join(path_of(word));
    let real = std::fs::canonicalize(path).map_err(|error| Reason::from(os_reason(&error)))?;
    if !real.is_dir() {
        return Err("Not a directory".into());
    }
    Ok(Value::text(std::os::unix::ffi::OsStrExt::as_bytes(real.as_os_str())))
}

/// Bytes as a path.
pub(super) fn path_of(bytes: &[u8]) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

/// The operating system's own text for an error, without Rust's "(os error N)".
pub(crate) fn os_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
