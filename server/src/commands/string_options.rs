//! The options of SET and GETEX, parsed.
//!
//! Redis keeps them as flags and tests combinations where they matter. Here a parsed request is always consistent: NX
//! and XX exclude each other, and so do all ways to set the expiry. The rules for repeated words are Redis's
//! (`parseExtendedStringArgumentsOrReply`): the same option may occur twice, and the last value counts.

use protocol::resp::Args;

use super::comparison::Comparison;
use super::integer;
use crate::command::{CmdError, error};

/// The condition of SET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    Always,
    /// NX
    IfAbsent,
    /// XX
    IfPresent,
    /// IFEQ, IFNE, IFDEQ, IFDNE
    If(Comparison<'a>),
}

/// What SET does with the expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetExpiry<'a> {
    Clear,
    /// KEEPTTL
    Keep,
    At(When<'a>),
}

/// The options of SET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetRequest<'a> {
    pub condition: Condition<'a>,
    pub expiry: SetExpiry<'a>,
    /// GET: reply with the old value.
    pub get: bool,
}

impl<'a> SetRequest<'a> {
    /// Parses what follows the value.
    ///
    /// # Errors
    /// `syntax error`
    pub(super) fn parse(words: Args<'a>) -> Result<Self, CmdError> {
        let mut request = Self { condition: Condition::Always, expiry: SetExpiry::Clear, get: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"NX") && matches!(request.condition, Condition::Always | Condition::IfAbsent)
            {
                request.condition = Condition::IfAbsent;
            } else if word.eq_ignore_ascii_case(b"XX")
                && matches!(request.condition, Condition::Always | Condition::IfPresent)
            {
                request.condition = Condition::IfPresent;
            } else if word.eq_ignore_ascii_case(b"GET") {
                request.get = true;
            } else if word.eq_ignore_ascii_case(b"KEEPTTL") && !matches!(request.expiry, SetExpiry::At(_)) {
                request.expiry = SetExpiry::Keep;
            } else if let Some(unit) = Unit::parse(word) {
                let compatible = match request.expiry {
                    SetExpiry::Clear => true,
                    SetExpiry::Keep => false,
                    SetExpiry::At(when) => when.unit == unit,
                };
                let word = words.next().filter(|_| compatible).ok_or(error::SYNTAX)?;
                request.expiry = SetExpiry::At(When { unit, word });
            } else {
                let operand = words.next().filter(|_| request.condition == Condition::Always);
                request.condition = Condition::If(Comparison::parse(word, operand)?);
            }
        }
        Ok(request)
    }
}

/// The options of GETEX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GetExRequest<'a> {
    /// No option: as GET.
    Read,
    Persist,
    At(When<'a>),
}

impl<'a> GetExRequest<'a> {
    /// Parses what follows the key.
    ///
    /// # Errors
    /// `syntax error`
    pub(super) fn parse(words: Args<'a>) -> Result<Self, CmdError> {
        let mut request = Self::Read;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"PERSIST") && !matches!(request, Self::At(_)) {
                request = Self::Persist;
                continue;
            }
            let unit = Unit::parse(word).ok_or(error::SYNTAX)?;
            let compatible = match request {
                Self::Read => true,
                Self::Persist => false,
                Self::At(when) => when.unit == unit,
            };
            let word = words.next().filter(|_| compatible).ok_or(error::SYNTAX)?;
            request = Self::At(When { unit, word });
        }
        Ok(request)
    }
}

/// How a time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// EX: seconds from now.
    InSeconds,
    /// PX: milliseconds from now.
    InMillis,
    /// EXAT: Unix time in seconds.
    AtSecond,
    /// PXAT: Unix time in milliseconds.
    AtMilli,
}

impl Unit {
    fn parse(word: &[u8]) -> Option<Self> {
        let known: [(&[u8], Self); 4] =
            [(b"EX", Self::InSeconds), (b"PX", Self::InMillis), (b"EXAT", Self::AtSecond), (b"PXAT", Self::AtMilli)];
        known.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, unit)| unit)
    }
}

/// An expiry as the client wrote it: only its place is known, not yet whether it is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When<'a> {
    unit: Unit,
    word: &'a [u8],
}

impl<'a> When<'a> {
    /// Seconds from now (SETEX).
    pub(super) fn in_seconds(word: &'a [u8]) -> Self {
        Self { unit: Unit::InSeconds, word }
    }

    /// Milliseconds from now (PSETEX).
    pub(super) fn in_millis(word: &'a [u8]) -> Self {
        Self { unit: Unit::InMillis, word }
    }

    /// Whether the client gave a point in time, not a duration.
    pub(super) fn is_absolute(self) -> bool {
        matches!(self.unit, Unit::AtSecond | Unit::AtMilli)
    }

    /// The Unix time in milliseconds. `name` is the command's, for the error.
    ///
    /// # Errors
    /// Not an integer, not positive, or beyond 64 bits.
    pub(super) fn resolve(self, now: i64, name: &str) -> Result<i64, CmdError> {
        let number = integer(self.word)?;
        let (factor, from) = match self.unit {
            Unit::InSeconds => (1000, now),
            Unit::InMillis => (1, now),
            Unit::AtSecond => (1000, 0),
            Unit::AtMilli => (1, 0),
        };
        let at =
            Some(number).filter(|number| *number > 0).and_then(|number| number.checked_mul(factor)?.checked_add(from));
        at.filter(|at| *at > 0).ok_or_else(|| error::invalid_expire(name))
    }
}

#[cfg(test)]
#[path = "string_options_tests.rs"]
mod tests;
