//! Where a value ends, found without decoding it.
//!
//! Values arrive in pieces, from a file or from a socket, and a piece may end anywhere. An [`Extent`] walks over the
//! parts of a body once: it remembers its position, and continues there when there are more bytes. So a list of a
//! gigabyte costs no more in a thousand pieces, and a decoder only ever sees whole values.
//!
//! A form is described by its parts ([`form`]). A part may be a count and parts that repeat so often, which may hold
//! such a part themselves.

use protocol::rdb::{Length, ReadError, Reader, opcode};

use super::Dialect;

/// A part of a body.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// A number in the format's own encoding of lengths.
    Length,
    /// A string in any of its encodings.
    String,
    /// A number of eight bytes.
    Double,
    /// A number as text: a byte that says its length, or which of the special numbers it is.
    TextDouble,
    /// Bytes as they are.
    Raw(usize),
    /// A count, and so many times these parts.
    Counted(&'static [Part]),
}

/// Counts within counts: a stream has groups, these have consumers, and these have pending entries.
const DEPTH: usize = 4;

/// The nodes of a stream; its length and last id follow.
const NODES: Part = Part::Counted(&[Part::String, Part::String]);
/// What is pending in a group: id, time, count.
const PENDING: Part = Part::Counted(&[Part::Raw(16), Part::Raw(8), Part::Length]);
/// What is pending for a consumer: ids.
const OWN: Part = Part::Counted(&[Part::Raw(16)]);
/// The consumers of a group, with one time and with two.
const CONSUMERS: Part = Part::Counted(&[Part::String, Part::Raw(8), OWN]);
const CONSUMERS_3: Part = Part::Counted(&[Part::String, Part::Raw(16), OWN]);

const LENGTH: Part = Part::Length;
const STREAM_PARTS: &[Part] =
    &[NODES, LENGTH, LENGTH, LENGTH, Part::Counted(&[Part::String, LENGTH, LENGTH, PENDING, CONSUMERS])];
/// Since Redis 7.0 with counters: first id, greatest deleted id, entries added; and in a group, entries read.
const STREAM_PARTS_2: &[Part] = &[
    NODES,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    Part::Counted(&[Part::String, LENGTH, LENGTH, LENGTH, PENDING, CONSUMERS]),
];
const STREAM_PARTS_3: &[Part] = &[
    NODES,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    LENGTH,
    Part::Counted(&[Part::String, LENGTH, LENGTH, LENGTH, PENDING, CONSUMERS_3]),
];

/// The parts of a type byte's body; `None` for types that are not supported.
fn form(object_type: u8, dialect: Dialect) -> Option<&'static [Part]> {
    if dialect == Dialect::Valkey && object_type >= opcode::VALKEY_TYPE_HASH_2 {
        let parts: &[Part] = &[Part::Counted(&[Part::String, Part::String, Part::Raw(8)])];
        return (object_type == opcode::VALKEY_TYPE_HASH_2).then_some(parts);
    }
    Some(match object_type {
        opcode::TYPE_STRING
        | opcode::TYPE_LIST_ZIPLIST
        | opcode::TYPE_ZSET_ZIPLIST
        | opcode::TYPE_ZSET_LISTPACK
        | opcode::TYPE_HASH_ZIPMAP
        | opcode::TYPE_HASH_ZIPLIST
        | opcode::TYPE_HASH_LISTPACK
        | opcode::TYPE_SET_INTSET
        | opcode::TYPE_SET_LISTPACK => &[Part::String],
        opcode::TYPE_HASH => &[Part::Counted(&[Part::String, Part::String])],
        opcode::TYPE_LIST | opcode::TYPE_LIST_QUICKLIST | opcode::TYPE_SET => &[Part::Counted(&[Part::String])],
        opcode::TYPE_LIST_QUICKLIST_2 => &[Part::Counted(&[Part::Length, Part::String])],
        opcode::TYPE_ZSET => &[Part::Counted(&[Part::String, Part::TextDouble])],
        opcode::TYPE_ZSET_2 => &[Part::Counted(&[Part::String, Part::Double])],
        opcode::TYPE_HASH_METADATA_PRE_GA => &[Part::Counted(&[Part::Length, Part::String, Part::String])],
        opcode::TYPE_HASH_METADATA => &[Part::Raw(8), Part::Counted(&[Part::Length, Part::String, Part::String])],
        opcode::TYPE_HASH_LISTPACK_EX_PRE_GA => &[Part::String],
        opcode::TYPE_HASH_LISTPACK_EX => &[Part::Raw(8), Part::String],
        opcode::TYPE_STREAM_LISTPACKS => STREAM_PARTS,
        opcode::TYPE_STREAM_LISTPACKS_2 => STREAM_PARTS_2,
        opcode::TYPE_STREAM_LISTPACKS_3 => STREAM_PARTS_3,
        _ => return None,
    })
}

