//! Work that is counted, and memory that is asked for before it is taken.
//!
//! Lua asks a script to pause after so many instructions. A function of ours is one instruction, however long it takes,
//! so it counts for itself, from one call to the next. A pause is also the moment to see whether memory is used up,
//! since nothing is refused while such a function runs.

use crate::script::lua::{Failure, Frame, NOT_ENOUGH, Turn, check_end};

/// Work between two pauses, in steps of a few nanoseconds each.
pub(in crate::script) const STEPS: u32 = 20_000;
/// How much a result grows before the memory is looked at again, bytes.
const GROWTH: usize = 64 * 1024;
/// Bytes that are copied or looked at in one step.
const BYTES_PER_STEP: usize = 16;

/// Counts steps of work.
///
/// # Errors
/// The script has to end.
#[inline]
pub(in crate::script) fn spend(frame: &Frame<'_>, steps: u32) -> Result<(), Failure> {
    let left = frame.shared.work.get();
    if steps < left {
        frame.shared.work.set(left - steps);
        return Ok(());
    }
    pause(frame)
}

/// Counts the work on so many bytes.
///
/// # Errors
/// The script has to end.
#[inline]
pub(in crate::script) fn spend_bytes(frame: &Frame<'_>, bytes: usize) -> Result<(), Failure> {
    spend(frame, (bytes / BYTES_PER_STEP + 1).min(u32::MAX as usize) as u32)
}

/// Collects all garbage, and pauses in between.
///
/// # Errors
/// The script has to end.
pub(in crate::script) fn collect(frame: &Frame<'_>) -> Result<(), Failure> {
    // The cycle that goes on has taken some for reachable that is not any more, so there is a whole one after it.
    for _ in 0..2 {
        while !frame.state.collect_some() {
            frame.shared.hand_over(Turn::Paused);
            check_end(frame)?;
        }
    }
    Ok(())
}

#[cold]
fn pause(frame: &Frame<'_>) -> Result<(), Failure> {
    frame.shared.work.set(STEPS);
    frame.shared.hand_over(Turn::Paused);
    check_end(frame)?;
    ensure_room(frame, 0)
}

/// Sees to it that there is room for so many bytes more.
///
/// # Errors
/// There is not, even without what is garbage, or the script has to end.
pub(in crate::script) fn ensure_room(frame: &Frame<'_>, bytes: usize) -> Result<(), Failure> {
    let memory = &frame.shared.memory;
    if memory.has_room_for(bytes) {
        return Ok(());
    }
    collect(frame)?;
    if memory.has_room_for(bytes) { Ok(()) } else { Err(not_enough_memory()) }
}

/// The error of a script that gets no memory.
pub(in crate::script) fn not_enough_memory() -> Failure {
    Failure::Plain(NOT_ENOUGH.to_vec())
}

/// A result that grows. What it has counts as the script's, since there may be many of them: a function that makes one
/// may call a function of the script's that has another one made.
pub(super) struct Output<'f> {
    frame: Frame<'f>,
    bytes: Vec<u8>,
    /// Up to this length there is room.
    checked: usize,
    /// What was counted.
    held: usize,
}

impl<'f> Output<'f> {
    pub(super) fn new(frame: &Frame<'f>) -> Self {
        Self { frame: *frame, bytes: Vec::new(), checked: GROWTH, held: 0 }
    }

    /// # Errors
    /// There is not enough memory, or the script has to end.
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.bytes.len() + bytes.len() > self.checked {
            self.grow(bytes.len())?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// # Errors
    /// There is not enough memory, or the script has to end.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) -> Result<(), Failure> {
        self.extend(&[byte])
    }

    /// Adds what `write` writes, a few bytes.
    ///
    /// # Errors
    /// There is not enough memory, or the script has to end.
    #[inline]
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        write(&mut self.bytes);
        self.extend(b"")
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Result<(), Failure> {
        let len = self.bytes.len() + more;
        ensure_room(&self.frame, len.saturating_sub(self.held))?;
        self.bytes.try_reserve(more).map_err(|_| not_enough_memory())?;
        self.checked = len + GROWTH;
        self.hold(self.bytes.capacity());
        spend_bytes(&self.frame, more)
    }

    /// Has so many bytes counted from now on.
    fn hold(&mut self, bytes: usize) {
        self.frame.shared.memory.release(self.held);
        self.frame.shared.memory.hold(bytes);
        self.held = bytes;
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Pushes it as a string.
    ///
    /// # Errors
    /// There is not enough memory.
    pub(super) fn push_string(mut self) -> Result<(), Failure> {
        // From now on it is the string that counts.
        self.hold(0);
        ensure_room(&self.frame, self.bytes.len())?;
        self.frame.state.push_bytes(&self.bytes);
        Ok(())
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        self.hold(0);
    }
}
