//! The state of connections: their sessions, and what others may know of them.
//!
//! A session belongs to the worker that runs its connection and is never shared; other threads reach it through its
//! [`ClientHandle`]. The stream from a primary and a file being loaded are sessions too: they run the same commands
//! through the same dispatch, with an [`Origin`] that lifts the gates that are meant for clients.
//!
//! This room holds the data; the engine acts on it. A session stores which gate its thread uses and which command it
//! waits in, but it runs no command and passes no gate.
//!
//! Rank 5.

#![forbid(unsafe_code)]

pub(crate) mod client;
pub(crate) mod clients;
pub(crate) mod monitors;
pub(crate) mod pubsub;
pub(crate) mod socket;
pub(crate) mod tally;
pub(crate) mod tracking;
pub(crate) mod transaction;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use protocol::resp::OwnedArgs;
use protocol::resp::reply::Protocol;

use crate::base::rng::Rng;
use crate::command::Traits;
use crate::script::{LastFunction, Script, VmPool};
use crate::store::Spoiled;
use client::ClientHandle;
use client::parked::Parked;
use protocol::slot::SlotId;
use socket::SocketHandle;
use tally::{Calls, Owed, Tally, Used};
use tracking::OwnTracking;
use transaction::{Multi, Watched};

/// Where a session's commands come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client.
    Client,
    /// The replication stream of our primary. Its commands were accepted there, so only a pause can hold them back, and
    /// they get no reply.
    Primary,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyMode {
    On,
    Off,
    /// Skip the reply to the next command.
    SkipNext,
    /// Skip the reply to this command.
    Skip,
}

/// One connection's state.
pub(crate) struct Session {
    pub handle: Arc<ClientHandle>,
    pub origin: Origin,
    /// The barrier gate that this session's thread uses.
    pub gate: usize,
    pub protocol: Protocol,
    pub db: usize,
    pub authenticated: bool,
    /// READONLY: this client accepts reads from a replica in cluster mode.
    pub readonly: bool,
    /// ASKING: the next command, or the transaction that it opens, may use an importing slot.
    pub asking: bool,
    /// CLIENT CACHING was given for the next command, or the transaction that it opens.
    pub caching: bool,
    /// The keys that this client reads are remembered, to notify it of changes.
    pub tracks_reads: bool,
    /// `Some` once the client has tracked.
    pub tracking: Option<Box<OwnTracking>>,
    pub reply_mode: ReplyMode,
    /// The reply to the blocked command is not to be sent (CLIENT REPLY).
    pub is_reply_unwanted: bool,
    /// The command wrote pushes (confirmations of subscriptions), which CLIENT REPLY does not silence.
    pub pushed: bool,
    /// The error reply to a command of the primary's stream. It is not sent, but it shows that the two data sets now
    /// differ.
    pub stream_error: Option<String>,
    pub multi: Option<Box<Multi>>,
    /// The running commands are those of an EXEC.
    pub in_exec: bool,
    /// The running command is one that its script has called before, until it began again: a failure was counted then.
    pub is_repeated: bool,
    pub watched: Vec<Watched>,
    /// The flag that all watched keys share.
    pub watching: Option<Arc<Spoiled>>,
    /// The command this session waits in, if it is blocked.
    pub parked: Option<Arc<Parked>>,
    /// The command that is held back: by a pause, or by what another command has, as a slot or a gate, or by a key
    /// that is being sent.
    pub postponed: Option<OwnedArgs>,
    /// What it has made already, and does not make again (FUNCTION LOAD: what its code has registered).
    pub prepared: Option<Box<dyn Any>>,
    /// How often that command was parked since it came.
    pub attempts: u32,
    /// Memory is full, and no room could be made for its command. Only valid while `maxmemory` is set.
    pub out_of_memory: bool,
    /// Close once what is written has been sent (QUIT, protocol error).
    pub close_after_reply: bool,
    /// How many bytes may be queued for the client at once (`client-output-buffer-limit`).
    pub output_limit: usize,
    /// The limit was exceeded: nothing is sent, and the connection ends.
    pub over_limit: bool,
    /// The reply of the running command is written but must not be sent before this future ends: what it acknowledges
    /// is being done elsewhere, as a file on disk, a change of role inside EXEC, or the command of a client that was
    /// blocked.
    pub reply_after: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Replication offset after this session's last write, for WAIT.
    pub last_write_offset: i64,
    pub rng: Rng,
    /// The statistics of the present run of commands.
    pub tally: Tally,
    /// The calls of its scripts that are not counted yet.
    pub calls: Calls,
    /// What the blocked command costs its slot, if that is counted.
    pub owed_use: Option<(SlotId, Used)>,
    /// The command whose reply is still to come, until its latency is known.
    pub owed_latency: Option<Owed>,
    /// The output of EXEC, added up after each of its commands, if that is counted.
    pub exec_output: u64,
    /// The buffer of the long request that is being processed. A command that stores most of it keeps the buffer
    /// instead of a copy.
    pub lent: Option<Bytes>,
    /// Whether CLIENT NO-TOUCH is on.
    pub no_touch: bool,
    /// It is in MONITOR mode.
    pub is_monitor: bool,
    /// The next command was shown to monitors before: it runs again from the start.
    pub is_shown: bool,
    /// The machines of its thread that run scripts.
    pub vms: Rc<VmPool>,
    /// The script that it called last by its digest, and the generation of the scripts' cache then.
    pub last_script: Option<(u64, Arc<Script>)>,
    /// The function that it called last.
    pub last_function: Option<Box<LastFunction>>,
    /// Another handle of the connection's socket, once a command has needed one.
    pub socket: Option<SocketHandle>,
    /// What a subsystem stores with the connection (replication: what a replica announced about itself).
    pub attached: Option<Box<dyn Any>>,
}

