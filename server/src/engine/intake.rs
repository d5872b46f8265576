//! Splits a connection's input into requests.

use protocol::resp::ArgVec;
use protocol::resp::request::RequestParser;

/// How many words' capacity a connection keeps from one request to the next.
const MAX_KEPT_WORDS: usize = 128;

/// Splits a connection's input into requests. The parser continues where it stopped, so its words stay here from one
/// call to the next.
#[derive(Default)]
pub(crate) struct Intake {
    pub(super) parser: RequestParser,
    pub(super) words: ArgVec,
}

impl Intake {
    /// Forgets a request that was read in part: it will be parsed again from its first byte, after the requests before
    /// it.
    pub(super) fn forget(&mut self) {
        self.parser = RequestParser::new();
    }

    /// Frees the capacity that a request of very many words took.
    #[inline]
    pub(super) fn shrink(&mut self) {
        if self.words.spilled() && self.words.capacity() > MAX_KEPT_WORDS && self.parser.is_idle() {
            self.words = ArgVec::new();
        }
    }
}
