//! Digests are read as Redis reads them: 40 hexadecimal digits in either case, and nothing else.

use proptest::prelude::*;

use super::Script;

fn hex(sha: &[u8]) -> String {
    sha.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #[test]
    fn a_digest_is_read_in_either_case(sha in any::<[u8; 20]>(), upper in any::<u64>()) {
        let text: Vec<u8> = hex(&sha).bytes().enumerate()
            .map(|(at, digit)| if upper >> at & 1 == 1 { digit.to_ascii_uppercase() } else { digit })
            .collect();
        prop_assert_eq!(Script::parse_sha(&text), Some(sha));
    }
}

#[test]
fn each_character_is_a_digit_or_none() {
    for at in 0..40 {
        for byte in 0..=255u8 {
            let mut text = [b'7'; 40];
            text[at] = byte;
            let value = char::from(byte).to_digit(16).filter(|_| byte.is_ascii());
            let mut expected = [0x77; 20];
            if let Some(value) = value {
                let value = value as u8;
                expected[at / 2] = if at % 2 == 0 { value << 4 | 7 } else { 0x70 | value };
            }
            assert_eq!(Script::parse_sha(&text), value.map(|_| expected), "{byte} at {at}");
        }
    }
}

#[test]
fn a_digest_has_forty_digits() {
    assert_eq!(Script::parse_sha(&[b'7'; 39]), None);
    assert_eq!(Script::parse_sha(&[b'7'; 41]), None);
    assert_eq!(Script::parse_sha(b""), None);
}
