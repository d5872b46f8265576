//! The socket to the primary, with bytes that were read and not used; and why a link ends.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// Bytes read at once.
pub(super) const READ_CHUNK: usize = 128 * 1024;
/// The longest line of a handshake, bytes.
const MAX_LINE: usize = 64 * 1024;

/// Why a link ended.
#[derive(Debug)]
pub(in crate::replication) enum End {
    /// The role has changed.
    Stale,
    Lost(String),
    Refused(String),
}

impl End {
    /// CLIENT KILL, or a change of the role, closed it.
    pub(super) fn killed() -> Self {
        Self::Lost("killed".to_owned())
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// Connects, from an address of this machine if one is given. If that does not work, from any, as Redis does.
pub(super) async fn connect(host: &str, port: u16, source: Option<IpAddr>) -> io::Result<TcpStream> {
    if let Some(source) = source {
        for address in lookup_host((host, port)).await?.filter(|address| address.is_ipv4() == source.is_ipv4()) {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if socket.bind(SocketAddr::new(source, 0)).is_ok()
                && let Ok(stream) = socket.connect(address).await
            {
                return Ok(stream);
            }
        }
    }
    TcpStream::connect((host, port)).await
}

/// A connection to the primary.
pub(super) struct Wire {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
    pub patience: Duration,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, buffer: Vec::new(), patience }
    }

    /// Reads more bytes, after those present.
    pub(super) async fn more(&mut self) -> Result<(), End> {
        self.buffer.reserve(READ_CHUNK);
        match timeout(self.patience, self.stream.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => Err(End::Lost("Connection closed".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(End::Lost("Timeout".to_owned())),
        }
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> Result<Vec<u8>, End> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(End::Refused("Bad protocol from MASTER: line too long".to_owned()));
            }
            self.more().await?;
        }
    }
}
