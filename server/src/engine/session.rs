//! The state of one client connection, and what session handlers may touch.
//!
//! A session belongs to the worker that runs its connection and is never shared; what others need of it goes through its
//! [`ClientHandle`]. The stream from a primary and a file being loaded are sessions too: they run the same commands through the
//! same dispatch, with an [`Origin`] that lifts the gates that are meant for clients.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::resp::reply::{Protocol, Reply};
use protocol::resp::{Args, OwnedArgs};

use super::Engine;
use super::barrier::Pass;
use super::blocking::Parked;
use super::client::ClientHandle;
use super::execute::Tally;
use super::held::Held;
use super::ports::Route;
use super::registry::Command;
use super::tracking::OwnTracking;
use super::transaction::{Multi, Watched};
use crate::base::rng::Rng;
use crate::command::{CmdError, Traits};
use crate::store::Spoiled;

/// Where a session's commands come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// The replication stream of our primary: already accepted there, so no gate but a pause applies, and nothing is answered.
    Primary,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    On,
    Off,
    /// Skip the reply to the next command.
    SkipNext,
    /// Skip the reply to this command.
    Skip,
}

/// A future that a worker polls for a connection; its output is the reply's bytes.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Vec<u8>>>>;

/// What became of a session or service command.
pub enum Handled {
    /// The reply is written.
    Done,
    /// The reply comes later; the connection waits for it and runs nothing else meanwhile.
    Wait(ReplyFuture),
    /// Nothing was done: the command has to wait for its turn.
    Postponed(Held),
}

/// Result of a session or service handler; an error is written to the client by the engine.
pub type SessionResult = Result<Handled, CmdError>;

/// A handler that works on the state of its connection.
pub type SessionFn = for<'c, 'x, 'e, 'a> fn(&'c mut SessionCtx<'x, 'e>, Args<'a>) -> SessionResult;

/// A subsystem above the engine that runs commands of its own table.
pub trait Service: Send + Sync {
    /// Runs entry `index` of the subsystem's table.
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult;
}

/// What a session or service handler sees.
pub struct SessionCtx<'a, 'e> {
    pub engine: &'a Arc<Engine>,
    pub session: &'a mut Session,
    pub reply: Reply<'a>,
    pub pass: &'a mut Pass<'e>,
    /// The command being run.
    pub command: &'a Command,
    /// Unix time in milliseconds, fixed for the command.
    pub now: i64,
}

/// One connection's state.
pub struct Session {
    pub handle: Arc<ClientHandle>,
    pub origin: Origin,
    /// Which gate of the barrier this session's thread goes through.
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
    /// What it reads is remembered, to tell it of changes.
    pub tracks_reads: bool,
    /// It has tracked at any time.
    pub tracking: Option<Box<OwnTracking>>,
    pub reply_mode: ReplyMode,
    /// What the command wrote are pushes (confirmations of subscriptions), which CLIENT REPLY does not silence.
    pub pushed: bool,
    /// The error with which a command of the primary's stream was answered; nobody reads that answer, but the two data sets are no
    /// longer the same.
    pub stream_error: Option<String>,
    pub multi: Option<Box<Multi>>,
    /// The slot of the EXEC that comes now is moving.
    pub exec_route: Option<Route>,
    /// The commands that run are those of an EXEC.
    pub in_exec: bool,
    pub watched: Vec<Watched>,
    /// Shared by the flags of all watched keys.
    pub watching: Option<Arc<Spoiled>>,
    /// The command this session waits in, if it is blocked.
    pub parked: Option<Arc<Parked>>,
    /// The command that a pause holds back.
    pub postponed: Option<OwnedArgs>,
    /// How often that command was parked since it came.
    pub attempts: u32,
    /// Close once what is written has been sent (QUIT, protocol error).
    pub close_after_reply: bool,
    /// How much the client may be sent at once, bytes (`client-output-buffer-limit`).
    pub output_limit: usize,
    /// It would have been more: nothing is sent, and the connection ends.
    pub over_limit: bool,
    /// The connection turns into a replica's link after this command (PSYNC); its owner takes the socket over.
    pub handover: Option<Handover>,
    /// The reply of the command that runs is not to be sent before this is over, although it is written: a change that cannot be
    /// made inside EXEC is made right after it, and the client must not hear of it before.
    pub reply_after: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Replication offset after this session's last write, for WAIT.
    pub last_write_offset: i64,
    pub rng: Rng,
    /// What the present run of commands is to be counted for.
    pub tally: Tally,
    /// The buffer of the long request that is being processed: who stores most of it keeps the buffer instead of a copy.
    pub lent: Option<Bytes>,
    /// Whether CLIENT NO-TOUCH is on.
    pub no_touch: bool,
    /// A raw word that the engine leaves to higher ranks (REPLCONF's announcements).
    pub replica_facts: ReplicaFacts,
}

