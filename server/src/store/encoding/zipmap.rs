//! Zipmaps: what Redis before 2.6 stored small hashes as. Read only; they become listpacks.
//!
//! `number of pairs (u8, 254 = unknown), pairs, 0xff`. A pair is the length of the field, the field, the length
//! of the value, the number of unused bytes behind it (u8), the value, and the unused bytes. A length is one byte up to
//! 253, or 254 and four bytes, little endian, for longer ones only.

use super::Corrupt;

const TERMINATOR: u8 = 0xff;
const BIG_LEN: u8 = 254;

/// Checks a zipmap whole and hands its pairs to `each` in order.
///
/// # Errors
/// The first rule that is broken; `each` may have seen the pairs before it.
pub(crate) fn read(bytes: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Result<(), Corrupt> {
    const OUTSIDE: Corrupt = Corrupt("zipmap entry reaches outside");
    let [said, rest @ .., TERMINATOR] = bytes else { return Err(Corrupt("zipmap without terminator")) };
    let (mut rest, mut count) = (rest, 0usize);
    // What follows a terminator is not looked at, as in Redis, but the last byte must be one.
    while !matches!(rest, [] | [TERMINATOR, ..]) {
        let (field, after) = split_len(rest).and_then(|(len, rest)| rest.split_at_checked(len)).ok_or(OUTSIDE)?;
        let (value_len, after) = split_len(after).ok_or(OUTSIDE)?;
        let (unused, after) = after.split_first().ok_or(OUTSIDE)?;
        let (value, after) = after.split_at_checked(value_len).ok_or(OUTSIDE)?;
        rest = after.get(usize::from(*unused)..).ok_or(OUTSIDE)?;
        each(field, value);
        count += 1;
    }
    if *said != BIG_LEN && usize::from(*said) != count {
        return Err(Corrupt("zipmap count differs from its header"));
    }
    Ok(())
}

/// The length at the start of `bytes`, and what follows it.
fn split_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [TERMINATOR, ..] | [] => None,
        [BIG_LEN, a, b, c, d, rest @ ..] => {
            let len = u32::from_le_bytes([*a, *b, *c, *d]);
            (len >= u32::from(BIG_LEN)).then_some((len as usize, rest))
        }
        [BIG_LEN, ..] => None,
        [len, rest @ ..] => Some((usize::from(*len), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bytes: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Corrupt> {
        let mut pairs = Vec::new();
        read(bytes, |field, value| pairs.push((field.to_vec(), value.to_vec())))?;
        Ok(pairs)
    }

    #[test]
    fn the_example_of_redis_is_read() {
        // From zipmap.c: "foo" => "bar", "hello" => "world".
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff";
        let want = [(&b"foo"[..], &b"bar"[..]), (b"hello", b"world")].map(|(f, v)| (f.to_vec(), v.to_vec()));
        assert_eq!(pairs(bytes), Ok(want.to_vec()));
        assert_eq!(pairs(b"\x00\xff"), Ok(vec![]));
    }

    #[test]
    fn unused_bytes_and_long_lengths_are_passed() {
        let long = [b'v'; 300];
        let bytes = [b"\xfe\x01a\x01\x03b???\x01c\xfe\x2c\x01\x00\x00\x00", &long[..], b"\xff"].concat();
        let want = [(b"a".to_vec(), b"b".to_vec()), (b"c".to_vec(), long.to_vec())];
        assert_eq!(pairs(&bytes), Ok(want.to_vec()));
    }

    #[test]
    fn what_is_cut_off_or_miscounted_is_refused() {
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff";
        for len in 0..bytes.len() {
            assert!(pairs(&bytes[..len]).is_err(), "{len} bytes");
            assert!(pairs(&[&bytes[..len], b"\xff"].concat()).is_err() || len == bytes.len() - 1, "{len} bytes, ended");
        }
        assert!(pairs(b"\x01\xff").is_err());
        assert!(pairs(b"\xff\x01a\x01\x00b\xff").is_err(), "255 is a count, too");
        assert!(pairs(b"\x01\x01a\x01\x09b\xff").is_err(), "unused bytes reach outside");
        assert!(pairs(b"\x01\xfe\x01\x00\x00\x00a\x01\x00b\xff").is_err(), "a short length in five bytes");
        assert!(pairs(b"\x01\x01a\xfe\x01\x00\x00\x00\x00b\xff").is_err(), "a short length in five bytes");
        assert!(pairs(b"\x01\x01a\x01\x00b\xff\x05\xff").is_ok(), "the rest is not looked at");
    }
}
