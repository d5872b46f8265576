//! One entry of the gossip section: what the sender believes about a third node (104 bytes, `clusterMsgDataGossip`).

use super::flags::NodeFlags;
use super::ids::{IpText, NodeId};
use super::wire::Cursor;

/// Length of an entry on the wire, in bytes.
pub const GOSSIP_ENTRY_LEN: usize = 104;

/// What the sender of a PING, PONG or MEET believes about another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipEntry {
    pub id: NodeId,
    /// When the sender pinged it and still waits for an answer, Unix seconds; 0: no ping is pending.
    pub ping_sent: u32,
    /// When it last answered the sender, Unix seconds.
    pub pong_received: u32,
    pub ip: IpText,
    /// Client port (the TLS one in a TLS cluster).
    pub port: u16,
    pub bus_port: u16,
    pub flags: NodeFlags,
    /// The other client port: plaintext in a TLS cluster, else TLS (7.2) or 0 (7.0).
    pub secondary_port: u16,
}

impl GossipEntry {
    /// Reads one entry. The outer `None`: too few bytes. The inner: the entry is damaged (its id or its address) and
    /// must be skipped; its neighbours are still valid.
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Option<Option<Self>> {
        let id = NodeId::from_bytes(cursor.array::<40>()?);
        let ping_sent = cursor.u32()?;
        let pong_received = cursor.u32()?;
        let ip = IpText::from_wire(cursor.array()?);
        let port = cursor.u16()?;
        let bus_port = cursor.u16()?;
        let flags = NodeFlags(cursor.u16()?);
        let secondary_port = cursor.u16()?;
        cursor.u16()?; // unused
        let entry =
            id.zip(ip).map(|(id, ip)| Self { id, ping_sent, pong_received, ip, port, bus_port, flags, secondary_port });
        Some(entry)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(&self.ping_sent.to_be_bytes());
        out.extend_from_slice(&self.pong_received.to_be_bytes());
        out.extend_from_slice(self.ip.as_wire());
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(&self.bus_port.to_be_bytes());
        out.extend_from_slice(&self.flags.0.to_be_bytes());
        out.extend_from_slice(&self.secondary_port.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
    }
}
