//! What the rest of the node may know of a connection, and how to reach it.
//!
//! A connection's [`crate::session::Session`] belongs to one worker and is never shared. CLIENT LIST, CLIENT KILL, a
//! message published to it and the reply to its blocked command all go through its [`ClientHandle`]: a few atomics, and
//! a mailbox that wakes the connection's task. Sending to a client that is gone is harmless.

mod mailbox;
pub(crate) mod parked;
pub(crate) mod subscriptions;
pub(crate) mod tracker;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use atomic_waker::AtomicWaker;
use parking_lot::Mutex;
use protocol::resp::reply::Protocol;

use crate::store::Spoiled;
pub(crate) use mailbox::Mail;
use parked::Parked;
use subscriptions::Subscriptions;
use tracker::Tracker;

/// A client's number, never reused within a node.
pub(crate) type ClientId = u64;

/// What kind of peer a connection is (CLIENT LIST TYPE, CLIENT KILL TYPE, output limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ClientKind {
    Normal = 0,
    Primary = 1,
    Replica = 2,
    PubSub = 3,
}

impl ClientKind {
    fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::Primary,
            2 => Self::Replica,
            3 => Self::PubSub,
            _ => Self::Normal,
        }
    }
}

/// Rarely changing texts of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientTexts {
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    pub user: String,
}

/// Counters that CLIENT LIST prints; written by the connection's worker, read by anyone.
#[derive(Debug, Default)]
pub(crate) struct ClientStats {
    pub db: AtomicUsize,
    pub last_interaction_ms: AtomicI64,
    /// Index of the last command in the registry plus one; 0 is none yet.
    pub last_command: AtomicU32,
    pub channels: AtomicUsize,
    pub patterns: AtomicUsize,
    pub shard_channels: AtomicUsize,
    /// Queued commands, or -1 outside MULTI.
    pub multi: AtomicI64,
    /// Bytes of the queued commands.
    pub multi_mem: AtomicUsize,
    /// Bytes that were read and not executed yet.
    pub query_buffer: AtomicUsize,
    /// Free bytes in the same buffer.
    pub query_buffer_free: AtomicUsize,
    pub output_buffer: AtomicUsize,
    pub protocol: AtomicU8,
    pub blocked: AtomicBool,
    /// A pause holds this client's command back.
    pub paused: AtomicBool,
    /// It waits for a reply.
    pub is_owed: AtomicBool,
    pub readonly: AtomicBool,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    /// It is in MONITOR mode.
    pub monitor: AtomicBool,
    pub total_in: AtomicU64,
    pub total_out: AtomicU64,
}

/// The shared side of a connection.
pub(crate) struct ClientHandle {
    pub id: ClientId,
    pub addr: String,
    pub local_addr: String,
    /// The addresses of the client and of this end, without the ports.
    pub ends: Option<(IpAddr, IpAddr)>,
    pub fd: i32,
    pub created_ms: i64,
    pub stats: ClientStats,
    pub texts: Mutex<ClientTexts>,
    kind: AtomicU8,
    mail: Mutex<Vec<Mail>>,
    mail_bytes: AtomicUsize,
    has_mail: AtomicBool,
    killed: AtomicBool,
    waker: AtomicWaker,
    parked: Mutex<Option<Arc<Parked>>>,
    /// Set when a watched key is changed; the session has it too.
    pub watching: Mutex<Option<Arc<Spoiled>>>,
    /// How the client tracks what it has read.
    pub tracker: Tracker,
    /// What this client is subscribed to. The session changes it, and so does the cluster when a slot leaves.
    pub subscriptions: Mutex<Subscriptions>,
}

impl fmt::Debug for ClientHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} of {}", self.id, self.addr)
    }
}

