//! Values as bytes: the one codec of DUMP, RESTORE, RDB files, full sync and MIGRATE.
//!
//! A value is a type byte and a body; an RDB file puts the key between them, DUMP puts a version and a checksum behind
//! them. We write what Redis 7.0 writes, byte for byte, down to the node borders of lists; we read every form that
//! Redis 7 reads for the types there are.
//!
//! Nothing that is read is trusted: every encoding is validated whole (Redis does so only if asked to,
//! `sanitize-dump-payload`, and most of its crafted-payload vulnerabilities come from that), and memory is only spent
//! on bytes that are really there.
//!
//! A new type adds an arm to [`object_type`], [`write`] and [`read`].

use protocol::crc64;
use protocol::rdb::{RdbString, ReadError, Reader, Writer, opcode};

use super::collection::Collection;
use super::encoding::listpack::Listpack;
use super::encoding::{Corrupt, ziplist};
use super::types::list::{List, ListOptions, NodeBytes};
use super::value::{Value, ValueRef};

/// Version (2 bytes) and checksum (8 bytes) at the end of a DUMP payload.
const FOOTER_BYTES: usize = 10;
/// How a saved list names its kinds of nodes (Redis: QUICKLIST_NODE_CONTAINER_*).
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// What a decoder follows besides the bytes.
#[derive(Clone, Copy, Debug)]
pub struct PayloadLimits {
    /// For the lists it makes.
    pub list: ListOptions,
    /// The longest string it takes, in bytes.
    pub max_string: u64,
}

impl Default for PayloadLimits {
    fn default() -> Self {
        PayloadLimits { list: ListOptions::default(), max_string: crate::base::limits::PROTO_MAX_BULK_LEN_DEFAULT }
    }
}

/// Why bytes are not a value. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// DUMP payload: too short, of a newer version, or the checksum differs ("DUMP payload version or checksum are
    /// wrong").
    #[error("payload version or checksum are wrong")]
    Footer,
    /// A type byte that means nothing, or a type that is not supported.
    #[error("unknown value type {0}")]
    UnknownType(u8),
    /// A primitive is damaged or cut short.
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

/// The type byte that says how [`write`] writes `value`.
pub fn object_type(value: &ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Int(_) | ValueRef::Str(_) => opcode::TYPE_STRING,
        ValueRef::Collection(Collection::List(_)) => opcode::TYPE_LIST_QUICKLIST_2,
    }
}

/// Writes the body of `value`: what follows type byte and key.
pub fn write(value: &ValueRef<'_>, out: &mut Writer) {
    match value {
        ValueRef::Int(number) => out.int_string(*number),
        ValueRef::Str(bytes) => out.string(bytes),
        ValueRef::Collection(Collection::List(list)) => write_list(list, out),
    }
}

/// Reads a body of type `object_type` from `input`, which is left behind it.
///
/// # Errors
/// See [`PayloadError`]; `Footer` and `Trailing` do not occur.
pub fn read(object_type: u8, input: &mut Reader<'_>, limits: &PayloadLimits) -> Result<Value, PayloadError> {
    match object_type {
        opcode::TYPE_STRING => read_string(input),
        opcode::TYPE_LIST => read_plain_list(input, limits),
        opcode::TYPE_LIST_ZIPLIST => read_ziplist(input, limits),
        opcode::TYPE_LIST_QUICKLIST => read_quicklist(input, limits, false),
        opcode::TYPE_LIST_QUICKLIST_2 => read_quicklist(input, limits, true),
        unknown => Err(PayloadError::UnknownType(unknown)),
    }
}

/// The payload that DUMP answers: type, body, version, checksum.
pub fn dump(value: &ValueRef<'_>) -> Vec<u8> {
    let mut out = Writer::new();
    dump_into(value, &mut out);
    out.into_vec()
}

/// Appends the payload of [`dump`]: for those who dump many values, since a writer keeps its compressor.
pub fn dump_into(value: &ValueRef<'_>, out: &mut Writer) {
    let start = out.len();
    out.u8(object_type(value));
    write(value, out);
    out.u16_le(opcode::VERSION);
    let checksum = crc64::checksum(&out.as_slice()[start..]);
    out.u64_le(checksum);
}

