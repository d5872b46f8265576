//! The primitives of the reader and the writer against each other and against bytes of Redis.

use proptest::prelude::*;

use super::*;
use crate::rdb::Writer;

fn written(write: impl Fn(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.into_vec()
}

#[test]
fn lengths_take_the_shortest_of_four_forms() {
    for (len, bytes) in [
        (0, &b"\x00"[..]),
        (63, b"\x3f"),
        (64, b"\x40\x40"),
        (16383, b"\x7f\xff"),
        (16384, b"\x80\x00\x00\x40\x00"),
        (u64::from(u32::MAX), b"\x80\xff\xff\xff\xff"),
        (1 << 32, b"\x81\x00\x00\x00\x01\x00\x00\x00\x00"),
    ] {
        assert_eq!(written(|w| w.length(len)), bytes);
        assert_eq!(Reader::new(bytes).length(), Ok(len));
    }
    assert_eq!(Reader::new(b"\x82").length(), Err(ReadError::UnknownLength(0x82)));
    assert_eq!(Reader::new(b"\xc0\x01").length(), Err(ReadError::LengthIsString(0)));
}

#[test]
fn strings_take_the_form_that_redis_chooses() {
    // The same strings within DUMP payloads of redis 7.0.15.
    for (plain, bytes) in [
        ("", &b"\x00"[..]),
        ("abc", b"\x03abc"),
        ("12", b"\xc0\x0c"),
        ("-129", b"\xc1\x7f\xff"),
        ("32768", b"\xc2\x00\x80\x00\x00"),
        ("2147483648", b"\x0a2147483648"),
        ("007", b"\x03007"),
        ("aaaaaaaaaaaaaaaaaaaa", b"\x14aaaaaaaaaaaaaaaaaaaa"),
        ("aaaaaaaaaaaaaaaaaaaaa", b"\xc3\x06\x15\x01aa\xe0\x0a\x00"),
    ] {
        assert_eq!(written(|w| w.string(plain.as_bytes())), bytes, "{plain}");
        assert_eq!(Reader::new(bytes).string().as_deref(), Ok(plain.as_bytes()));
    }
    let mut writer = Writer::new();
    writer.set_compression(false);
    writer.string(&[b'a'; 21]);
    assert_eq!(writer.len(), 22);
}

#[test]
fn an_end_that_comes_too_soon_tells_how_much_is_missing() {
    let whole = written(|w| w.string("abcdefgh".repeat(100).as_bytes()));
    for cut in 0..whole.len() {
        let Err(ReadError::UnexpectedEnd { missing }) = Reader::new(&whole[..cut]).string() else {
            panic!("a string cut at {cut} was read");
        };
        assert!(missing >= 1 && cut as u64 + missing <= whole.len() as u64);
    }
    assert_eq!(Reader::new(b"\x05ab").string(), Err(ReadError::UnexpectedEnd { missing: 3 }));
}

#[test]
fn no_length_is_believed_without_bytes() {
    let huge = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff";
    assert_eq!(Reader::new(huge).string(), Err(ReadError::StringTooLong(u64::MAX)));
    let mut unlimited = Reader::new(huge);
    unlimited.set_max_string(u64::MAX);
    assert!(matches!(unlimited.string(), Err(ReadError::UnexpectedEnd { .. })));
    // A compressed string that claims 256 MiB from two bytes.
    assert_eq!(Reader::new(b"\xc3\x02\x80\x10\x00\x00\x00\x00a").string(), Err(ReadError::InvalidLzf));
    assert_eq!(Reader::new(b"\xc4").string(), Err(ReadError::UnknownStringEncoding(4)));
}

#[test]
fn old_doubles_are_text() {
    assert_eq!(Reader::new(b"\x033.5").text_double(), Ok(3.5));
    assert_eq!(Reader::new(b"\xfe").text_double(), Ok(f64::INFINITY));
    assert_eq!(Reader::new(b"\xff").text_double(), Ok(f64::NEG_INFINITY));
    assert!(Reader::new(b"\xfd").text_double().expect("a double").is_nan());
    assert_eq!(Reader::new(b"\x01x").text_double(), Err(ReadError::InvalidDouble));
    assert_eq!(Reader::new(b"\x00").text_double(), Err(ReadError::InvalidDouble));
}

#[test]
fn fixed_numbers_are_little_endian() {
    let bytes = written(|w| {
        w.u8(7);
        w.u16_le(10);
        w.u32_le(0xdead_beef);
        w.u64_le(1);
        w.i64_le(-2);
        w.f64_le(0.5);
    });
    assert_eq!(&bytes[..7], [7, 10, 0, 0xef, 0xbe, 0xad, 0xde]);
    let mut reader = Reader::new(&bytes);
    assert_eq!((reader.u8(), reader.u16_le(), reader.i32_le()), (Ok(7), Ok(10), Ok(0xdead_beef_u32 as i32)));
    assert_eq!((reader.u64_le(), reader.i64_le(), reader.f64_le()), (Ok(1), Ok(-2), Ok(0.5)));
    assert!(reader.is_empty() && reader.position() == bytes.len());
    assert_eq!(reader.f32_le(), Err(ReadError::UnexpectedEnd { missing: 4 }));
}

#[test]
fn a_string_compressed_elsewhere_is_the_same_string() {
    let plain = "slot ".repeat(30);
    let compressed = lzf::compress(plain.as_bytes(), plain.len()).expect("compressible");
    let bytes = written(|w| _ = w.lzf_string_by((&compressed, plain.len() as u64), 64, &mut |_| Ok::<(), ()>(())));
    assert_eq!(bytes, written(|w| w.string(plain.as_bytes())));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(0u8..2, 0..400)],
        len in any::<u64>(), shift in 0u32..64, value in any::<i64>(), narrow in 0u32..64,
    ) {
        let (len, value) = (len >> shift, value >> narrow);
        let out = written(|w| {
            w.string(&bytes);
            w.length(len);
            w.int_string(value);
            w.string(value.to_string().as_bytes());
        });
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.string().expect("a string").into_owned(), bytes);
        prop_assert_eq!(reader.length(), Ok(len));
        let (one, two) = (reader.string_or_int().expect("an integer"), reader.string_or_int().expect("an integer"));
        prop_assert_eq!(&one, &two);
        match one {
            RdbString::Int(read) => prop_assert_eq!(read, value),
            RdbString::Bytes(read) => {
                prop_assert!(i32::try_from(value).is_err());
                prop_assert_eq!(read.into_owned(), value.to_string().into_bytes());
            }
        }
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut reader = Reader::new(&bytes);
        while reader.string_or_int().is_ok() {}
        let mut reader = Reader::new(&bytes);
        while reader.length().is_ok() {}
        let mut reader = Reader::new(&bytes);
        while reader.text_double().is_ok() {}
    }
}