impl ClientHandle {
    /// A handle for a connection that was just accepted.
    pub(crate) fn new(id: ClientId, addr: String, local_addr: String, fd: i32, now_ms: i64) -> Arc<Self> {
        let stats = ClientStats::default();
        stats.last_interaction_ms.store(now_ms, Ordering::Relaxed);
        stats.multi.store(-1, Ordering::Relaxed);
        stats.protocol.store(2, Ordering::Relaxed);
        let ip = |text: &str| text.parse().map(|address: SocketAddr| address.ip()).ok();
        Arc::new(Self {
            id,
            ends: ip(&addr).zip(ip(&local_addr)),
            addr,
            local_addr,
            fd,
            created_ms: now_ms,
            stats,
            texts: Mutex::new(ClientTexts { user: "default".to_owned(), ..ClientTexts::default() }),
            kind: AtomicU8::new(ClientKind::Normal as u8),
            mail: Mutex::new(Vec::new()),
            mail_bytes: AtomicUsize::new(0),
            has_mail: AtomicBool::new(false),
            killed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            parked: Mutex::new(None),
            watching: Mutex::default(),
            tracker: Tracker::default(),
            subscriptions: Mutex::default(),
        })
    }

    /// Notes the command that this client waits in. Only its own session calls this.
    pub(crate) fn park(&self, parked: Option<Arc<Parked>>) {
        self.stats.blocked.store(parked.is_some(), Ordering::Relaxed);
        *self.parked.lock() = parked;
    }

    /// The command that this client waits in.
    pub(crate) fn parked(&self) -> Option<Arc<Parked>> {
        self.parked.lock().clone()
    }

    /// How many subscriptions this client has, of all kinds.
    #[inline]
    pub(crate) fn subscription_count(&self) -> usize {
        let stats = &self.stats;
        stats.channels.load(Ordering::Relaxed)
            + stats.patterns.load(Ordering::Relaxed)
            + stats.shard_channels.load(Ordering::Relaxed)
    }

    /// The protocol that this client speaks now.
    pub(crate) fn protocol(&self) -> Protocol {
        if self.stats.protocol.load(Ordering::Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    pub(crate) fn kind(&self) -> ClientKind {
        ClientKind::from_u8(self.kind.load(Ordering::Relaxed))
    }

    pub(crate) fn set_kind(&self, kind: ClientKind) {
        self.kind.store(kind as u8, Ordering::Relaxed);
    }

    /// Puts something into the mailbox and wakes the connection. If more than `limit` bytes of pushes are unread (0: no
    /// limit), the client is disconnected instead: a subscriber that does not read must not fill the memory (Redis:
    /// client-output-buffer-limit).
    pub(crate) fn send(&self, mail: Mail, limit: usize) {
        let size = mail.size();
        let queued = self.mail_bytes.fetch_add(size, Ordering::Relaxed) + size;
        if limit != 0 && queued + self.stats.output_buffer.load(Ordering::Relaxed) > limit {
            self.kill();
            return;
        }
        mailbox::put(&mut self.mail.lock(), mail);
        self.has_mail.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Bytes that wait in the mailbox.
    pub(crate) fn mail_bytes(&self) -> usize {
        self.mail_bytes.load(Ordering::Relaxed)
    }

    /// Takes all mail. Cheap when there is none.
    pub(crate) fn take_mail(&self) -> Vec<Mail> {
        if !self.has_mail.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        let mail = std::mem::take(&mut *self.mail.lock());
        self.mail_bytes.store(0, Ordering::Relaxed);
        mail
    }

    /// Whether mail waits.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }

    /// Takes the pushes out of the mail, in their order. Other mail stays.
    pub(crate) fn take_pushes(&self, mut each: impl FnMut(&[u8])) {
        for mail in self.take_mail() {
            match mail {
                Mail::Push(bytes) => each(&bytes),
                Mail::Pushes(bytes) => each(&bytes),
                other => self.send(other, 0),
            }
        }
    }

    /// Whether mail waits or the client was killed.
    #[inline]
    pub(crate) fn wants_attention(&self) -> bool {
        self.has_mail.load(Ordering::Acquire) || self.killed.load(Ordering::Acquire)
    }

    /// Registers the connection's task to be woken by mail.
    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.waker.register(waker);
    }

    /// Closes the connection as soon as its task runs; unsent output is dropped.
    pub(crate) fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.waker.wake();
    }

    #[inline]
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }
}

/// Whether a client with this address is on this machine, by Redis's rule: a Unix socket (its path), or a loopback
/// address as the system writes it.
pub(crate) fn is_local(address: &str) -> bool {
    address.starts_with('/') || address.starts_with("127.0.0.1:") || address.starts_with("[::1]:")
}
