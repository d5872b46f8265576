//! Registers as run lengths, for a HyperLogLog of which most are zero.
//!
//! | bytes | run |
//! |---|---|
//! | `00nnnnnn` | `n + 1` registers are zero |
//! | `01nnnnnn nnnnnnnn` | `n + 1` registers are zero |
//! | `1vvvvvnn` | `n + 1` registers are `v + 1` |
//!
//! Raising a register replaces one run by up to three and then merges equal neighbours, in the order and only as far as
//! Redis does: its bytes are part of the format, since a replica and a restored key must be equal to the original.
//! Nothing is assumed of the bytes: a run of which the second byte is missing has a zero there, an edit
//! of such a run is cut off by one byte, as in Redis, and runs may go beyond the last register.

use smallvec::SmallVec;

use super::estimate::Histogram;
use super::{Corrupted, HEADER, Place, REGISTERS, Registers};

/// The longest run of zeros in one byte.
const SHORT_ZEROS: usize = 64;
/// The greatest value that a run can have, and its greatest length.
const VALUE_MAX: u8 = 32;
const VALUES_LEN: usize = 4;
/// After a register was raised, so many runs are looked at for equal neighbours.
const RUNS_TO_MERGE: usize = 5;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Zeros, in this many bytes (1 or 2).
    Zeros { len: usize, bytes: usize },
    /// Registers of this value.
    Values { len: usize, value: u8 },
}

impl Run {
    /// The run at a place; `None` at the end.
    #[inline]
    fn at(bytes: &[u8], at: usize) -> Option<Self> {
        let first = *bytes.get(at)?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Self::Zeros { len: low + 1, bytes: 1 },
            1 => {
                let second = bytes.get(at + 1).copied().unwrap_or(0);
                Self::Zeros { len: (low << 8 | usize::from(second)) + 1, bytes: 2 }
            }
            _ => Self::Values { len: usize::from(first & 3) + 1, value: (first >> 2 & 0x1f) + 1 },
        })
    }

    /// How many registers it covers.
    #[inline]
    fn len(self) -> usize {
        match self {
            Self::Zeros { len, .. } | Self::Values { len, .. } => len,
        }
    }

    /// How many bytes it takes.
    #[inline]
    fn bytes(self) -> usize {
        match self {
            Self::Zeros { bytes, .. } => bytes,
            Self::Values { .. } => 1,
        }
    }
}

/// All runs.
pub(crate) fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = HEADER;
    std::iter::from_fn(move || {
        let run = Run::at(bytes, at)?;
        at += run.bytes();
        Some(run)
    })
}

fn values(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// A run of zeros, of at least one register.
pub(crate) fn zeros(len: usize) -> impl Iterator<Item = u8> {
    let rest = len - 1;
    let long = (len > SHORT_ZEROS).then_some(0x40 | (rest >> 8) as u8);
    long.into_iter().chain([rest as u8])
}

/// The bytes that replace a run.
type Parts = SmallVec<[u8; 8]>;

/// Where the runs were left after an edit; the next one begins its search there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// Where a run begins.
    at: usize,
    /// Its first register.
    first: usize,
}

impl Cursor {
    /// Before the first run.
    pub(crate) const START: Self = Self { at: HEADER, first: 0 };
}

/// The run that covers a register.
struct Found {
    run: Run,
    at: usize,
    /// Its first register.
    first: usize,
    /// The run before it.
    previous: Option<Cursor>,
}

/// Searches the run that covers a register from a cursor on.
fn find(bytes: &[u8], register: usize, from: Cursor) -> Result<Found, Corrupted> {
    let Cursor { mut at, mut first } = from;
    let mut previous = None;
    loop {
        let run = Run::at(bytes, at).ok_or(Corrupted)?;
        if register < first + run.len() {
            return Ok(Found { run, at, first, previous });
        }
        previous = Some(Cursor { at, first });
        at += run.bytes();
        first += run.len();
    }
}

