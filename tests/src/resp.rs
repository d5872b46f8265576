//! A reader for RESP2 and RESP3 replies that also keeps their exact bytes.
//!
//! Written separately from the server's own codec on purpose: a common mistake would be invisible to the tests. It
//! understands every type that Redis 7 sends, and treats anything else as a broken stream.

use std::fmt;

/// One reply.
#[derive(Clone, PartialEq)]
pub enum Value {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`.
    Null,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(String),
    Bool(bool),
    BigNumber(String),
    Verbatim(Vec<u8>),
}

impl Value {
    /// The text of a simple string, bulk string, verbatim string, number or error; empty for everything else.
    pub fn text(&self) -> String {
        match self {
            Self::Simple(s) | Self::Error(s) | Self::Double(s) | Self::BigNumber(s) => s.clone(),
            Self::Bulk(b) => String::from_utf8_lossy(b).into_owned(),
            Self::Verbatim(b) => String::from_utf8_lossy(b.get(4..).unwrap_or_default()).into_owned(),
            Self::Int(n) => n.to_string(),
            Self::Bool(b) => b.to_string(),
            Self::Null | Self::Array(_) | Self::Map(_) | Self::Set(_) | Self::Push(_) => String::new(),
        }
    }

    /// The number in an integer reply or in the text of a string.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(n) => *n,
            other => other.text().parse().unwrap_or_else(|_| panic!("no integer: {other:?}")),
        }
    }

    /// The elements of an array, set or push.
    ///
    /// # Panics
    /// When it is none of them.
    #[track_caller]
    pub fn items(&self) -> &[Value] {
        match self {
            Self::Array(v) | Self::Set(v) | Self::Push(v) => v,
            other => panic!("no array: {other:?}"),
        }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Simple(s) if s == "OK")
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(s) => write!(f, "+{s}"),
            Self::Error(s) => write!(f, "-{s}"),
            Self::Int(n) => write!(f, ":{n}"),
            Self::Bulk(b) | Self::Verbatim(b) => write!(f, "\"{}\"", b.escape_ascii()),
            Self::Null => write!(f, "(nil)"),
            Self::Array(v) | Self::Set(v) | Self::Push(v) => f.debug_list().entries(v).finish(),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
            Self::Double(s) | Self::BigNumber(s) => write!(f, ",{s}"),
            Self::Bool(b) => write!(f, "#{b}"),
        }
    }
}

/// Why bytes are not a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseError {
    /// More bytes are needed.
    Incomplete,
    /// No reply starts like this; the offending line.
    Broken(String),
}

/// Reads one reply at the start of `bytes`; returns it and its length in bytes.
pub fn parse(bytes: &[u8]) -> Result<(Value, usize), ParseError> {
    let mut at = 0;
    let value = value(bytes, &mut at)?;
    Ok((value, at))
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Result<&'a str, ParseError> {
    let rest = &bytes[*at..];
    let end = rest.windows(2).position(|w| w == b"\r\n").ok_or(ParseError::Incomplete)?;
    *at += end + 2;
    std::str::from_utf8(&rest[..end]).map_err(|_| ParseError::Broken(rest[..end].escape_ascii().to_string()))
}

fn body(bytes: &[u8], at: &mut usize, len: usize) -> Result<Vec<u8>, ParseError> {
    let rest = &bytes[*at..];
    if rest.len() < len + 2 {
        return Err(ParseError::Incomplete);
    }
    if &rest[len..len + 2] != b"\r\n" {
        return Err(ParseError::Broken(format!("bulk of {len} bytes without CRLF")));
    }
    *at += len + 2;
    Ok(rest[..len].to_vec())
}

fn items(bytes: &[u8], at: &mut usize, count: usize) -> Result<Vec<Value>, ParseError> {
    (0..count).map(|_| value(bytes, at)).collect()
}

fn value(bytes: &[u8], at: &mut usize) -> Result<Value, ParseError> {
    let header = line(bytes, at)?;
    let broken = || ParseError::Broken(header.to_owned());
    let Some(kind) = header.chars().next().filter(char::is_ascii) else { return Err(broken()) };
    let rest = &header[1..];
    let count = || rest.parse::<usize>().map_err(|_| broken());
    Ok(match kind {
        '+' => Value::Simple(rest.to_owned()),
        '-' => Value::Error(rest.to_owned()),
        ':' => Value::Int(rest.parse().map_err(|_| broken())?),
        '$' | '*' if rest == "-1" => Value::Null,
        '$' => Value::Bulk(body(bytes, at, count()?)?),
        '=' => Value::Verbatim(body(bytes, at, count()?)?),
        '*' => Value::Array(items(bytes, at, count()?)?),
        '~' => Value::Set(items(bytes, at, count()?)?),
        '>' => Value::Push(items(bytes, at, count()?)?),
        '%' => {
            let flat = items(bytes, at, count()? * 2)?;
            Value::Map(flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
        }
        '_' => Value::Null,
        ',' => Value::Double(rest.to_owned()),
        '#' => Value::Bool(rest == "t"),
        '(' => Value::BigNumber(rest.to_owned()),
        _ => return Err(broken()),
    })
}

/// Splits a command line as redis-cli does: blanks separate, `"..."` knows `\n \r \t \a \b \xHH \" \\`, `'...'` knows
/// `\'` only.
///
/// # Panics
/// When quotes are unbalanced: the scripts are ours.
pub fn split_line(text: &str) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    let mut bytes = text.bytes().peekable();
    loop {
        while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
        match bytes.peek() {
            None => return args,
            Some(b'"') => {
                bytes.next();
                args.push(double_quoted(&mut bytes, text));
            }
            Some(b'\'') => {
                bytes.next();
                args.push(single_quoted(&mut bytes, text));
            }
            Some(_) => {
                let mut word = Vec::new();
                while let Some(byte) = bytes.next_if(|b| !b.is_ascii_whitespace()) {
                    word.push(byte);
                }
                args.push(word);
            }
        }
    }
}

