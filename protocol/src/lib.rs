//! The byte formats that slotd speaks.
//!
//! This crate knows every byte format and nothing else: the client protocol ([`resp`]), the hash slots that keys fall
//! into ([`slot`]), the cluster bus ([`bus`]), and the primitive encodings of RDB files and `DUMP` payloads ([`rdb`],
//! [`crc64`]). The few rules about numbers as text that those formats share are in [`number`].
//!
//! It has no clock, no sockets, no files, no randomness and no runtime, so everything here is a function of its input
//! and can be fuzzed, replayed and used by the simulator as it is. Two rules hold for every decoder:
//!
//! - **Total**: any bytes give a value or an error, never a panic; nothing is allocated on the word of a length field
//!   that the input does not back with bytes of its own.
//! - **As Redis 7.0 does it**: where Redis is lenient (it does not check the two bytes after a bulk body) so are we,
//!   and where it refuses, the error text is the same. Each rule names its source.
//!
//! The usual path in a server: [`resp::RequestParser`] turns the read buffer into [`resp::Args`], [`slot::key_slot`]
//! finds where the key lives, [`resp::Reply`] writes the reply.

#![forbid(unsafe_code)]

pub mod bus;
pub mod crc64;
pub mod number;
pub mod rdb;
pub mod resp;
pub mod slot;
