//! CLUSTERSCAN: an iteration over the keys of the whole cluster. Valkey 9.1.
//!
//! A cursor is `0` at the beginning and at the end, and `mark-{tag}-position` in between. It is the command's key: the
//! tag is one of the slot to continue in, so every client sends the cursor to the node that serves the slot, and
//! follows MOVED if the slot has gone elsewhere. Within a slot, positions are those of SCAN
//! ([`crate::store::ScanCursor`]), with its guarantee. They depend on a node's seed of hashes, of which the mark is
//! made: at another node, the slot is iterated from its start, so keys may be returned twice but none is left out.
//! While a slot is being migrated, its node returns what it still has.
//!
//! One call visits slots as long as this node serves them and COUNT is not used up; slots without keys cost nothing.

use protocol::resp::Args;
use protocol::slot::{SlotId, key_slot};

use super::scan::{Names, ScanRequest, scan_slot};
use crate::command::keys::{KeyPositions, slot_of};
use crate::command::outcome::DONE;
use crate::command::{
    Arity, CmdError, CmdResult, Declared, Flags, Group, KeyFlags, KeySpec, KeyspaceCtx, KeyspaceFn, error,
};
use crate::store::{Keyspace, ScanCursor, Type};

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<KeyspaceFn>] =
    &[Declared::new("CLUSTERSCAN", Arity::at_least(2), Group::Cluster, Flags::READONLY, cluster_scan as KeyspaceFn)
        .since("9.1.0")
        .summary("Iterates over the keys in the cluster.")
        .complexity("O(N) where N is the number of elements returned.")
        .syntax(
            "cursor:string [MATCH=match-pattern:pattern] [COUNT=count:integer] [TYPE=type:string] [SLOT=slot:integer]",
        )
        .keys(&[KeySpec::at(1).flags(KeyFlags::NOT_KEY)])
        .keys_fn(cursor_key)
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])];

/// The first cursor belongs to no slot.
fn cursor_key(args: Args<'_>, keys: &mut KeyPositions) {
    if args.get(1).is_some_and(|cursor| cursor != b"0") {
        keys.push((1, KeyFlags::NOT_KEY));
    }
}

/// Where an iteration is.
#[derive(Clone, Copy)]
struct Place {
    slot: SlotId,
    position: u32,
}

impl Place {
    fn start_of(slot: SlotId) -> Self {
        Self { slot, position: 0 }
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// It has none of the two forms.
    fn read(word: &[u8], keyspace: &Keyspace) -> Result<Self, CmdError> {
        const INVALID: CmdError = CmdError::text("ERR Invalid cursor");
        let mut parts = word.split(|byte| *byte == b'-');
        let (Some(mark), Some(_), Some(position), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(INVALID);
        };
        let is_number = (1..=20).contains(&position.len()) && position.iter().all(u8::is_ascii_digit);
        if !is_number {
            return Err(INVALID);
        }
        let here = Self::start_of(key_slot(word));
        let position = std::str::from_utf8(position).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        Ok(if mark == mark_of(keyspace).as_bytes() { Self { position, ..here } } else { here })
    }

    fn write(self, keyspace: &Keyspace) -> String {
        let mark = if self.position == 0 { "0".to_owned() } else { mark_of(keyspace) };
        format!("{mark}-{{{}}}-{}", tag_of(self.slot), self.position)
    }
}

/// What distinguishes the positions of this node from those of others.
fn mark_of(keyspace: &Keyspace) -> String {
    format!("{:x}", keyspace.hash(b"CLUSTERSCAN").0 as u32)
}

/// Letters of a tag: the low four bits of each are free.
const TAG_LEN: usize = 4;
const LETTER: u8 = b'`';

/// A hash tag of this slot: four characters from `` ` `` to `o`.
///
/// The slot of a key is linear in the bits of its bytes, for keys of one length. So the bits that make a tag's slot are
/// the solution of a system of linear equations, found by elimination: the 16 free bits reach all 2^14 slots.
fn tag_of(slot: SlotId) -> String {
    let letters = [LETTER; TAG_LEN];
    let base = key_slot(&letters).get();
    // (what the bits change, the bits), in echelon form: each row has a highest bit of its own.
    let mut rows: Vec<(u16, u16)> = Vec::with_capacity(TAG_LEN * 4);
    for bit in 0..TAG_LEN * 4 {
        let mut tag = letters;
        tag[bit / 4] |= 1 << (bit % 4);
        let mut row = (key_slot(&tag).get() ^ base, 1_u16 << bit);
        reduce(&rows, &mut row);
        if row.0 != 0 {
            rows.push(row);
            rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.0));
        }
    }
    let mut wanted = (slot.get() ^ base, 0);
    reduce(&rows, &mut wanted);
    debug_assert!(wanted.0 == 0, "the bits reach every slot");
    (0..TAG_LEN).map(|letter| char::from(LETTER | (wanted.1 >> (letter * 4) & 15) as u8)).collect()
}

