//! The 2,256 bytes that begin every bus packet (`clusterMsg` up to `data`).
//!
//! `Header` holds the sender's own facts. What follows from the body (total length, type, counts) is computed by the
//! encoder and checked by the decoder, so the two cannot contradict each other. Reserved bytes are written as zero.

use super::flags::{MessageFlags, NodeFlags};
use super::ids::{IpText, NODE_ID_LEN, NodeId};
use super::wire::Cursor;
use super::{DecodeError, PROTOCOL_VERSION, SIGNATURE};
use crate::slot::SlotBitmap;

/// Length of the header, in bytes; also the length of the smallest packet.
pub const HEADER_LEN: usize = 2256;

/// Byte offsets of the fields that the encoder fills in when the body is written.
const AT_TOTAL_LEN: usize = 4;
const AT_COUNT: usize = 14;
const AT_EXTENSIONS: usize = 2214;
const AT_MESSAGE_FLAGS: usize = 2253;

/// What the sender says about itself in every packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub sender: NodeId,
    /// Announced address; empty: the receiver uses the source address.
    pub ip: IpText,
    /// Client port (the TLS one in a TLS cluster).
    pub port: u16,
    /// The other client port: plaintext in a TLS cluster, else TLS (7.2) or 0 (7.0).
    pub secondary_port: u16,
    pub bus_port: u16,
    pub flags: NodeFlags,
    /// False if the sender considers the cluster down.
    pub cluster_ok: bool,
    pub current_epoch: u64,
    /// The sender's config epoch; a replica sends its primary's.
    pub config_epoch: u64,
    /// Replication offset: written (primary) or processed (replica).
    pub offset: u64,
    /// Slots that the sender serves; a replica sends its primary's.
    pub slots: SlotBitmap,
    /// The sender's primary if it is a replica.
    pub replica_of: Option<NodeId>,
    /// The encoder sets EXT_DATA whenever there are extensions; set without any, it means "I understand them".
    pub message_flags: MessageFlags,
}

/// The fields that describe the body; what the decoder needs beside [`Header`].
pub(super) struct Shape {
    pub(super) kind: u16,
    pub(super) count: u16,
    pub(super) extensions: u16,
}

impl Header {
    /// Reads the header and leaves `cursor` at the body.
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<(Self, Shape), DecodeError> {
        Self::read(cursor).ok_or(DecodeError::Truncated)?
    }

    /// As [`Header::decode`]; `None` if the bytes end early.
    fn read(cursor: &mut Cursor<'_>) -> Option<Result<(Self, Shape), DecodeError>> {
        if cursor.array::<4>()? != SIGNATURE {
            return Some(Err(DecodeError::BadSignature));
        }
        cursor.u32()?; // the total length, checked by the caller
        let version = cursor.u16()?;
        if version != PROTOCOL_VERSION {
            return Some(Err(DecodeError::Version(version)));
        }
        let port = cursor.u16()?;
        let kind = cursor.u16()?;
        let count = cursor.u16()?;
        let current_epoch = cursor.u64()?;
        let config_epoch = cursor.u64()?;
        let offset = cursor.u64()?;
        let sender = cursor.array::<NODE_ID_LEN>()?;
        let slots = *cursor.array()?;
        let replica_of = cursor.array::<NODE_ID_LEN>()?;
        let ip = cursor.array()?;
        let extensions = cursor.u16()?;
        cursor.array::<30>()?; // reserved
        let secondary_port = cursor.u16()?;
        let bus_port = cursor.u16()?;
        let flags = NodeFlags(cursor.u16()?);
        let cluster_ok = cursor.u8()? == 0;
        let [message_flags, _, _] = *cursor.array()?;

        let Some(sender) = NodeId::from_bytes(sender) else {
            return Some(Err(DecodeError::BadField("sender")));
        };
        let replica_of = match replica_of {
            [0, ..] => None,
            id => match NodeId::from_bytes(id) {
                Some(id) => Some(id),
                None => return Some(Err(DecodeError::BadField("slaveof"))),
            },
        };
        let Some(ip) = IpText::from_wire(ip) else {
            return Some(Err(DecodeError::BadField("myip")));
        };
        let header = Self {
            sender,
            ip,
            port,
            secondary_port,
            bus_port,
            flags,
            cluster_ok,
            current_epoch,
            config_epoch,
            offset,
            slots: SlotBitmap::from_bytes(slots),
            replica_of,
            message_flags: MessageFlags(message_flags),
        };
        Some(Ok((header, Shape { kind, count, extensions })))
    }

    /// Writes the header of a packet of type `kind`, with zero for what [`finish`] fills in.
    pub(super) fn encode(&self, kind: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(SIGNATURE);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&PROTOCOL_VERSION.to_be_bytes());
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.current_epoch.to_be_bytes());
        out.extend_from_slice(&self.config_epoch.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(self.sender.as_bytes());
        out.extend_from_slice(self.slots.as_bytes());
        match &self.replica_of {
            Some(id) => out.extend_from_slice(id.as_bytes()),
            None => out.extend_from_slice(&[0; NODE_ID_LEN]),
        }
        out.extend_from_slice(self.ip.as_wire());
        out.extend_from_slice(&[0; 2 + 30]);
        out.extend_from_slice(&self.secondary_port.to_be_bytes());
        out.extend_from_slice(&self.bus_port.to_be_bytes());
        out.extend_from_slice(&self.flags.0.to_be_bytes());
        out.push(u8::from(!self.cluster_ok));
        out.extend_from_slice(&[self.message_flags.0, 0, 0]);
        debug_assert_eq!(out.len(), HEADER_LEN);
    }
}

/// Fills in what the body decided: total length, and the numbers of gossip entries and of extensions.
pub(super) fn finish(packet: &mut [u8], total_len: u32, count: u16, extensions: u16) {
    packet[AT_TOTAL_LEN..AT_TOTAL_LEN + 4].copy_from_slice(&total_len.to_be_bytes());
    packet[AT_COUNT..AT_COUNT + 2].copy_from_slice(&count.to_be_bytes());
    packet[AT_EXTENSIONS..AT_EXTENSIONS + 2].copy_from_slice(&extensions.to_be_bytes());
    if extensions > 0 {
        packet[AT_MESSAGE_FLAGS] |= MessageFlags::EXT_DATA.0;
    }
}
