//! The text of a script: its digest, and what its first line says.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::base::sha1::{self, DIGEST_BYTES};

/// A script's SHA-1, by which clients call it.
pub(crate) type Sha = [u8; DIGEST_BYTES];

/// A map by digests.
pub(crate) type ByDigest<V> = HashMap<Sha, V, DigestHash>;

/// Hashes digests, and random numbers. Their bytes are as good as random, but whoever writes scripts can choose some of
/// the bits by trying: hence the secret.
#[derive(Clone, Debug)]
pub(crate) struct DigestHash(u64);

impl Default for DigestHash {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for DigestHash {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher(self.0)
    }
}

/// See [`DigestHash`].
#[derive(Debug)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, digest: &[u8]) {
        // The rest adds nothing to what half of a digest says.
        if let Some(word) = digest.first_chunk::<8>() {
            let product = u128::from(u64::from_le_bytes(*word) ^ self.0) * u128::from(self.0 | 1);
            self.0 = product as u64 ^ (product >> 64) as u64;
        }
    }

    fn write_usize(&mut self, _length: usize) {
        // All are equally long.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a script may do, by its first line (`#!lua flags=...`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScriptFlags {
    /// There is no such line: the script may do what commands may do at the moment of each call.
    pub is_compatible: bool,
    pub no_writes: bool,
    pub allow_oom: bool,
    pub allow_stale: bool,
    pub no_cluster: bool,
    pub allow_cross_slot_keys: bool,
}

impl ScriptFlags {
    /// What a script without such a line may do.
    pub(crate) const COMPATIBLE: Self = Self {
        is_compatible: true,
        no_writes: false,
        allow_oom: false,
        allow_stale: false,
        no_cluster: false,
        allow_cross_slot_keys: false,
    };

    /// Sets the flag of this name. `false`: there is none.
    pub(super) fn set(&mut self, name: &[u8]) -> bool {
        match name {
            b"no-writes" => self.no_writes = true,
            b"allow-oom" => self.allow_oom = true,
            b"allow-stale" => self.allow_stale = true,
            b"no-cluster" => self.no_cluster = true,
            b"allow-cross-slot-keys" => self.allow_cross_slot_keys = true,
            _ => return false,
        }
        true
    }

    /// The names of those that are set.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            ("no-writes", self.no_writes),
            ("allow-oom", self.allow_oom),
            ("allow-stale", self.allow_stale),
            ("no-cluster", self.no_cluster),
            ("allow-cross-slot-keys", self.allow_cross_slot_keys),
        ];
        all.into_iter().filter_map(|(name, is_set)| is_set.then_some(name))
    }
}

/// What is known about the keys that a program uses.
#[derive(Debug, Default)]
pub(crate) struct Reach(AtomicU8);

impl Reach {
    /// Whether it uses keys that it does not declare, or commands about the whole data set; `None` before it ran once.
    pub(crate) fn needs_all(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => None,
            value => Some(value == YES),
        }
    }

    /// Notes whether it does. Once it did, it always may.
    pub(crate) fn note_needs_all(&self, needs: bool) {
        if needs {
            self.0.store(YES, Ordering::Relaxed);
        } else {
            let _ = self.0.compare_exchange(UNKNOWN, NO, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// One script.
#[derive(Debug)]
pub(crate) struct Script {
    pub sha: Sha,
    pub flags: ScriptFlags,
    source: Box<[u8]>,
    /// Where the program begins: after its first line's words, whose line end counts.
    body: usize,
    /// What errors call it.
    name: String,
    pub reach: Reach,
    /// When it was last used, in uses of all scripts.
    pub used: AtomicU64,
}

/// The four bytes that eight hexadecimal digits mean, the first digit in the lowest byte. All eight are looked at in
/// the same few steps.
fn four_bytes(digits: u64) -> Option<[u8; 4]> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let letters = digits >> 6 & ONES;
    let values = (digits & (ONES * 0x0f)) + letters * 9;
    // What is no digit is not what its value would be written as.
    let above_nine = (values + ONES * 6) >> 4 & ONES;
    let written = values + ONES * u64::from(b'0') + above_nine * u64::from(b'a' - b'9' - 1);
    if written != digits | letters << 5 || values & (ONES * 0xf0) != 0 {
        return None;
    }
    let pairs = (values << 4 | values >> 8).to_le_bytes();
    Some([pairs[0], pairs[2], pairs[4], pairs[6]])
}

/// Values of [`Reach`].
const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

impl Script {
    /// A script of this text.
    ///
    /// # Errors
    /// Its first line is wrong: Redis's text.
    pub(crate) fn new(source: &[u8]) -> Result<Self, Vec<u8>> {
        let sha = sha1::sha1(source);
        let (flags, body) = parse_first_line(source)?;
        let name = sha1::to_hex(&sha);
        Ok(Self { sha, flags, source: source.into(), body, name, reach: Reach::default(), used: AtomicU64::new(0) })
    }

    /// The digest of a text.
    pub(crate) fn sha_of(source: &[u8]) -> Sha {
        sha1::sha1(source)
    }

    /// The digest that a client names, in either case.
    pub(crate) fn parse_sha(text: &[u8]) -> Option<Sha> {
        if text.len() != 2 * DIGEST_BYTES {
            return None;
        }
        let mut sha = [0; DIGEST_BYTES];
        let (places, _) = sha.as_chunks_mut();
        for (place, digits) in places.iter_mut().zip(text.as_chunks().0) {
            *place = four_bytes(u64::from_le_bytes(*digits))?;
        }
        Some(sha)
    }

    /// Bytes of its text, and of what belongs to it.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.source.len() + self.name.len()
    }

    /// The text that is compiled.
    pub(super) fn body(&self) -> &[u8] {
        &self.source[self.body..]
    }

    /// The digest in hexadecimal digits.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Redis: `evalExtractShebangFlags`.
fn parse_first_line(source: &[u8]) -> Result<(ScriptFlags, usize), Vec<u8>> {
    if !source.starts_with(b"#!") {
        return Ok((ScriptFlags::COMPATIBLE, 0));
    }
    let Some(end) = source.iter().position(|byte| *byte == b'\n') else {
        return Err(b"Invalid script shebang".to_vec());
    };
    let quoting = |text: &str, word: &[u8]| [text.as_bytes(), word].concat();
    let mut words = source[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(quoting("Unexpected engine in script shebang: ", engine));
    }
    let mut flags = ScriptFlags::default();
    for word in words {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(quoting("Unknown lua shebang option: ", word));
        };
        let mut names = names.split(|byte| *byte == b',').filter(|_| !names.is_empty());
        if let Some(name) = names.find(|name| !flags.set(name)) {
            return Err(quoting("Unexpected flag in script shebang: ", name));
        }
    }
    // The line's end stays, so that numbers of lines are right.
    Ok((flags, end))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
