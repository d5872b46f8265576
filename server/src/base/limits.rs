//! Limits that several files share, or that are related to each other: compile-time assertions say how.
//!
//! A limit of one file is a constant there. One that users may change is a configuration directive.

/// `proto-max-bulk-len`: the longest argument, and therefore the longest string value, in bytes.
pub(crate) const PROTO_MAX_BULK_LEN_DEFAULT: u64 = 512 * 1024 * 1024;
/// The least that `proto-max-bulk-len` may be set to.
pub(crate) const PROTO_MAX_BULK_LEN_MIN: u64 = 1024 * 1024;
/// Bytes of one argument of a client that has not authenticated.
pub(crate) const UNAUTHENTICATED_BULK_MAX: u64 = 16 * 1024;

/// `list-max-listpack-size` and its bounds.
pub(crate) const LIST_MAX_LISTPACK_SIZE_DEFAULT: i16 = -2;
/// Node size limit in bytes of each negative `list-max-listpack-size`: index 0 is -1, index 4 is -5.
pub(crate) const LIST_NODE_BYTES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// With a positive `list-max-listpack-size` (a count of elements) a node still never grows beyond this many bytes
/// unless a single element is larger.
pub(crate) const LIST_NODE_SAFETY_BYTES: usize = 8192;
/// Elements of at least this size get a node of their own without listpack framing (DEBUG QUICKLIST-PACKED-THRESHOLD).
pub(crate) const LIST_PACKED_THRESHOLD_DEFAULT: u32 = 1 << 30;
/// Nodes smaller than this are never compressed.
pub(crate) const LIST_MIN_COMPRESS_BYTES: usize = 48;
/// A compressed node must be smaller than the plain one by more than this many bytes.
pub(crate) const LIST_MIN_COMPRESS_GAIN: usize = 8;
/// A listpack with fewer bytes than this always fits its 32-bit size field (Redis: LISTPACK_MAX_SAFETY_LIMIT).
pub(crate) const LISTPACK_MAX_BYTES: usize = 1 << 30;

/// `zset-max-listpack-entries`.
pub(crate) const ZSET_MAX_LISTPACK_ENTRIES_DEFAULT: usize = 128;
/// `zset-max-listpack-value`.
pub(crate) const ZSET_MAX_LISTPACK_VALUE_DEFAULT: usize = 64;

/// How many members a command picks at random if they may occur more than once: the count comes from the client, and
/// the reply must fit into memory.
pub(crate) const RANDOM_PICKS_MAX: usize = 1 << 24;

/// The maximum of `databases`: a slot's place ([`crate::command::locked::Place`]) has bits for so many beside the
/// slot's number.
pub(crate) const DATABASES_MAX: i64 = 1 << 18;

/// The longest text that is parsed as an extended float (Redis: MAX_LONG_DOUBLE_CHARS, less its terminator).
pub(crate) const LONG_DOUBLE_MAX_CHARS: usize = 5 * 1024 - 1;

const _: () = assert!(PROTO_MAX_BULK_LEN_MIN <= PROTO_MAX_BULK_LEN_DEFAULT);
const _: () = assert!(UNAUTHENTICATED_BULK_MAX < PROTO_MAX_BULK_LEN_MIN);
const _: () = assert!(LIST_NODE_SAFETY_BYTES <= LIST_NODE_BYTES[4], "one counter width serves both limits");
const _: () = assert!(LIST_NODE_BYTES[4] < LISTPACK_MAX_BYTES);
const _: () = assert!(LIST_PACKED_THRESHOLD_DEFAULT as usize <= LISTPACK_MAX_BYTES);

/// How many different error codes INFO errorstats counts at most.
pub(crate) const MAX_ERROR_CODES: usize = 128;

/// Up to so many clients of one node share a worker. That covers a program with a handful of connections, and heavy
/// loads with more connections are still spread over all workers.
pub(crate) const CLIENTS_TOGETHER: usize = 8;
