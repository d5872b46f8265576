//! Values as bytes: the one codec of DUMP, RESTORE, RDB files, full sync and MIGRATE.
//!
//! A value is a type byte and a body; an RDB file puts the key between them, DUMP puts a version and a checksum after
//! them. We write what Redis 7.0 writes, byte for byte, down to the node borders of lists, and what 8.0 writes for
//! hashes whose fields expire. A file or full sync that only newer servers read also has the forms of 7.2
//! ([`Vintage`]). We read every form that Redis 8 and Valkey 9 read for the supported types.
//!
//! No input is trusted: every encoding is validated completely (Redis does so only if `sanitize-dump-payload` asks for
//! it, and most of its vulnerabilities to crafted payloads come from that), and memory is only spent on bytes that are
//! really there.
//!
//! No other module knows how a type is saved. Files and streams are cut into values by their type bytes ([`Extent`]
//! finds where one ends, in whatever pieces it arrives), and the bytes are handed over as they are.
//!
//! A new type adds an arm to [`object_type`], [`write()`] and [`read`], its forms to [`extent`], its arm to [`digest`],
//! and a file with its reader and writer.

pub(crate) mod digest;
mod extent;
mod hash;
mod list;
mod pieces;
mod set;
mod stream;
mod zset;

use std::convert::Infallible;

use protocol::crc64;
use protocol::rdb::{RdbString, ReadError, Reader, Writer, opcode};

use super::collection::{Collection, CollectionRef, CollectionType};
use super::encoding::Corrupt;
use super::types::hash::HashLimits;
use super::types::list::ListOptions;
use super::types::set::SetLimits;
use super::types::zset::ZSetOptions;
use super::value::{Value, ValueRef};
pub(crate) use extent::{Extent, NoExtent};
use pieces::Pieces;

/// Whose numbering of types and versions is meant. It is told by the beginning of a file and by the version in a
/// payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Redis's, and that of Valkey before 9.
    #[default]
    Redis,
    /// Valkey's, from version 9 on.
    Valkey,
}

/// Which forms of values may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Vintage {
    /// Those that Redis 7.0 reads, and every later server. DUMP and MIGRATE write these, since nothing is known of the
    /// reader.
    #[default]
    Redis70,
    /// Also those of Redis 7.2: sets as listpacks, consumers of streams with the time when they last got an entry.
    Redis72,
}

impl Vintage {
    /// What a file of this version may contain.
    pub(crate) fn of_version(version: u16) -> Self {
        if version >= opcode::VERSION_7_2 { Vintage::Redis72 } else { Vintage::Redis70 }
    }
}

/// Version (2 bytes) and checksum (8 bytes) at the end of a DUMP payload.
const FOOTER_BYTES: usize = 10;
/// The limits and settings of a decoder.
#[derive(Clone, Copy, Debug)]
pub struct PayloadLimits {
    /// For the lists it creates.
    pub list: ListOptions,
    /// For the sorted sets it creates.
    pub zset: ZSetOptions,
    /// For the hashes it creates.
    pub hash: HashLimits,
    /// For the sets it creates.
    pub set: SetLimits,
    /// The longest string it accepts, in bytes.
    pub max_string: u64,
    /// How the type bytes are numbered.
    pub dialect: Dialect,
}

impl Default for PayloadLimits {
    fn default() -> Self {
        PayloadLimits {
            list: ListOptions::default(),
            zset: ZSetOptions::default(),
            hash: HashLimits::default(),
            set: SetLimits::default(),
            max_string: 512 << 20,
            dialect: Dialect::Redis,
        }
    }
}

