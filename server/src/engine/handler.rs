//! What a command is made of: its declaration, its handler, and what a handler of the session or service kind sees.
//!
//! Keyed and keyspace handlers see a context of the data ([`crate::command`]); a session handler works on its
//! connection's state, a service handler on that of a subsystem above the engine, which plugs in as a [`Service`].

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use protocol::resp::Args;
use protocol::resp::reply::Reply;

use super::Engine;
use super::barrier::Pass;
use super::held::Held;
use super::hot::Hot;
use super::ports::Route;
use crate::command::{Arity, CmdError, Flags, KeyedFn, KeyspaceFn, KnownKey, Spec, Traits};
use crate::session::Session;
use crate::session::client::ClientHandle;

/// Subsystems above the engine that declare commands of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Subsystem {
    Persistence = 0,
    Replication = 1,
    Cluster = 2,
    Ops = 3,
}

/// How many subsystems there are.
pub(crate) const SUBSYSTEMS: usize = 4;

/// The handler of a command, by kind.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    Keyed(KeyedFn),
    Keyspace(KeyspaceFn),
    Session(SessionFn),
    /// Entry `index` of the subsystem's own table.
    Service {
        subsystem: Subsystem,
        index: usize,
    },
    /// A container: its subcommands do the work.
    Container,
}

/// One command of the registry.
pub(crate) struct Command {
    pub spec: &'static Spec,
    /// Copies of the spec's flags, at hand for the gates.
    pub flags: Flags,
    /// The spec's; a container's are its subcommands'.
    pub traits: Traits,
    pub arity: Arity,
    pub handler: Handler,
    /// Its number in the registry.
    pub index: usize,
    /// As replies print it: `get`, `client|getname`.
    pub full_name: String,
    /// Numbers of the subcommands of a container, sorted by name.
    pub subcommands: Vec<usize>,
    /// Whether its words may name keys, or channels that have a slot.
    pub has_keys: bool,
    /// Position of the only key of a keyed command that has just one and works in one database; it is looked up ahead
    /// of the command's turn. 0 for any other command, and for one that needs its sender.
    pub home: usize,
    /// Position of a key that is prefetched ahead of the command's turn: [`Command::home`], or the first key that a
    /// script declares. 0: none is.
    pub ahead: usize,
}

/// A future that a worker polls for a connection; its output is the reply's bytes.
pub(crate) type ReplyFuture = Pin<Box<dyn Future<Output = Vec<u8>>>>;

/// A command that runs a part at a time: a script, or a transaction with one. Dropped, it ends where it is, which is
/// for a node that ends: nobody is served who waits for what it has written.
pub(crate) trait Continued {
    /// Has it end with its next part, whatever it has done: its client was killed.
    fn cancel(&mut self);

    /// Runs the next part. Writes the reply if that was the last one; otherwise returns the rest. `unit` is as
    /// [`SessionCtx::unit`].
    fn go_on(
        self: Box<Self>,
        session: &mut Session,
        out: &mut Vec<u8>,
        unit: Option<&mut dyn Any>,
    ) -> Option<Box<dyn Continued>>;
}

/// The outcome of a session or service command.
pub(crate) enum Handled {
    /// The reply is written.
    Done,
    /// The reply comes later; the connection waits for it and runs nothing else meanwhile.
    Wait(ReplyFuture),
    /// Nothing was done: the command has to wait for its turn.
    Postponed(Held),
    /// The command has used up its share of time, and goes on when others have had theirs.
    Continued(Box<dyn Continued>),
    /// The connection is taken away from request processing.
    Handover(Handover),
}

/// Result of a session or service handler; an error is written to the client by the engine.
pub(crate) type SessionResult = Result<Handled, CmdError>;

/// A handler that works on the state of its connection.
pub(crate) type SessionFn = for<'c, 'x, 'e, 'a> fn(&'c mut SessionCtx<'x, 'e>, Args<'a>) -> SessionResult;

/// A subsystem above the engine that runs commands of its own table.
pub(crate) trait Service: Send + Sync {
    /// Runs entry `index` of the subsystem's table.
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult;
}

/// What a session or service handler sees.
pub(crate) struct SessionCtx<'a, 'e> {
    pub engine: &'a Arc<Engine>,
    pub session: &'a mut Session,
    pub reply: Reply<'a>,
    pub pass: &'a mut Pass<'e>,
    /// The command being run.
    pub command: &'a Command,
    /// What is known of its keys.
    pub keys: &'a [KnownKey<'a>],
    /// The directives that it obeys.
    pub hot: &'a Hot,
    /// The command's slot is moving, and its keys have not been looked for yet: EXEC does that.
    pub moving: Option<&'a Route>,
    /// Unix time in milliseconds, fixed for the command.
    pub now: i64,
    /// The transaction's [`Unit`](super::unit::Unit), if the command is a part of one: for scripts, whose effects
    /// belong there. Nobody else looks into it.
    pub unit: Option<&'a mut dyn Any>,
}

/// A request to take a connection away from request processing.
pub(crate) struct Handover {
    /// Takes the socket, bytes that were read but not yet parsed, and the handle.
    pub take: Box<dyn FnOnce(tokio::net::TcpStream, Vec<u8>, Arc<ClientHandle>) -> Pin<Box<dyn Future<Output = ()>>>>,
}
