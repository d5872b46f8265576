//! The cluster bus: the packets of Redis 7.0 and 7.2, byte for byte (`clusterMsg`, protocol version 1).
//!
//! A packet is a header of 2,256 bytes in which the sender describes itself, then a body by type. All numbers are big
//! endian. [`decode`] is total: it checks every length against the bytes at hand before it allocates, so a packet costs
//! no more memory than its own length, and no bytes can make it panic. What is decoded has been validated: ids are 40
//! hex digits, addresses can be printed.
//!
//! If a part of a packet is damaged, the smallest unit that can be dropped is dropped: a gossip entry with a malformed
//! id, an extension with invalid data. A wrong total length, sender or body drops the packet, as in Redis.
//!
//! A TCP link is cut into packets by [`frame_len`]. Its errors mean that the stream is lost, so the link must be
//! closed; an error of [`decode`] concerns one packet and the link goes on (Redis treats both alike).

mod extension;
mod flags;
mod gossip;
mod header;
mod ids;
mod wire;

#[cfg(test)]
mod tests;

pub use extension::{Extension, MAX_HOSTNAME_LEN, is_valid_hostname, is_valid_nodename};
pub use flags::{MessageFlags, NodeFlags};
pub use gossip::{GOSSIP_ENTRY_LEN, GossipEntry};
pub use header::{HEADER_LEN, Header};
pub use ids::{IP_TEXT_ROOM, InvalidIpText, InvalidNodeId, IpText, NODE_ID_LEN, NodeId};

use header::Shape;
use wire::Cursor;

use crate::slot::{SLOT_BITMAP_LEN, SlotBitmap};

/// First bytes of every packet.
pub const SIGNATURE: &[u8; 4] = b"RCmb";
/// The only version of the protocol there has been.
pub const PROTOCOL_VERSION: u16 = 1;
/// Longest packet that is accepted, in bytes: a PUBLISH whose channel and message together have 1 GiB. Redis has no
/// limit but that of the length field; its own limit for a message is 512 MiB.
pub const MAX_FRAME_LEN: usize = HEADER_LEN + 8 + (1 << 30);

/// Body lengths that are fixed by the type.
const FAIL_LEN: usize = NODE_ID_LEN;
const UPDATE_LEN: usize = 8 + NODE_ID_LEN + SLOT_BITMAP_LEN;

/// One message of the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub header: Header,
    pub body: Body,
}

/// What PING, PONG and MEET carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PingBody {
    pub gossip: Vec<GossipEntry>,
    pub extensions: Vec<Extension>,
}

/// A packet's type and what comes after the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Ping(PingBody),
    /// Answer to a PING or MEET; if unasked, a broadcast of the sender's new state.
    Pong(PingBody),
    /// A PING that also asks the receiver to accept the sender into its cluster.
    Meet(PingBody),
    /// The sender saw a majority agree that `node` failed.
    Fail {
        node: NodeId,
    },
    /// PUBLISH: to all nodes.
    Publish {
        channel: Vec<u8>,
        message: Vec<u8>,
    },
    /// A replica asks for a vote in the election of `header.current_epoch`.
    AuthRequest,
    /// The vote, for the election of `header.current_epoch`.
    AuthAck,
    /// The slots of another node: the receiver claimed some of them with an older epoch.
    Update {
        node: NodeId,
        config_epoch: u64,
        slots: Box<SlotBitmap>,
    },
    /// A replica asks its primary to pause its clients for a manual failover.
    MfStart,
    /// A message between modules. Not used here; decoded so that it can be counted and skipped.
    Module {
        module_id: u64,
        kind: u8,
        payload: Vec<u8>,
    },
    /// SPUBLISH: to the nodes of one shard.
    PublishShard {
        channel: Vec<u8>,
        message: Vec<u8>,
    },
}

/// The wire's numbers of the types (`CLUSTERMSG_TYPE_*`), also used to index statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum PacketType {
    Ping = 0,
    Pong = 1,
    Meet = 2,
    Fail = 3,
    Publish = 4,
    AuthRequest = 5,
    AuthAck = 6,
    Update = 7,
    MfStart = 8,
    Module = 9,
    PublishShard = 10,
}

impl PacketType {
    /// All types in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Ping,
        Self::Pong,
        Self::Meet,
        Self::Fail,
        Self::Publish,
        Self::AuthRequest,
        Self::AuthAck,
        Self::Update,
        Self::MfStart,
        Self::Module,
        Self::PublishShard,
    ];

    /// The name that CLUSTER INFO uses in `cluster_stats_messages_<name>_sent`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Meet => "meet",
            Self::Fail => "fail",
            Self::Publish => "publish",
            Self::AuthRequest => "auth-req",
            Self::AuthAck => "auth-ack",
            Self::Update => "update",
            Self::MfStart => "mfstart",
            Self::Module => "module",
            Self::PublishShard => "publishshard",
        }
    }

    fn from_wire(kind: u16) -> Option<Self> {
        Self::ALL.get(usize::from(kind)).copied()
    }
}

