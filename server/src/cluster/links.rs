//! Connections of the cluster bus: one task per link, on the control thread.
//!
//! A link's task reads frames and passes them to the core, and writes the packets that the core queued. The queue is
//! not bounded in messages but in bytes, by `cluster-link-sendbuf-limit`; a link beyond that is closed, as in Redis.
//! Removing a link from the registry ends its task.
//!
//! A link is a TCP connection, or a [`pipe`] to a node of the same process ([`super::local_buses`]). A pipe is itself a
//! queue, so there the task only reads.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gossip::LinkId;
use protocol::bus::{IpText, frame_len};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::driver::Cluster;
use super::local_buses::{Call, Listener};
use super::pipe::{self, End};
use crate::config::{ids, os_reason};
use crate::engine::info::{InfoSource, InfoWriter};

/// Room for reading at a time, bytes.
const READ_BYTES: usize = 16 * 1024;

/// The sending side of a link. Dropping it ends the link's task.
#[derive(Debug)]
pub(crate) enum LinkOut {
    Socket {
        queue: mpsc::UnboundedSender<Arc<[u8]>>,
        bytes: Arc<LinkBytes>,
        /// Dropped with the link; packets that are still queued are not sent.
        _open: oneshot::Sender<()>,
    },
    Pipe(pipe::Sender),
}

impl LinkOut {
    /// Bytes that wait to be written.
    pub(crate) fn queued_bytes(&self) -> usize {
        match self {
            Self::Socket { bytes, .. } => bytes.queued.load(Ordering::Relaxed),
            Self::Pipe(sender) => sender.waiting(),
        }
    }

    /// Queues a packet, and returns how many bytes wait then.
    fn send(&self, packet: Arc<[u8]>) -> usize {
        match self {
            Self::Socket { queue, bytes, .. } => {
                let queued = bytes.queued.fetch_add(packet.len(), Ordering::Relaxed) + packet.len();
                // A task that has just ended reports the end of its link itself.
                let _ = queue.send(packet);
                queued
            }
            Self::Pipe(sender) => sender.send(packet),
        }
    }

    /// The memory of a link: unwritten bytes, and its read buffer.
    fn memory(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Socket { bytes, .. } => {
                    size_of::<LinkBytes>() + self.queued_bytes() + bytes.read.load(Ordering::Relaxed)
                }
                Self::Pipe(sender) => sender.held(),
            }
    }
}

/// The sizes of a link's buffers.
#[derive(Debug, Default)]
pub(crate) struct LinkBytes {
    /// Queued and not yet written.
    queued: AtomicUsize,
    /// Size of the read buffer; it grows with a packet that has not arrived completely.
    read: AtomicUsize,
}

/// The receiving side of the queue, for the task.
struct Outbox {
    queue: mpsc::UnboundedReceiver<Arc<[u8]>>,
    bytes: Arc<LinkBytes>,
    closed: oneshot::Receiver<()>,
}

/// A connection to a peer.
enum Connection {
    Socket(TcpStream),
    /// With our own address.
    Pipe(End, IpAddr),
}

impl Cluster {
    fn add_link(&self, link: LinkId) -> Outbox {
        let (sender, receiver) = mpsc::unbounded_channel();
        let bytes = Arc::new(LinkBytes::default());
        let (_open, closed) = oneshot::channel();
        self.links.lock().insert(link, LinkOut::Socket { queue: sender, bytes: bytes.clone(), _open });
        Outbox { queue: receiver, bytes, closed }
    }

    /// Queues a packet.
    pub(super) fn send(self: &Arc<Self>, link: LinkId, bytes: Arc<[u8]>) {
        let limit = self.engine.config.memory(ids::CLUSTER_LINK_SENDBUF_LIMIT) as usize;
        let mut links = self.links.lock();
        let Some(out) = links.get(&link) else { return };
        let queued = out.send(bytes);
        if limit != 0 && queued > limit {
            links.remove(&link);
            drop(links);
            // The core's lock is held, so this must be done right after.
            let cluster = self.clone();
            self.control.spawn(move |_| async move {
                cluster.with_core(|core, now| {
                    core.count_link_over_limit();
                    core.handle_link_closed(link, now);
                });
            });
        }
    }

