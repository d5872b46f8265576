//! Lists as bytes: the four forms that Redis has had, of which we write the newest.
//!
//! Node borders are kept, so that a list is the same after saving and loading, and DUMP of it gives the same bytes.

use protocol::rdb::{Reader, Writer};

use super::PayloadError;
use super::pieces::Pieces;
use crate::store::encoding::listpack::Listpack;
use crate::store::encoding::{Corrupt, ziplist};
use crate::store::types::list::{List, ListOptions, NodeBytes};

/// How a saved list names its kinds of nodes (Redis: QUICKLIST_NODE_CONTAINER_*).
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// Writes the body of a list: a count and so many nodes, each with its kind.
pub(super) fn write<E>(
    list: &List,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    pieces.out.length(list.node_count() as u64);
    let mut scratch = Vec::new();
    list.saved_nodes().try_for_each(|node| put(node, &mut scratch, pieces))
}

/// The same for a list that is not needed any more ([`super::consume`]).
pub(super) fn consume<E>(
    list: List,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    pieces.out.length(list.node_count() as u64);
    let mut scratch = Vec::new();
    list.consume(|node| put(node, &mut scratch, pieces))
}

/// A node and its kind.
fn put<E>(
    node: NodeBytes<'_>,
    scratch: &mut Vec<u8>,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    match node {
        NodeBytes::Listpack(listpack) => {
            scratch.clear();
            listpack.serialise(scratch);
            pieces.out.length(NODE_PACKED);
            pieces.string(scratch)
        }
        NodeBytes::Plain(bytes) => {
            pieces.out.length(NODE_PLAIN);
            pieces.string(bytes)
        }
        NodeBytes::Compressed { bytes, plain_len, is_plain } => {
            pieces.out.length(if is_plain { NODE_PLAIN } else { NODE_PACKED });
            pieces.lzf_string(bytes, u64::from(plain_len))
        }
    }
}

/// The oldest form: a count and so many strings.
pub(super) fn read_plain(input: &mut Reader<'_>, options: ListOptions) -> Result<List, PayloadError> {
    let mut list = List::new(options);
    for _ in 0..input.length()? {
        list.push_back(&input.string()?);
    }
    list.settle();
    Ok(list)
}

/// One ziplist (Redis before 3.2).
pub(super) fn read_ziplist(input: &mut Reader<'_>, options: ListOptions) -> Result<List, PayloadError> {
    let mut list = List::new(options);
    ziplist::read(&input.string()?, |element| element.with_text(|text| list.push_back(text)))?;
    list.settle();
    Ok(list)
}

/// A count and so many nodes: ziplists (Redis before 7.0), or each with its kind.
pub(super) fn read_quicklist(
    input: &mut Reader<'_>,
    options: ListOptions,
    with_kinds: bool,
) -> Result<List, PayloadError> {
    let mut list = List::new(options);
    for _ in 0..input.length()? {
        let kind = if with_kinds { input.length()? } else { NODE_PACKED };
        let bytes = input.string()?;
        match kind {
            NODE_PLAIN if bytes.is_empty() => return Err(Corrupt("plain list node without bytes").into()),
            NODE_PLAIN => list.append_plain(bytes.into_owned().into()),
            NODE_PACKED if with_kinds => list.append_listpack(Listpack::from_bytes(&bytes)?),
            NODE_PACKED => list.append_listpack(ziplist::to_listpack(&bytes)?),
            _ => return Err(Corrupt("unknown kind of list node").into()),
        }
    }
    list.settle();
    Ok(list)
}
