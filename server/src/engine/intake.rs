//! Where the requests of a connection are taken apart.

use protocol::resp::ArgVec;
use protocol::resp::request::RequestParser;

/// The room for words that a connection keeps from one request to the next.
const MAX_KEPT_WORDS: usize = 128;

/// Where the requests of a connection are taken apart. The parser goes on where it stopped, so its words stay with it from one
/// call to the next.
#[derive(Default)]
pub(crate) struct Intake {
    pub(super) parser: RequestParser,
    pub(super) words: ArgVec,
}

impl Intake {
    /// Forgets a request that has begun: it will be read again from its first byte, after what is still before it.
    pub(super) fn forget(&mut self) {
        self.parser = RequestParser::new();
    }

    /// Gives back what a request of very many words took.
    #[inline]
    pub(super) fn shrink(&mut self) {
        if self.words.spilled() && self.words.capacity() > MAX_KEPT_WORDS && self.parser.is_idle() {
            self.words = ArgVec::new();
        }
    }
}
