//! The bounds a request must keep, by who sends it.
//!
//! They are what stands between a length field and memory: a client that has not authenticated may announce little, a
//! client may announce what `proto-max-bulk-len` allows, a primary is trusted with any length (its stream was accepted by
//! a node with limits of its own, perhaps larger ones). Values and rules: networking.c and server.h of Redis 7.0.

/// Bytes that a line (an inline command, or the header of an array or bulk) may take: Redis's `PROTO_INLINE_MAX_SIZE`.
pub const MAX_INLINE: usize = 64 * 1024;

/// Most arguments of a command: what Redis's `int argc` holds.
pub const MAX_ARGS: i64 = i32::MAX as i64;

/// Most arguments before authentication.
pub const UNAUTHENTICATED_MAX_ARGS: i64 = 10;

/// Longest argument before authentication, in bytes.
pub const UNAUTHENTICATED_MAX_BULK_LEN: u64 = 16_384;

/// The default of `proto-max-bulk-len`, in bytes.
pub const DEFAULT_MAX_BULK_LEN: u64 = 512 * 1024 * 1024;

/// What a [`RequestParser`](super::RequestParser) accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument in bytes: the directive `proto-max-bulk-len`.
    pub max_bulk_len: u64,
    /// Longest unfinished line in bytes.
    pub max_inline: usize,
    /// Most arguments of a command.
    pub max_args: i64,
    /// Whether the sender has yet to authenticate. Then the tighter limits hold, and breaking them has texts of its own.
    pub unauthenticated: bool,
    /// Whether inline commands are understood. A primary never sends one: on a replication link it means that the
    /// stream lost its place, and only the empty line (a keep-alive) is let through.
    pub inline_commands: bool,
}

impl Limits {
    /// For a client that has authenticated, or need not.
    pub const fn authenticated(max_bulk_len: u64) -> Self {
        Self { max_bulk_len, max_inline: MAX_INLINE, max_args: MAX_ARGS, unauthenticated: false, inline_commands: true }
    }

    /// For a client that has yet to authenticate.
    pub const fn unauthenticated(max_bulk_len: u64) -> Self {
        Self { max_args: UNAUTHENTICATED_MAX_ARGS, unauthenticated: true, ..Self::authenticated(max_bulk_len) }
    }

    /// For the stream of commands from a primary.
    pub const fn primary() -> Self {
        Self { inline_commands: false, ..Self::authenticated(u64::MAX) }
    }
}
