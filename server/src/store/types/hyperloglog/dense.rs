//! Registers of six bits each, packed without gaps: the low bits of a byte belong to the earlier register.
//!
//! Four registers are three bytes, which is how they are read and written in bulk.

use super::{HEADER, Place, REGISTERS, Registers};

const BITS: usize = 6;
const MASK: u8 = (1 << BITS) - 1;
/// Bytes of all registers.
pub(crate) const BYTES: usize = REGISTERS * BITS / 8;

/// The registers of a dense HyperLogLog; empty for what is too short for one.
pub(crate) fn registers(bytes: &[u8]) -> &[u8] {
    bytes.get(HEADER..).unwrap_or_default()
}

/// [`registers`], to be changed.
pub(crate) fn registers_mut(bytes: &mut [u8]) -> &mut [u8] {
    bytes.get_mut(HEADER..).unwrap_or_default()
}

/// The byte in which a register begins, and the bit in it.
fn place(register: usize) -> (usize, usize) {
    (register * BITS / 8, register * BITS % 8)
}

/// Up to two bytes as a number.
fn window(registers: &[u8], byte: usize) -> u16 {
    let at = |index: usize| registers.get(index).copied().unwrap_or(0);
    u16::from_le_bytes([at(byte), at(byte + 1)])
}

/// Raises a register; returns whether it was lower.
#[inline]
pub(crate) fn raise(registers: &mut [u8], Place { register, value }: Place) -> bool {
    let (byte, bit) = place(register);
    let old = window(registers, byte);
    if (old >> bit) as u8 & MASK >= value {
        return false;
    }
    let new = old & !(u16::from(MASK) << bit) | u16::from(value & MASK) << bit;
    for (target, byte) in registers.iter_mut().skip(byte).zip(new.to_le_bytes()) {
        *target = byte;
    }
    true
}

/// Passes on every register with its value.
#[inline]
pub(crate) fn for_each(registers: &[u8], mut f: impl FnMut(usize, u8)) {
    let (groups, _) = registers.as_chunks::<3>();
    for (index, &[a, b, c]) in groups.iter().enumerate().take(REGISTERS / 4) {
        let four = u32::from_le_bytes([a, b, c, 0]);
        for part in 0..4 {
            f(index * 4 + part, (four >> (part * BITS)) as u8 & MASK);
        }
    }
}

/// Appends all registers.
pub(crate) fn push(bytes: &mut Vec<u8>, registers: &Registers) {
    bytes.reserve_exact(BYTES);
    let (groups, _) = registers.as_chunks::<4>();
    for group in groups {
        let four = group.iter().rev().fold(0, |four, value| four << BITS | u32::from(value & MASK));
        bytes.extend_from_slice(&four.to_le_bytes()[..3]);
    }
}
