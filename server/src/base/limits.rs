//! Limits that several files share. A limit of one file is a constant there, and one that users may change is a
//! configuration directive.

/// A listpack with fewer bytes than this always fits its 32-bit size field (Redis: LISTPACK_MAX_SAFETY_LIMIT).
pub(crate) const LISTPACK_MAX_BYTES: usize = 1 << 30;

/// How many members a command picks at random if they may occur more than once: the count comes from the client, and
/// the reply must fit into memory.
pub(crate) const RANDOM_PICKS_MAX: usize = 1 << 24;

/// The maximum of `databases`: a slot's place ([`crate::command::locked::Place`]) has bits for so many beside the
/// slot's number.
pub(crate) const DATABASES_MAX: i64 = 1 << 18;
