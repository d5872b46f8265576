//! Streams as bytes: the nodes as they are, counters, and the groups with what is pending.
//!
//! Three versions differ in counters only: Redis 7.0 added those of entries, 7.2 a second time of each consumer. The
//! third is written for readers that know 7.2; others take both times for the same.
//!
//! Checked whole: the shape of each node, that the nodes are in order and their live entries are as many as the stream
//! says, that no id is greater than the last one, that names occur once, and that everything pending has exactly one
//! owner. So whatever a command finds in a stream is there in every other place where it must be.

use std::sync::Arc;

use protocol::rdb::{Reader, Writer};

use super::pieces::Pieces;
use super::{PayloadError, Vintage};
use crate::store::encoding::Corrupt;
use crate::store::types::stream::{Counters, Group, Name, Stream, StreamId};

/// Which of the three forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// Redis 5.0.
    First,
    /// Redis 7.0.
    Second,
    /// Redis 7.2.
    Third,
}

/// Writes the body of a stream.
pub(super) fn write<E>(
    stream: &Stream,
    vintage: Vintage,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    let log = stream.log();
    pieces.out.length(log.node_count() as u64);
    let mut scratch = Vec::new();
    for (id, node) in log.saved_nodes() {
        pieces.out.string(&id.to_bytes());
        scratch.clear();
        node.serialise(&mut scratch);
        pieces.string(&scratch)?;
    }
    let Counters { last_id, first_id, max_deleted, added } = *log.counters();
    pieces.out.length(log.len());
    write_id(last_id, pieces.out);
    write_id(first_id, pieces.out);
    write_id(max_deleted, pieces.out);
    pieces.out.length(added);
    pieces.out.length(stream.group_count() as u64);
    for (name, group) in stream.groups() {
        pieces.string(name)?;
        write_group(group, vintage, pieces)?;
    }
    Ok(())
}

fn write_id(id: StreamId, out: &mut Writer) {
    out.length(id.ms);
    out.length(id.seq);
}

fn write_group<E>(
    group: &Group,
    vintage: Vintage,
    pieces: &mut Pieces<'_, impl FnMut(&mut Writer) -> Result<(), E>>,
) -> Result<(), E> {
    write_id(group.last_id, pieces.out);
    pieces.out.length(group.entries_read as u64);
    pieces.out.length(group.pending_count() as u64);
    for (id, pending) in group.pending_from(StreamId::MIN) {
        pieces.out.raw(&id.to_bytes());
        pieces.out.i64_le(pending.time);
        pieces.out.length(pending.deliveries);
        pieces.pass()?;
    }
    pieces.out.length(group.consumer_count() as u64);
    for (name, consumer) in group.consumers() {
        pieces.string(name)?;
        pieces.out.i64_le(consumer.seen);
        if vintage == Vintage::Redis72 {
            pieces.out.i64_le(consumer.active);
        }
        pieces.out.length(consumer.pending_count() as u64);
        for id in consumer.pending_from(StreamId::MIN) {
            pieces.out.raw(&id.to_bytes());
            pieces.pass()?;
        }
    }
    Ok(())
}

/// Reads the body of a stream.
pub(super) fn read(input: &mut Reader<'_>, version: Version) -> Result<Stream, PayloadError> {
    let mut stream = Stream::new();
    for _ in 0..input.length()? {
        let id: [u8; StreamId::BYTES] =
            (*input.string()?).try_into().map_err(|_| Corrupt("id of a stream node has a wrong length"))?;
        let node = input.string()?;
        stream.log_mut().push_saved(StreamId::from_bytes(id), &node)?;
    }
    if input.length()? != stream.log().len() {
        return Err(Corrupt("stream length differs from its nodes").into());
    }
    let last_id = read_id(input)?;
    if stream.log().last_live() > Some(last_id) {
        return Err(Corrupt("stream has an entry behind its last id").into());
    }
    let added = stream.log().len();
    *stream.log_mut().counters_mut() = Counters { last_id, added, ..Counters::default() };
    if version == Version::First {
        stream.log_mut().deleted();
    } else {
        let (first_id, max_deleted) = (read_id(input)?, read_id(input)?);
        *stream.log_mut().counters_mut() = Counters { last_id, first_id, max_deleted, added: input.length()? };
    }
    for _ in 0..input.length()? {
        let name = input.string()?;
        let last_id = read_id(input)?;
        let entries_read = match version {
            Version::First => stream.log().entries_until(last_id),
            Version::Second | Version::Third => input.length()? as i64,
        };
        let group = read_group(input, Group::new(last_id, entries_read), version)?;
        if !stream.add_group(&name, group) {
            return Err(Corrupt("stream has a group twice").into());
        }
    }
    Ok(stream)
}

fn read_id(input: &mut Reader<'_>) -> Result<StreamId, PayloadError> {
    Ok(StreamId::new(input.length()?, input.length()?))
}

fn read_raw_id(input: &mut Reader<'_>) -> Result<StreamId, PayloadError> {
    let bytes = input.raw(StreamId::BYTES)?.try_into().expect("so many bytes were asked for");
    Ok(StreamId::from_bytes(bytes))
}

/// Reads what follows the counters of a group.
fn read_group(input: &mut Reader<'_>, mut group: Group, version: Version) -> Result<Group, PayloadError> {
    let nobody: Name = Arc::from(&[][..]);
    let pending = input.length()?;
    for _ in 0..pending {
        let id = read_raw_id(input)?;
        let (time, deliveries) = (input.i64_le()?, input.length()?);
        if !group.push_saved(id, time, deliveries, &nobody) {
            return Err(Corrupt("entry of a stream is pending twice").into());
        }
    }
    let mut owned = 0;
    for _ in 0..input.length()? {
        let name = input.string()?;
        let seen = input.i64_le()?;
        let name = group.add_consumer(&name, seen).ok_or(Corrupt("group has a consumer twice"))?;
        let active = if version == Version::Third { Some(input.i64_le()?) } else { None };
        for _ in 0..input.length()? {
            if !group.give_saved(read_raw_id(input)?, &name, &nobody) {
                return Err(Corrupt("consumer has an entry that is not pending, or another's").into());
            }
            owned += 1;
        }
        // Before 7.2 nothing is known of it but when it was seen.
        let active = active.unwrap_or(seen);
        group.edit_consumer(&name, |consumer| consumer.active = active);
    }
    if owned != pending {
        return Err(Corrupt("entry of a stream is pending for nobody").into());
    }
    Ok(group)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
