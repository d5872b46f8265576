//! What HSCAN and its kin have in common: cursor, options and the beginning of the reply. Redis: db.c,
//! `scanGenericCommand`.
//!
//! A cursor is a position in the order of the table's hashes ([`crate::store::types::members`]): a member that is there
//! during a whole iteration is returned exactly once, however the table grows or shrinks meanwhile. Small collections
//! are returned in one call. Any number is a valid cursor, since clients send them back.

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::scan::{DEFAULT_COUNT, count_of, cursor_number};
use crate::base::glob;
use crate::command::{CmdError, error};
use crate::store::encoding::element::Element;

/// Which members are returned, and about how many are visited.
pub(super) struct MemberScan<'a> {
    pattern: Option<&'a [u8]>,
    pub(super) count: usize,
    /// False after NOVALUES (Redis 7.4).
    pub(super) values: bool,
}

impl<'a> MemberScan<'a> {
    /// Reads the options; `valued` says whether the type has values, which NOVALUES leaves out.
    pub(super) fn parse(words: Args<'a>, valued: bool) -> Result<Self, CmdError> {
        let mut request = Self { pattern: None, count: DEFAULT_COUNT, values: valued };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"NOVALUES") {
                if !valued {
                    return Err(error::NOVALUES_WITHOUT_VALUES);
                }
                request.values = false;
                continue;
            }
            let value = words.next().ok_or(error::SYNTAX)?;
            if word.eq_ignore_ascii_case(b"COUNT") {
                request.count = count_of(value)?;
            } else if word.eq_ignore_ascii_case(b"MATCH") {
                request.pattern = Some(value).filter(|pattern| *pattern != b"*");
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(request)
    }

    /// Whether this member is asked for.
    pub(super) fn wants(&self, member: Element<'_>) -> bool {
        self.pattern.is_none_or(|pattern| member.with_text(|text| glob::matches(pattern, text, false)))
    }
}

/// Reads a cursor.
pub(super) fn cursor(word: &[u8]) -> Result<u32, CmdError> {
    Ok(cursor_number(word)? as u32)
}

/// Begins the reply with the next cursor; the array of members follows.
pub(super) fn write_cursor(reply: &mut Reply<'_>, next: Option<u32>) {
    reply.array(2);
    reply.bulk_int(i64::from(next.unwrap_or(0)));
}

/// The reply for a key that does not exist.
pub(super) fn write_none(reply: &mut Reply<'_>) {
    write_cursor(reply, None);
    reply.array(0);
}
