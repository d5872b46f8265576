//! The hash of keys: multiply and fold (the family of wyhash), with secrets drawn from the keyspace's seed.
//!
//! Clients choose keys, so collisions must not be predictable: every input word is mixed with a secret before it is
//! multiplied, and no constant of the algorithm is public. A table uses the top bits only ([`KeyHash::tag`]). Rejected:
//! foldhash with a fixed shared seed (its constants are known, and a key word equal to one of them makes a product
//! zero, whatever the rest of the key is); SipHash (three times the time for short keys).

use super::entry::word::TAG_BITS;

/// The hash of a key under a keyspace's own seed. Made by [`super::Keyspace::hash`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// The top bits, by which tables order their entries.
    #[inline(always)]
    pub(crate) fn tag(self) -> u32 {
        (self.0 >> (64 - TAG_BITS)) as u32
    }
}

/// Hashes keys under one seed.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    secrets: [u64; 4],
}

impl Hasher {
    /// Draws the secrets.
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        // Odd secrets: multiplying by an odd factor loses no bits.
        let secrets = std::array::from_fn(|_| {
            state = mix(state);
            state | 1
        });
        Self { secrets }
    }

    /// Hashes a key.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        let [s0, s1, s2, s3] = self.secrets;
        let len = key.len();
        let mut state = s0;
        let (a, b) = if len > 16 {
            let (chunks, _) = key.as_chunks::<16>();
            // The last chunk, if partial, is taken from the end and so overlaps the one before.
            for chunk in &chunks[..(len - 1) / 16] {
                state = fold(word64(chunk, 0) ^ s1, word64(chunk, 8) ^ state);
            }
            (word64(key, len - 16), word64(key, len - 8))
        } else if len >= 8 {
            (word64(key, 0), word64(key, len - 8))
        } else if len >= 4 {
            (word32(key, 0), word32(key, len - 4))
        } else if len > 0 {
            ((key[0] as u64) << 16 | (key[len / 2] as u64) << 8 | key[len - 1] as u64, 0)
        } else {
            (0, 0)
        };
        KeyHash(fold(fold(a ^ s2, b ^ state) ^ s3, s1 ^ len as u64))
    }
}

/// The two halves of a product, folded with XOR.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[inline(always)]
fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[inline(always)]
fn word32(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as u64
}

/// Scrambles a number (the finisher of SplitMix64).
pub(crate) fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
