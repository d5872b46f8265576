//! The errors in a script's result, as INFO counts them.

/// The errors in a script's result, for INFO.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    /// Those of commands, which are counted already.
    pub counted: u64,
    /// The codes of others.
    pub codes: Vec<String>,
}

impl Errors {
    /// Adds one with this text.
    pub(super) fn add(&mut self, text: &[u8], is_counted: bool) {
        if is_counted {
            self.counted += 1;
            return;
        }
        // A code is followed by a space soon (`afterErrorReply`).
        let end = text.iter().take(31).position(|byte| *byte == b' ');
        let code = end.map_or("ERR".into(), |end| String::from_utf8_lossy(&text[..end]));
        self.codes.push(code.into_owned());
    }
}