type Bytes<'a> = std::iter::Peekable<std::str::Bytes<'a>>;

fn double_quoted(bytes: &mut Bytes<'_>, text: &str) -> Vec<u8> {
    let mut word = Vec::new();
    let hex = |b: Option<u8>| (b.expect("two hex digits") as char).to_digit(16).expect("a hex digit") as u8;
    loop {
        match bytes.next().unwrap_or_else(|| panic!("unbalanced quotes: {text}")) {
            b'"' => return word,
            b'\\' => match bytes.next().unwrap_or_else(|| panic!("unbalanced quotes: {text}")) {
                b'n' => word.push(b'\n'),
                b'r' => word.push(b'\r'),
                b't' => word.push(b'\t'),
                b'a' => word.push(7),
                b'b' => word.push(8),
                b'x' => {
                    let high = hex(bytes.next());
                    word.push(high * 16 + hex(bytes.next()));
                }
                other => word.push(other),
            },
            other => word.push(other),
        }
    }
}

fn single_quoted(bytes: &mut Bytes<'_>, text: &str) -> Vec<u8> {
    let mut word = Vec::new();
    loop {
        match bytes.next().unwrap_or_else(|| panic!("unbalanced quotes: {text}")) {
            b'\'' => return word,
            b'\\' if bytes.peek() == Some(&b'\'') => word.push(bytes.next().expect("just seen")),
            other => word.push(other),
        }
    }
}

/// The request bytes of a command.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The hash slot of a key (CRC16 XMODEM bit by bit, hash tags), also written separately from the server's.
pub fn key_slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&b| b == b'{').and_then(|open| {
        let close = key[open + 1..].iter().position(|&b| b == b'}')?;
        (close > 0).then(|| &key[open + 1..open + 1 + close])
    });
    let mut crc: u16 = 0;
    for &byte in tag.unwrap_or(key) {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
        }
    }
    crc % 16_384
}
