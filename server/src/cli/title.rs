//! The process title: hides passwords on the command line, and shows the title that `proc-title-template` makes.
//!
//! The words of the command line stay in memory where the kernel put them, and `ps` reads them there. Redis overwrites
//! them in place. So does this module, through `/proc/self/mem`, at the place that `/proc/self/stat` names: no pointer
//! is forged, and if there is no such file (or the words are not what they were) nothing happens. Passwords are covered
//! with asterisks.
//!
//! A title longer than the command line goes on where the environment lies, which follows in memory; the kernel shows
//! it if the last byte of the command line is none of the zeros that end words (fs/proc/base.c). Redis moves the
//! environment away first, which only `unsafe` code can do. Here the first variables are given up: all that the program
//! needs of them was read when it started. What the standard library and the resolver may still look for
//! ([`READ_LATER`]) is left alone, and then, or if there is no room at all, a long title is left out. Whoever looks for
//! a variable meanwhile finds text without its name: the area still ends with a zero, so no text runs beyond it.
//!
//! After this, code must read the words of the command line only from the copies that `main` took.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

use crate::config::{Config, ids};

/// Covers the passwords on the command line. `false`: there were none.
///
/// # Errors
/// The system's error; the passwords stay visible then.
pub(crate) fn hide_passwords(program: &OsStr, words: &[OsString]) -> io::Result<bool> {
    let masked = masked(words);
    if masked.iter().zip(words).all(|(masked, word)| masked == word.as_bytes()) {
        return Ok(false);
    }
    let mut text = Vec::new();
    for word in std::iter::once(program.as_bytes()).chain(masked.iter().map(Vec::as_slice)) {
        text.extend_from_slice(word);
        text.push(0);
    }
    overwrite(&text)?;
    Ok(true)
}

/// Replaces the command line with a title, as `set-proc-title` and `proc-title-template` say, if there is room.
/// `title` is the program, `listen` its first address.
///
/// # Errors
/// The system's error; nothing is changed then.
pub(crate) fn set(config: &Config, title: &str, listen: &str) -> io::Result<()> {
    if !config.bool(ids::SET_PROC_TITLE) {
        return Ok(());
    }
    let area = Area::find()?;
    let mut text = expand(config, title, listen).into_bytes();
    if text.len() < area.len {
        text.resize(area.len, 0);
    } else {
        text.push(0);
        let variables = if area.environment == 0 { Vec::new() } else { std::fs::read("/proc/self/environ")? };
        if !may_cover(&variables, text.len() - area.len) {
            return Ok(());
        }
    }
    area.write(&text)
}

/// Variables that are read after the start.
const READ_LATER: [&[u8]; 6] =
    [b"RUST_BACKTRACE", b"RUST_LIB_BACKTRACE", b"RES_OPTIONS", b"LOCALDOMAIN", b"HOSTALIASES", b"TMPDIR"];

/// Whether the first `count` bytes of the environment may be overwritten, and a zero remains after them.
fn may_cover(variables: &[u8], count: usize) -> bool {
    if variables.len() <= count || variables.last() != Some(&0) {
        return false;
    }
    let mut start = 0;
    let covered = variables.split_inclusive(|byte| *byte == 0).take_while(|variable| {
        let is_covered = start < count;
        start += variable.len();
        is_covered
    });
    let name = |variable: &[u8]| variable.split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
    covered.map(name).all(|name| !READ_LATER.contains(&&*name))
}

/// The words with the values of passwords covered.
fn masked(words: &[OsString]) -> Vec<Vec<u8>> {
    // What the next word is: nothing to hide, the first value of a password directive, or a further value.
    let (mut hides, mut first) = (false, false);
    let mut cover = |word: &OsString| {
        let mut bytes = word.as_bytes().to_vec();
        if let Some(option) = bytes.strip_prefix(b"--")
            && !(hides && first)
        {
            let end = option.iter().position(|byte| matches!(byte, b' ' | b'=')).unwrap_or(option.len());
            let name = &option[..end];
            hides = Config::is_sensitive(name) || name.eq_ignore_ascii_case(b"password");
            first = end == option.len();
            if hides && !first {
                bytes[end + 3..].fill(b'*');
            }
            return bytes;
        }
        if hides {
            bytes.fill(b'*');
        }
        first = false;
        bytes
    };
    words.iter().map(&mut cover).collect()
}

/// Redis: `expandProcTitleTemplate`.
fn expand(config: &Config, title: &str, listen: &str) -> String {
    let template = config.string(ids::PROC_TITLE_TEMPLATE).replace("{{", "\0");
    let mode = if config.bool(ids::CLUSTER_ENABLED) { "[cluster]" } else { "" };
    let file = config.file().map(|file| file.display().to_string()).unwrap_or_default();
    let known = [
        ("{title}", title.to_owned()),
        ("{listen-addr}", listen.to_owned()),
        ("{server-mode}", mode.to_owned()),
        ("{config-file}", file),
        ("{port}", config.int(ids::PORT).to_string()),
        ("{tls-port}", config.int(ids::TLS_PORT).to_string()),
        ("{unixsocket}", config.string(ids::UNIXSOCKET).to_string()),
    ];
    let text = known.iter().fold(template, |text, (name, value)| text.replace(name, value));
    text.replace('\0', "{").trim_end().to_owned()
}

/// Where the kernel keeps the words of the command line.
struct Area {
    start: u64,
    len: usize,
    /// Bytes of the environment, if it follows directly.
    environment: usize,
}

impl Area {
    fn find() -> io::Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        Self::read(&stat).ok_or_else(|| io::Error::other("/proc/self/stat has another form"))
    }

    /// proc(5): arg_start, arg_end, env_start and env_end are the fields 48 to 51; the name in brackets is the second
    /// field and may contain blanks.
    fn read(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ').skip(48 - 3);
        let mut field = || fields.next()?.parse::<u64>().ok();
        let (start, end, next, last) = (field()?, field()?, field()?, field()?);
        let len = usize::try_from(end.checked_sub(start)?).ok()?;
        let environment = if next == end { usize::try_from(last.saturating_sub(next)).ok()? } else { 0 };
        (start != 0).then_some(Self { start, len, environment })
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).open("/proc/self/mem")?.write_all_at(text, self.start)
    }
}

fn overwrite(text: &[u8]) -> io::Result<()> {
    let area = Area::find()?;
    if text.len() != area.len {
        return Err(io::Error::other("the command line is not where it was"));
    }
    area.write(text)
}

#[cfg(test)]
#[path = "title_tests.rs"]
mod tests;
