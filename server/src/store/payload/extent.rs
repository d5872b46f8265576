//! Where a value ends, found without decoding it.
//!
//! Values arrive in pieces, from a file or from a socket, and a piece may end anywhere. An [`Extent`] walks over the
//! parts of a body once: it remembers its position, and continues there when there are more bytes. So a list of a
//! gigabyte costs no more in a thousand pieces, and a decoder only ever sees whole values.
//!
//! A form is described by its parts ([`form`]): parts in a row, and whether a count in front says how often they
//! repeat.

use protocol::rdb::{Length, ReadError, Reader, opcode};

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
}

/// The parts of a body of one type byte.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// A count in front says how often the parts repeat; without it they occur once.
    counted: bool,
    parts: &'static [Part],
}

/// The form of a type byte; `None` for types that are not supported.
fn form(object_type: u8) -> Option<Form> {
    let (counted, parts): (bool, &[Part]) = match object_type {
        opcode::TYPE_STRING | opcode::TYPE_LIST_ZIPLIST | opcode::TYPE_ZSET_ZIPLIST | opcode::TYPE_ZSET_LISTPACK => {
            (false, &[Part::String])
        }
        opcode::TYPE_HASH_ZIPMAP | opcode::TYPE_HASH_ZIPLIST | opcode::TYPE_HASH_LISTPACK => (false, &[Part::String]),
        opcode::TYPE_HASH => (true, &[Part::String, Part::String]),
        opcode::TYPE_SET_INTSET | opcode::TYPE_SET_LISTPACK => (false, &[Part::String]),
        opcode::TYPE_LIST | opcode::TYPE_LIST_QUICKLIST | opcode::TYPE_SET => (true, &[Part::String]),
        opcode::TYPE_LIST_QUICKLIST_2 => (true, &[Part::Length, Part::String]),
        opcode::TYPE_ZSET => (true, &[Part::String, Part::TextDouble]),
        opcode::TYPE_ZSET_2 => (true, &[Part::String, Part::Double]),
        _ => return None,
    };
    Some(Form { counted, parts })
}

/// Why the end of a value cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoExtent {
    /// The type byte is unknown.
    Unknown,
    /// A type that is not supported.
    Unsupported(&'static str),
}

/// A walk to the end of a value. See the top of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    form: Form,
    /// The count is still to be read.
    count_due: bool,
    /// How many repetitions are left.
    rounds: u64,
    /// Which part comes next.
    part: usize,
    /// Bytes of the body that were passed.
    passed: usize,
}

impl Extent {
    /// The walk over a body of this type.
    ///
    /// # Errors
    /// [`NoExtent`].
    pub(crate) fn of(object_type: u8) -> Result<Self, NoExtent> {
        match (form(object_type), type_name(object_type)) {
            (Some(form), _) => {
                Ok(Self { form, count_due: form.counted, rounds: u64::from(!form.counted), part: 0, passed: 0 })
            }
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
        if self.count_due {
            self.rounds = reader.length()?;
            self.count_due = false;
            self.passed = start + reader.position();
        }
        while self.rounds > 0 {
            for part in &self.form.parts[self.part..] {
                match part {
                    Part::Length => drop(reader.length()?),
                    Part::String => skip_string(&mut reader, max_string)?,
                    Part::Double => drop(reader.raw(size_of::<f64>())?),
                    Part::TextDouble => drop(reader.text_double()?),
                }
                self.part += 1;
                self.passed = start + reader.position();
            }
            self.part = 0;
            self.rounds -= 1;
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
    use crate::store::payload::{object_type, write};
    use crate::store::types::list::{List, ListOptions};
    use crate::store::{Collection, ValueRef};

    #[test]
    fn every_form_that_is_written_or_read_has_an_extent() {
        let refused = |object_type| {
            let limits = crate::store::payload::PayloadLimits::default();
            let read = crate::store::payload::read_whole(object_type, &[], &limits);
            matches!(read, Err(crate::store::payload::PayloadError::UnknownType(_)))
        };
        for object_type in 0..=u8::MAX {
            assert_eq!(Extent::of(object_type).is_err(), refused(object_type), "type {object_type}");
        }
    }

    #[test]
    fn the_end_of_a_value_is_found_at_the_same_place_however_it_arrives() {
        let mut list = List::new(ListOptions { fill: 3, packed_threshold: 40, ..ListOptions::default() });
        (0..30_usize).for_each(|n| list.push_back("element ".repeat(n % 7).as_bytes()));
        let list = Collection::from(list);
        for value in [ValueRef::Int(70_000), ValueRef::Str(&[b'a'; 300]), ValueRef::Collection(&list)] {
            let mut out = Writer::new();
            out.set_compression(true);
            write(&value, &mut out);
            let (body, mut extent) = (out.into_vec(), Extent::of(object_type(&value)).expect("it is supported"));
            let behind = [body.as_slice(), b"and more"].concat();
            for held in 0..body.len() {
                let more = extent.run(&behind[..held], 1 << 20);
                assert!(matches!(more, Err(ReadError::UnexpectedEnd { .. })), "{held} of {}: {more:?}", body.len());
            }
            assert_eq!(extent.run(&behind, 1 << 20), Ok(body.len()));
        }
    }
}
