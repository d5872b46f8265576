//! RESP, the client protocol: requests in, replies out.
//!
//! - [`request`] finds the arguments of the next command in the read buffer. Nothing is copied or allocated per
//!   command, and a command that arrives in pieces is never scanned twice.
//! - [`args`] combines these positions with the buffer ([`Args`], what handlers see) or with a copy of the bytes
//!   ([`OwnedArgs`], for commands that outlive the buffer: MULTI queues, blocked clients, propagation).
//! - [`reply`] is the one writer of replies, and the one place where RESP2 and RESP3 differ: a handler says *what* it
//!   replies (a map, a double, a null) and the client's protocol decides how that looks.
//! - [`value`] reads replies into an owned tree, for the parts that are clients themselves: MIGRATE, the replication
//!   handshake, tests.
//! - [`limits`] are the bounds of a request.
//!
//! # The life of a request
//!
//! A connection has one [`RequestParser`], one [`ArgVec`] and a read buffer. It parses, executes, and skips the
//! consumed bytes, until the parser asks for more:
//!
//! ```
//! use protocol::resp::{ArgVec, Args, Limits, Parsed, Protocol, Reply, RequestParser};
//!
//! let mut buf = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nECHO 'two words'\r\n*2\r\n$4\r\nECH".to_vec();
//! let (mut parser, mut ranges, mut out) = (RequestParser::new(), ArgVec::new(), Vec::new());
//! let limits = Limits::authenticated(512 * 1024 * 1024);
//! let mut at = 0;
//! loop {
//!     match parser.parse(&mut buf[at..], &limits, &mut ranges) {
//!         Ok(Parsed::Command { consumed }) => {
//!             let args = Args::new(&buf[at..], &ranges);
//!             Reply::new(&mut out, Protocol::Resp2).bulk(&args[1]);
//!             at += consumed;
//!         }
//!         Ok(Parsed::Empty { consumed }) => at += consumed,
//!         Ok(Parsed::Incomplete { .. }) => break, // keep what is left, read more behind it
//!         Err(error) => {
//!             Reply::new(&mut out, Protocol::Resp2).error([b"ERR ", &error.text()[..]].concat());
//!             break; // and close once that is sent
//!         }
//!     }
//! }
//! assert_eq!(out, b"$5\r\nhello\r\n$9\r\ntwo words\r\n");
//! assert_eq!(&buf[at..], b"*2\r\n$4\r\nECH");
//! ```
//!
//! Three things to know when driving it:
//!
//! - The limits apply at the moment of parsing, and AUTH changes them. If a client authenticates in the middle of a
//!   pipeline, the commands after AUTH must be parsed after it ran, as in Redis; otherwise long ones are wrongly
//!   refused.
//! - [`Parsed::Incomplete`] says how long the buffer must become. Inside a large bulk that saves useless attempts, but
//!   it repeats the sender's claim: let the buffer grow with the bytes that arrive.
//! - After a [`ProtocolError`] the start of the next request is unknown. The reply is the last thing that client gets.
//!
//! # What RESP3 adds, and what RESP2 gets instead
//!
//! | reply | RESP3 | RESP2 |
//! |---|---|---|
//! | [`null`](Reply::null), [`null_array`](Reply::null_array) | `_` | `$-1`, `*-1` |
//! | [`map`](Reply::map) of n pairs | `%n` | `*2n` |
//! | [`set`](Reply::set), [`push`](Reply::push) of n | `~n`, `>n` | `*n` |
//! | [`double`](Reply::double) | `,3.5` | `$3 3.5` |
//! | [`boolean`](Reply::boolean) | `#t`, `#f` | `:1`, `:0` |
//! | [`big_number`](Reply::big_number) | `(123` | `$3 123` |
//! | [`verbatim`](Reply::verbatim) | `=6 txt:hi` | `$2 hi` |
//!
//! Everything else looks the same in both. If a command replies with another *shape* to RESP3 clients (ZRANGE
//! WITHSCORES gives pairs), the command decides that itself: it asks [`Reply::protocol`].

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
