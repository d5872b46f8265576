//! A blocking client over one socket, which keeps the exact bytes of every reply.
//!
//! `call` is for tests that want a reply; `send` and `frame` are for tests of bytes, order and silence: pipelines,
//! blocked commands, pushes, protocol errors.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::resp::{self, ParseError, Value};

/// How long `call` waits for a reply. Generous: with two cores and twelve servers a correct reply may be late.
pub const REPLY_LIMIT: Duration = Duration::from_secs(20);

/// Why no reply came.
#[derive(Debug)]
pub enum Silence {
    /// Nothing (or half a reply) came in time. The bytes so far are kept.
    Timeout,
    /// The server closed the connection after these unread bytes.
    Closed(Vec<u8>),
    /// The bytes are not RESP.
    Broken(String),
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Client {
    /// Connects to a local port.
    pub fn connect(port: u16) -> io::Result<Self> {
        Self::connect_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Connects to an address within five seconds.
    pub fn connect_to(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { stream, pending: Vec::new() })
    }

    /// The local address, by which the server lists this client.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Another handle of the socket, for a thread that only sends.
    pub fn sender(&self) -> TcpStream {
        self.stream.try_clone().expect("there is a descriptor left")
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one command and does not wait.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<()> {
        self.send_raw(&resp::encode(args))
    }

    /// Shuts down the sending half, like a client that sends nothing more.
    pub fn shutdown_write(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// The exact bytes of the next reply.
    pub fn frame(&mut self, limit: Duration) -> Result<Vec<u8>, Silence> {
        self.next(limit).map(|(_, bytes)| bytes)
    }

    /// The exact bytes of the next reply, if it has already arrived. Socket timeouts are whole ticks of the kernel's
    /// clock, which is far too long for checking many clients in turn.
    pub fn arrived(&mut self) -> Option<Vec<u8>> {
        let _ = self.stream.set_nonblocking(true);
        let frame = self.frame(Duration::from_micros(50)).ok();
        let _ = self.stream.set_nonblocking(false);
        frame
    }

    /// The next reply.
    pub fn reply(&mut self, limit: Duration) -> Result<Value, Silence> {
        self.next(limit).map(|(value, _)| value)
    }

    fn next(&mut self, limit: Duration) -> Result<(Value, Vec<u8>), Silence> {
        let deadline = Instant::now() + limit;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match resp::parse(&self.pending) {
                Ok((value, len)) => {
                    let rest = self.pending.split_off(len);
                    return Ok((value, std::mem::replace(&mut self.pending, rest)));
                }
                Err(ParseError::Broken(line)) => return Err(Silence::Broken(line)),
                Err(ParseError::Incomplete) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Silence::Timeout);
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Silence::Closed(std::mem::take(&mut self.pending))),
                Ok(n) => self.pending.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(_) => return Err(Silence::Closed(std::mem::take(&mut self.pending))),
            }
        }
    }

    /// Sends a command and returns its reply; an error if the connection fails or stays silent for `limit`.
    pub fn try_call_within<A: AsRef<[u8]>>(&mut self, args: &[A], limit: Duration) -> io::Result<Value> {
        self.send(args)?;
        self.reply(limit).map_err(|silence| match silence {
            Silence::Timeout => io::Error::new(ErrorKind::TimedOut, "no reply in time"),
            Silence::Closed(_) => io::Error::new(ErrorKind::ConnectionReset, "connection closed"),
            Silence::Broken(line) => io::Error::new(ErrorKind::InvalidData, line),
        })
    }

    /// Sends a command and returns its reply.
    pub fn try_call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.try_call_within(args, REPLY_LIMIT)
    }

    /// Sends a command and returns its reply.
    ///
    /// # Panics
    /// When the connection fails or stays silent.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.try_call(args).unwrap_or_else(|error| {
            let shown: Vec<String> = args.iter().take(20).map(|a| a.as_ref().escape_ascii().to_string()).collect();
            panic!("no reply to {:.200}: {error}", shown.join(" "))
        })
    }

    /// Sends a command line with redis-cli's quoting and returns its reply.
    ///
    /// # Panics
    /// When the connection fails or stays silent.
    #[track_caller]
    pub fn cmd(&mut self, line: &str) -> Value {
        self.call(&resp::split_line(line))
    }

    /// Like [`Client::cmd`], for commands that must answer `+OK`.
    ///
    /// # Panics
    /// When the reply is anything else.
    #[track_caller]
    pub fn ok(&mut self, line: &str) {
        let reply = self.cmd(line);
        assert!(reply.is_ok(), "{line}: {reply:?}");
    }

    /// Reads until `enough` returns how many of the bytes it wants, and takes those.
    fn read_raw(&mut self, limit: Duration, enough: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        let deadline = Instant::now() + limit;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            if let Some(count) = enough(&self.pending) {
                let rest = self.pending.split_off(count);
                return std::mem::replace(&mut self.pending, rest);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "only {} bytes came in {limit:?}", self.pending.len());
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("the connection was closed after {}", self.pending.escape_ascii()),
                Ok(n) => self.pending.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(e) => panic!("reading failed: {e}"),
            }
        }
    }

    /// The next line, without its end: for data that is not RESP, such as a replica's link.
    ///
    /// # Panics
    /// When none comes in time.
    #[track_caller]
    pub fn line(&mut self, limit: Duration) -> String {
        let line = self.read_raw(limit, |bytes| bytes.iter().position(|b| *b == b'\n').map(|end| end + 1));
        String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next `count` bytes.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn read_exactly(&mut self, count: usize, limit: Duration) -> Vec<u8> {
        self.read_raw(limit, |bytes| (bytes.len() >= count).then_some(count))
    }

    /// Everything up to a mark, which must come last, and is dropped.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn read_until(&mut self, mark: &[u8], limit: Duration) -> Vec<u8> {
        let mut bytes = self.read_raw(limit, |bytes| bytes.ends_with(mark).then_some(bytes.len()));
        bytes.truncate(bytes.len() - mark.len());
        bytes
    }

    /// Expects the server to close the connection; returns what it had said before, unread frames included.
    ///
    /// # Panics
    /// When it stays open for longer than `limit`.
    #[track_caller]
    pub fn expect_close(&mut self, limit: Duration) -> Vec<u8> {
        let mut said = Vec::new();
        loop {
            match self.frame(limit) {
                Ok(frame) => said.extend_from_slice(&frame),
                Err(Silence::Closed(rest)) => {
                    said.extend_from_slice(&rest);
                    return said;
                }
                Err(other) => panic!("the connection was not closed: {other:?}, after {}", said.escape_ascii()),
            }
        }
    }
}
