//! The two sets of bits in a bus packet: properties of a node, and properties of a message.
//!
//! Values are Redis's (`CLUSTER_NODE_*`, `CLUSTERMSG_FLAG0_*`). Bits without a name here are kept, not cleared, so that
//! a newer peer's bits survive decoding; nothing acts on them.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

/// What a node is, or is believed to be (`clusterNode.flags`).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeFlags(pub u16);

impl NodeFlags {
    pub const NONE: Self = Self(0);
    /// The node is a primary.
    pub const MASTER: Self = Self(1);
    /// The node is a replica.
    pub const SLAVE: Self = Self(2);
    /// One node suspects it: no answer within the node timeout.
    pub const PFAIL: Self = Self(4);
    /// A majority agreed that it failed.
    pub const FAIL: Self = Self(8);
    /// The node that sends this.
    pub const MYSELF: Self = Self(16);
    /// Its name is not known yet: the first PONG brings it.
    pub const HANDSHAKE: Self = Self(32);
    /// Its address is not known.
    pub const NOADDR: Self = Self(64);
    /// A MEET is to be sent to it. In Redis this bit is on the wire too, by chance.
    pub const MEET: Self = Self(128);
    /// A primary that has, or had, replicas: spare replicas may migrate to it.
    pub const MIGRATE_TO: Self = Self(256);
    /// A replica that will not fail over by itself (`cluster-replica-no-failover`).
    pub const NOFAILOVER: Self = Self(512);
    /// It understands ping extensions (7.2.5 and later keep that as a node flag).
    pub const EXTENSIONS_SUPPORTED: Self = Self(1024);

    /// The names that `nodes.conf` and CLUSTER NODES print, in the order in which they print them.
    pub const NAMES: [(Self, &'static str); 8] = [
        (Self::MYSELF, "myself"),
        (Self::MASTER, "master"),
        (Self::SLAVE, "slave"),
        (Self::PFAIL, "fail?"),
        (Self::FAIL, "fail"),
        (Self::HANDSHAKE, "handshake"),
        (Self::NOADDR, "noaddr"),
        (Self::NOFAILOVER, "nofailover"),
    ];

    /// True if every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if any bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These bits and those of `other`.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These bits without those of `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// Sets or clears the bits of `other`.
    pub fn set(&mut self, other: Self, on: bool) {
        if on { self.insert(other) } else { self.remove(other) }
    }
}

impl BitOr for NodeFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for NodeFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.insert(other);
    }
}

impl BitAnd for NodeFlags {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Prints as CLUSTER NODES does: names joined by commas, `noflags` without any.
impl fmt::Display for NodeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut any = false;
        for (flag, name) in Self::NAMES {
            if self.contains(flag) {
                f.write_str(if any { "," } else { "" })?;
                f.write_str(name)?;
                any = true;
            }
        }
        if any { Ok(()) } else { f.write_str("noflags") }
    }
}

impl fmt::Debug for NodeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}({:#x})", self.0)
    }
}

/// What a message requests or states beside its type (the first of the three `mflags` bytes; the others are unused).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageFlags(pub u8);

impl MessageFlags {
    pub const NONE: Self = Self(0);
    /// A primary has stopped its clients for a manual failover: `offset` does not change.
    pub const PAUSED: Self = Self(1);
    /// Vote even though the primary is up (manual failover).
    pub const FORCE_ACK: Self = Self(2);
    /// Extensions follow the gossip section. Without extensions it means that the sender understands them.
    pub const EXT_DATA: Self = Self(4);

    /// True if every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits and those of `other`.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
