//! The letters of `notify-keyspace-events` and the bits behind them.
//!
//! The bits are Redis's (server.h, `NOTIFY_*`): what an event is checked against is one AND with the configured number.

use super::value::Reason;

/// `K`: publish on `__keyspace@<db>__:<key>`.
pub const KEYSPACE: i64 = 1;
/// `E`: publish on `__keyevent@<db>__:<event>`.
pub const KEYEVENT: i64 = 1 << 1;
/// `g`: commands of every type (DEL, EXPIRE, RENAME, ...).
pub const GENERIC: i64 = 1 << 2;
/// `$`: string commands.
pub const STRING: i64 = 1 << 3;
/// `l`: list commands.
pub const LIST: i64 = 1 << 4;
/// `s`: set commands.
pub const SET: i64 = 1 << 5;
/// `h`: hash commands.
pub const HASH: i64 = 1 << 6;
/// `z`: sorted set commands.
pub const ZSET: i64 = 1 << 7;
/// `x`: a key expired.
pub const EXPIRED: i64 = 1 << 8;
/// `e`: a key was evicted.
pub const EVICTED: i64 = 1 << 9;
/// `t`: stream commands.
pub const STREAM: i64 = 1 << 10;
/// `m`: a key was looked up and not found. Not part of `A`.
pub const KEY_MISS: i64 = 1 << 11;
/// `d`: events of modules.
pub const MODULE: i64 = 1 << 13;
/// `n`: a key was created. Not part of `A`.
pub const NEW: i64 = 1 << 14;
/// `A`: everything except `m` and `n`.
pub const ALL: i64 = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// In the order in which they are printed.
const CLASSES: [(u8, i64); 11] = [
    (b'g', GENERIC),
    (b'$', STRING),
    (b'l', LIST),
    (b's', SET),
    (b'h', HASH),
    (b'z', ZSET),
    (b'x', EXPIRED),
    (b'e', EVICTED),
    (b't', STREAM),
    (b'd', MODULE),
    (b'n', NEW),
];

const MODES: [(u8, i64); 3] = [(b'K', KEYSPACE), (b'E', KEYEVENT), (b'm', KEY_MISS)];

pub(super) fn read(letters: &[u8]) -> Result<i64, Reason> {
    let mut bits = 0;
    for letter in letters {
        bits |= match CLASSES.iter().chain(&MODES).find(|(name, _)| name == letter) {
            Some((_, bit)) => *bit,
            None if *letter == b'A' => ALL,
            None => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
        };
    }
    Ok(bits)
}

/// As Redis prints it, which forgets `n` when it prints `A`.
pub(super) fn print(bits: i64) -> String {
    let mut letters = String::new();
    if bits & ALL == ALL {
        letters.push('A');
    } else {
        letters.extend(CLASSES.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| char::from(*name)));
    }
    letters.extend(MODES.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| char::from(*name)));
    letters
}