/// What a replica says of itself with REPLCONF before PSYNC.
#[derive(Clone, Debug, Default)]
pub struct ReplicaFacts {
    pub listening_port: i32,
    pub ip_address: String,
    pub capa_eof: bool,
    pub capa_psync2: bool,
    pub rdb_only: bool,
    pub rdb_filter_data: bool,
    pub version: u32,
}

/// A request to take a connection away from request processing.
pub struct Handover {
    /// Gets the socket, bytes that were read but not yet parsed, and the handle.
    pub take: Box<dyn FnOnce(tokio::net::TcpStream, Vec<u8>, Arc<ClientHandle>) -> Pin<Box<dyn Future<Output = ()>>>>,
}

impl Session {
    /// A fresh session of a connection that came from outside.
    pub fn new(handle: Arc<ClientHandle>, gate: usize, authenticated: bool, seed: u64) -> Self {
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
            pushed: false,
            stream_error: None,
            multi: None,
            exec_route: None,
            in_exec: false,
            watched: Vec::new(),
            watching: None,
            parked: None,
            postponed: None,
            attempts: 0,
            close_after_reply: false,
            output_limit: usize::MAX,
            over_limit: false,
            handover: None,
            reply_after: None,
            last_write_offset: 0,
            rng: Rng::new(seed),
            tally: Tally::default(),
            lent: None,
            no_touch: false,
            replica_facts: ReplicaFacts::default(),
        }
    }

    /// Whether the session is in RESP2's subscriber mode, where only a few commands are allowed.
    pub fn in_subscriber_mode(&self) -> bool {
        self.protocol == Protocol::Resp2 && self.handle.subscription_count() > 0
    }

    /// The replies are too much for the client's output buffer. What it asked for is done all the same, as by Redis.
    #[cold]
    pub fn exceed_output_limit(&mut self) {
        self.over_limit = true;
        self.close_after_reply = true;
    }

    /// A command was answered: ASKING held for it alone, refused or not. Only a transaction keeps it to its end (`resetClient`).
    #[inline]
    pub fn spend_asking(&mut self) {
        self.asking &= self.in_multi();
    }

    /// A command ran: what was given for one command alone is used up.
    #[cold]
    pub fn spend_on(&mut self, command: &Command) {
        if !command.traits.has(Traits::KEEPS_ASKING) {
            self.spend_asking();
        }
        self.spend_caching(Some(command));
    }

    /// A command was answered: CLIENT CACHING held for it alone, as ASKING does; but it holds through other CLIENT commands.
    pub fn spend_caching(&mut self, command: Option<&Command>) {
        self.caching &= self.in_multi() || command.is_some_and(|command| command.traits.has(Traits::KEEPS_CACHING));
    }

    /// Whether commands are being queued.
    #[inline]
    pub fn in_multi(&self) -> bool {
        self.multi.is_some()
    }
}

/// A command kept for later: its number in the registry and its words.
#[derive(Clone, Debug)]
pub struct Queued {
    pub command: usize,
    pub args: OwnedArgs,
}

/// How long a blocked or waiting command may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Forever,
    For(Duration),
}
