//! The framing of an RDB file: header, facts, databases, keys, end and checksum. `store::payload` writes the values.
//!
//! Bytes come out in chunks ([`RdbWriter::take`]), so that the whole file is never in memory. Byte for byte what Redis
//! 7.0 writes, unless the version is a later one: that of 8.0 if fields of hashes expire, since older servers cannot
//! read those, or that of 7.2 if all who get the bytes know it.

use protocol::crc64;
use protocol::rdb::{Writer, opcode};

use crate::engine::scripts::functions::Libraries;
use crate::store::EntryRef;
use crate::store::payload::{self, Vintage};

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
        if let Some(at) = entry.expire_at() {
            self.out.u8(opcode::EXPIRETIME_MS);
            self.out.i64_le(at);
        }
        let value = entry.value();
        self.out.u8(payload::object_type(&value, self.vintage));
        self.out.string(entry.key());
        payload::write(&value, self.vintage, &mut self.out);
    }

    /// Bytes written and not taken yet.
    pub(crate) fn pending(&self) -> usize {
        self.out.len()
    }

    /// Takes what was written since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        if let Some(crc) = &mut self.crc {
            *crc = crc64::update(*crc, self.out.as_slice());
        }
        self.out.take()
    }

    /// The end mark and the checksum; returns the last chunk.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.u8(opcode::EOF);
        let mut last = self.take();
        last.extend_from_slice(&self.crc.unwrap_or(0).to_le_bytes());
        last
    }
}
