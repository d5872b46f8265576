//! The checksum that ends RDB files and DUMP payloads: CRC-64 with the Jones polynomial, reflected, starting from zero
//! and without a final complement, as Redis computes it (`crc64("123456789") == 0xe9c6d914c4b8d9ca`).
//!
//! Eight table look-ups process eight bytes at a time ("slicing by eight"); the tables are computed at compile time, so
//! there is nothing to initialise. Every full sync pays for this checksum, so it has to keep up with the network.

/// The Jones polynomial 0xad93d23594c935a9 with its bits reflected.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// `TABLES[k][b]`: what byte `b` contributes once `k` more zero bytes have passed.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0u64; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// Continues the checksum `crc` (0 to begin with) over `bytes`: `update(update(0, a), b)` is the checksum of `a` then
/// `b`.
pub fn update(crc: u64, bytes: &[u8]) -> u64 {
    let (chunks, tail) = bytes.as_chunks::<8>();
    let mut crc = crc;
    for chunk in chunks {
        let word = (crc ^ u64::from_le_bytes(*chunk)).to_le_bytes();
        crc = TABLES[7][word[0] as usize]
            ^ TABLES[6][word[1] as usize]
            ^ TABLES[5][word[2] as usize]
            ^ TABLES[4][word[3] as usize]
            ^ TABLES[3][word[4] as usize]
            ^ TABLES[2][word[5] as usize]
            ^ TABLES[1][word[6] as usize]
            ^ TABLES[0][word[7] as usize];
    }
    for &byte in tail {
        crc = (crc >> 8) ^ TABLES[0][((crc ^ u64::from(byte)) & 0xff) as usize];
    }
    crc
}

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u64 {
    update(0, bytes)
}

#[cfg(test)]
#[path = "crc64_tests.rs"]
mod tests;