/// Why bytes are not a value. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// DUMP payload: too short, of a newer version, or the checksum differs ("DUMP payload version or checksum are
    /// wrong").
    #[error("payload version or checksum are wrong")]
    Footer,
    /// An unknown type byte, or a type that is not supported.
    #[error("unknown value type {0}")]
    UnknownType(u8),
    /// A primitive is damaged or cut off.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An encoding breaks its own rules.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A collection without elements: Redis skips such keys when it loads a file, and refuses them otherwise.
    #[error("empty collection")]
    Empty,
    /// Bytes follow the value.
    #[error("bytes after the value")]
    Trailing,
}

/// The type byte of what [`write()`] writes for `value`.
pub(crate) fn object_type(value: &ValueRef<'_>, vintage: Vintage) -> u8 {
    match value {
        ValueRef::Int(_) | ValueRef::Str(_) => opcode::TYPE_STRING,
        ValueRef::Collection(CollectionRef::List(_)) => opcode::TYPE_LIST_QUICKLIST_2,
        ValueRef::Collection(CollectionRef::ZSet(zset)) => zset::object_type(*zset),
        ValueRef::Collection(CollectionRef::Hash(hash)) => hash::object_type(*hash),
        ValueRef::Collection(CollectionRef::Set(set)) => set::object_type(*set, vintage),
        ValueRef::Collection(CollectionRef::Stream(_)) => match vintage {
            Vintage::Redis70 => opcode::TYPE_STREAM_LISTPACKS_2,
            Vintage::Redis72 => opcode::TYPE_STREAM_LISTPACKS_3,
        },
    }
}

/// Writes the body of `value`: what follows type byte and key.
pub(crate) fn write(value: &ValueRef<'_>, vintage: Vintage, out: &mut Writer) {
    let Ok(()) = write_by(value, vintage, out, |_| Ok::<(), Infallible>(()));
}

/// The same in pieces: `full` is called after each element and within long strings, and may take what is written.
///
/// # Errors
/// That of `full`, which ends the writing.
pub(crate) fn write_by<E>(
    value: &ValueRef<'_>,
    vintage: Vintage,
    out: &mut Writer,
    full: impl FnMut(&mut Writer) -> Result<(), E>,
) -> Result<(), E> {
    let mut pieces = Pieces { out, full };
    match value {
        ValueRef::Int(number) => {
            pieces.out.int_string(*number);
            Ok(())
        }
        ValueRef::Str(bytes) => pieces.string(bytes),
        ValueRef::Collection(CollectionRef::List(list)) => list::write(list, &mut pieces),
        ValueRef::Collection(CollectionRef::ZSet(zset)) => zset::write(*zset, &mut pieces),
        ValueRef::Collection(CollectionRef::Hash(hash)) => hash::write(*hash, &mut pieces),
        ValueRef::Collection(CollectionRef::Set(set)) => set::write(*set, vintage, &mut pieces),
        ValueRef::Collection(CollectionRef::Stream(stream)) => stream::write(stream, vintage, &mut pieces),
    }
}

/// [`write_by`] for a collection that is not needed any more: its parts are dropped as soon as they are written. So who
/// shares it has them to itself again, and what nobody shares is freed bit by bit. (A thread to which the allocator
/// gives back thousands of blocks at once waits for milliseconds.) A stream, of which little is ever copied, is dropped
/// as a whole.
///
/// # Errors
/// That of `full`, which ends the writing.
pub(crate) fn consume<E>(
    collection: Collection,
    vintage: Vintage,
    out: &mut Writer,
    full: impl FnMut(&mut Writer) -> Result<(), E>,
) -> Result<(), E> {
    let mut pieces = Pieces { out, full };
    match collection {
        Collection::List(list) => list::consume(list, &mut pieces),
        Collection::ZSet(zset) => zset::consume(zset, &mut pieces),
        Collection::Hash(hash) => hash::consume(hash, &mut pieces),
        Collection::Set(set) => set::consume(set, vintage, &mut pieces),
        Collection::Stream(stream) => stream::write(&stream, vintage, &mut pieces),
    }
}