/// The value of a DUMP payload. `verify_checksum` is true except under DEBUG SET-SKIP-CHECKSUM-VALIDATION; everything
/// else is always verified.
///
/// # Errors
/// See [`PayloadError`].
pub fn restore(payload: &[u8], limits: &PayloadLimits, verify_checksum: bool) -> Result<Value, PayloadError> {
    let body_len = payload.len().checked_sub(FOOTER_BYTES).ok_or(PayloadError::Footer)?;
    let (body, footer) = payload.split_at(body_len);
    let (version, checksum) = footer.split_at(2);
    let version = u16::from_le_bytes([version[0], version[1]]);
    let said = checksum.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    if version > opcode::NEWEST_VERSION
        || (verify_checksum && crc64::checksum(&payload[..payload.len() - checksum.len()]) != said)
    {
        return Err(PayloadError::Footer);
    }
    let mut input = Reader::new(body);
    input.set_max_string(limits.max_string);
    let object_type = input.u8()?;
    let value = read(object_type, &mut input, limits)?;
    if input.is_empty() { Ok(value) } else { Err(PayloadError::Trailing) }
}

fn write_list(list: &List, out: &mut Writer) {
    out.length(list.node_count() as u64);
    for node in list.saved_nodes() {
        match node {
            NodeBytes::Listpack(bytes) => {
                out.length(NODE_PACKED);
                out.string(&bytes);
            }
            NodeBytes::Plain(bytes) => {
                out.length(NODE_PLAIN);
                out.string(bytes);
            }
            NodeBytes::Compressed { bytes, plain_len, is_plain } => {
                out.length(if is_plain { NODE_PLAIN } else { NODE_PACKED });
                out.lzf_string(bytes, u64::from(plain_len));
            }
        }
    }
}

fn read_string(input: &mut Reader<'_>) -> Result<Value, PayloadError> {
    Ok(match input.string_or_int()? {
        RdbString::Int(number) => Value::Int(number),
        RdbString::Bytes(bytes) => Value::string(bytes.into_owned()),
    })
}

/// The oldest form: a count and so many strings.
fn read_plain_list(input: &mut Reader<'_>, limits: &PayloadLimits) -> Result<Value, PayloadError> {
    let mut list = List::new(limits.list);
    for _ in 0..input.length()? {
        list.push_back(&input.string()?);
    }
    finish_list(list)
}

/// One ziplist (Redis before 3.2).
fn read_ziplist(input: &mut Reader<'_>, limits: &PayloadLimits) -> Result<Value, PayloadError> {
    let mut list = List::new(limits.list);
    ziplist::read(&input.string()?, |element| element.with_text(|text| list.push_back(text)))?;
    finish_list(list)
}

/// A count and so many nodes: ziplists (Redis before 7.0), or each with its kind.
fn read_quicklist(input: &mut Reader<'_>, limits: &PayloadLimits, with_kinds: bool) -> Result<Value, PayloadError> {
    let mut list = List::new(limits.list);
    for _ in 0..input.length()? {
        let kind = if with_kinds { input.length()? } else { NODE_PACKED };
        let bytes = input.string()?;
        match kind {
            NODE_PLAIN if bytes.is_empty() => return Err(Corrupt("plain list node without bytes").into()),
            NODE_PLAIN => list.append_plain(bytes.into_owned().into()),
            NODE_PACKED if with_kinds => list.append_listpack(Listpack::from_bytes(&bytes)?),
            NODE_PACKED => list.append_listpack(ziplist::to_listpack(&bytes)?),
            _ => return Err(Corrupt("unknown kind of list node").into()),
        }
    }
    finish_list(list)
}

fn finish_list(list: List) -> Result<Value, PayloadError> {
    if list.is_empty() { Err(PayloadError::Empty) } else { Ok(Value::from(list)) }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
