//! One node of a list, and the rules about how much it may hold.
//!
//! A node is nearly always a listpack. A huge element is stored bare (*plain*): in a listpack it would be copied
//! whenever something next to it changes. Nodes away from the ends may be compressed, as `list-compress-depth` says;
//! they are read through a [`View`] that decompresses a copy, so reading never changes a list.

use protocol::rdb::lzf;

use super::ListOptions;
use crate::base::limits::LISTPACK_MAX_BYTES;
use crate::store::encoding::listpack::Listpack;
use crate::store::entry::spent;

/// Most bytes of a node, for each negative `list-max-listpack-size`: index 0 is -1, index 4 is -5.
const NODE_BYTES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// With a positive `list-max-listpack-size` (a count of elements) a node still never grows beyond this many bytes
/// unless a single element is larger.
const NODE_SAFETY_BYTES: usize = 8192;
/// Nodes smaller than this are never compressed.
const MIN_COMPRESS_BYTES: usize = 48;
/// A compressed node must be smaller than the plain one by more than this many bytes.
const MIN_COMPRESS_GAIN: usize = 8;
/// What Redis assumes an entry costs besides its text when it decides whether a node has room.
const ENTRY_OVERHEAD_BYTES: usize = 8;
/// What Redis subtracts from the sum of two nodes' sizes when it decides whether to merge them.
const MERGE_SAVING_BYTES: usize = 11;

/// No listpack of several elements grows beyond this, whatever the settings: half of what a listpack may have, so that
/// one more element always fits.
const PACKED_MAX_BYTES: usize = LISTPACK_MAX_BYTES / 2;

/// A node; 32 bytes, so that a short list is little more than its elements.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Packed(Listpack),
    Special(Box<Special>),
}

/// The rarer kinds, boxed to keep the common one small.
#[derive(Clone, Debug)]
pub(super) enum Special {
    /// A single element, bare.
    Plain(Box<[u8]>),
    /// A compressed node of either kind.
    Compressed(Compressed),
}

/// LZF of a serialised listpack, or of a plain element.
#[derive(Clone, Debug)]
pub(super) struct Compressed {
    bytes: Box<[u8]>,
    plain_len: u32,
    count: u32,
    /// Whether it holds a plain element.
    is_plain: bool,
}

