//! XDELEX and XACKDEL of Redis 8.2: removing entries with regard to the groups that still need them.
//!
//! There is no server of that version to compare with: arguments and reply codes are as Redis documents them, the rest
//! is as in XDEL and XACK. What was done is propagated as XACK and XDEL, which every replica knows.

use protocol::resp::{Args, OwnedArgs};

use super::integer;
use super::stream_words::{changed, references_of, stream_of, strict_ids};
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Edit, Flags, Group, Key, KeySpec, KeyedCtx, KeyedFn, error,
};
use crate::store::types::stream::{Name, References, Removal, Removed, Stream, StreamId};

const FAST: Flags = Flags::WRITE.and(Flags::FAST);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyedFn>] = &[
    Declared::new("XDELEX", Arity::at_least(5), Group::Stream, FAST, xdelex as KeyedFn)
        .since("8.2.0")
        .summary("Deletes one or multiple entries from the stream.")
        .complexity("O(1) for each single item to delete in the stream, regardless of the stream size.")
        .keys(&[KeySpec::at(1).rw().delete()])
        .syntax("key:key [condition:<'keepref|'delref|'acked>] IDS=ids:{numids:integer id:string+}"),
    Declared::new("XACKDEL", Arity::at_least(6), Group::Stream, FAST, xackdel as KeyedFn)
        .since("8.2.0")
        .summary("Acknowledges and deletes one or multiple messages for a stream consumer group.")
        .complexity("O(1) for each message ID processed.")
        .keys(&[KeySpec::at(1).rw().update().delete()])
        .syntax("key:key group:string [condition:<'keepref|'delref|'acked>] IDS=ids:{numids:integer id:string+}"),
];

/// So many ids are propagated in one command.
const IDS_AT_ONCE: usize = 1024;

/// The words behind the key, or the group.
#[derive(Clone, Copy, Debug)]
struct Request<'a> {
    references: References,
    ids: Args<'a>,
}

impl<'a> Request<'a> {
    fn parse(args: Args<'a>, first: usize) -> Result<Self, CmdError> {
        let (mut references, mut ids) = (None, None);
        let mut at = first;
        while let Some(word) = args.get(at) {
            if let Some(found) = references_of(word) {
                if references.replace(found).is_some() {
                    return Err(error::SYNTAX);
                }
                at += 1;
            } else if word.eq_ignore_ascii_case(b"ids") && at + 1 < args.len() && ids.is_none() {
                let number = integer(&args[at + 1]).ok().and_then(|number| usize::try_from(number).ok());
                let number = number.filter(|number| *number > 0);
                let number = number.ok_or(CmdError::text("ERR Number of IDs must be a positive integer"))?;
                let rest = args.skip(at + 2);
                if number > rest.len() {
                    return Err(CmdError::text("ERR The `numids` parameter must match the number of arguments"));
                }
                ids = Some(rest.slice(0..number));
                at += 2 + number;
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(Self { references: references.unwrap_or_default(), ids: ids.ok_or(error::SYNTAX)? })
    }
}

/// The code that stands for what happened.
fn code(removed: Removed) -> i64 {
    match removed {
        Removed::Missing => -1,
        Removed::Gone => 1,
        Removed::Needed => 2,
    }
}

fn xdelex(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let request = Request::parse(args, 2)?;
    let key = ctx.data.key(&args[1]);
    let exists = ctx.data.peek(&key).map(stream_of).transpose()?.is_some();
    remove(ctx, &key, &request, exists, |stream, id, removal| stream.remove(id, request.references, removal))
}

fn xackdel(ctx: &mut KeyedCtx<'_>, args: Args<'_>) -> CmdResult {
    let request = Request::parse(args, 3)?;
    let key = ctx.data.key(&args[1]);
    let stream = ctx.data.peek(&key).map(stream_of).transpose()?;
    let exists = stream.and_then(|stream| stream.group(&args[2])).is_some();
    let group: Name = args[2].into();
    remove(ctx, &key, &request, exists, |stream, id, removal| {
        stream.acknowledge_and_remove(&group, id, request.references, removal)
    })
}

/// Removes the entries one by one, and replies with what happened to each.
fn remove(
    ctx: &mut KeyedCtx<'_>,
    key: &Key<'_>,
    request: &Request<'_>,
    exists: bool,
    mut one: impl FnMut(&mut Stream, StreamId, &mut Removal) -> Removed,
) -> CmdResult {
    let ids = if exists { strict_ids(request.ids)? } else { Vec::new() };
    let reply = &mut ctx.reply;
    reply.array(request.ids.len());
    if !exists {
        request.ids.iter().for_each(|_| reply.int(code(Removed::Missing)));
        return DONE;
    }
    let removal = ctx.data.edit(key, |stream: &mut Stream| {
        let mut removal = Removal::default();
        ids.iter().for_each(|id| reply.int(code(one(stream, *id, &mut removal))));
        if removal.deleted.is_empty() {
            return Edit::unseen(removal);
        }
        stream.log_mut().deleted();
        changed("xdel", removal.deleted.len(), removal).lessening()
    })?;
    let removal = removal.unwrap_or_default();
    ctx.data.effects.dirty += removal.released.len() as u64;
    if ctx.data.effects.propagating {
        ctx.data.effects.propagate_all_instead(told_of(key.bytes, &removal));
    }
    DONE
}

/// The commands that do the same on a replica: XACK for each group, then XDEL.
pub(super) fn told_of(key: &[u8], removal: &Removal) -> Vec<OwnedArgs> {
    let mut released: Vec<&(Name, StreamId)> = removal.released.iter().collect();
    released.sort_by(|(one, _), (other, _)| one.cmp(other));
    let acks = released.chunk_by(|(one, _), (other, _)| one == other).flat_map(|of_group| {
        let ids = of_group.chunks(IDS_AT_ONCE);
        ids.map(|ids| with_ids(&[b"XACK", key, &ids[0].0], ids.iter().map(|(_, id)| *id)))
    });
    let deletions = removal.deleted.chunks(IDS_AT_ONCE).map(|ids| with_ids(&[b"XDEL", key], ids.iter().copied()));
    acks.chain(deletions).collect()
}

fn with_ids(head: &[&[u8]], ids: impl ExactSizeIterator<Item = StreamId>) -> OwnedArgs {
    let bytes: usize = head.iter().map(|word| word.len()).sum();
    let mut words = OwnedArgs::with_capacity(head.len() + ids.len(), bytes + ids.len() * StreamId::TEXT_MAX);
    head.iter().for_each(|word| words.push(word));
    ids.for_each(|id| id.with_text(|text| words.push(text)));
    words
}