/// Why the end of a value cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoExtent {
    /// The type byte is unknown.
    Unknown,
    /// A type that is not supported.
    Unsupported(&'static str),
}

/// Parts in a row, and how often they are still to be passed.
#[derive(Clone, Copy, Debug)]
struct Row {
    parts: &'static [Part],
    /// Which part comes next.
    next: usize,
    /// The present round included.
    rounds: u64,
}

/// A walk to the end of a value. See the top of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    rows: [Row; DEPTH],
    /// How many rows are begun; the last of them is walked over.
    begun: usize,
    /// Bytes of the body that were passed.
    passed: usize,
}

impl Extent {
    /// The walk over a body of this type.
    ///
    /// # Errors
    /// [`NoExtent`].
    pub(crate) fn of(object_type: u8, dialect: Dialect) -> Result<Self, NoExtent> {
        match (form(object_type, dialect), type_name(object_type)) {
            (Some(parts), _) => Ok(Self { rows: [Row { parts, next: 0, rounds: 1 }; DEPTH], begun: 1, passed: 0 }),
            (None, Some(name)) => Err(NoExtent::Unsupported(name)),
            (None, None) => Err(NoExtent::Unknown),
        }
    }

    /// Continues to the end of the value and returns its length. `body` starts where it started before, and is longer
    /// now.
    ///
    /// # Errors
    /// `UnexpectedEnd` if the end is not there yet; otherwise the body is damaged.
    pub(crate) fn run(&mut self, body: &[u8], max_string: u64) -> Result<usize, ReadError> {
        let start = self.passed;
        let mut reader = Reader::new(body.get(start..).unwrap_or_default());
        while let Some(row) = self.begun.checked_sub(1).map(|at| &mut self.rows[at]) {
            let Some(&part) = row.parts.get(row.next) else {
                row.next = 0;
                row.rounds -= 1;
                self.begun -= usize::from(row.rounds == 0);
                continue;
            };
            let mut inner = None;
            match part {
                Part::Length => drop(reader.length()?),
                Part::String => skip_string(&mut reader, max_string)?,
                Part::Double => drop(reader.raw(size_of::<f64>())?),
                Part::TextDouble => drop(reader.text_double()?),
                Part::Raw(bytes) => drop(reader.raw(bytes)?),
                Part::Counted(parts) => {
                    let rounds = reader.length()?;
                    inner = (rounds > 0).then_some(Row { parts, next: 0, rounds });
                }
            }
            row.next += 1;
            self.passed = start + reader.position();
            if let Some(inner) = inner {
                self.rows[self.begun] = inner;
                self.begun += 1;
            }
        }
        Ok(self.passed)
    }
}

/// Passes one string without decoding it.
fn skip_string(reader: &mut Reader<'_>, max_string: u64) -> Result<(), ReadError> {
    let bytes = match reader.length_or_encoding()? {
        Length::Plain(len) => len,
        Length::Encoded(opcode::ENC_INT8) => 1,
        Length::Encoded(opcode::ENC_INT16) => 2,
        Length::Encoded(opcode::ENC_INT32) => 4,
        Length::Encoded(opcode::ENC_LZF) => {
            let compressed = reader.length()?;
            let plain = reader.length()?;
            if plain > max_string {
                return Err(ReadError::StringTooLong(plain));
            }
            compressed
        }
        Length::Encoded(unknown) => return Err(ReadError::UnknownStringEncoding(unknown)),
    };
    if bytes > max_string {
        return Err(ReadError::StringTooLong(bytes));
    }
    reader.raw(bytes as usize).map(|_| ())
}