/// The contents of a node, for reading.
pub(super) enum View<'a> {
    Packed(&'a Listpack),
    Plain(&'a [u8]),
    Unpacked(Listpack),
    UnpackedPlain(Vec<u8>),
}

/// The contents of a node in the form in which they are saved.
pub enum NodeBytes<'a> {
    /// A listpack, to be serialised.
    Listpack(&'a Listpack),
    /// A plain element.
    Plain(&'a [u8]),
    /// LZF of either; `plain_len` bytes when decompressed.
    Compressed { bytes: &'a [u8], plain_len: u32, is_plain: bool },
}

impl Node {
    /// A node for one element: plain if the options say that it is huge.
    pub(super) fn of(value: &[u8], options: ListOptions) -> Self {
        if is_huge(value.len(), options) {
            return Node::plain(value.into());
        }
        let mut listpack = Listpack::new();
        listpack.push_back(value);
        Node::Packed(listpack)
    }

    pub(super) fn plain(bytes: Box<[u8]>) -> Self {
        Node::Special(Box::new(Special::Plain(bytes)))
    }

    /// Number of elements.
    #[inline]
    pub(super) fn count(&self) -> usize {
        match self {
            Node::Packed(listpack) => listpack.len(),
            Node::Special(special) => match &**special {
                Special::Plain(_) => 1,
                Special::Compressed(compressed) => compressed.count as usize,
            },
        }
    }

    /// Size in bytes when saved uncompressed.
    #[inline]
    pub(super) fn byte_len(&self) -> usize {
        match self {
            Node::Packed(listpack) => listpack.byte_len(),
            Node::Special(special) => match &**special {
                Special::Plain(bytes) => bytes.len(),
                Special::Compressed(compressed) => compressed.plain_len as usize,
            },
        }
    }

    /// Bytes that the allocator spends on its contents.
    #[inline]
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Node::Packed(listpack) => spent(listpack.allocated_bytes()),
            Node::Special(special) => {
                let bytes = match &**special {
                    Special::Plain(bytes) => bytes.len(),
                    Special::Compressed(compressed) => compressed.bytes.len(),
                };
                spent(size_of::<Special>()) + spent(bytes)
            }
        }
    }

    /// Whether it holds a plain element, compressed or not.
    pub(super) fn is_plain(&self) -> bool {
        match self {
            Node::Packed(_) => false,
            Node::Special(special) => match &**special {
                Special::Plain(_) => true,
                Special::Compressed(compressed) => compressed.is_plain,
            },
        }
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self, Node::Special(special) if matches!(**special, Special::Compressed(_)))
    }

    /// Whether an element of `len` bytes may be added (Redis: _quicklistNodeAllowInsert).
    #[inline]
    pub(super) fn has_room(&self, len: usize, options: ListOptions) -> bool {
        !is_huge(len, options)
            && !self.is_plain()
            && fits(self.byte_len() + len + ENTRY_OVERHEAD_BYTES, self.count() + 1, options.fill)
    }

    /// Whether the two may become one node (Redis: _quicklistNodeAllowMerge).
    pub(super) fn may_merge(&self, other: &Node, options: ListOptions) -> bool {
        !self.is_plain()
            && !other.is_plain()
            && fits(
                (self.byte_len() + other.byte_len()).saturating_sub(MERGE_SAVING_BYTES),
                self.count() + other.count(),
                options.fill,
            )
    }

    /// Its contents, for reading.
    pub(super) fn view(&self) -> View<'_> {
        match self {
            Node::Packed(listpack) => View::Packed(listpack),
            Node::Special(special) => match &**special {
                Special::Plain(bytes) => View::Plain(bytes),
                Special::Compressed(compressed) => compressed.view(),
            },
        }
    }

    /// Its contents, for saving.
    pub(super) fn bytes(&self) -> NodeBytes<'_> {
        match self {
            Node::Packed(listpack) => NodeBytes::Listpack(listpack),
            Node::Special(special) => match &**special {
                Special::Plain(bytes) => NodeBytes::Plain(bytes),
                Special::Compressed(Compressed { bytes, plain_len, is_plain, .. }) => {
                    NodeBytes::Compressed { bytes, plain_len: *plain_len, is_plain: *is_plain }
                }
            },
        }
    }

    /// The listpack for changing, decompressed if need be; `None` for a plain node.
    #[inline]
    pub(super) fn packed_mut(&mut self) -> Option<&mut Listpack> {
        if matches!(self, Node::Special(_)) {
            self.decompress();
        }
        match self {
            Node::Packed(listpack) => Some(listpack),
            Node::Special(_) => None,
        }
    }

    /// Compresses it, unless that would save too little.
    pub(super) fn compress(&mut self) {
        let is_plain = match self {
            Node::Packed(_) => false,
            Node::Special(special) => match **special {
                Special::Plain(_) => true,
                Special::Compressed(_) => return,
            },
        };
        let plain_len = self.byte_len();
        if plain_len < MIN_COMPRESS_BYTES || u32::try_from(plain_len).is_err() {
            return;
        }
        let bytes = match self.bytes() {
            NodeBytes::Listpack(listpack) => lzf::compress(&listpack.to_bytes(), plain_len),
            NodeBytes::Plain(bytes) => lzf::compress(bytes, plain_len),
            NodeBytes::Compressed { .. } => return,
        };
        if let Some(bytes) = bytes
            && bytes.len() + MIN_COMPRESS_GAIN < plain_len
        {
            let count = self.count() as u32;
            let compressed = Compressed { bytes: bytes.into(), plain_len: plain_len as u32, count, is_plain };
            *self = Node::Special(Box::new(Special::Compressed(compressed)));
        }
    }

    /// Undoes [`Node::compress`].
    pub(super) fn decompress(&mut self) {
        let Node::Special(special) = self else { return };
        let Special::Compressed(compressed) = &**special else { return };
        *self = match compressed.view() {
            View::Unpacked(listpack) => Node::Packed(listpack),
            View::UnpackedPlain(bytes) => Node::plain(bytes.into()),
            View::Packed(_) | View::Plain(_) => return,
        };
    }
}

impl Compressed {
    fn view(&self) -> View<'static> {
        let bytes = lzf::decompress(&self.bytes, self.plain_len as usize).expect("it was compressed here");
        if self.is_plain {
            View::UnpackedPlain(bytes)
        } else {
            View::Unpacked(Listpack::from_bytes(&bytes).expect("a listpack was compressed here"))
        }
    }
}

/// Whether an element of `len` bytes gets a plain node. No setting lets a listpack outgrow its 32-bit size.
#[inline]
pub(super) fn is_huge(len: usize, options: ListOptions) -> bool {
    len >= (options.packed_threshold as usize).min(PACKED_MAX_BYTES)
}

/// Whether a node of `bytes` bytes would come near the limits of the format if `more` were added. Redis has no such
/// check, and crashes on LSET and LINSERT with values of hundreds of megabytes; here such a value gets a node of its
/// own.
pub(super) fn is_oversized(bytes: usize, more: usize) -> bool {
    bytes.saturating_add(more) > PACKED_MAX_BYTES
}

/// Whether a node of `bytes` bytes and `count` elements is within the limit `fill`.
#[inline]
fn fits(bytes: usize, count: usize, fill: i16) -> bool {
    match fill {
        ..0 => bytes <= NODE_BYTES[(fill.unsigned_abs() as usize).min(NODE_BYTES.len()) - 1],
        _ => bytes <= NODE_SAFETY_BYTES && count <= fill as usize,
    }
}
