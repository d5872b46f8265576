//! Reads an RDB file as its bytes arrive: from disk or from a primary's socket, in pieces of any size.
//!
//! The loader is fed bytes and asked for [`Record`]s. It knows no types: `store::payload` finds the end of a value
//! ([`Extent`], which resumes where it ran out of bytes), and is passed the type byte and the bytes of a complete
//! value.
//!
//! Total on any bytes: damage is an error with its offset, nothing is allocated on the word of a length field, and a
//! string longer than the limit is refused before it is waited for. As tolerant as Redis: every opcode of version 12
//! and below is understood, unknown facts are passed on, and an error names what slotd cannot hold (other types,
//! modules).

use protocol::crc64;
use protocol::rdb::{ReadError, Reader, opcode};

use crate::store::Value;
use crate::store::payload::{self, Dialect, Extent, NoExtent, PayloadError, PayloadLimits};

/// Why a file cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is not an RDB file.
    #[error("Wrong signature trying to load DB from file")]
    Signature,
    /// Its version is newer than the known ones, or invalid.
    #[error("Can't handle RDB format version {0}")]
    Version(u32),
    /// The checksum is wrong.
    #[error("Wrong RDB checksum expected: ({expected:x}) but got ({got:x}). Aborting now.")]
    Checksum {
        /// The checksum in the file.
        expected: u64,
        /// The checksum of its bytes.
        got: u64,
    },
    /// Redis: "Short read or OOM loading DB. Unrecoverable error, aborting now."
    #[error("Short read or OOM loading DB. Unrecoverable error, aborting now.")]
    ShortRead,
    /// A value of a type that slotd does not have.
    #[error(
        "Internal error in RDB reading offset {offset}: value of type {name} is not supported by this version (key '{key}')"
    )]
    UnsupportedType {
        /// Offset of the value, bytes.
        offset: u64,
        /// Redis's name of the type.
        name: &'static str,
        /// Its key, printable.
        key: String,
    },
    /// The file is damaged.
    #[error("Internal error in RDB reading offset {offset}: {what}")]
    Damaged {
        /// The offset, bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// It has keys in a database that the node does not have.
    #[error("FATAL: Data file was created with a server configured to handle more than {0} databases. Exiting")]
    TooManyDatabases(usize),
    /// A key occurs twice.
    #[error("RDB has duplicated key '{key}' in DB {db}")]
    Duplicate {
        /// The key, printable.
        key: String,
        /// The database.
        db: usize,
    },
    /// The file cannot be read.
    #[error("{0}")]
    Io(String),
}

/// One item of the file.
#[derive(Clone, Debug)]
pub enum Record {
    /// A fact about the file.
    Aux {
        /// Its name, such as `redis-ver`.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Keys that follow are in this database.
    Select(usize),
    /// A key.
    Key {
        /// Its name.
        key: Vec<u8>,
        /// Its value.
        value: Value,
        /// When it expires, Unix milliseconds.
        expire: Option<i64>,
    },
    /// A key whose value holds no element: Redis skips it.
    EmptyKey,
    /// A library of functions.
    Function {
        /// Its code.
        code: Vec<u8>,
    },
    /// A key that a checking loader has skipped.
    Passed,
    /// The end. Bytes after it do not belong to the file.
    End {
        /// Whether there was a checksum and it was right.
        checked: bool,
    },
}

enum State {
    Magic,
    Records,
    Footer,
    Done,
}

/// Reads one file.
pub struct Loader {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are used up.
    used: usize,
    /// Bytes of the file before `buffer`.
    before: u64,
    crc: u64,
    version: u32,
    state: State,
    limits: PayloadLimits,
    databases: usize,
    /// Whether values are decoded, not only skipped.
    decodes: bool,
    /// Whether the checksum at the end must be right, unless it is zero.
    verifies: bool,
    expire: Option<i64>,
    /// How far the end of a value has been searched.
    extent: Option<Extent>,
    /// The length of the buffer at which the next attempt is worthwhile.
    want: usize,
}

/// Used bytes are dropped from the buffer when there are this many.
const COMPACT_AT: usize = 256 * 1024;

impl Loader {
    /// A loader for a node with this many databases.
    pub fn new(databases: usize, limits: PayloadLimits) -> Self {
        Self {
            buffer: Vec::new(),
            used: 0,
            before: 0,
            crc: 0,
            version: 0,
            state: State::Magic,
            limits,
            databases,
            decodes: true,
            verifies: true,
            expire: None,
            extent: None,
            want: 0,
        }
    }