/// Clears the highest bits of the rows in a row.
fn reduce(rows: &[(u16, u16)], row: &mut (u16, u16)) {
    for other in rows {
        if row.0 ^ other.0 < row.0 {
            *row = (row.0 ^ other.0, row.1 ^ other.1);
        }
    }
}

/// The words of SCAN, and the only slot that is wanted. As in all scans of Valkey, and in none of Redis, a type that
/// does not exist is an error.
fn parse(args: Args<'_>) -> Result<(ScanRequest<'_>, Option<SlotId>), CmdError> {
    let mut slot = None;
    let request = ScanRequest::parse_with(args.skip(2), |word, value| {
        if word.eq_ignore_ascii_case(b"TYPE")
            && !Type::ALL.iter().any(|ty| value.eq_ignore_ascii_case(ty.name().as_bytes()))
        {
            return Err(CmdError::quoting("ERR unknown type name '", value, "'"));
        }
        let is_slot = word.eq_ignore_ascii_case(b"SLOT");
        if is_slot {
            slot = Some(slot_of(value)?);
        }
        Ok(is_slot)
    })?;
    Ok((request, slot))
}

fn cluster_scan(ctx: &mut KeyspaceCtx<'_>, args: Args<'_>) -> CmdResult {
    if !ctx.limits.cluster_enabled {
        return Err(error::CLUSTER_DISABLED);
    }
    let (request, only) = parse(args)?;
    let keyspace = ctx.keyspace;
    let mut found = Names::default();
    let next = if &args[1] == b"0" {
        Some(Place::start_of(only.unwrap_or(SlotId::FIRST)))
    } else {
        let place = Place::read(&args[1], keyspace)?;
        if only.is_some_and(|only| only != place.slot) {
            return Err(CmdError::text("ERR Cursor slot mismatch with SLOT argument"));
        }
        let last = only.unwrap_or(SlotId::LAST);
        walk(ctx, place, last, &request, &mut found)?
    };
    ctx.reply.array(2);
    match next {
        None => ctx.reply.bulk_str("0"),
        Some(place) => ctx.reply.bulk_str(&place.write(keyspace)),
    }
    found.write(&mut ctx.reply);
    DONE
}

/// Visits keys from a place on; returns where to continue, `None` after the last slot.
///
/// # Errors
/// Those of [`KeyspaceCtx::lock`].
fn walk(
    ctx: &mut KeyspaceCtx<'_>,
    from: Place,
    last: SlotId,
    request: &ScanRequest<'_>,
    found: &mut Names,
) -> Result<Option<Place>, CmdError> {
    let mut left = request.count;
    let mut here = from;
    loop {
        // The cursor's own slot was routed.
        if here.slot != from.slot && !(ctx.serves)(here.slot) || left == 0 {
            return Ok(Some(here));
        }
        if ctx.keyspace.slot_len(ctx.db, here.slot) != 0 {
            let cursor = ScanCursor::start_of(here.slot).at_position(here.position);
            match scan_slot(ctx, cursor, request, &mut left, found) {
                Ok(None) => {}
                Ok(Some(cursor)) => return Ok(Some(Place { position: cursor.position(), ..here })),
                Err(_) if left < request.count => {
                    // Something was found: the client comes again for the rest.
                    ctx.busy = None;
                    return Ok(Some(here));
                }
                Err(busy) => return Err(busy),
            }
        }
        match SlotId::new(here.slot.get() + 1).filter(|_| here.slot < last) {
            Some(slot) => here = Place::start_of(slot),
            None => return Ok(None),
        }
    }
}

#[cfg(test)]
#[path = "cluster_scan_tests.rs"]
mod tests;
