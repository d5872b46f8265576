//! HyperLogLog: how many different elements a set has, from 16384 small registers.
//!
//! It is no type of its own but a string with Redis's bytes, so that GET, DUMP and replication carry it as they do any
//! string:
//!
//! ```text
//! "HYLL" | form 1 | unused 3 | cached cardinality 8, little endian | registers
//! ```
//! The highest bit of the cached cardinality says that it is out of date. Registers are *dense* ([`dense`], six bits
//! each) or *sparse* ([`sparse`], run lengths). An element is hashed; 14 bits choose a register, and the place of the
//! first set bit in the rest is the value that the register has at least. [`estimate`] turns registers into a number.
//!
//! Clients can write any bytes into the string, so nothing here trusts it. A string is a HyperLogLog if its header and
//! length say so ([`Form::of`]); whether the runs of a sparse one cover all registers is found out when they are read,
//! and [`Corrupted`] says that they do not. Redis: hyperloglog.c.

pub(crate) mod dense;
pub(crate) mod estimate;
pub(crate) mod sparse;

/// How many registers there are.
pub(crate) const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of the hash that choose the register.
const INDEX_BITS: u32 = 14;
/// Bits of the hash that are searched for the first one; the greatest value is one more.
const VALUE_BITS: u32 = 64 - INDEX_BITS;
/// Bytes before the registers.
const HEADER: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
/// Where the form is noted.
const FORM_AT: usize = 4;
/// Where the cached cardinality is.
const CACHE_AT: usize = 8;
/// In the cached cardinality: it is out of date.
const STALE: u64 = 1 << 63;

/// The registers one by one.
pub(crate) type Registers = [u8; REGISTERS];

/// The runs of a sparse HyperLogLog do not cover its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupted;

/// How registers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Six bits each.
    Dense = 0,
    /// Run lengths.
    Sparse = 1,
}

impl Form {
    /// The form of a HyperLogLog; `None` if the string is none.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
            return None;
        }
        match bytes[FORM_AT] {
            0 if bytes.len() == HEADER + dense::BYTES => Some(Self::Dense),
            1 => Some(Self::Sparse),
            _ => None,
        }
    }
}

/// The register that an element concerns, and the value that it has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which register, below 16384.
    pub register: usize,
    /// What it has at least; never 0.
    pub value: u8,
}

impl Place {
    /// Where an element belongs.
    pub fn of(element: &[u8]) -> Self {
        let hash = murmur64(element);
        let rest = hash >> INDEX_BITS | 1 << VALUE_BITS;
        Self { register: hash as usize % REGISTERS, value: rest.trailing_zeros() as u8 + 1 }
    }
}

/// `MurmurHash64A` by Austin Appleby, with the seed that Redis uses.
fn murmur64(bytes: &[u8]) -> u64 {
    const MIX: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xadc8_3b19;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MIX);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word).wrapping_mul(MIX);
        hash = (hash ^ (word ^ word >> 47).wrapping_mul(MIX)).wrapping_mul(MIX);
    }
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MIX);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(MIX);
    hash ^ hash >> 47
}

/// One without elements.
pub fn empty() -> Vec<u8> {
    let mut bytes = header(Form::Sparse, 0);
    bytes.extend(sparse::zeros(REGISTERS));
    bytes
}

fn header(form: Form, cache: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[form as u8, 0, 0, 0]);
    bytes.extend_from_slice(&cache.to_le_bytes());
    bytes
}

fn cache(bytes: &[u8]) -> u64 {
    bytes.get(CACHE_AT..HEADER).and_then(|cache| cache.try_into().ok()).map_or(STALE, u64::from_le_bytes)
}

/// The cached cardinality, unless it is out of date.
pub fn cached(bytes: &[u8]) -> Option<u64> {
    Some(cache(bytes)).filter(|cache| cache & STALE == 0)
}

/// Notes the cardinality.
pub(crate) fn set_cached(bytes: &mut [u8], cardinality: u64) {
    if let Some(cache) = bytes.get_mut(CACHE_AT..HEADER) {
        cache.copy_from_slice(&cardinality.to_le_bytes());
    }
}

/// Notes that the cached cardinality is out of date.
pub fn make_stale(bytes: &mut [u8]) {
    let cache = cache(bytes) | STALE;
    set_cached(bytes, cache);
}

/// Raises a register to at least the value of a place; returns whether it was lower. A sparse one that cannot hold the
/// value, or would become longer than `max_sparse` bytes by it, is made dense.
///
/// # Errors
/// It is sparse, and its runs are not whole.
pub fn raise(bytes: &mut Vec<u8>, place: Place, max_sparse: usize) -> Result<bool, Corrupted> {
    let mut cursor = sparse::Cursor::START;
    raise_after(bytes, place, max_sparse, &mut cursor)
}

/// [`raise`] for many places in ascending order: the cursor remembers where the last one was.
pub(crate) fn raise_after(
    bytes: &mut Vec<u8>,
    place: Place,
    max_sparse: usize,
    cursor: &mut sparse::Cursor,
) -> Result<bool, Corrupted> {
    if Form::of(bytes) == Some(Form::Sparse) {
        match sparse::raise(bytes, place, max_sparse, cursor)? {
            sparse::Raised::No => return Ok(false),
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::Impossible => *bytes = to_dense(bytes)?,
        }
    }
    Ok(dense::raise(dense::registers_mut(bytes), place))
}

/// A sparse one in dense form, with the same cached cardinality.
///
/// # Errors
/// Its runs do not cover exactly all registers.
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupted> {
    let mut registers = [0; REGISTERS];
    merge(&mut registers, bytes)?;
    let mut dense = header(Form::Dense, cache(bytes));
    // The unused bytes are kept, too.
    dense[..FORM_AT].copy_from_slice(&bytes[..FORM_AT]);
    dense[FORM_AT + 1..CACHE_AT].copy_from_slice(&bytes[FORM_AT + 1..CACHE_AT]);
    dense::push(&mut dense, &registers);
    Ok(dense)
}

/// Raises each register to at least what it is in `bytes`.
///
/// # Errors
/// It is sparse, and its runs do not cover exactly all registers. Some registers may have been raised.
pub(crate) fn merge(registers: &mut Registers, bytes: &[u8]) -> Result<(), Corrupted> {
    match Form::of(bytes) {
        Some(Form::Sparse) => sparse::merge(registers, bytes),
        Some(Form::Dense) => {
            dense::for_each(dense::registers(bytes), |register, value| {
                registers[register] = registers[register].max(value);
            });
            Ok(())
        }
        None => Err(Corrupted),
    }
}

/// The estimated cardinality.
///
/// # Errors
/// It is sparse, and its runs do not cover exactly all registers.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupted> {
    let mut histogram = estimate::Histogram::default();
    match Form::of(bytes) {
        Some(Form::Sparse) => sparse::tally(bytes, &mut histogram)?,
        Some(Form::Dense) => dense::for_each(dense::registers(bytes), |_, value| histogram.add(value, 1)),
        None => return Err(Corrupted),
    }
    Ok(histogram.cardinality())
}

/// The estimated cardinality of single registers.
pub(crate) fn count_registers(registers: &Registers) -> u64 {
    let mut histogram = estimate::Histogram::default();
    registers.iter().for_each(|value| histogram.add(*value, 1));
    histogram.cardinality()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