    /// A loader that checks whether a file is complete and holds only supported types, and keeps no values.
    pub fn checking(databases: usize, limits: PayloadLimits) -> Self {
        Self { decodes: false, ..Self::new(databases, limits) }
    }

    /// The same loader, but any checksum is accepted: for reading the rest of a damaged file. Values are checked as
    /// strictly as ever.
    #[must_use]
    pub fn verifying(self, verifies: bool) -> Self {
        Self { verifies, ..self }
    }

    /// Adds bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.used >= COMPACT_AT || self.used == self.buffer.len() {
            self.buffer.drain(..self.used);
            self.want = self.want.saturating_sub(self.used);
            self.before += self.used as u64;
            self.used = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes of the file that are used up.
    pub fn offset(&self) -> u64 {
        self.before + self.used as u64
    }

    /// How many bytes were fed and not used; after [`Record::End`], they do not belong to the file.
    pub fn rest_len(&self) -> usize {
        self.buffer.len() - self.used
    }

    /// The bytes after [`Record::End`], which do not belong to the file.
    #[cfg(test)]
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.split_off(self.used)
    }

    /// The next record; `None` if it is not complete yet.
    ///
    /// # Errors
    /// [`LoadError`]; the loader cannot be used after it.
    pub fn next_record(&mut self) -> Result<Option<Record>, LoadError> {
        loop {
            if self.buffer.len() < self.want {
                return Ok(None);
            }
            let step = match self.state {
                State::Magic => self.magic(),
                State::Records => self.record(),
                State::Footer => self.footer(),
                State::Done => return Ok(None),
            };
            match step {
                Ok(Some(record)) => return Ok(Some(record)),
                // An opcode without a record: continue.
                Ok(None) => {}
                Err(Stop::More(missing)) => {
                    self.want = self.buffer.len().saturating_add(usize::try_from(missing).unwrap_or(usize::MAX).max(1));
                    return Ok(None);
                }
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    fn reader(&self) -> Reader<'_> {
        let mut reader = Reader::new(&self.buffer[self.used..]);
        reader.set_max_string(self.limits.max_string);
        reader
    }

    /// Uses up `count` bytes.
    fn advance(&mut self, count: usize) {
        if self.verifies {
            self.crc = crc64::update(self.crc, &self.buffer[self.used..self.used + count]);
        }
        self.used += count;
        self.want = 0;
    }

    fn damaged(&self, what: impl std::fmt::Display) -> Stop {
        Stop::Failed(LoadError::Damaged { offset: self.offset(), what: what.to_string() })
    }

    fn stop(&self, error: ReadError) -> Stop {
        match error {
            ReadError::UnexpectedEnd { missing } => Stop::More(missing),
            other => self.damaged(other),
        }
    }

    fn magic(&mut self) -> Result<Option<Record>, Stop> {
        let mut reader = self.reader();
        let head = reader.raw(9).map_err(|error| self.stop(error))?;
        let (version, dialect) = match (head.strip_prefix(opcode::MAGIC), head.strip_prefix(opcode::VALKEY_MAGIC)) {
            (Some(version), _) => (version, Dialect::Redis),
            (_, Some(version)) => (version, Dialect::Valkey),
            (None, None) => return Err(Stop::Failed(LoadError::Signature)),
        };
        let version = std::str::from_utf8(version).ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let known = match dialect {
            Dialect::Redis => 1..=u32::from(opcode::NEWEST_VERSION),
            Dialect::Valkey => u32::from(opcode::VALKEY_VERSION)..=u32::from(opcode::VALKEY_VERSION),
        };
        if !known.contains(&version) {
            return Err(Stop::Failed(LoadError::Version(version)));
        }
        self.version = version;
        self.limits.dialect = dialect;
        self.advance(9);
        self.state = State::Records;
        Ok(None)
    }

    fn record(&mut self) -> Result<Option<Record>, Stop> {
        let mut reader = self.reader();
        let code = reader.u8().map_err(|error| self.stop(error))?;
        let stop = |error| self.stop(error);
        let record = match code {
            opcode::EXPIRETIME => {
                let seconds = reader.i32_le().map_err(stop)?;
                let used = reader.position();
                self.expire = Some(i64::from(seconds) * 1000);
                self.advance(used);
                return Ok(None);
            }
            opcode::EXPIRETIME_MS => {
                let at = reader.i64_le().map_err(stop)?;
                let used = reader.position();
                // -1 means "none": no server writes such a file, but Redis reads it so.
                self.expire = (at != -1).then_some(at);
                self.advance(used);
                return Ok(None);
            }
            opcode::FREQ => {
                reader.u8().map_err(stop)?;
                None
            }
            opcode::IDLE => {
                reader.length().map_err(stop)?;
                None
            }
            opcode::EOF => {
                self.advance(1);
                self.state = State::Footer;
                return Ok(None);
            }
            opcode::SELECTDB => {
                let db = reader.length().map_err(stop)?;
                if db >= self.databases as u64 {
                    return Err(Stop::Failed(LoadError::TooManyDatabases(self.databases)));
                }
                Some(Record::Select(db as usize))
            }
            opcode::RESIZEDB => {
                reader.length().map_err(stop)?;
                reader.length().map_err(stop)?;
                None
            }
            opcode::SLOT_INFO => {
                for _ in 0..3 {
                    reader.length().map_err(stop)?;
                }
                None
            }
            opcode::AUX => {
                let name = reader.string().map_err(stop)?.into_owned();
                let value = reader.string().map_err(stop)?.into_owned();
                Some(Record::Aux { name, value })
            }
            opcode::MODULE_AUX => {
                return Err(self.damaged("The RDB file contains AUX module data I can't load: no matching module"));
            }
            opcode::FUNCTION2 => Some(Record::Function { code: reader.string().map_err(stop)?.into_owned() }),
            opcode::FUNCTION_PRE_GA => return Err(self.damaged("Pre-release function format not supported.")),
            object => return self.key(object),
        };
        let used = reader.position();
        self.advance(used);
        Ok(record)
    }

    fn key(&mut self, object: u8) -> Result<Option<Record>, Stop> {
        let mut reader = self.reader();
        let read = reader.raw(1).and_then(|_| reader.string());
        let key = read.map_err(|error| self.stop(error))?;
        let body = self.used + reader.position();
        let mut extent = match self.extent {
            Some(extent) => extent,
            None => {
                Extent::of(object, self.limits.dialect).map_err(|unknown| self.unsupported(object, unknown, &key))?
            }
        };
        let key = key.into_owned();
        let found = extent.run(&self.buffer[body..], self.limits.max_string);
        self.extent = Some(extent);
        let end = body + found.map_err(|error| self.stop(error))?;
        self.extent = None;
        let record = if self.decodes {
            match payload::read_whole(object, &self.buffer[body..end], &self.limits) {
                Ok(value) => Record::Key { key, value, expire: self.expire },
                Err(PayloadError::Empty) => Record::EmptyKey,
                Err(error) => return Err(self.damaged(error)),
            }
        } else {
            Record::Passed
        };
        self.expire = None;
        self.advance(end - self.used);
        Ok(Some(record))
    }

    fn unsupported(&self, object: u8, unknown: NoExtent, key: &[u8]) -> Stop {
        match unknown {
            NoExtent::Unknown => self.damaged(format!("Unknown RDB encoding type {object}")),
            NoExtent::Unsupported(name) => {
                let key = String::from_utf8_lossy(&key[..key.len().min(128)]).into_owned();
                Stop::Failed(LoadError::UnsupportedType { offset: self.offset(), name, key })
            }
        }
    }

    fn footer(&mut self) -> Result<Option<Record>, Stop> {
        if self.version < 5 {
            self.state = State::Done;
            return Ok(Some(Record::End { checked: false }));
        }
        let mut reader = self.reader();
        let expected = reader.u64_le().map_err(|error| self.stop(error))?;
        let got = self.crc;
        self.used += 8;
        self.want = 0;
        self.state = State::Done;
        let checked = self.verifies && expected != 0;
        if checked && expected != got {
            return Err(Stop::Failed(LoadError::Checksum { expected, got }));
        }
        Ok(Some(Record::End { checked }))
    }
}

/// Why a step did not complete.
enum Stop {
    /// At least so many bytes are missing.
    More(u64),
    Failed(LoadError),
}

#[cfg(test)]
#[path = "rdb_loader_tests.rs"]
mod tests;
