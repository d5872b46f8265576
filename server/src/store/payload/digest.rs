//! DEBUG DIGEST and DEBUG DIGEST-VALUE: a fingerprint of a data set that depends neither on the order of its keys nor
//! on the encoding of values. Two servers with the same data, slotd or stock, reply the same.
//!
//! The mixing is Redis's (debug.c): *xor* adds parts in any order, *mix* adds them in sequence.

use crate::base::number::format_f64;
use crate::base::sha1::{DIGEST_BYTES, sha1};
use crate::store::types::stream::StreamId;
use crate::store::{CollectionRef, ValueRef};

/// Type numbers as they enter a digest (Redis: OBJ_STRING and so on).
const TYPE_STRING: u32 = 0;
const TYPE_LIST: u32 = 1;
const TYPE_SET: u32 = 2;
const TYPE_ZSET: u32 = 3;
const TYPE_HASH: u32 = 4;
const TYPE_STREAM: u32 = 6;

/// A digest in the making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// The digest of one key's value (DEBUG DIGEST-VALUE). It depends on whether there is an expiry, not on its time.
    pub fn of_value(value: &ValueRef<'_>, has_expire: bool) -> Self {
        let mut digest = Digest::default();
        digest.mix_value(value, has_expire);
        digest
    }

    /// Starts a database that is not empty; databases come in ascending order, each followed by its keys.
    pub fn start_database(&mut self, number: u32) {
        self.mix(&number.to_be_bytes());
    }

    /// Adds a key of the database that was started last; keys come in any order.
    pub fn add_key(&mut self, key: &[u8], value: &ValueRef<'_>, has_expire: bool) {
        let mut digest = Digest::default();
        digest.mix(key);
        digest.mix_value(value, has_expire);
        self.xor(&digest.0);
    }

    /// The digest as it is shown.
    pub fn to_hex(&self) -> String {
        crate::base::sha1::to_hex(&self.0)
    }

    fn mix_value(&mut self, value: &ValueRef<'_>, has_expire: bool) {
        match value {
            ValueRef::Int(number) => {
                self.mix(&TYPE_STRING.to_be_bytes());
                self.mix(itoa::Buffer::new().format(*number).as_bytes());
            }
            ValueRef::Str(bytes) => {
                self.mix(&TYPE_STRING.to_be_bytes());
                self.mix(bytes);
            }
            ValueRef::Collection(CollectionRef::List(list)) => {
                self.mix(&TYPE_LIST.to_be_bytes());
                list.range(0, list.len(), |element| element.with_text(|text| self.mix(text)));
            }
            ValueRef::Collection(CollectionRef::Set(set)) => {
                self.mix(&TYPE_SET.to_be_bytes());
                set.iter().for_each(|member| member.with_text(|text| self.xor(text)));
            }
            ValueRef::Collection(CollectionRef::ZSet(zset)) => {
                self.mix(&TYPE_ZSET.to_be_bytes());
                zset.for_each(|member, score| {
                    let mut element = Digest::default();
                    member.with_text(|text| element.mix(text));
                    element.mix(&format_f64(score));
                    self.xor(&element.0);
                });
            }
            ValueRef::Collection(CollectionRef::Hash(hash)) => {
                self.mix(&TYPE_HASH.to_be_bytes());
                hash.for_each_timed(|field, value, at| {
                    let mut pair = Digest::default();
                    field.with_text(|text| pair.mix(text));
                    value.with_text(|text| pair.mix(text));
                    if at.is_some() {
                        pair.xor(b"!!hexpire!!");
                    }
                    self.xor(&pair.0);
                });
            }
            ValueRef::Collection(CollectionRef::Stream(stream)) => {
                self.mix(&TYPE_STREAM.to_be_bytes());
                for entry in stream.log().range(StreamId::MIN, StreamId::MAX) {
                    self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (name, value) in entry.fields {
                        name.with_text(|text| self.mix(text));
                        value.with_text(|text| self.mix(text));
                    }
                }
            }
        }
        if has_expire {
            self.xor(b"!!expire!!");
        }
    }

    fn xor(&mut self, bytes: &[u8]) {
        for (byte, other) in self.0.iter_mut().zip(sha1(bytes)) {
            *byte ^= other;
        }
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = sha1(&self.0);
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