    /// Opens a connection to a peer's bus port. `host` is what the peer announces: an address or a name.
    pub(super) fn open_link(self: &Arc<Self>, link: LinkId, host: &str, port: u16) {
        let outbox = self.add_link(link);
        let (cluster, host) = (self.clone(), host.to_owned());
        let patience =
            Duration::from_millis(self.engine.config.int(ids::CLUSTER_NODE_TIMEOUT).clamp(100, 15_000) as u64);
        self.control.spawn(move |_| async move {
            // However a link ends, the core is told that it closed.
            match cluster.reach(&host, port, patience).await {
                Some(Connection::Socket(stream)) => {
                    let _ = stream.set_nodelay(true);
                    cluster.note_connected(link, local_ip(&stream));
                    let _ = cluster.run_link(link, stream, outbox).await;
                }
                Some(Connection::Pipe((sender, receiver), local)) => {
                    cluster.pass_to_pipe(link, sender);
                    // A pipe has its own queue.
                    drop(outbox);
                    cluster.note_connected(link, ip_text(local));
                    let _ = cluster.run_pipe(link, receiver).await;
                }
                None => {}
            }
            cluster.end_link(link);
        });
    }

    /// Turns the link into a pipe. Nothing has been queued for it yet, since the core waits until it is connected. If
    /// the link was removed meanwhile, this closes the pipe.
    fn pass_to_pipe(&self, link: LinkId, sender: pipe::Sender) {
        if let Some(out) = self.links.lock().get_mut(&link) {
            *out = LinkOut::Pipe(sender);
        }
    }

    fn note_connected(self: &Arc<Self>, link: LinkId, local: IpText) {
        self.with_facts(|core, now| core.handle_link_connected(link, local, now));
    }

