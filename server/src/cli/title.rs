//! The process title: hides passwords on the command line, and shows the title that `proc-title-template` makes if it
//! fits.
//!
//! The words of the command line stay in memory where the kernel put them, and `ps` reads them there. Redis overwrites
//! them in place. So does this module, through `/proc/self/mem`, at the place that `/proc/self/stat` names: no pointer
//! is forged, and if there is no such file (or the words are not what they were) nothing happens. Redis moves the
//! environment to gain room for a long title. Here a title that does not fit is left out, and passwords are covered
//! with asterisks.
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

/// Replaces the command line with a title, as `set-proc-title` and `proc-title-template` say, if it fits. `title` is
/// the program, `listen` its first address.
///
/// # Errors
/// The system's error; nothing is changed then.
pub(crate) fn set(config: &Config, title: &str, listen: &str) -> io::Result<()> {
    if !config.bool(ids::SET_PROC_TITLE) {
        return Ok(());
    }
    let room = Area::find()?.len;
    let mut text = expand(config, title, listen).into_bytes();
    if text.len() >= room {
        return Ok(());
    }
    text.resize(room, 0);
    overwrite(&text)
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
}

impl Area {
    fn find() -> io::Result<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        Self::read(&stat).ok_or_else(|| io::Error::other("/proc/self/stat has another form"))
    }

    /// proc(5): arg_start and arg_end are the fields 48 and 49; the name in brackets is the second field and may
    /// contain blanks.
    fn read(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ').skip(48 - 3);
        let (start, end): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let len = usize::try_from(end.checked_sub(start)?).ok()?;
        (start != 0).then_some(Self { start, len })
    }
}

fn overwrite(text: &[u8]) -> io::Result<()> {
    let Area { start, len } = Area::find()?;
    if text.len() != len {
        return Err(io::Error::other("the command line is not where it was"));
    }
    OpenOptions::new().write(true).open("/proc/self/mem")?.write_all_at(text, start)
}

#[cfg(test)]
#[path = "title_tests.rs"]
mod tests;
