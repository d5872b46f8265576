//! RESP, the client protocol: requests in, replies out.
//!
//! - [`request`] finds the arguments of the next command in the read buffer and says where they lie. Nothing is copied or
//!   allocated per command, and a command that arrives in pieces is never scanned twice.
//! - [`args`] are those places together with the buffer ([`Args`], what handlers see) or with bytes of their own
//!   ([`OwnedArgs`], for commands that outlive the buffer: MULTI queues, blocked clients, propagation).
//! - [`reply`] is the one writer of replies, and the one place where RESP2 and RESP3 differ: a handler says *what* it
//!   answers (a map, a double, a null) and the client's protocol decides how that looks.
//! - [`value`] reads replies into an owned tree, for the few who are clients themselves: MIGRATE, the replication
//!   handshake, tests.
//! - [`limits`] are the bounds a request must keep.

pub mod args;
pub mod limits;
pub mod reply;
pub mod request;
pub mod value;

pub use args::{ArgRange, ArgVec, Args, OwnedArgs};
pub use limits::Limits;
pub use reply::{DeferredLen, Protocol, Reply};
pub use request::{Parsed, ProtocolError, RequestParser};
pub use value::{ReplyError, ReplyParser, Value};
