//! Cursors as clients may send them.

use super::*;

fn parse_cursor(word: &[u8]) -> Result<ScanCursor, CmdError> {
    cursor_number(word).map(ScanCursor::from_wire)
}

#[test]
fn cursors_are_read_as_strtoul_reads_them() {
    for (word, expected) in [("0", 0), ("", 0), ("+17", 17), ("007", 7)] {
        assert_eq!(parse_cursor(word.as_bytes()).map(ScanCursor::to_wire), Ok(expected), "{word}");
    }
    for word in ["abc", " 1", "1 ", "-", "+", "--1", "+-1", "18446744073709551616", "1x"] {
        assert_eq!(parse_cursor(word.as_bytes()), Err(error::INVALID_CURSOR), "{word}");
    }
    // Any number is harmless: it names a position, and nothing more.
    assert!(parse_cursor(b"-1").is_ok() && parse_cursor(b"18446744073709551615").is_ok());
}
