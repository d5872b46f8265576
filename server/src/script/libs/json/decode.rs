//! JSON as values of Lua.
//!
//! It takes more than JSON: numbers as C reads them, control characters in strings, and whatever follows a NUL. Errors
//! say what was expected, what was found, and where.

use super::settings::DecodeSettings;
use crate::script::libs::arguments::{self, bad_argument};
use crate::script::libs::numbers::read_number;
use crate::script::libs::work::{spend, spend_bytes};
use crate::script::lua::{Failure, Frame, Returns, State};

/// Bytes that are read between two counts of work.
const STRETCH: usize = 16 * 1024;

/// A part of the text.
#[derive(Clone, Copy)]
enum Token<'d> {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    /// A string whose bytes are those of the text.
    Text(&'d [u8]),
    /// A string with escapes, which is in [`Decoder::unescaped`].
    Unescaped,
    Number(f64),
    Boolean(bool),
    Null,
    End,
    /// None: what is wrong.
    Wrong(&'static str),
}

impl Token<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::Text(_) | Self::Unescaped => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::End => "T_END",
            Self::Wrong(problem) => problem,
        }
    }
}

/// A table that is being read, below its topmost part.
enum Level {
    /// With the number of the next element.
    Array(usize),
    Object,
}

struct Decoder<'d> {
    frame: Frame<'d>,
    state: State,
    data: &'d [u8],
    at: usize,
    /// Where the latest token began.
    token_at: usize,
    unescaped: Vec<u8>,
    settings: DecodeSettings,
    levels: Vec<Level>,
}

pub(super) fn decode(frame: &Frame<'_>) -> Returns {
    if frame.state.top() != 1 {
        return Err(bad_argument(frame, 1, "expected 1 argument"));
    }
    let data = arguments::bytes(frame, 1)?;
    if data.len() >= 2 && data[..2].contains(&0) {
        return Err(Failure::Here(b"JSON parser does not support UTF-16 or UTF-32".to_vec()));
    }
    let mut decoder = Decoder {
        frame: *frame,
        state: frame.state,
        data,
        at: 0,
        token_at: 0,
        unescaped: Vec::new(),
        settings: DecodeSettings::read(frame),
        levels: Vec::new(),
    };
    decoder.decode()?;
    match decoder.token()? {
        Token::End => Ok(1),
        other => Err(decoder.error("the end", other)),
    }
}

impl<'d> Decoder<'d> {
    /// Pushes the value.
    fn decode(&mut self) -> Result<(), Failure> {
        let mut token = self.token()?;
        loop {
            // A value begins.
            let mut is_complete = true;
            match token {
                Token::ObjectBegin => {
                    self.descend(3)?;
                    token = self.token()?;
                    if !matches!(token, Token::ObjectEnd) {
                        self.levels.push(Level::Object);
                        self.key(token)?;
                        is_complete = false;
                    }
                }
                Token::ArrayBegin => {
                    self.descend(2)?;
                    token = self.token()?;
                    if !matches!(token, Token::ArrayEnd) {
                        self.levels.push(Level::Array(1));
                        continue;
                    }
                }
                scalar => self.scalar(scalar)?,
            }
            if is_complete && self.put()? {
                return Ok(());
            }
            token = self.token()?;
        }
    }

    /// Puts the topmost value, which is complete, where it belongs, and those that are complete then. `true`: it is the
    /// whole; otherwise a value follows.
    fn put(&mut self) -> Result<bool, Failure> {
        loop {
            let (end, wanted) = match self.levels.last_mut() {
                None => return Ok(true),
                Some(Level::Array(next)) => {
                    self.state.set_element(-2, *next);
                    *next += 1;
                    (b']', "comma or array end")
                }
                Some(Level::Object) => {
                    self.state.raw_set(-3);
                    (b'}', "comma or object end")
                }
            };
            match (self.token()?, end) {
                (Token::ArrayEnd, b']') | (Token::ObjectEnd, b'}') => {
                    self.levels.pop();
                }
                (Token::Comma, b']') => return Ok(false),
                (Token::Comma, _) => {
                    let token = self.token()?;
                    self.key(token)?;
                    return Ok(false);
                }
                (other, _) => return Err(self.error(wanted, other)),
            }
        }
    }

    /// Pushes a key and reads the colon.
    fn key(&mut self, token: Token<'d>) -> Result<(), Failure> {
        match token {
            Token::Text(_) | Token::Unescaped => self.scalar(token)?,
            other => return Err(self.error("object key string", other)),
        }
        match self.token()? {
            Token::Colon => Ok(()),
            other => Err(self.error("colon", other)),
        }
    }

    fn scalar(&mut self, token: Token<'d>) -> Result<(), Failure> {
        match token {
            Token::Text(bytes) => self.state.push_bytes(bytes),
            Token::Unescaped => self.state.push_bytes(&self.unescaped),
            Token::Number(number) => self.state.push_number(number),
            Token::Boolean(value) => self.state.push_bool(value),
            Token::Null => self.state.push_light(std::ptr::null_mut()),
            other => return Err(self.error("value", other)),
        }
        Ok(())
    }