    /// Connects to the first of the host's addresses that answers. A failure is logged; an unknown name as a warning,
    /// since it is an operator's mistake that would otherwise go unnoticed.
    async fn reach(&self, host: &str, port: u16, patience: Duration) -> Option<Connection> {
        let addresses = match tokio::time::timeout(patience, self.names.resolve(host)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(reason)) => {
                if self.names.is_news(host) {
                    let text = format_args!("Cannot find the address of Cluster Node {host}:{port}: {reason}");
                    self.engine.log.warning(text);
                }
                return None;
            }
            Err(_) => {
                let text = format_args!("The address of Cluster Node {host}:{port} is still being looked up");
                self.engine.log.verbose(text);
                return None;
            }
        };
        let each = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in addresses.iter() {
            let reason = match tokio::time::timeout(each, self.connect((*address, port).into())).await {
                Ok(Ok(connection)) => return Some(connection),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            let text = format_args!("Unable to connect to Cluster Node [{address}]:{port} -> {reason}");
            self.engine.log.debug(text);
        }
        None
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Connection> {
        let source = self.engine.config.string(ids::BIND_SOURCE_ADDR).parse().ok();
        if let Some((end, local)) = self.buses.connect(address, source).await? {
            return Ok(Connection::Pipe(end, local));
        }
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if !self.may_keep(&socket) {
            return Err(io::Error::other("the last file descriptors are for files"));
        }
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        socket.connect(address).await.map(Connection::Socket)
    }

    /// Whether a link may keep this socket's descriptor: the last ones of the process are reserved for files.
    fn may_keep(&self, socket: &impl AsRawFd) -> bool {
        self.engine.clients.descriptors.get().is_none_or(|all| all.allows_link(socket.as_raw_fd()))
    }

    /// Accepts peers until dropped.
    pub(crate) async fn accept_bus(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // The peer will try again.
                    if !self.may_keep(&stream) {
                        continue;
                    }
                    let _ = stream.set_nodelay(true);
                    let (local, peer) = (local_ip(&stream), ip_text(peer.ip()));
                    let link = self.with_core(|core, now| core.handle_link_accepted(peer, local, now));
                    let outbox = self.add_link(link);
                    let cluster = self.clone();
                    self.control.spawn(move |_| async move {
                        let _ = cluster.run_link(link, stream, outbox).await;
                        cluster.end_link(link);
                    });
                }
                Err(error) => {
                    self.engine.log.verbose(format_args!("Error accepting cluster node: {}", os_reason(&error)));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// Accepts the nodes of the process until dropped.
    pub(crate) async fn accept_local(self: Arc<Self>, mut listener: Listener) {
        while let Some(Call { end: (sender, receiver), from, to }) = listener.accept().await {
            let link = self.with_core(|core, now| core.handle_link_accepted(ip_text(from), ip_text(to), now));
            self.links.lock().insert(link, LinkOut::Pipe(sender));
            let cluster = self.clone();
            self.control.spawn(move |_| async move {
                let _ = cluster.run_pipe(link, receiver).await;
                cluster.end_link(link);
            });
        }
    }

    fn end_link(self: &Arc<Self>, link: LinkId) {
        self.links.lock().remove(&link);
        self.with_core(|core, now| core.handle_link_closed(link, now));
    }

    async fn run_link(self: &Arc<Self>, link: LinkId, stream: TcpStream, outbox: Outbox) -> io::Result<()> {
        let (mut reader, mut writer) = stream.into_split();
        let Outbox { mut queue, bytes: counted, closed } = outbox;
        let unsent = counted.clone();
        let write = async move {
            while let Some(bytes) = queue.recv().await {
                writer.write_all(&bytes).await?;
                unsent.queued.fetch_sub(bytes.len(), Ordering::Relaxed);
            }
            Ok(())
        };
        let read = async {
            let mut buffer: Vec<u8> = Vec::new();
            loop {
                buffer.reserve(READ_BYTES);
                counted.read.store(buffer.capacity(), Ordering::Relaxed);
                if reader.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
                self.wait_until_awake().await;
                let used = self.take_frames(link, &buffer)?;
                buffer.drain(..used);
                if buffer.is_empty() && buffer.capacity() > READ_BYTES * 4 {
                    buffer = Vec::new();
                }
            }
        };
        tokio::select! {
            result = write => result,
            result = read => result,
            _ = closed => Ok(()),
        }
    }

    /// The same for a pipe: packets of the core leave without this task.
    async fn run_pipe(self: &Arc<Self>, link: LinkId, mut receiver: pipe::Receiver) -> io::Result<()> {
        while let Some(packet) = receiver.receive().await {
            self.wait_until_awake().await;
            self.take_frames(link, &packet)?;
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    /// DEBUG SLEEP stops the bus as well; packets that arrive meanwhile are read afterwards.
    pub(super) async fn wait_until_awake(&self) {
        loop {
            let asleep_ms = self.engine.state.asleep_ms(self.engine.clock.now_ms());
            if asleep_ms == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(asleep_ms as u64)).await;
        }
    }

    /// Passes every complete frame to the core, and returns their total length.
    fn take_frames(self: &Arc<Self>, link: LinkId, buffer: &[u8]) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let rest = &buffer[used..];
            match frame_len(rest) {
                Ok(Some(len)) if rest.len() >= len => {
                    self.with_facts(|core, now| core.handle_packet(link, &rest[..len], now));
                    used += len;
                }
                Ok(_) => break,
                Err(_) => {
                    self.engine.log.warning(format_args!("Bad message length or signature received from Cluster bus."));
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(used)
    }
}

impl InfoSource for Cluster {
    fn section(&self, _section: &str, _out: &mut InfoWriter) -> bool {
        false
    }

    fn number(&self, field: &str) -> Option<i64> {
        match field {
            "cluster_connections" => Some(self.links.lock().len() as i64),
            "mem_cluster_links" => {
                let queued = self.unconnected_bytes();
                Some((queued + self.links.lock().values().map(LinkOut::memory).sum::<usize>()) as i64)
            }
            _ => None,
        }
    }
}

fn local_ip(stream: &TcpStream) -> IpText {
    stream.local_addr().map(|addr| ip_text(addr.ip())).unwrap_or_default()
}

fn ip_text(ip: IpAddr) -> IpText {
    // An IPv4 peer of an IPv6 socket counts as an IPv4 peer.
    ip.to_canonical().to_string().parse().unwrap_or_default()
}
