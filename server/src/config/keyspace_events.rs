//! The letters of `notify-keyspace-events`.
//!
//! The bits behind them are [`NotifyClass`]'s, so that the configured number is what an event is checked against.

use super::value::Reason;
use crate::command::NotifyClass;
use crate::command::effects::{NOTIFY_KEYEVENT, NOTIFY_KEYSPACE};

/// `d`, events of modules: accepted and shown, but never published.
const MODULE: i64 = 1 << 13;

/// In the order in which they are printed.
const CLASSES: [(u8, i64); 11] = [
    (b'g', NotifyClass::Generic as i64),
    (b'$', NotifyClass::String as i64),
    (b'l', NotifyClass::List as i64),
    (b's', NotifyClass::Set as i64),
    (b'h', NotifyClass::Hash as i64),
    (b'z', NotifyClass::Zset as i64),
    (b'x', NotifyClass::Expired as i64),
    (b'e', NotifyClass::Evicted as i64),
    (b't', NotifyClass::Stream as i64),
    (b'd', MODULE),
    (b'n', NotifyClass::New as i64),
];

const MODES: [(u8, i64); 3] =
    [(b'K', NOTIFY_KEYSPACE as i64), (b'E', NOTIFY_KEYEVENT as i64), (b'm', NotifyClass::KeyMiss as i64)];

/// `A`: every class except `n` and `m`.
fn all() -> i64 {
    CLASSES.iter().filter(|(letter, _)| *letter != b'n').fold(0, |bits, (_, bit)| bits | bit)
}

pub(super) fn read(letters: &[u8]) -> Result<i64, Reason> {
    let mut bits = 0;
    for letter in letters {
        bits |= match CLASSES.iter().chain(&MODES).find(|(name, _)| name == letter) {
            Some((_, bit)) => *bit,
            None if *letter == b'A' => all(),
            None => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
        };
    }
    Ok(bits)
}

/// As Redis prints it, which drops `n` when it prints `A`.
pub(super) fn print(bits: i64) -> String {
    let mut letters = String::new();
    if bits & all() == all() {
        letters.push('A');
    } else {
        letters.extend(CLASSES.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| char::from(*name)));
    }
    letters.extend(MODES.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| char::from(*name)));
    letters
}