/// What a type byte stands for, for messages.
fn type_name(object_type: u8) -> Option<&'static str> {
    Some(match object_type {
        opcode::TYPE_STRING => "string",
        opcode::TYPE_LIST | opcode::TYPE_LIST_ZIPLIST | opcode::TYPE_LIST_QUICKLIST | opcode::TYPE_LIST_QUICKLIST_2 => {
            "list"
        }
        opcode::TYPE_SET | opcode::TYPE_SET_INTSET | opcode::TYPE_SET_LISTPACK => "set",
        opcode::TYPE_ZSET | opcode::TYPE_ZSET_2 | opcode::TYPE_ZSET_ZIPLIST | opcode::TYPE_ZSET_LISTPACK => {
            "sorted set"
        }
        opcode::TYPE_HASH | opcode::TYPE_HASH_ZIPMAP | opcode::TYPE_HASH_ZIPLIST | opcode::TYPE_HASH_LISTPACK => "hash",
        opcode::TYPE_STREAM_LISTPACKS | opcode::TYPE_STREAM_LISTPACKS_2 | opcode::TYPE_STREAM_LISTPACKS_3 => "stream",
        opcode::TYPE_MODULE | opcode::TYPE_MODULE_2 => "module",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use protocol::rdb::Writer;

    use super::*;
    use crate::store::payload::{Vintage, object_type, write};
    use crate::store::types::list::{List, ListOptions};
    use crate::store::types::set::{Set, SetLimits};
    use crate::store::types::stream::{Group, Stream, StreamId};
    use crate::store::{Collection, ValueRef};

    #[test]
    fn every_form_that_is_written_or_read_has_an_extent() {
        let refused = |object_type, dialect| {
            let limits = crate::store::payload::PayloadLimits { dialect, ..Default::default() };
            let read = crate::store::payload::read_whole(object_type, &[], &limits);
            matches!(read, Err(crate::store::payload::PayloadError::UnknownType(_)))
        };
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            for object_type in 0..=u8::MAX {
                let is_unknown = Extent::of(object_type, dialect).is_err();
                assert_eq!(is_unknown, refused(object_type, dialect), "type {object_type} of {dialect:?}");
            }
        }
    }

    #[test]
    fn the_end_of_a_value_is_found_at_the_same_place_however_it_arrives() {
        let mut list = List::new(ListOptions { fill: 3, packed_threshold: 40, ..ListOptions::default() });
        (0..30_usize).for_each(|n| list.push_back("element ".repeat(n % 7).as_bytes()));
        let mut set = Set::new();
        (0..20_usize).for_each(|n| _ = set.add("element ".repeat(n % 7).as_bytes(), &SetLimits::default()));
        let (mut stream, mut group) = (Stream::new(), Group::new(StreamId::MIN, 0));
        for name in [b"a", b"b"] {
            group.add_consumer(name, 1_700_000_000_000);
        }
        stream.add_group(b"g", group);
        let collections = [Collection::from(list), Collection::from(set), Collection::from(stream)];
        let collections = collections.each_ref().map(|collection| ValueRef::Collection(collection.view()));
        let values = [ValueRef::Int(70_000), ValueRef::Str(&[b'a'; 300])].into_iter().chain(collections);
        for (value, vintage) in values.flat_map(|value| [(value, Vintage::Redis70), (value, Vintage::Redis72)]) {
            let mut out = Writer::new();
            out.set_compression(true);
            write(&value, vintage, &mut out);
            let (body, mut extent) =
                (out.into_vec(), Extent::of(object_type(&value, vintage), Dialect::Redis).expect("it is supported"));
            let behind = [body.as_slice(), b"and more"].concat();
            for held in 0..body.len() {
                let more = extent.run(&behind[..held], 1 << 20);
                assert!(matches!(more, Err(ReadError::UnexpectedEnd { .. })), "{held} of {}: {more:?}", body.len());
            }
            assert_eq!(extent.run(&behind, 1 << 20), Ok(body.len()));
        }
    }
}