impl Session {
    /// A fresh session of a connection that came from outside.
    pub(crate) fn new(handle: Arc<ClientHandle>, gate: usize, authenticated: bool, seed: u64) -> Self {
        Self {
            handle,
            origin: Origin::Client,
            gate,
            protocol: Protocol::Resp2,
            db: 0,
            authenticated,
            readonly: false,
            asking: false,
            caching: false,
            tracks_reads: false,
            tracking: None,
            reply_mode: ReplyMode::On,
            is_reply_unwanted: false,
            pushed: false,
            stream_error: None,
            multi: None,
            in_exec: false,
            is_repeated: false,
            watched: Vec::new(),
            watching: None,
            parked: None,
            postponed: None,
            prepared: None,
            attempts: 0,
            out_of_memory: false,
            close_after_reply: false,
            output_limit: usize::MAX,
            over_limit: false,
            reply_after: None,
            last_write_offset: 0,
            rng: Rng::new(seed),
            tally: Tally::default(),
            calls: Calls::default(),
            owed_use: None,
            owed_latency: None,
            exec_output: 0,
            lent: None,
            no_touch: false,
            is_monitor: false,
            is_shown: false,
            vms: Rc::default(),
            last_script: None,
            last_function: None,
            socket: None,
            attached: None,
        }
    }

    /// Whether the session is in RESP2's subscriber mode, where only a few commands are allowed.
    pub(crate) fn in_subscriber_mode(&self) -> bool {
        self.protocol == Protocol::Resp2 && self.handle.subscription_count() > 0
    }

    /// Holds the reply of the running command back until this has ended, and whatever it is held back for already.
    pub(crate) fn hold_reply(&mut self, until: impl Future<Output = ()> + 'static) {
        let before = self.reply_after.take();
        self.reply_after = Some(Box::pin(async move {
            if let Some(before) = before {
                before.await;
            }
            until.await;
        }));
    }

    /// The replies exceed the client's output limit. The commands are executed all the same, as in Redis.
    #[cold]
    pub(crate) fn exceed_output_limit(&mut self) {
        self.over_limit = true;
        self.close_after_reply = true;
    }

    /// A command was answered. ASKING was for it alone, refused or not; only a transaction keeps it to its end
    /// (`resetClient`).
    #[inline]
    pub(crate) fn spend_asking(&mut self) {
        self.asking &= self.in_multi();
    }

    /// A command ran: options that were given for one command are used up.
    #[cold]
    pub(crate) fn spend_on(&mut self, traits: Traits) {
        if !traits.has(Traits::KEEPS_ASKING) {
            self.spend_asking();
        }
        self.spend_caching(traits);
    }

    /// A command was answered. CLIENT CACHING was for it alone, as ASKING is, but it survives other CLIENT commands.
    pub(crate) fn spend_caching(&mut self, traits: Traits) {
        self.caching &= self.in_multi() || traits.has(Traits::KEEPS_CACHING);
    }

    /// Whether commands are being queued.
    #[inline]
    pub(crate) fn in_multi(&self) -> bool {
        self.multi.is_some()
    }
}
