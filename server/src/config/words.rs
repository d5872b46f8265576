//! Splitting a line into words, and quoting a word so that it is split back into itself.
//!
//! The rules are those of Redis's `sdssplitargs` and `sdscatrepr`, which redis.conf, the command line and inline
//! commands share: blanks separate words; double quotes take the escapes `\n \r \t \b \a \xHH`; single quotes take only
//! `\'`; a closing quote must be followed by a blank or the end.

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The words of `line`; `None` if a quote is not closed, or closed in the middle of a word.
pub(crate) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let Some((&byte, tail)) = rest.split_first()
            && is_space(byte)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        rest = take_word(rest, &mut word)?;
        words.push(word);
    }
}

/// Takes one word from the start of `rest`, which is no blank; the rest behind it.
fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            // Only these four end a bare word; other blanks belong to it, as in Redis.
            b' ' | b'\n' | b'\r' | b'\t' => return Some(tail),
            b'"' => return take_double_quoted(tail, word),
            b'\'' => return take_single_quoted(tail, word),
            _ => word.push(byte),
        }
        rest = tail;
    }
    Some(rest)
}

/// The rest after a closing quote: a blank, or nothing.
fn after_quote(rest: &[u8]) -> Option<&[u8]> {
    match rest.first() {
        None => Some(rest),
        Some(&byte) if is_space(byte) => Some(&rest[1..]),
        Some(_) => None,
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match *rest {
            [] => return None,
            [b'"', ref tail @ ..] => return after_quote(tail),
            [b'\\', b'x', high, low, ref tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(high) << 4 | hex(low));
                rest = tail;
            }
            [b'\\', escaped, ref tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                rest = tail;
            }
            [byte, ref tail @ ..] => {
                word.push(byte);
                rest = tail;
            }
        }
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match *rest {
            [] => return None,
            [b'\'', ref tail @ ..] => return after_quote(tail),
            [b'\\', b'\'', ref tail @ ..] => {
                word.push(b'\'');
                rest = tail;
            }
            [byte, ref tail @ ..] => {
                word.push(byte);
                rest = tail;
            }
        }
    }
}

/// The value of an ASCII hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// `word` in double quotes, with everything escaped that is not printable ASCII.
pub(crate) fn quote(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len() + 2);
    quote_to(&mut out, word);
    out
}

/// Appends what [`quote`] returns.
pub(crate) fn quote_to(out: &mut Vec<u8>, word: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x07 => out.extend(b"\\a"),
            0x08 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            other => {
                out.extend([b'\\', b'x', DIGITS[usize::from(other >> 4)], DIGITS[usize::from(other & 15)]]);
            }
        }
    }
    out.push(b'"');
}

/// `text` without the blanks that Redis trims from the ends of a line of redis.conf.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().position(|b| !blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