impl Body {
    /// The type that the body belongs to.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Ping(_) => PacketType::Ping,
            Self::Pong(_) => PacketType::Pong,
            Self::Meet(_) => PacketType::Meet,
            Self::Fail { .. } => PacketType::Fail,
            Self::Publish { .. } => PacketType::Publish,
            Self::AuthRequest => PacketType::AuthRequest,
            Self::AuthAck => PacketType::AuthAck,
            Self::Update { .. } => PacketType::Update,
            Self::MfStart => PacketType::MfStart,
            Self::Module { .. } => PacketType::Module,
            Self::PublishShard { .. } => PacketType::PublishShard,
        }
    }
}

/// Why a packet was dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Less than a header.
    #[error("truncated packet")]
    Truncated,
    #[error("bad signature")]
    BadSignature,
    #[error("unsupported protocol version {0}")]
    Version(u16),
    #[error("unknown packet type {0}")]
    UnknownType(u16),
    /// The lengths inside the packet contradict the number of bytes.
    #[error("invalid {} packet: lengths contradict each other", .0.name())]
    Length(PacketType),
    /// An invalid header or body field, by Redis's name of the field.
    #[error("malformed field {0}")]
    BadField(&'static str),
}

/// Why a link's stream cannot be cut into packets any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Bad message length or signature received from Cluster bus.")]
pub struct BadFrame;

/// Total length of the packet that begins at `bytes[0]`, or `None` while fewer than eight bytes are at hand.
///
/// The length is the peer's claim, below [`MAX_FRAME_LEN`] and not below [`HEADER_LEN`]: grow buffers as bytes arrive,
/// do not reserve it at once.
///
/// # Errors
/// Not a packet, shorter than a header, or too long: close the link.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, BadFrame> {
    let seen = bytes.len().min(SIGNATURE.len());
    if bytes[..seen] != SIGNATURE[..seen] {
        return Err(BadFrame);
    }
    let mut cursor = Cursor::new(&bytes[seen..]);
    match cursor.u32() {
        None => Ok(None),
        Some(len) if (HEADER_LEN..=MAX_FRAME_LEN).contains(&(len as usize)) => Ok(Some(len as usize)),
        Some(_) => Err(BadFrame),
    }
}

/// Reads one packet; `bytes` are exactly as many as [`frame_len`] returned.
///
/// # Errors
/// The packet must be dropped and counted; see [`DecodeError`].
pub fn decode(bytes: &[u8]) -> Result<Packet, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let (header, shape) = Header::decode(&mut cursor)?;
    let kind = PacketType::from_wire(shape.kind).ok_or(DecodeError::UnknownType(shape.kind))?;
    if frame_len(bytes) != Ok(Some(bytes.len())) {
        return Err(DecodeError::Length(kind));
    }
    let body = decode_body(kind, &header, &shape, &mut cursor)?;
    if !cursor.rest().is_empty() {
        return Err(DecodeError::Length(kind));
    }
    Ok(Packet { header, body })
}

fn decode_body(kind: PacketType, header: &Header, shape: &Shape, cursor: &mut Cursor<'_>) -> Result<Body, DecodeError> {
    let wrong_length = || DecodeError::Length(kind);
    let ping = |cursor: &mut Cursor<'_>| decode_ping(header, shape, cursor).ok_or_else(wrong_length);
    Ok(match kind {
        PacketType::Ping => Body::Ping(ping(cursor)?),
        PacketType::Pong => Body::Pong(ping(cursor)?),
        PacketType::Meet => Body::Meet(ping(cursor)?),
        PacketType::Fail => {
            let node = cursor.array::<FAIL_LEN>().ok_or_else(wrong_length)?;
            Body::Fail { node: NodeId::from_bytes(node).ok_or(DecodeError::BadField("nodename"))? }
        }
        PacketType::Publish => {
            let (channel, message) = decode_publish(cursor).ok_or_else(wrong_length)?;
            Body::Publish { channel, message }
        }
        PacketType::PublishShard => {
            let (channel, message) = decode_publish(cursor).ok_or_else(wrong_length)?;
            Body::PublishShard { channel, message }
        }
        PacketType::AuthRequest => Body::AuthRequest,
        PacketType::AuthAck => Body::AuthAck,
        PacketType::MfStart => Body::MfStart,
        PacketType::Update => {
            let mut update = Cursor::new(cursor.take(UPDATE_LEN).ok_or_else(wrong_length)?);
            let config_epoch = update.u64().ok_or_else(wrong_length)?;
            let node = update.array::<NODE_ID_LEN>().ok_or_else(wrong_length)?;
            let slots = Box::new(SlotBitmap::from_bytes(*update.array().ok_or_else(wrong_length)?));
            let node = NodeId::from_bytes(node).ok_or(DecodeError::BadField("nodename"))?;
            Body::Update { node, config_epoch, slots }
        }
        PacketType::Module => decode_module(cursor).ok_or_else(wrong_length)?,
    })
}

