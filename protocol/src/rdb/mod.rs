//! The primitive encodings of RDB files and DUMP payloads: lengths, strings, numbers. No object model.
//!
//! Everything Redis stores is put together from a handful of forms, read here by [`Reader`] and written by [`Writer`]:
//!
//! - a *length* of 1, 2, 5 or 9 bytes, told apart by the top two bits of the first ([`opcode`] has the table);
//! - a *string*: a length and bytes, or, where the top bits say so, an 8, 16 or 32-bit integer that stands for its decimal
//!   spelling, or bytes compressed with [`lzf`];
//! - little-endian numbers of fixed width, and the textual double of sorted sets of long ago.
//!
//! What they make up (the file around the keys, the value of each type) is the business of the server's `persistence` and
//! `store::payload`, which share this code, so that DUMP, RDB files, full sync and migration agree by construction.
//!
//! The reader works on bytes in memory and is total. A caller that streams reads ahead, and when it meets
//! [`ReadError::UnexpectedEnd`] knows how many bytes at least to wait for before trying again.

pub mod decode;
pub mod encode;
pub mod lzf;
pub mod opcode;

pub use decode::{Length, RdbString, ReadError, Reader};
pub use encode::Writer;