/// Reads a body of type `object_type` from `input` and leaves `input` after it.
///
/// # Errors
/// See [`PayloadError`]; `Footer` and `Trailing` do not occur.
pub(crate) fn read(object_type: u8, input: &mut Reader<'_>, limits: &PayloadLimits) -> Result<Value, PayloadError> {
    if limits.dialect == Dialect::Valkey && object_type >= opcode::VALKEY_TYPE_HASH_2 {
        return match object_type {
            opcode::VALKEY_TYPE_HASH_2 => hash::read_valkey(input, limits.hash).and_then(finish),
            unknown => Err(PayloadError::UnknownType(unknown)),
        };
    }
    match object_type {
        opcode::TYPE_STRING => read_string(input),
        opcode::TYPE_LIST => list::read_plain(input, limits.list).and_then(finish),
        opcode::TYPE_LIST_ZIPLIST => list::read_ziplist(input, limits.list).and_then(finish),
        opcode::TYPE_LIST_QUICKLIST => list::read_quicklist(input, limits.list, false).and_then(finish),
        opcode::TYPE_LIST_QUICKLIST_2 => list::read_quicklist(input, limits.list, true).and_then(finish),
        opcode::TYPE_SET => set::read_plain(input, &limits.set).and_then(finish),
        opcode::TYPE_SET_INTSET => set::read_intset(input, &limits.set).and_then(finish),
        opcode::TYPE_SET_LISTPACK => set::read_listpack(input, &limits.set).and_then(finish),
        opcode::TYPE_ZSET => zset::read_pairs(input, &limits.zset, false).and_then(finish),
        opcode::TYPE_ZSET_2 => zset::read_pairs(input, &limits.zset, true).and_then(finish),
        opcode::TYPE_ZSET_ZIPLIST => zset::read_ziplist(input, &limits.zset).and_then(finish),
        opcode::TYPE_ZSET_LISTPACK => zset::read_listpack(input, &limits.zset).and_then(finish),
        opcode::TYPE_HASH => hash::read_plain(input, limits.hash).and_then(finish),
        opcode::TYPE_HASH_ZIPMAP => hash::read_zipmap(input, limits.hash).and_then(finish),
        opcode::TYPE_HASH_ZIPLIST => hash::read_ziplist(input, limits.hash).and_then(finish),
        opcode::TYPE_HASH_LISTPACK => hash::read_listpack(input, limits.hash).and_then(finish),
        opcode::TYPE_STREAM_LISTPACKS => stream::read(input, stream::Version::First).and_then(finish),
        opcode::TYPE_STREAM_LISTPACKS_2 => stream::read(input, stream::Version::Second).and_then(finish),
        opcode::TYPE_STREAM_LISTPACKS_3 => stream::read(input, stream::Version::Third).and_then(finish),
        opcode::TYPE_HASH_METADATA_PRE_GA => hash::read_metadata(input, limits.hash, false).and_then(finish),
        opcode::TYPE_HASH_METADATA => hash::read_metadata(input, limits.hash, true).and_then(finish),
        opcode::TYPE_HASH_LISTPACK_EX_PRE_GA => hash::read_triples(input, limits.hash, false).and_then(finish),
        opcode::TYPE_HASH_LISTPACK_EX => hash::read_triples(input, limits.hash, true).and_then(finish),
        unknown => Err(PayloadError::UnknownType(unknown)),
    }
}

/// The version that a file or payload needs for a type byte of [`object_type`].
pub(crate) fn version(object_type: u8) -> u16 {
    match object_type {
        opcode::TYPE_HASH_METADATA | opcode::TYPE_HASH_LISTPACK_EX => opcode::NEWEST_VERSION,
        opcode::TYPE_SET_LISTPACK | opcode::TYPE_STREAM_LISTPACKS_3 => opcode::VERSION_7_2,
        _ => opcode::VERSION,
    }
}

