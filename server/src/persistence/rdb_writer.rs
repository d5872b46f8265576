//! The framing of an RDB file: header, facts, databases, keys, end and checksum. `store::payload` writes the values.
//!
//! Bytes come out in chunks ([`RdbWriter::take`]), also within a large key ([`RdbWriter::entry_by`]), so that no more
//! than a chunk and an element are in memory; except that a long string is compressed as a whole. Buffers of the size
//! of a key would also delay writers: while the system maps or unmaps a hundred megabytes, threads of the process that
//! touch a new page wait. Byte for byte what Redis
//! 7.0 writes, unless the version is a later one: that of 8.0 if fields of hashes expire, since older servers cannot
//! read those, or that of 7.2 if all who get the bytes know it.

use protocol::crc64;
use protocol::rdb::{Writer, opcode};

use crate::engine::scripts::functions::Libraries;
use crate::store::payload::{self, Vintage};
use crate::store::{Apart, EntryRef};

/// Bytes that are passed on at once.
const CHUNK: usize = 64 * 1024;

/// The position of the data set in its replication history; saved with it, so that a restarted node can continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedHistory {
    /// The database that the stream has selected, or -1.
    pub stream_db: i64,
    pub repl_id: [u8; 40],
    pub repl_offset: i64,
}

impl SavedHistory {
    /// The database in which the stream goes on.
    pub(crate) fn db(&self) -> usize {
        usize::try_from(self.stream_db).unwrap_or(0)
    }
}

/// Writes one RDB file.
pub(crate) struct RdbWriter {
    out: Writer,
    /// Running checksum of the bytes taken; `None` writes zero, which means "not checked".
    crc: Option<u64>,
    vintage: Vintage,
}

impl RdbWriter {
    /// Starts a file. `compress` is `rdbcompression`, `checksum` is `rdbchecksum`.
    pub(crate) fn new(compress: bool, checksum: bool) -> Self {
        let mut out = Writer::new();
        out.set_compression(compress);
        Self { out, crc: checksum.then_some(0), vintage: Vintage::default() }
    }

    /// Magic and facts. `format` is the version of the file, which decides what may be in it. `now` is Unix time in
    /// seconds; `version` (the server's) and `used_memory` (bytes) are only informative.
    pub(crate) fn header(
        &mut self,
        format: u16,
        version: &str,
        now: i64,
        used_memory: u64,
        history: Option<&SavedHistory>,
    ) {
        self.out.raw(opcode::MAGIC);
        self.vintage = Vintage::of_version(format);
        self.out.raw(format!("{format:04}").as_bytes());
        self.aux_text(b"redis-ver", version.as_bytes());
        self.aux_int(b"redis-bits", 64);
        self.aux_int(b"ctime", now);
        self.aux_int(b"used-mem", used_memory as i64);
        if let Some(history) = history {
            self.aux_int(b"repl-stream-db", history.stream_db);
            self.aux_text(b"repl-id", &history.repl_id);
            self.aux_int(b"repl-offset", history.repl_offset);
        }
        self.aux_int(b"aof-base", 0);
    }

    fn aux_text(&mut self, name: &[u8], value: &[u8]) {
        self.out.u8(opcode::AUX);
        self.out.string(name);
        self.out.string(value);
    }

    fn aux_int(&mut self, name: &[u8], value: i64) {
        self.out.u8(opcode::AUX);
        self.out.string(name);
        self.out.int_string(value);
    }

    /// Libraries of functions, by their code. They come before the databases.
    pub(crate) fn functions(&mut self, libraries: &Libraries) {
        for library in libraries.iter() {
            self.out.u8(opcode::FUNCTION2);
            self.out.string(&library.code);
        }
    }

    /// Starts a database, with the sizes that its tables will have.
    pub(crate) fn database(&mut self, db: usize, keys: usize, expiring: usize) {
        self.out.u8(opcode::SELECTDB);
        self.out.length(db as u64);
        self.out.u8(opcode::RESIZEDB);
        self.out.length(keys as u64);
        self.out.length(expiring as u64);
    }

    /// A key with its value and expiry.
    pub(crate) fn entry(&mut self, entry: EntryRef<'_>) {
        self.head(entry);
        payload::write(&entry.value(), self.vintage, &mut self.out);
    }

    /// The same for a large key: `pass` gets a chunk whenever there is one. A collection is dropped part by part.
    ///
    /// # Errors
    /// That of `pass`, which ends the writing. What was passed on is not a file then, and cannot become one.
    pub(crate) fn entry_by<E>(
        &mut self,
        mut entry: Apart,
        mut pass: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.head(entry.as_ref());
        let Self { out, crc, vintage } = self;
        let mut chunk = |out: &mut Writer| if out.len() < CHUNK { None } else { Some(take(out, crc)) };
        match entry.take_collection() {
            Some(collection) => payload::consume(collection, *vintage, out, |out| match chunk(out) {
                None => Ok(()),
                Some(chunk) => {
                    // What is written takes about as many bytes as it has taken in memory.
                    entry.forget(chunk.len());
                    pass(chunk)
                }
            }),
            None => {
                payload::write_by(&entry.as_ref().value(), *vintage, out, |out| chunk(out).map_or(Ok(()), &mut pass))
            }
        }
    }

    /// What precedes a value.
    fn head(&mut self, entry: EntryRef<'_>) {
        if let Some(at) = entry.expire_at() {
            self.out.u8(opcode::EXPIRETIME_MS);
            self.out.i64_le(at);
        }
        self.out.u8(payload::object_type(&entry.value(), self.vintage));
        self.out.string(entry.key());
    }

    /// Whether there is a chunk to take.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() >= CHUNK
    }

    /// Takes what was written since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        take(&mut self.out, &mut self.crc)
    }

    /// The end mark and the checksum; returns the last chunk.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.u8(opcode::EOF);
        let mut last = self.take();
        last.extend_from_slice(&self.crc.unwrap_or(0).to_le_bytes());
        last
    }
}

/// Takes what is in `out` into the checksum.
fn take(out: &mut Writer, crc: &mut Option<u64>) -> Vec<u8> {
    if let Some(crc) = crc {
        *crc = crc64::update(*crc, out.as_slice());
    }
    out.take()
}

#[cfg(test)]
#[path = "rdb_writer_tests.rs"]
mod tests;
