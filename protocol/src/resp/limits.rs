//! The bounds of a request, by the kind of sender.
//!
//! They protect memory from announced lengths: a client that has not authenticated may announce little, a client may
//! announce what `proto-max-bulk-len` allows, and a primary is trusted with any length (its stream was accepted by a
//! node with limits of its own, perhaps larger ones). Values and rules: networking.c and server.h of Redis 7.0.

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

/// The limits of a [`RequestParser`](super::RequestParser).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument in bytes: the directive `proto-max-bulk-len`.
    pub max_bulk_len: u64,
    /// Longest unfinished line in bytes.
    pub max_inline: usize,
    /// Most arguments of a command.
    pub max_args: i64,
    /// Whether the sender has not authenticated yet. Then tighter limits apply, with error texts of their own.
    pub unauthenticated: bool,
    /// Whether inline commands are understood. A primary never sends one: on a replication link it would mean that the
    /// stream is out of step, and only the empty line (a keep-alive) is accepted.
    pub inline_commands: bool,
}

impl Limits {
    /// For a client that has authenticated, or need not.
    pub const fn authenticated(max_bulk_len: u64) -> Self {
        Self { max_bulk_len, max_inline: MAX_INLINE, max_args: MAX_ARGS, unauthenticated: false, inline_commands: true }
    }

    /// For a client that has not authenticated yet.
    pub const fn unauthenticated(max_bulk_len: u64) -> Self {
        Self { max_args: UNAUTHENTICATED_MAX_ARGS, unauthenticated: true, ..Self::authenticated(max_bulk_len) }
    }

    /// For the stream of commands from a primary.
    pub const fn primary() -> Self {
        Self { inline_commands: false, ..Self::authenticated(u64::MAX) }
    }
}
