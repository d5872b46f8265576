//! Ping extensions: fields for which the header had no room left.
//!
//! On the wire each is a u32 length (header included, a multiple of eight), a u16 type, two unused bytes and the data,
//! padded with NULs. Redis 7.0 knows the host name only; 7.2 added the others. An unknown type, or known data that is
//! invalid, is skipped; only a length that contradicts the packet makes the whole packet invalid, as in Redis. The
//! sender must know which nodes accept extensions: nodes before 7.0 drop packets that have any.

use super::ids::{NODE_ID_LEN, NodeId};
use super::wire::Cursor;

const TYPE_HOSTNAME: u16 = 0;
const TYPE_HUMAN_NODENAME: u16 = 1;
const TYPE_FORGOTTEN_NODE: u16 = 2;
const TYPE_SHARD_ID: u16 = 3;
/// Length, type and padding in front of an extension's data.
const EXTENSION_HEADER_LEN: usize = 8;
/// Longest host name or node name, in bytes (`NET_HOST_STR_LEN` - 1).
pub const MAX_HOSTNAME_LEN: usize = 255;

/// One ping extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// `cluster-announce-hostname` of the sender. Its absence means that there is none (any more).
    Hostname(String),
    /// `cluster-announce-human-nodename` of the sender (7.2).
    HumanNodename(String),
    /// A node that CLUSTER FORGET removed, and for how many more seconds it must not come back (7.2).
    ForgottenNode { id: NodeId, ttl_seconds: u64 },
    /// The sender's shard (7.2). A shard id has the form of a node id.
    ShardId(NodeId),
}

/// True if Redis would accept `name` as `cluster-announce-hostname`: letters, digits, `-` and `.`, below 256 bytes.
pub fn is_valid_hostname(name: &str) -> bool {
    name.len() <= MAX_HOSTNAME_LEN && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// True if `name` can be a human node name: printable, and free of what `nodes.conf` needs as separators.
pub fn is_valid_nodename(name: &str) -> bool {
    name.len() <= MAX_HOSTNAME_LEN
        && name.bytes().all(|b| b.is_ascii_graphic() && !b"!#$%&()*+:;<>?@[]^{|}~,=\"'\\".contains(&b))
}

impl Extension {
    /// Reads one extension. The outer `None`: its length contradicts the packet. The inner: an unknown or invalid
    /// extension.
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Option<Option<Self>> {
        let len = cursor.u32()? as usize;
        let kind = cursor.u16()?;
        cursor.u16()?; // unused
        if !len.is_multiple_of(8) {
            return None;
        }
        let data = cursor.take(len.checked_sub(EXTENSION_HEADER_LEN)?)?;
        Some(Self::from_data(kind, data))
    }

    fn from_data(kind: u16, data: &[u8]) -> Option<Self> {
        match kind {
            TYPE_HOSTNAME => text(data).filter(|name| is_valid_hostname(name)).map(Self::Hostname),
            TYPE_HUMAN_NODENAME => text(data).filter(|name| is_valid_nodename(name)).map(Self::HumanNodename),
            TYPE_FORGOTTEN_NODE => {
                let mut cursor = Cursor::new(data);
                let id = NodeId::from_bytes(cursor.array::<40>()?)?;
                Some(Self::ForgottenNode { id, ttl_seconds: cursor.u64()? })
            }
            TYPE_SHARD_ID => NodeId::from_bytes(data).map(Self::ShardId),
            _ => None,
        }
    }

    /// Length on the wire, in bytes: header, data, padding.
    pub(super) fn encoded_len(&self) -> usize {
        let data = match self {
            Self::Hostname(name) | Self::HumanNodename(name) => name.len() + 1,
            Self::ForgottenNode { .. } => NODE_ID_LEN + 8,
            Self::ShardId(_) => NODE_ID_LEN,
        };
        EXTENSION_HEADER_LEN + data.next_multiple_of(8)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let len = self.encoded_len();
        let end = out.len() + len;
        let kind = match self {
            Self::Hostname(_) => TYPE_HOSTNAME,
            Self::HumanNodename(_) => TYPE_HUMAN_NODENAME,
            Self::ForgottenNode { .. } => TYPE_FORGOTTEN_NODE,
            Self::ShardId(_) => TYPE_SHARD_ID,
        };
        out.extend_from_slice(&(len as u32).to_be_bytes());
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        match self {
            Self::Hostname(name) | Self::HumanNodename(name) => out.extend_from_slice(name.as_bytes()),
            Self::ForgottenNode { id, ttl_seconds } => {
                out.extend_from_slice(id.as_bytes());
                out.extend_from_slice(&ttl_seconds.to_be_bytes());
            }
            Self::ShardId(id) => out.extend_from_slice(id.as_bytes()),
        }
        out.resize(end, 0);
    }
}

/// The text before the first NUL. None if there is none or if it is empty: a sender without a name sends no extension.
fn text(data: &[u8]) -> Option<String> {
    let end = data.iter().position(|&b| b == 0)?;
    let name = std::str::from_utf8(&data[..end]).ok()?;
    (!name.is_empty()).then(|| name.to_owned())
}
