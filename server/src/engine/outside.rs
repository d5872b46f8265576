//! Commands that are executed although another thread has the barrier.
//!
//! A command that runs alone (FLUSHALL over millions of keys, a transaction over many slots) holds all gates of the
//! barrier, perhaps for seconds. PING, a monitor's INFO or the handshake of a new client do not depend on it. Such a
//! command declares that ([`Traits::TOUCHES_NO_DATA`]), and its worker runs it without a gate if the gate is closed.
//!
//! This holds for the first commands in a client's buffer only, so that replies keep their order, and between MULTI
//! and EXEC for none but DISCARD and RESET. All other gates, from authentication to pauses, are passed as usual.
//! INFO's counters then show a part of what the lone command has done, as they do beside a transaction of few slots.
//! CONFIG GET is not among these commands, so that no client sees a part of the settings that a transaction changes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::Args;

use super::Engine;
use super::barrier::Pass;
use super::dispatch::{Batch, Next, limits, stop_after, take_pushes};
use super::held::Held;
use super::intake::Intake;
use super::pace::Pace;
use super::window::{Lead, Tail, Window};
use crate::command::Traits;
use crate::session::Session;

impl Engine {
    /// A pass without a gate, if this command may run with one.
    pub(super) fn outside(&self, session: &Session, args: Args<'_>, lead: &Lead) -> Option<Pass<'_>> {
        let command = self.resolve(args, lead)?;
        let touches_nothing = if command.traits.has(Traits::ENDS_WATCHING) {
            session.watching.is_none()
        } else {
            command.traits.has(Traits::TOUCHES_NO_DATA) && !session.in_multi()
        };
        touches_nothing.then(|| self.barrier.outside(session.gate))
    }

    /// Executes the first requests of `input`, as far as they need no gate. Returns the same as [`Engine::process`].
    #[cold]
    #[inline(never)]
    pub(super) fn process_outside(
        self: &Arc<Self>,
        session: &mut Session,
        intake: &mut Intake,
        input: &mut [u8],
        out: &mut Vec<u8>,
    ) -> (usize, Next) {
        let mut pace = Pace::start(self);
        let mut from = 0;
        let next = loop {
            let hot = self.hot.load_full();
            session.output_limit = hot.output_limit(&session.handle);
            let rest = &mut input[from..];
            let is_array = intake.parser.is_idle() && rest.first() == Some(&b'*');
            let window = Window::of_one(self, intake, rest, &limits(session, &hot));
            let Some(request) = window.requests().first() else {
                match &window.tail {
                    Tail::More => break Next::Held(Held::Gate(session.gate)),
                    Tail::Incomplete { need } => {
                        from += window.end;
                        break Next::Input { need: *need };
                    }
                    Tail::Broken(problem) => {
                        self.answer_broken(session, problem, out);
                        from = input.len();
                        break Next::Close;
                    }
                }
            };
            let args = window.args(request, rest, &intake.words);
            if let Some(step) = self.refuse_while_busy(session, args, &request.lead, out) {
                from += request.end;
                if let Some(next) = stop_after(session, args, step, out) {
                    break next;
                }
                continue;
            }
            let Some(mut pass) = self.outside(session, args, &request.lead) else {
                // An inline command was unescaped in place and must not be parsed twice. Behind an empty request it
                // cannot be told from an array any more.
                if !is_array || request.start > 0 {
                    session.postponed = Some(args.to_owned());
                    from += request.end;
                }
                break Next::Held(Held::Gate(session.gate));
            };
            session.handle.stats.last_interaction_ms.store(pace.start_ms, Ordering::Relaxed);
            let mut batch = Batch { pass: &mut pass, pace: &mut pace, out, request: None };
            let step = self.dispatch(session, args, &request.lead, &hot, &mut batch);
            take_pushes(session, out);
            from += request.end;
            if let Some(next) = stop_after(session, args, step, out) {
                break next;
            }
        };
        if !matches!(next, Next::Input { .. }) {
            intake.forget();
        }
        pace.settle(self, session);
        intake.shrink();
        (from, next)
    }
}

#[cfg(test)]
#[path = "outside_tests.rs"]
mod tests;
