//! The constants of the format: the first byte of each item. Source: rdb.h of Redis 7.0, and of 8.0 for the newest.
//!
//! A file is `REDIS` and four digits of version, then opcodes with their operands and keys (a type byte, the key, the
//! value), then [`EOF`] and the CRC-64 of everything before it. Type bytes and opcodes share one numbering, from both
//! of its ends.

/// The beginning of a file; four decimal digits of version follow.
pub const MAGIC: &[u8; 5] = b"REDIS";
/// The version that Redis 7.0 writes, in files and in DUMP payloads.
pub const VERSION: u16 = 10;
/// The version that Redis 7.2 writes.
pub const VERSION_7_2: u16 = 11;
/// The newest version whose types this crate names (Redis 8.0).
pub const NEWEST_VERSION: u16 = 12;
/// The beginning of a file of Valkey 9; three decimal digits of version follow.
pub const VALKEY_MAGIC: &[u8; 6] = b"VALKEY";
/// The version that Valkey 9 writes. Its numbering is its own from here on.
pub const VALKEY_VERSION: u16 = 80;

/// Top two bits of a length in the low six bits.
pub(super) const LEN_6BIT: u8 = 0;
/// Top two bits of a length in the low six bits and the next byte, big-endian.
pub(super) const LEN_14BIT: u8 = 1;
/// Top two bits of a specially encoded string in place of a length; the low six bits name the encoding ([`ENC_INT8`]
/// and so on).
pub(super) const LEN_ENCODED: u8 = 3;
/// First byte of a length of four bytes, big-endian.
pub(super) const LEN_32BIT: u8 = 0x80;
/// First byte of a length of eight bytes, big-endian.
pub(super) const LEN_64BIT: u8 = 0x81;

/// String encoding: an integer of one byte.
pub const ENC_INT8: u8 = 0;
/// String encoding: an integer of two bytes, little-endian.
pub const ENC_INT16: u8 = 1;
/// String encoding: an integer of four bytes, little-endian.
pub const ENC_INT32: u8 = 2;
/// String encoding: compressed length, plain length, LZF bytes.
pub const ENC_LZF: u8 = 3;

/// A string.
pub const TYPE_STRING: u8 = 0;
/// A list, element by element (before quicklists).
pub const TYPE_LIST: u8 = 1;
/// A set, element by element.
pub const TYPE_SET: u8 = 2;
/// A sorted set with textual scores.
pub const TYPE_ZSET: u8 = 3;
/// A hash, field by field.
pub const TYPE_HASH: u8 = 4;
/// A sorted set with binary scores.
pub const TYPE_ZSET_2: u8 = 5;
/// A module's value without annotations, which only that module can read.
pub const TYPE_MODULE: u8 = 6;
/// A module's value that can be skipped.
pub const TYPE_MODULE_2: u8 = 7;
/// A hash as a zipmap.
pub const TYPE_HASH_ZIPMAP: u8 = 9;
/// A list as one ziplist.
pub const TYPE_LIST_ZIPLIST: u8 = 10;
/// A set as an intset.
pub const TYPE_SET_INTSET: u8 = 11;
/// A sorted set as a ziplist.
pub const TYPE_ZSET_ZIPLIST: u8 = 12;
/// A hash as a ziplist.
pub const TYPE_HASH_ZIPLIST: u8 = 13;
/// A list as a quicklist of ziplists.
pub const TYPE_LIST_QUICKLIST: u8 = 14;
/// A stream as listpacks.
pub const TYPE_STREAM_LISTPACKS: u8 = 15;
/// A hash as a listpack.
pub const TYPE_HASH_LISTPACK: u8 = 16;
/// A sorted set as a listpack.
pub const TYPE_ZSET_LISTPACK: u8 = 17;
/// A list as a quicklist of listpacks and plain nodes.
pub const TYPE_LIST_QUICKLIST_2: u8 = 18;
/// A stream as listpacks, with the counters of Redis 7.0.
pub const TYPE_STREAM_LISTPACKS_2: u8 = 19;
/// A set as a listpack (Redis 7.2).
pub const TYPE_SET_LISTPACK: u8 = 20;
/// A stream as listpacks, with the consumers' active times of Redis 7.2.
pub const TYPE_STREAM_LISTPACKS_3: u8 = 21;

/// A hash some of whose fields expire, as release candidates of Redis 7.4 wrote it.
pub const TYPE_HASH_METADATA_PRE_GA: u8 = 22;
/// The same as a listpack.
pub const TYPE_HASH_LISTPACK_EX_PRE_GA: u8 = 23;
/// A hash some of whose fields expire (Redis 7.4).
pub const TYPE_HASH_METADATA: u8 = 24;
/// The same as a listpack.
pub const TYPE_HASH_LISTPACK_EX: u8 = 25;
/// In files and payloads of Valkey 9: a hash some of whose fields expire.
pub const VALKEY_TYPE_HASH_2: u8 = 22;

/// A slot and the numbers of its keys and expiries: three lengths (Redis 7.4 and later, in cluster mode).
pub const SLOT_INFO: u8 = 244;
/// A library of functions.
pub const FUNCTION2: u8 = 245;
/// A library of functions as release candidates of 7.0 wrote it.
pub const FUNCTION_PRE_GA: u8 = 246;
/// Data of a module that belongs to no key.
pub const MODULE_AUX: u8 = 247;
/// Idle time of the next key in seconds, a length.
pub const IDLE: u8 = 248;
/// Access frequency of the next key, one byte.
pub const FREQ: u8 = 249;
/// An auxiliary field: two strings.
pub const AUX: u8 = 250;
/// Number of keys and of keys with expiry to come: two lengths.
pub const RESIZEDB: u8 = 251;
/// Expiry of the next key in milliseconds since 1970: eight bytes, little-endian.
pub const EXPIRETIME_MS: u8 = 252;
/// Expiry of the next key in seconds since 1970: four bytes, little-endian.
pub const EXPIRETIME: u8 = 253;
/// The database of the keys that follow, a length.
pub const SELECTDB: u8 = 254;
/// The end; eight bytes of CRC-64 follow, little-endian, zero if it was switched off.
pub const EOF: u8 = 255;
