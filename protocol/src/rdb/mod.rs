//! The primitive encodings of RDB files and DUMP payloads: lengths, strings, numbers. No object model.
//!
//! Everything that Redis stores consists of a handful of forms, read here by [`Reader`] and written by [`Writer`]:
//!
//! - a *length* of 1, 2, 5 or 9 bytes, told apart by the top two bits of the first ([`opcode`] has the table);
//! - a *string*: a length and bytes; or, if the top bits say so, an 8, 16 or 32-bit integer that stands for its decimal
//!   text, or bytes compressed with [`lzf`];
//! - little-endian numbers of fixed width, and the textual double of old sorted sets.
//!
//! The larger structures (the file around the keys, the value of each type) are in the server's `persistence` and
//! `store::payload`, which share this code, so that DUMP, RDB files, full sync and migration agree by construction.
//!
//! The reader works on bytes in memory and is total. A streaming caller reads ahead; [`ReadError::UnexpectedEnd`] tells
//! it for how many bytes at least to wait before it tries again.

pub mod decode;
pub mod encode;
pub mod lzf;
pub mod opcode;

pub use decode::{Length, RdbString, ReadError, Reader};
pub use encode::Writer;
