//! Where the payload of a full sync begins and ends: `$<length>` or `$EOF:<mark>` before it, and the mark after it.
//!
//! The file itself also shows where it ends ([`crate::persistence::rdb_loader`]); this is about the framing around it.

/// How the payload is framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A number of bytes.
    Length(u64),
    /// Up to these 40 bytes.
    Mark([u8; 40]),
}

/// Reads the line before the payload, without its end. `None`: an empty line, which only keeps the link alive.
///
/// # Errors
/// The line is something else; the text is for the log.
pub(crate) fn framing(line: &[u8]) -> Result<Option<Framing>, String> {
    if line.is_empty() {
        return Ok(None);
    }
    let text = || String::from_utf8_lossy(line).into_owned();
    if line[0] == b'-' {
        return Err(format!("MASTER aborted replication with an error: {}", text()));
    }
    let Some(rest) = line.strip_prefix(b"$") else {
        return Err(format!(
            "Bad protocol from MASTER, the first byte is not '$' (we received '{}'), are you sure the host and port are right?",
            text()
        ));
    };
    if let Some(mark) = rest.strip_prefix(b"EOF:") {
        return match mark.try_into() {
            Ok(mark) => Ok(Some(Framing::Mark(mark))),
            Err(_) => Err(format!("Bad protocol from MASTER: end mark of {} bytes", mark.len())),
        };
    }
    match std::str::from_utf8(rest).ok().and_then(|digits| digits.parse().ok()) {
        Some(length) => Ok(Some(Framing::Length(length))),
        None => Err(format!("Bad protocol from MASTER: {}", text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_are_read_and_anything_else_is_refused() {
        assert_eq!(framing(b""), Ok(None));
        assert_eq!(framing(b"$1234"), Ok(Some(Framing::Length(1234))));
        let mut line = b"$EOF:".to_vec();
        line.extend([b'm'; 40]);
        assert_eq!(framing(&line), Ok(Some(Framing::Mark([b'm'; 40]))));
        for bad in [&b"$EOF:short"[..], b"$-1", b"$", b"-ERR no", b"+OK", b"$99999999999999999999"] {
            assert!(framing(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