/// Gossip section and extensions; `None` if the counts exceed the bytes.
fn decode_ping(header: &Header, shape: &Shape, cursor: &mut Cursor<'_>) -> Option<PingBody> {
    let mut entries = Cursor::new(cursor.take(usize::from(shape.count) * GOSSIP_ENTRY_LEN)?);
    let mut body = PingBody::default();
    for _ in 0..shape.count {
        body.gossip.extend(GossipEntry::decode(&mut entries)?);
    }
    if header.message_flags.contains(MessageFlags::EXT_DATA) {
        for _ in 0..shape.extensions {
            body.extensions.extend(Extension::decode(cursor)?);
        }
    }
    Some(body)
}

fn decode_publish(cursor: &mut Cursor<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let channel_len = cursor.u32()? as usize;
    let message_len = cursor.u32()? as usize;
    let channel = cursor.take(channel_len)?;
    let message = cursor.take(message_len)?;
    Some((channel.to_vec(), message.to_vec()))
}

fn decode_module(cursor: &mut Cursor<'_>) -> Option<Body> {
    let module_id = cursor.u64()?;
    let len = cursor.u32()? as usize;
    let kind = cursor.u8()?;
    let payload = cursor.take(len)?.to_vec();
    Some(Body::Module { module_id, kind, payload })
}

/// Writes a packet. Lengths and counts follow from the body.
///
/// A message that no packet can carry (beyond [`MAX_FRAME_LEN`], or more than 65,535 gossip entries or extensions)
/// gives an empty vector: there is nothing to send.
pub fn encode(packet: &Packet) -> Vec<u8> {
    let len = HEADER_LEN.saturating_add(body_len(&packet.body));
    let (count, extensions) = match &packet.body {
        Body::Ping(body) | Body::Pong(body) | Body::Meet(body) => (body.gossip.len(), body.extensions.len()),
        _ => (0, 0),
    };
    let (Ok(count), Ok(extensions)) = (u16::try_from(count), u16::try_from(extensions)) else {
        return Vec::new();
    };
    if len > MAX_FRAME_LEN {
        return Vec::new();
    }
    let mut out = Vec::with_capacity(len);
    packet.header.encode(packet.body.packet_type() as u16, &mut out);
    encode_body(&packet.body, &mut out);
    debug_assert_eq!(out.len(), len);
    header::finish(&mut out, len as u32, count, extensions);
    out
}

fn encode_body(body: &Body, out: &mut Vec<u8>) {
    match body {
        Body::Ping(body) | Body::Pong(body) | Body::Meet(body) => {
            body.gossip.iter().for_each(|entry| entry.encode(out));
            body.extensions.iter().for_each(|extension| extension.encode(out));
        }
        Body::Fail { node } => out.extend_from_slice(node.as_bytes()),
        Body::Publish { channel, message } | Body::PublishShard { channel, message } => {
            out.extend_from_slice(&(channel.len() as u32).to_be_bytes());
            out.extend_from_slice(&(message.len() as u32).to_be_bytes());
            out.extend_from_slice(channel);
            out.extend_from_slice(message);
        }
        Body::Update { node, config_epoch, slots } => {
            out.extend_from_slice(&config_epoch.to_be_bytes());
            out.extend_from_slice(node.as_bytes());
            out.extend_from_slice(slots.as_bytes());
        }
        Body::Module { module_id, kind, payload } => {
            out.extend_from_slice(&module_id.to_be_bytes());
            out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
            out.push(*kind);
            out.extend_from_slice(payload);
        }
        Body::AuthRequest | Body::AuthAck | Body::MfStart => {}
    }
}

/// Length of the encoded body, in bytes.
fn body_len(body: &Body) -> usize {
    match body {
        Body::Ping(body) | Body::Pong(body) | Body::Meet(body) => {
            let extensions: usize = body.extensions.iter().map(Extension::encoded_len).sum();
            body.gossip.len() * GOSSIP_ENTRY_LEN + extensions
        }
        Body::Publish { channel, message } | Body::PublishShard { channel, message } => {
            channel.len().saturating_add(message.len()).saturating_add(8)
        }
        Body::Update { .. } => UPDATE_LEN,
        Body::Fail { .. } => FAIL_LEN,
        Body::Module { payload, .. } => payload.len().saturating_add(13),
        Body::AuthRequest | Body::AuthAck | Body::MfStart => 0,
    }
}