/// The payload of DUMP: type, body, version, checksum.
pub fn dump(value: &ValueRef<'_>) -> Vec<u8> {
    let mut out = Writer::new();
    dump_into(value, &mut out);
    out.into_vec()
}

/// Appends the payload of [`dump`]: for callers that dump many values, since a writer keeps its compressor.
pub(crate) fn dump_into(value: &ValueRef<'_>, out: &mut Writer) {
    dump_as(value, Vintage::Redis70, out);
}

fn dump_as(value: &ValueRef<'_>, vintage: Vintage, out: &mut Writer) {
    let start = out.len();
    let object_type = object_type(value, vintage);
    out.u8(object_type);
    write(value, vintage, out);
    add_footer(out, start, version(object_type));
}

/// Ends the payload that begins at `start`.
fn add_footer(out: &mut Writer, start: usize, version: u16) {
    out.u16_le(version);
    let checksum = crc64::checksum(&out.as_slice()[start..]);
    out.u64_le(checksum);
}

/// The value of a DUMP payload. `verify_checksum` is true except under DEBUG SET-SKIP-CHECKSUM-VALIDATION; everything
/// else is always verified.
///
/// # Errors
/// The payload is not one.
pub fn restore(payload: &[u8], limits: &PayloadLimits, verify_checksum: bool) -> Result<Value, PayloadError> {
    let (body, dialect) = split_footer(payload, verify_checksum).ok_or(PayloadError::Footer)?;
    let (&object_type, body) = body.split_first().ok_or(ReadError::UnexpectedEnd { missing: 1 })?;
    read_whole(object_type, body, &PayloadLimits { dialect, ..*limits })
}

/// The body of a payload, and who has written it. `None`: its version is too new, or its checksum is wrong.
fn split_footer(payload: &[u8], verify_checksum: bool) -> Option<(&[u8], Dialect)> {
    let (body, footer) = payload.split_at(payload.len().checked_sub(FOOTER_BYTES)?);
    let (version, checksum) = footer.split_at(2);
    let version = u16::from_le_bytes([version[0], version[1]]);
    let said = checksum.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let dialect = if version == opcode::VALKEY_VERSION { Dialect::Valkey } else { Dialect::Redis };
    if dialect == Dialect::Redis && version > opcode::NEWEST_VERSION
        || (verify_checksum && crc64::checksum(&payload[..payload.len() - checksum.len()]) != said)
    {
        return None;
    }
    Some((body, dialect))
}

/// Makes a payload of something else than a value: adds version and checksum.
pub(crate) fn seal(mut out: Writer) -> Vec<u8> {
    add_footer(&mut out, 0, opcode::VERSION);
    out.into_vec()
}

/// What [`seal`] was given. `None`: version or checksum are wrong.
pub(crate) fn unseal(payload: &[u8], verify_checksum: bool) -> Option<&[u8]> {
    split_footer(payload, verify_checksum).map(|(body, _)| body)
}

/// The value of a body of type `object_type`; nothing may follow it.
///
/// # Errors
/// See [`PayloadError`]; `Footer` does not occur.
pub(crate) fn read_whole(object_type: u8, body: &[u8], limits: &PayloadLimits) -> Result<Value, PayloadError> {
    let mut input = Reader::new(body);
    input.set_max_string(limits.max_string);
    let value = read(object_type, &mut input, limits)?;
    if input.is_empty() { Ok(value) } else { Err(PayloadError::Trailing) }
}

fn read_string(input: &mut Reader<'_>) -> Result<Value, PayloadError> {
    Ok(match input.string_or_int()? {
        RdbString::Int(number) => Value::Int(number),
        RdbString::Bytes(bytes) => Value::string(bytes.into_owned()),
    })
}

/// A collection that was read completely, unless it is empty.
fn finish<T: CollectionType>(mut value: T) -> Result<Value, PayloadError> {
    if value.is_empty() {
        return Err(PayloadError::Empty);
    }
    value.settle();
    Ok(Value::from(value.into()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
