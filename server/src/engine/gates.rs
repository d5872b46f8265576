//! The gates: the checks that can refuse or delay a command before it touches data, in Redis's order
//! (`processCommand`).
//!
//! A client can tell from an error which gate came first, so the order is part of the protocol. Between the first and
//! the later ones room is made, if memory is full: who is told MOVED takes none. Each gate is one function that reads
//! published state only and has no effect; [`super::dispatch`] walks through them and acts on the answer. What can only
//! be decided under the slot's lock (is this key of a moving slot still here?) is returned as a [`Route`].

use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::slot::SlotId;

use super::Engine;
use super::call::Call;
use super::handler::Command;
use super::held::Held;
use super::hot::Hot;
use super::ports::{Route, RouteAsk, Router};
use super::state::PauseKind;
use crate::command::{CmdError, Flags, Traits, error};
use crate::config::ids;
use crate::session::client::is_local;
use crate::session::transaction::Queued;
use crate::session::{Origin, Session};

impl Engine {
    /// The gates before room is made for a command: whoever is refused here takes none, so no key goes for a command
    /// that is served elsewhere; unless its slot is moving, since then its keys are known under the lock only. Returns
    /// what must be checked there.
    // Always: it is the path of every command, and a call would have to be written to memory for it.
    #[inline(always)]
    pub(super) fn pass_first_gates(&self, session: &Session, call: Call<'_>) -> Result<Option<Route>, CmdError> {
        let command = call.command;
        if command.flags.has(Flags::PROTECTED) {
            self.protection_gate(session)?;
        }
        if !session.authenticated && !command.flags.has(Flags::NO_AUTH) {
            return Err(error::NO_AUTH);
        }
        if session.origin != Origin::Client {
            return Ok(None);
        }
        if session.in_multi() && command.flags.has(Flags::NO_MULTI) {
            return Err(error::NO_MULTI);
        }
        if self.cluster_enabled() { self.route_gate(session, &{ call }) } else { Ok(None) }
    }

    /// The gates after [`Engine::pass_first_gates`] and [`Engine::make_room`].
    #[inline(always)]
    pub(super) fn pass_later_gates(&self, session: &Session, call: Call<'_>) -> Result<(), CmdError> {
        if session.origin != Origin::Client {
            return Ok(());
        }
        if call.hot.max_memory != 0 && session.out_of_memory {
            self.memory_gate(session, &{ call })?;
        }
        if self.state.is_replica() && self.cluster_enabled() {
            self.promotion_gate(session, &{ call })?;
        }
        self.state_gates(session, call.command, call.hot)
    }

