//! Names that travel on the bus: node ids and address texts.
//!
//! Both are small `Copy` values that can only be built from checked bytes, so they can be printed into `nodes.conf` or
//! a reply without another check. Redis stores what it is sent; there, a bit flip in a gossiped id was passed on for
//! ever (redis issue 12921), and an address with a blank in it would damage `nodes.conf`.

use std::fmt;
use std::str::FromStr;

/// Length of a node id, in bytes (`CLUSTER_NAMELEN`).
pub const NODE_ID_LEN: usize = 40;
/// Room for an address text on the wire, its final NUL included (`NET_IP_STR_LEN`).
pub const IP_TEXT_ROOM: usize = 46;

/// A node's name for life: 40 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NODE_ID_LEN]);

/// The text is not 40 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node id is 40 lower-case hexadecimal digits")]
pub struct InvalidNodeId;

impl NodeId {
    /// The id written in `bytes`, if that is what they are.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id: [u8; NODE_ID_LEN] = bytes.try_into().ok()?;
        id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(id))
    }

    /// The id that 20 random bytes spell, high digit first as Redis's `getRandomHexChars`.
    pub fn from_random(random: [u8; NODE_ID_LEN / 2]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut id = [0; NODE_ID_LEN];
        for (pair, byte) in id.chunks_exact_mut(2).zip(random) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(id)
    }

    /// The 40 digits.
    pub fn as_bytes(&self) -> &[u8; NODE_ID_LEN] {
        &self.0
    }

    /// The 40 digits as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(text: &str) -> Result<Self, InvalidNodeId> {
        Self::from_bytes(text.as_bytes()).ok_or(InvalidNodeId)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An address as text, at most 45 bytes: IPv4, IPv6 or, since `cluster-announce-ip` takes any text, a name.
///
/// Empty means "not known" (`cluster nodes` then prints `:port`). Only letters, digits and `.:-_%` can be in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpText {
    /// The text, padded with NUL up to the wire's width; never without at least one NUL.
    bytes: [u8; IP_TEXT_ROOM],
}

/// The text is longer than 45 bytes or has a byte that no address has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is at most 45 letters, digits or one of .:-_%")]
pub struct InvalidIpText;

impl IpText {
    /// The address that is not known.
    pub const EMPTY: Self = Self { bytes: [0; IP_TEXT_ROOM] };

    /// Reads the wire's field: the text up to the first NUL. None without a NUL or with a foreign byte.
    pub(super) fn from_wire(field: &[u8; IP_TEXT_ROOM]) -> Option<Self> {
        let end = field.iter().position(|&b| b == 0)?;
        std::str::from_utf8(&field[..end]).ok()?.parse().ok()
    }

    /// The wire's field: the text padded with NULs.
    pub(super) fn as_wire(&self) -> &[u8; IP_TEXT_ROOM] {
        &self.bytes
    }

    /// The text without padding.
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|&b| b == 0).unwrap_or(IP_TEXT_ROOM);
        std::str::from_utf8(&self.bytes[..end]).expect("only ASCII gets in")
    }

    /// True if the address is not known.
    pub fn is_empty(&self) -> bool {
        self.bytes[0] == 0
    }
}

impl Default for IpText {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl FromStr for IpText {
    type Err = InvalidIpText;

    fn from_str(text: &str) -> Result<Self, InvalidIpText> {
        let fits = text.len() < IP_TEXT_ROOM;
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-_%".contains(&b));
        if !fits || !clean {
            return Err(InvalidIpText);
        }
        let mut bytes = [0; IP_TEXT_ROOM];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes })
    }
}

impl fmt::Display for IpText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for IpText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}
