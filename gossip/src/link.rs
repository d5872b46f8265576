//! Links: the TCP connections of the bus, as far as the core needs to know them.
//!
//! Two connections join each pair of nodes: each side pings over the one that it opened and answers on the one that it
//! accepted. A `LinkId` is never used again, so an event about a link that is gone is recognised and dropped.
//!
//! Each outbound link remembers when its pings left, in order. A peer answers every ping on the same connection, and
//! TCP keeps order, so the n-th pong answers the n-th ping. That gives the *send time* of the ping behind every pong,
//! although the packets carry no number. The write lease depends on it (see `lease.rs`). If a peer ever omits an
//! answer, later pongs are matched with older pings, which errs on the safe side.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use protocol::bus::IpText;

use crate::config::{MAX_LINK_QUEUE_BYTES, MAX_PINGS_IN_FLIGHT, UnixMillis};
use crate::node::NodeKey;

/// Name of one connection, never reused by the same core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// The peer; unknown for an accepted connection until its first packet.
    pub(crate) node: Option<NodeKey>,
    pub(crate) inbound: bool,
    pub(crate) connected: bool,
    pub(crate) created_at: UnixMillis,
    /// The peer's address as the socket sees it.
    pub(crate) peer_ip: IpText,
    /// Our own address as the socket sees it.
    pub(crate) local_ip: IpText,
    /// The other end understands ping extensions.
    pub(crate) extensions: bool,
    /// When the pings without an answer were sent, oldest first. Outbound links only.
    pings: VecDeque<UnixMillis>,
    /// Packets that wait until the link is connected.
    queue: Vec<Arc<[u8]>>,
    queued_bytes: usize,
}

impl Link {
    pub(crate) fn note_ping(&mut self, now: UnixMillis) {
        // A ping that is not noted only makes later pongs look older than they are.
        if !self.inbound && self.pings.len() < MAX_PINGS_IN_FLIGHT {
            self.pings.push_back(now);
        }
    }

    /// Send time of the ping that a pong on this link answers.
    pub(crate) fn answered_ping(&mut self) -> Option<UnixMillis> {
        self.pings.pop_front()
    }

    /// Send time of the last ping that waits for an answer.
    pub(crate) fn newest_ping(&self) -> Option<UnixMillis> {
        self.pings.back().copied()
    }

    pub(crate) fn enqueue(&mut self, bytes: Arc<[u8]>) {
        if self.queued_bytes + bytes.len() <= MAX_LINK_QUEUE_BYTES {
            self.queued_bytes += bytes.len();
            self.queue.push(bytes);
        }
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(crate) fn take_queue(&mut self) -> Vec<Arc<[u8]>> {
        self.queued_bytes = 0;
        std::mem::take(&mut self.queue)
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    links: BTreeMap<LinkId, Link>,
    last: u64,
}

impl LinkTable {
    pub(crate) fn open(&mut self, node: NodeKey, now: UnixMillis) -> LinkId {
        self.insert(Some(node), false, IpText::EMPTY, IpText::EMPTY, now)
    }

    pub(crate) fn accept(&mut self, peer_ip: IpText, local_ip: IpText, now: UnixMillis) -> LinkId {
        self.insert(None, true, peer_ip, local_ip, now)
    }

    fn insert(
        &mut self,
        node: Option<NodeKey>,
        inbound: bool,
        peer_ip: IpText,
        local_ip: IpText,
        now: UnixMillis,
    ) -> LinkId {
        self.last += 1;
        let id = LinkId(self.last);
        let link = Link {
            node,
            inbound,
            connected: inbound,
            created_at: now,
            peer_ip,
            local_ip,
            extensions: false,
            pings: VecDeque::new(),
            queue: Vec::new(),
            queued_bytes: 0,
        };
        self.links.insert(id, link);
        id
    }

    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    pub(crate) fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.links.remove(&id)
    }

    /// Bytes that wait for all links that are not up yet.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.links.values().map(Link::queued_bytes).sum()
    }

    /// The links from and to a node.
    pub(crate) fn of_node(&self, node: NodeKey) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.node == Some(node)).map(|(id, _)| *id).collect()
    }
}
