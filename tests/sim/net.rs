//! The virtual network: TCP-like connections between hosts.
//!
//! Each direction of a connection is a queue of chunks that arrive in order. A path can be cut in one direction: bytes
//! sent then are neither lost nor reported but wait, as TCP retransmits them; they arrive after the path heals, unless
//! a side has given up meanwhile. Opening and closing a connection are chunks of the same queues, so they too are
//! delayed, held back by a cut, or noticed by one side only (half-open).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gossip::LinkId;

use crate::rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnId(u64);

/// What arrives at an end.
#[derive(Clone, Debug)]
pub(crate) enum Chunk {
    /// At the accepting end: a new connection.
    Accepted,
    /// At the opening end: it is up.
    Established,
    /// One packet.
    Data(Arc<[u8]>),
    /// The other side closed, refused or vanished.
    Closed,
}

/// One side of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: usize,
    /// The process at that host that this end belongs to.
    pub(crate) incarnation: u32,
    pub(crate) link: Option<LinkId>,
    /// The process closed it, or was told that it is closed, or is gone.
    pub(crate) gone: bool,
    /// Chunks on their way here, with the time of arrival.
    pub(crate) inbox: VecDeque<(i64, Chunk)>,
    last_arrival: i64,
}

impl End {
    fn new(host: usize, incarnation: u32, link: Option<LinkId>) -> Self {
        Self { host, incarnation, link, gone: false, inbox: VecDeque::new(), last_arrival: 0 }
    }
}

/// The side that opened a connection.
pub(crate) const OPENER: usize = 0;
/// The side that accepted it.
pub(crate) const ACCEPTOR: usize = 1;

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) ends: [End; 2],
}

/// All connections and the state of the paths between hosts.
pub(crate) struct Net {
    hosts: usize,
    conns: BTreeMap<ConnId, Conn>,
    last: u64,
    /// How many faults cut the path from the row's host to the column's.
    cuts: Vec<u8>,
    /// Extra delay of the path, in milliseconds.
    slow: Vec<i64>,
    /// Bounds of the usual delay, in milliseconds.
    delay: (i64, i64),
}

impl Net {
    pub(crate) fn new(hosts: usize, delay: (i64, i64)) -> Self {
        let paths = hosts * hosts;
        Self { hosts, conns: BTreeMap::new(), last: 0, cuts: vec![0; paths], slow: vec![0; paths], delay }
    }

    fn path(&self, from: usize, to: usize) -> usize {
        from * self.hosts + to
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts[self.path(from, to)] > 0
    }

    pub(crate) fn connected(&self, a: usize, b: usize) -> bool {
        !self.is_cut(a, b) && !self.is_cut(b, a)
    }

    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        let path = self.path(from, to);
        self.cuts[path] += 1;
    }

    /// Removes one cut; returns whether the path is open again.
    pub(crate) fn heal(&mut self, from: usize, to: usize) -> bool {
        let path = self.path(from, to);
        self.cuts[path] = self.cuts[path].saturating_sub(1);
        self.cuts[path] == 0
    }

    pub(crate) fn set_slow(&mut self, from: usize, to: usize, extra: i64) {
        let path = self.path(from, to);
        self.slow[path] = extra;
    }

    pub(crate) fn delay(&self, from: usize, to: usize, rng: &mut Rng) -> i64 {
        rng.between(self.delay.0, self.delay.1) + self.slow[self.path(from, to)]
    }

    pub(crate) fn open(&mut self, opener: (usize, u32, LinkId), acceptor: usize) -> ConnId {
        self.last += 1;
        let id = ConnId(self.last);
        let ends = [End::new(opener.0, opener.1, Some(opener.2)), End::new(acceptor, 0, None)];
        self.conns.insert(id, Conn { ends });
        id
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.conns.get(&id)
    }

    pub(crate) fn end_mut(&mut self, id: ConnId, side: usize) -> Option<&mut End> {
        self.conns.get_mut(&id).map(|conn| &mut conn.ends[side])
    }

    /// Sends a chunk to `side`; returns the time of its arrival, if the connection still exists.
    pub(crate) fn send(&mut self, id: ConnId, side: usize, chunk: Chunk, now: i64, rng: &mut Rng) -> Option<i64> {
        let conn = self.conns.get(&id)?;
        let (from, to) = (conn.ends[1 - side].host, conn.ends[side].host);
        let arrival = now + self.delay(from, to, rng);
        let end = self.end_mut(id, side)?;
        let arrival = arrival.max(end.last_arrival);
        end.last_arrival = arrival;
        end.inbox.push_back((arrival, chunk));
        Some(arrival)
    }

    /// Removes a connection that is no longer needed.
    pub(crate) fn sweep(&mut self, id: ConnId) {
        let over = |conn: &Conn| conn.ends.iter().all(|end| end.gone);
        if self.conns.get(&id).is_some_and(over) {
            self.conns.remove(&id);
        }
    }

    /// Connections with an end for which `wanted` holds, and that side.
    pub(crate) fn ends(&self, wanted: impl Fn(&End, &End) -> bool) -> Vec<(ConnId, usize)> {
        let mut found = Vec::new();
        for (id, conn) in &self.conns {
            for side in [OPENER, ACCEPTOR] {
                if wanted(&conn.ends[side], &conn.ends[1 - side]) {
                    found.push((*id, side));
                }
            }
        }
        found
    }
}
