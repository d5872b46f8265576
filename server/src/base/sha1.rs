//! SHA-1 (FIPS 180-4), for what Redis defines by it: DEBUG DIGEST, and later the names of scripts. Not for security.

use std::convert::Infallible;

/// Length of a digest in bytes.
pub(crate) const DIGEST_BYTES: usize = 20;
const BLOCK_BYTES: usize = 64;

/// Bytes of a part of a message, whole blocks.
const PART_BYTES: usize = 256 * BLOCK_BYTES;

/// The SHA-1 of `message`.
pub(crate) fn sha1(message: &[u8]) -> [u8; DIGEST_BYTES] {
    match sha1_in_parts(message, |_| Ok::<_, Infallible>(())) {
        Ok(digest) => digest,
        Err(never) => match never {},
    }
}

/// The same; before each part, `go_on` is told how many bytes it has.
///
/// # Errors
/// That of `go_on`.
pub(crate) fn sha1_in_parts<E>(
    message: &[u8],
    mut go_on: impl FnMut(usize) -> Result<(), E>,
) -> Result<[u8; DIGEST_BYTES], E> {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let (whole, rest) = message.split_at(message.len() - message.len() % BLOCK_BYTES);
    for part in whole.chunks(PART_BYTES) {
        go_on(part.len())?;
        part.chunks_exact(BLOCK_BYTES).for_each(|block| compress(&mut state, block));
    }
    // The remaining bytes, a one bit, zeros, and the length in bits: one block, or two if the length does not fit into
    // the first.
    let mut padded = [0; 2 * BLOCK_BYTES];
    padded[..rest.len()].copy_from_slice(rest);
    padded[rest.len()] = 0x80;
    let len = if rest.len() < BLOCK_BYTES - 8 { BLOCK_BYTES } else { 2 * BLOCK_BYTES };
    padded[len - 8..len].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded[..len].chunks_exact(BLOCK_BYTES) {
        compress(&mut state, block);
    }
    let mut digest = [0; DIGEST_BYTES];
    for (out, word) in digest.chunks_exact_mut(4).zip(state) {
        out.copy_from_slice(&word.to_be_bytes());
    }
    Ok(digest)
}

/// The digest in lower-case hexadecimal digits.
pub(crate) fn to_hex(digest: &[u8]) -> String {
    let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.map(|digit| char::from(b"0123456789abcdef"[digit as usize])).collect()
}

fn compress(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for i in 16..80 {
        words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (i, &word) in words.iter().enumerate() {
        let (f, k) = match i {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_vectors() {
        for (message, want) in [
            (b"".to_vec(), "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc".to_vec(), "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (vec![b'a'; 1_000_000], "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
        ] {
            assert_eq!(to_hex(&sha1(&message)), want);
        }
    }

    #[test]
    fn every_length_of_the_last_block_is_padded() {
        // The SHA-1 of the concatenated digests of 0..=130 zero bytes, by Python's hashlib.
        let all: Vec<u8> = (0..=130).flat_map(|len| sha1(&vec![0; len])).collect();
        assert_eq!(to_hex(&sha1(&all)), "818c65f1b041afb30f2a12f75127000c5bc03e5f");
    }
}