    /// Pushes a table, and makes room for what belongs to it.
    fn descend(&mut self, slots: i32) -> Result<(), Failure> {
        let depth = self.levels.len() + 1;
        if depth > self.settings.depth as usize || !self.state.reserve(slots) {
            let text = format!("Found too many nested data structures ({depth}) at character {}", self.at);
            return Err(Failure::Here(text.into_bytes()));
        }
        self.state.push_table(0, 0);
        Ok(())
    }

    fn error(&self, wanted: &str, found: Token<'_>) -> Failure {
        let text = format!("Expected {wanted} but found {} at character {}", found.name(), self.token_at + 1);
        Failure::Here(text.into_bytes())
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.data.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Skips bytes of a kind.
    fn skip(&mut self, is_skipped: fn(&u8) -> bool) -> Result<(), Failure> {
        loop {
            let stretch = &self.data[self.at..self.data.len().min(self.at + STRETCH)];
            let len = stretch.iter().position(|byte| !is_skipped(byte)).unwrap_or(stretch.len());
            self.at += len;
            if len < STRETCH {
                return spend(&self.frame, len as u32 / 4);
            }
            spend(&self.frame, STRETCH as u32 / 4)?;
        }
    }

    /// Reads the next token.
    fn token(&mut self) -> Result<Token<'d>, Failure> {
        spend(&self.frame, 2)?;
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        self.token_at = self.at;
        let token = match self.peek(0) {
            0 => return Ok(Token::End),
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                let is_refused = !self.settings.takes_invalid && self.is_invalid_number();
                return if is_refused { Ok(Token::Wrong("invalid number")) } else { self.number() };
            }
            b'+' | b't' | b'f' | b'n' | b'N' | b'i' | b'I' => return self.word(),
            _ => return Ok(Token::Wrong("invalid token")),
        };
        self.at += 1;
        Ok(token)
    }

    fn word(&mut self) -> Result<Token<'d>, Failure> {
        let words: [(&[u8], Token<'d>); 3] =
            [(b"true", Token::Boolean(true)), (b"false", Token::Boolean(false)), (b"null", Token::Null)];
        for (word, token) in words {
            if self.data[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(token);
            }
        }
        if self.settings.takes_invalid && self.is_invalid_number() {
            return self.number();
        }
        Ok(Token::Wrong("invalid token"))
    }

    /// Whether what follows is a number that JSON does not have: with a plus sign, hexadecimal, with zeros in front,
    /// infinite or none.
    fn is_invalid_number(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let sign = usize::from(self.peek(0) == b'-');
        match self.peek(sign) {
            b'0' => matches!(self.peek(sign + 1), b'x' | b'X' | b'0'..=b'9'),
            0..=b'9' => false,
            _ => {
                let word = self.data.get(self.at + sign..self.at + sign + 3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Result<Token<'d>, Failure> {
        let Some((number, len)) = read_number(&self.data[self.at..]) else {
            return Ok(Token::Wrong("invalid number"));
        };
        self.at += len;
        spend_bytes(&self.frame, len * 8)?;
        Ok(Token::Number(number))
    }

    /// Something is wrong here.
    fn wrong(&mut self, problem: &'static str) -> Token<'d> {
        self.token_at = self.at;
        Token::Wrong(problem)
    }

    fn string(&mut self) -> Result<Token<'d>, Failure> {
        self.at += 1;
        self.unescaped.clear();
        let mut is_escaped = false;
        loop {
            let start = self.at;
            self.skip(|byte| !matches!(byte, b'"' | b'\\' | 0))?;
            let plain = &self.data[start..self.at];
            match self.peek(0) {
                b'"' => {
                    self.at += 1;
                    if !is_escaped {
                        return Ok(Token::Text(plain));
                    }
                    self.unescaped.extend_from_slice(plain);
                    return Ok(Token::Unescaped);
                }
                b'\\' => {
                    is_escaped = true;
                    self.unescaped.extend_from_slice(plain);
                    if let Err(problem) = self.escape() {
                        return Ok(self.wrong(problem));
                    }
                }
                _ => return Ok(self.wrong("unexpected end of string")),
            }
        }
    }

    /// Reads an escape.
    fn escape(&mut self) -> Result<(), &'static str> {
        let byte = match self.peek(1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (letter, len) = self.unicode().ok_or("invalid unicode escape code")?;
                self.unescaped.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                self.at += len;
                return Ok(());
            }
            _ => return Err("invalid escape code"),
        };
        self.unescaped.push(byte);
        self.at += 2;
        Ok(())
    }

    /// The character of an escape here, or of two that belong together, and their length.
    fn unicode(&self) -> Option<(char, usize)> {
        const LEN: usize = 6;
        let first = self.hexadecimal(2)?;
        if !(0xd800..0xe000).contains(&first) {
            return Some((char::from_u32(first)?, LEN));
        }
        if first >= 0xdc00 || self.peek(LEN) != b'\\' || self.peek(LEN + 1) != b'u' {
            return None;
        }
        let second = self.hexadecimal(LEN + 2).filter(|second| (0xdc00..0xe000).contains(second))?;
        let code = 0x1_0000 + ((first & 0x3ff) << 10 | (second & 0x3ff));
        Some((char::from_u32(code)?, 2 * LEN))
    }

    /// Four hexadecimal digits, so far ahead.
    fn hexadecimal(&self, ahead: usize) -> Option<u32> {
        (0..4).try_fold(0, |code, number| Some(code << 4 | char::from(self.peek(ahead + number)).to_digit(16)?))
    }
}