/// What came of raising a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raised {
    /// It is as great already.
    No,
    Yes,
    /// The runs cannot hold the value, or would become too long by it.
    Impossible,
}

/// Raises a register. With a cursor other than [`Cursor::START`], the register must be beyond those that were raised
/// with it before.
pub(crate) fn raise(
    bytes: &mut Vec<u8>,
    Place { register, value }: Place,
    max_len: usize,
    cursor: &mut Cursor,
) -> Result<Raised, Corrupted> {
    if value > VALUE_MAX {
        return Ok(Raised::Impossible);
    }
    let mut found = find(bytes, register, *cursor)?;
    if found.previous.is_none() && found.at > HEADER {
        // The run before is needed, too.
        found = find(bytes, register, Cursor::START)?;
    }
    let Found { run, at, first, previous } = found;
    match run {
        Run::Values { value: old, .. } if old >= value => return Ok(Raised::No),
        Run::Values { len: 1, .. } | Run::Zeros { len: 1, bytes: 1 } => bytes[at] = values(value, 1),
        Run::Values { len, .. } | Run::Zeros { len, .. } => {
            let parts = split(run, register - first, first + len - 1 - register, value);
            let longer = parts.len() > run.bytes();
            let new_len = (bytes.len() + parts.len()).saturating_sub(run.bytes());
            if longer && new_len > max_len {
                return Ok(Raised::Impossible);
            }
            let end = bytes.len().min(at + run.bytes());
            bytes.splice(at..end, parts);
            // Shorter still if the last run lacks its second byte.
            bytes.truncate(new_len);
        }
    }
    *cursor = previous.unwrap_or(Cursor::START);
    merge_neighbours(bytes, cursor.at);
    Ok(Raised::Yes)
}

/// The runs that replace a run when one of its registers becomes `value`: `before` and `after` are how many of its
/// registers are on each side.
fn split(run: Run, before: usize, after: usize, value: u8) -> Parts {
    let mut parts = Parts::new();
    let keep = |parts: &mut Parts, len: usize| match run {
        _ if len == 0 => {}
        Run::Zeros { .. } => parts.extend(zeros(len)),
        Run::Values { value: old, .. } => parts.push(values(old, len)),
    };
    keep(&mut parts, before);
    parts.push(values(value, 1));
    keep(&mut parts, after);
    parts
}

/// Merges equal neighbours among a few runs from `at` on.
fn merge_neighbours(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..RUNS_TO_MERGE {
        let Some(run) = Run::at(bytes, at) else { return };
        if let Run::Values { len, value } = run
            && let Some(Run::Values { len: next_len, value: next }) = Run::at(bytes, at + 1)
            && value == next
            && len + next_len <= VALUES_LEN
        {
            bytes[at] = values(value, len + next_len);
            bytes.remove(at + 1);
            continue;
        }
        at += run.bytes();
    }
}

/// Raises each register to at least what the runs say.
///
/// # Errors
/// The runs do not cover exactly all registers.
pub(crate) fn merge(registers: &mut Registers, bytes: &[u8]) -> Result<(), Corrupted> {
    let mut first = 0;
    for run in runs(bytes) {
        let end = first + run.len();
        let covered = registers.get_mut(first..end).ok_or(Corrupted)?;
        if let Run::Values { value, .. } = run {
            covered.iter_mut().for_each(|register| *register = (*register).max(value));
        }
        first = end;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupted) }
}

/// Adds the registers to a histogram.
///
/// # Errors
/// The runs do not cover exactly all registers.
pub(crate) fn tally(bytes: &[u8], histogram: &mut Histogram) -> Result<(), Corrupted> {
    let mut covered = 0;
    for run in runs(bytes) {
        match run {
            Run::Zeros { len, .. } => histogram.add(0, len),
            Run::Values { len, value } => histogram.add(value, len),
        }
        covered += run.len();
    }
    if covered == REGISTERS { Ok(()) } else { Err(Corrupted) }
}
