//! The compact argument syntax of a command, parsed only for COMMAND DOCS.
//!
//! A command's arguments are declared in one line instead of a tree, because a line is easy to read and fits beside the
//! handler:
//!
//! | text | meaning |
//! |---|---|
//! | `'nx` | a literal word: name `nx`, token `NX` |
//! | `name:type` | an argument; types: `string integer double key pattern unix-time` |
//! | `name:<a\|b>` | one of several |
//! | `name:{a b}` | a group of arguments |
//! | `TOKEN=...` | a word that stands before the argument; `""` is the empty word |
//! | `[...]` | may be left out |
//! | `...+` `...++` | may be repeated; `++` repeats the token too |
//! | `...@6.2.0` | since when the argument exists |
//! | `...!6.2.0` | since when it is deprecated |
//!
//! So SET's condition is `[condition:<'nx|'xx>@2.6.12]`. Names may contain any of `-_/:`; the type follows the last
//! colon. A test that parses every declaration finds mistakes in our own tables; at run time a mistake only costs
//! COMMAND DOCS the arguments of that command.

use std::borrow::Cow;

/// The type of an argument, as COMMAND DOCS prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgType {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl ArgType {
    /// The name that COMMAND DOCS prints.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key => "key",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::PureToken => "pure-token",
            Self::OneOf => "oneof",
            Self::Block => "block",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::String, Self::Integer, Self::Double, Self::Key, Self::Pattern, Self::UnixTime]
            .into_iter()
            .find(|ty| ty.name() == name)
    }
}

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument<'s> {
    pub name: Cow<'s, str>,
    pub ty: ArgType,
    /// The word before the argument; for a literal, the word itself.
    pub token: Option<Cow<'s, str>>,
    pub since: Option<&'s str>,
    pub deprecated_since: Option<&'s str>,
    pub optional: bool,
    pub multiple: bool,
    /// The token is repeated with the argument.
    pub multiple_token: bool,
    /// Members of a [`ArgType::OneOf`] or [`ArgType::Block`].
    pub arguments: Vec<Argument<'s>>,
}

/// Where a declaration is wrong: a byte offset into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argument syntax is wrong at byte {0}")]
pub(crate) struct SyntaxError(pub usize);

/// Reads a declaration.
///
/// # Errors
/// [`SyntaxError`] with the place that cannot be read.
pub(crate) fn parse(text: &str) -> Result<Vec<Argument<'_>>, SyntaxError> {
    let mut parser = Parser { text, at: 0 };
    let arguments = parser.sequence(b' ')?;
    if parser.at == text.len() { Ok(arguments) } else { Err(SyntaxError(parser.at)) }
}

struct Parser<'s> {
    text: &'s str,
    at: usize,
}

/// What ends a word.
const DELIMITERS: &[u8] = b" []<>{}|+@!=";

impl<'s> Parser<'s> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), SyntaxError> {
        if self.take(byte) { Ok(()) } else { Err(SyntaxError(self.at)) }
    }

    /// Everything up to a delimiter. Delimiters are ASCII, so no character is cut.
    fn word(&mut self) -> &'s str {
        let rest = &self.text[self.at..];
        let len = rest.bytes().position(|byte| DELIMITERS.contains(&byte)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// Arguments with `separator` between them, as many as there are.
    fn sequence(&mut self, separator: u8) -> Result<Vec<Argument<'s>>, SyntaxError> {
        let mut arguments = Vec::new();
        if self.peek().is_none() {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.argument()?);
            if !self.take(separator) {
                return Ok(arguments);
            }
        }
    }

    fn argument(&mut self) -> Result<Argument<'s>, SyntaxError> {
        let optional = self.take(b'[');
        let mut argument = self.body()?;
        if self.take(b'+') {
            argument.multiple = true;
            argument.multiple_token = self.take(b'+');
        }
        if self.take(b'@') {
            argument.since = Some(self.version()?);
        }
        if self.take(b'!') {
            argument.deprecated_since = Some(self.version()?);
        }
        if optional {
            self.expect(b']')?;
            argument.optional = true;
        }
        Ok(argument)
    }

    fn version(&mut self) -> Result<&'s str, SyntaxError> {
        let start = self.at;
        let version = self.word();
        if version.is_empty() { Err(SyntaxError(start)) } else { Ok(version) }
    }

    fn body(&mut self) -> Result<Argument<'s>, SyntaxError> {
        let start = self.at;
        let word = self.word();
        if let Some(literal) = word.strip_prefix('\'') {
            return literal_argument(literal, None).ok_or(SyntaxError(start));
        }
        if self.take(b'=') {
            let token = if word == "\"\"" { "" } else { word };
            let start = self.at;
            if self.take(b'\'') {
                return literal_argument(self.word(), Some(token)).ok_or(SyntaxError(start));
            }
            let mut argument = self.body()?;
            argument.token = Some(Cow::Borrowed(token));
            return Ok(argument);
        }
        let (name, ty) = word.rsplit_once(':').ok_or(SyntaxError(start))?;
        if name.is_empty() {
            return Err(SyntaxError(start));
        }
        let mut argument = plain(name, ArgType::String);
        if self.take(b'<') {
            argument.ty = ArgType::OneOf;
            argument.arguments = self.sequence(b'|')?;
            self.expect(b'>')?;
        } else if self.take(b'{') {
            argument.ty = ArgType::Block;
            argument.arguments = self.sequence(b' ')?;
            self.expect(b'}')?;
        } else {
            argument.ty = ArgType::from_name(ty).ok_or(SyntaxError(start))?;
            return Ok(argument);
        }
        if ty.is_empty() { Ok(argument) } else { Err(SyntaxError(start)) }
    }
}

fn plain(name: &str, ty: ArgType) -> Argument<'_> {
    Argument {
        name: Cow::Borrowed(name),
        ty,
        token: None,
        since: None,
        deprecated_since: None,
        optional: false,
        multiple: false,
        multiple_token: false,
        arguments: Vec::new(),
    }
}

/// A literal word. Names are lower case and tokens upper case on the wire, however they are declared.
fn literal_argument<'s>(name: &'s str, token: Option<&'s str>) -> Option<Argument<'s>> {
    if name.is_empty() {
        return None;
    }
    let mut argument = plain(name, ArgType::PureToken);
    argument.token = Some(token.map_or_else(|| Cow::Owned(name.to_ascii_uppercase()), Cow::Borrowed));
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        argument.name = Cow::Owned(name.to_ascii_lowercase());
    }
    Some(argument)
}

#[cfg(test)]
#[path = "syntax_tests.rs"]
mod tests;