    /// A replica that serves a slot for clients that do not ask replicas is to become its primary. A script that may
    /// write waits for that as a write does, although a replica would run it until it writes.
    #[cold]
    fn promotion_gate(&self, session: &Session, call: &Call<'_>) -> Result<(), CmdError> {
        let may_write = |command: &Command, args: Args<'_>| {
            command.traits.has(Traits::RUNS_A_SCRIPT) && self.script_may_write(session, command, args)
        };
        if session.readonly {
            return Ok(());
        }
        let waits = self
            .any_queued(session, call.command, |command, queued| {
                !queued.keys.is_empty() && may_write(command, queued.args.view())
            })
            .unwrap_or_else(|| !session.in_multi() && !call.keys.is_empty() && may_write(call.command, call.args));
        if waits { Err(error::READ_ONLY) } else { Ok(()) }
    }

    /// Whether this client may use DEBUG, the only protected command.
    #[cold]
    fn protection_gate(&self, session: &Session) -> Result<(), CmdError> {
        let allowed = self.config.allows(ids::ENABLE_DEBUG_COMMAND, is_local(&session.handle.addr));
        if allowed { Ok(()) } else { Err(error::DEBUG_DISABLED) }
    }

    /// Asks each command of the queue that EXEC is about to run, until one says yes. `None`: this is not EXEC, or there
    /// is no queue.
    fn any_queued(
        &self,
        session: &Session,
        command: &Command,
        asked: impl Fn(&Command, &Queued) -> bool,
    ) -> Option<bool> {
        let multi = session.multi.as_ref().filter(|_| command.traits.has(Traits::RUNS_THE_QUEUE))?;
        Some(multi.queue.iter().any(|queued| asked(self.registry.by_index(queued.command), queued)))
    }

    /// Whether the command writes; EXEC does if a queued command does.
    fn writes(&self, session: &Session, command: &Command, flags: Flags) -> bool {
        self.any_queued(session, command, |command, queued| {
            command.flags.any(flags) || self.script_says_it_writes(session, command, queued.args.view())
        })
        .unwrap_or_else(|| command.flags.any(flags))
    }

    /// Memory is full, and no room could be made: nothing that may need more is run, and nothing is queued, since a
    /// queue may grow without end.
    #[cold]
    fn memory_gate(&self, session: &Session, call: &Call<'_>) -> Result<(), CmdError> {
        let refused = self
            .any_queued(session, call.command, |command, queued| {
                self.needs_memory(session, command, queued.args.view())
            })
            .unwrap_or_else(|| {
                if session.in_multi() {
                    !call.command.traits.has(Traits::ENDS_MULTI)
                } else {
                    self.needs_memory(session, call.command, call.args)
                }
            });
        if refused { Err(error::OUT_OF_MEMORY) } else { Ok(()) }
    }

    /// Whether the command may need memory; a script with flags does if they do not say otherwise.
    fn needs_memory(&self, session: &Session, command: &Command, args: Args<'_>) -> bool {
        let says = command
            .traits
            .has(Traits::RUNS_A_SCRIPT)
            .then(|| self.script_needs_memory(session, command, args))
            .flatten();
        says.unwrap_or(command.flags.has(Flags::DENYOOM))
    }

    /// Whether the command may run in a state that requires this flag; EXEC may if all queued commands may.
    fn admitted(&self, session: &Session, command: &Command, flag: Flags) -> bool {
        command.flags.has(flag)
            && self.any_queued(session, command, |command, _| !command.flags.has(flag)) != Some(true)
    }

    /// The gates that depend on the state of the node.
    #[inline(always)]
    fn state_gates(&self, session: &Session, command: &Command, hot: &Hot) -> Result<(), CmdError> {
        let writes = self.writes(session, command, Flags::WRITE);
        if self.state.save_failed.load(Ordering::Relaxed)
            && (writes || command.traits.has(Traits::TELLS_OF_FAILED_SAVES))
        {
            self.disk_gate(hot)?;
        }
        if writes && (self.state.is_replica() || hot.min_replicas_to_write > 0) {
            self.write_gates(hot)?;
        }
        if self.is_stale(hot) && !self.admitted(session, command, Flags::STALE) {
            return Err(error::MASTER_DOWN);
        }
        if self.state.loading.load(Ordering::Relaxed) && !self.admitted(session, command, Flags::LOADING) {
            let refused = !self.state.async_loading.load(Ordering::Relaxed)
                || command.flags.has(Flags::NO_ASYNC_LOADING)
                || writes;
            if refused {
                return Err(error::LOADING);
            }
        }
        if session.in_subscriber_mode() && !command.traits.has(Traits::FOR_SUBSCRIBERS) {
            return Err(CmdError::new(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                command.full_name
            )));
        }
        if self.monitors.any() && session.is_monitor {
            self.monitor_gate(command)?;
        }
        Ok(())
    }

    /// Whether this node is a replica whose data may be old, and is not to serve them.
    #[inline(always)]
    pub(super) fn is_stale(&self, hot: &Hot) -> bool {
        let state = &self.state;
        state.is_replica() && !hot.replica_serve_stale_data && !state.primary_link_up.load(Ordering::Relaxed)
    }

    /// The last background save failed. A node without save points does not check, since no save was configured (Redis:
    /// `writeCommandsDeniedByDiskError`).
    #[cold]
    pub(super) fn disk_gate(&self, hot: &Hot) -> Result<(), CmdError> {
        let refused = hot.stop_writes_on_bgsave_error && !self.config.save_points().is_empty();
        if refused { Err(error::MISCONF_BGSAVE) } else { Ok(()) }
    }

    #[cold]
    pub(super) fn write_gates(&self, hot: &Hot) -> Result<(), CmdError> {
        if self.state.is_replica() {
            return if hot.replica_read_only { Err(error::READ_ONLY) } else { Ok(()) };
        }
        if hot.min_replicas_to_write > 0 && hot.min_replicas_max_lag > 0 {
            let good = self.feed().map_or(0, |feed| feed.good_replicas(hot.min_replicas_max_lag));
            if good < hot.min_replicas_to_write {
                return Err(error::NO_REPLICAS);
            }
        }
        Ok(())
    }

    /// Until when this command is held back, if it is. The primary's stream is held like a client (Redis:
    /// `processCommand`).
    #[inline(always)]
    pub(super) fn pause_gate(&self, session: &Session, call: Call<'_>) -> Option<i64> {
        // A copy, or the call would have to be in memory for all who do not get here.
        self.held_until(call.now, || self.is_held_with_writes(session, &{ call }))
    }

    /// The same for a command that is held together with writes (`writes`), or one that is not.
    #[inline]
    pub(super) fn held_until(&self, now: i64, writes: impl FnOnce() -> bool) -> Option<i64> {
        let (kind, until) = self.state.paused(now);
        let held = match kind {
            PauseKind::None => false,
            PauseKind::All => true,
            PauseKind::Writes => writes(),
        };
        held.then_some(until)
    }

    /// Whether a pause of writes holds this command back.
    #[cold]
    #[inline(never)]
    fn is_held_with_writes(&self, session: &Session, call: &Call<'_>) -> bool {
        let holds = |command: &Command, args: Args<'_>| {
            if command.traits.has(Traits::RUNS_A_SCRIPT) {
                self.script_may_write(session, command, args)
            } else {
                command.flags.any(Flags::WRITE.and(Flags::MAY_REPLICATE))
            }
        };
        match &session.multi {
            Some(multi) if call.command.traits.has(Traits::RUNS_THE_QUEUE) => {
                multi.queue.iter().any(|queued| holds(self.registry.by_index(queued.command), queued.args.view()))
            }
            _ => holds(call.command, call.args),
        }
    }

    /// Asks the cluster where the command's keys are served.
    fn route_gate(&self, session: &Session, call: &Call<'_>) -> Result<Option<Route>, CmdError> {
        let Some(router) = self.router() else { return Ok(None) };
        let command = call.command;
        let mut asked = RouteAsk {
            slot: SlotId::FIRST,
            write: command.flags.has(Flags::WRITE),
            may_write: false,
            readonly: session.readonly,
            asking: session.asking || command.flags.has(Flags::ASKING),
            channel: false,
            migrate: command.traits.has(Traits::MOVES_KEYS),
            client: Some(&session.handle),
        };
        let ask_script = |asked: &mut RouteAsk<'_>, command: &Command, args: Args<'_>| {
            if command.traits.has(Traits::RUNS_A_SCRIPT) {
                let (says, may) = self.script_writes(session, command, args);
                (asked.write, asked.may_write) = (asked.write | says, asked.may_write | may);
            }
        };
        let mut slot = None;
        ask_script(&mut asked, command, call.args);
        if command.traits.has(Traits::RUNS_THE_QUEUE) {
            let Some(multi) = &session.multi else { return Ok(None) };
            for queued in &multi.queue {
                let command = self.registry.by_index(queued.command);
                let spec = command.spec;
                asked.write |= spec.is_write();
                ask_script(&mut asked, command, queued.args.view());
                for key in &queued.keys {
                    one_slot(&mut slot, key.slot).map_err(|first| cross_slot(&*router, asked, first))?;
                    asked.channel |= key.is_channel && spec.flags.has(Flags::PUBSUB);
                }
            }
        } else {
            for known in call.keys {
                one_slot(&mut slot, known.slot).map_err(|first| cross_slot(&*router, asked, first))?;
                // What is no key is a channel, or a cursor of CLUSTERSCAN, which reads keys.
                asked.channel |= known.is_channel && command.flags.has(Flags::PUBSUB);
            }
        }
        let Some(slot) = slot else { return Ok(None) };
        asked.slot = slot;
        match router.route(&asked) {
            Route::Serve => Ok(None),
            Route::Refuse(problem) => Err(problem),
            route => Ok(Some(route)),
        }
    }

    /// The gates once more, for a command that has become alone. It released its own gate for that, and meanwhile the
    /// node may have become a replica, its slot may have moved, and a pause of writes may have begun. Returns where its
    /// keys are served.
    ///
    /// # Errors
    /// It may not run now.
    pub(super) fn regate(&self, session: &Session, call: &Call<'_>) -> Result<Option<Route>, Held> {
        if let Some(until) = self.pause_gate(session, *call) {
            return Err(Held::Pause(until));
        }
        let route = self.pass_first_gates(session, *call);
        match (route.and_then(|route| self.pass_later_gates(session, *call).map(|()| route)), call.moving) {
            (Ok(None), None) => Ok(None),
            (Ok(Some(route)), Some(_)) => Ok(Some(route)),
            _ => Err(Held::Again),
        }
    }

    /// Whether a write was refused only because this node, which owns the keys' slot by now, is to become a primary:
    /// the view is published at once, but a long command may keep the node from changing its role.
    #[cold]
    pub(super) fn is_being_promoted(&self, session: &Session, call: &Call<'_>, problem: &CmdError) -> bool {
        let queue = session.multi.as_ref().filter(|_| call.command.traits.has(Traits::RUNS_THE_QUEUE));
        let has_keys = queue.map_or(!call.keys.is_empty(), |multi| multi.queue.iter().any(|it| !it.keys.is_empty()));
        // A replica that is to stay one does not own the slot, and was refused by the route.
        self.cluster_enabled() && has_keys && *problem == error::READ_ONLY
    }

    fn cluster_enabled(&self) -> bool {
        self.router.get().is_some()
    }
}

/// Adds the slot of a key to those of the keys before it; all must be the same.
///
/// # Errors
/// The slot of the first key is another one; it is returned.
#[inline]
fn one_slot(slot: &mut Option<SlotId>, this: SlotId) -> Result<(), SlotId> {
    match *slot {
        Some(first) if first != this => Err(first),
        _ => {
            *slot = Some(this);
            Ok(())
        }
    }
}

/// The error for keys of several slots. A first slot that nobody serves is reported before the others are looked at.
#[cold]
fn cross_slot(router: &dyn Router, asked: RouteAsk<'_>, first: SlotId) -> CmdError {
    match router.route(&RouteAsk { slot: first, ..asked }) {
        Route::Refuse(problem) if problem == error::CLUSTER_DOWN_UNBOUND => problem,
        _ => error::CROSS_SLOT,
    }
}
