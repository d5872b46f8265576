//! A very long request is executed by itself, from a buffer of its own that the command may keep.
//!
//! If a value of half a gigabyte were read into one buffer and copied into another, it would take twice its size, and
//! the copy as long as the reading. So the command borrows the buffer that a long request was read into. The handler
//! sees slices of it, as always, and one that stores nearly all of it
//! ([`Data::set_string`](crate::command::Data::set_string)) keeps the buffer itself. The buffer is shared by reference
//! count, so later readers of the words (propagation, slow log) read the stored bytes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Engine;
use super::dispatch::{Batch, Next, limits, stop_after};
use super::held::Held;
use super::intake::Intake;
use super::pace::Pace;
use super::window::{Tail, Window};
use crate::session::Session;

/// A request of at least this many bytes is long: copying the value costs more than keeping the bytes around it.
pub(crate) const LONG: usize = 256 * 1024;

/// The outcome of a long request.
pub(crate) struct LongDone {
    /// The input that was not used. It is the buffer itself if nothing was used.
    pub rest: Vec<u8>,
    pub next: Next,
}

impl Engine {
    /// Executes the request at the beginning of `input`, and no other.
    pub(crate) fn process_long(
        self: &Arc<Self>,
        session: &mut Session,
        intake: &mut Intake,
        mut input: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> LongDone {
        let Some(mut pass) = self.barrier.enter_soon(session.gate) else {
            return LongDone { rest: input, next: Next::Held(Held::Gate(session.gate)) };
        };
        let mut pace = Pace::start(self);
        session.handle.stats.last_interaction_ms.store(pace.start_ms, Ordering::Relaxed);
        let hot = self.hot.load_full();
        session.output_limit = hot.output_limit(&session.handle);
        let window = Window::of_one(self, intake, &mut input, &limits(session, &hot));
        let Some(request) = window.requests().first() else {
            let next = match &window.tail {
                Tail::More => Next::Input { need: 0 },
                Tail::Incomplete { need } => Next::Input { need: *need },
                Tail::Broken(problem) => {
                    self.answer_broken(session, problem, out);
                    return LongDone { rest: Vec::new(), next: Next::Close };
                }
            };
            input.drain(..window.end);
            return LongDone { rest: input, next };
        };
        let whole = Bytes::from(input);
        session.lent = Some(whole.clone());
        let args = window.args(request, &whole, &intake.words);
        let request_len = Some(request.end - request.start);
        let mut batch = Batch { pass: &mut pass, pace: &mut pace, out, request: request_len };
        let step = self.dispatch_again(session, args, &request.lead, &hot, &mut batch);
        session.lent = None;
        // The requests that follow are processed once this one is answered.
        let next = stop_after(session, args, step, batch.out).unwrap_or(Next::Flush);
        intake.forget();
        self.end_batch(session, intake, &mut batch);
        LongDone { rest: whole[request.end..].to_vec(), next }
    }
}
