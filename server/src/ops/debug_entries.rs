//! DEBUG SDSLEN, HTSTATS and HTSTATS-KEY: what strings and tables take.
//!
//! The texts are Redis's, as far as slotd has what they speak of. A key and its value share one block here, without
//! spare bytes. Tables are many small arrays with a place per key and no chains, so the distribution of chain lengths
//! is left out, and the size of a table is the average for so many keys.

use std::fmt::Write;

use protocol::resp::Args;
use protocol::slot::key_slot;

use super::Ops;
use crate::base::number::parse_i64;
use crate::command::{CmdError, error};
use crate::engine::handler::{Handled, SessionCtx, SessionResult};
use crate::engine::held::Held;
use crate::store::{EXPIRY_PLACE, EntryRef, TABLE_PLACE, ValueRef};

/// Bytes of a place in a table that is in use.
const WORD: usize = 8;

/// Looks at a key as it is, even if it has expired.
///
/// # Errors
/// A long command has its slot.
pub(super) fn with_entry<R>(
    ctx: &mut SessionCtx<'_, '_>,
    key: &[u8],
    look: impl FnOnce(EntryRef<'_>) -> R,
) -> Result<Option<R>, Held> {
    let db = ctx.session.db;
    let slot = ctx.engine.lock_soon(ctx.session, db, key_slot(key))?;
    Ok(slot.get(ctx.engine.keyspace.hash(key), key).map(look))
}

pub(super) fn sds_len(ctx: &mut SessionCtx<'_, '_>, key: &[u8]) -> SessionResult {
    let text = with_entry(ctx, key, |entry| match entry.value() {
        ValueRef::Str(value) => Ok(format!(
            "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:0, val_zmalloc: {}",
            key.len(),
            key.len(),
            value.len(),
            entry.memory() - key.len()
        )),
        ValueRef::Int(_) | ValueRef::Collection(_) => Err(CmdError::text("ERR Not an sds encoded string.")),
    });
    match text {
        Ok(text) => ctx.reply.simple(text.ok_or(error::NO_SUCH_KEY)??),
        Err(held) => return Ok(Handled::Postponed(held)),
    }
    Ok(Handled::Done)
}

pub(super) fn database_tables(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let number = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
    let known = ops.engine.hot.load().limits.databases;
    let db =
        usize::try_from(number).ok().filter(|&db| db < known).ok_or(CmdError::text("ERR Out of range database"))?;
    let keyspace = &ops.engine.keyspace;
    // A cluster node may have one database, whatever `databases` says.
    let (keys, expiries) =
        if db < keyspace.databases() { (keyspace.len(db), keyspace.expires_len(db)) } else { (0, 0) };
    let mut text = String::from("[Dictionary HT]\n");
    describe(&mut text, keys, keys * TABLE_PLACE / WORD);
    text.push_str("[Expires HT]\n");
    describe(&mut text, expiries, expiries * EXPIRY_PLACE / WORD);
    ctx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(Handled::Done)
}

pub(super) fn key_table(ctx: &mut SessionCtx<'_, '_>, key: &[u8]) -> SessionResult {
    let elements = with_entry(ctx, key, |entry| match entry.value() {
        ValueRef::Collection(collection) if matches!(entry.encoding().name(), "hashtable" | "skiplist") => {
            Some(collection.len())
        }
        _ => None,
    });
    let elements = match elements {
        Ok(elements) => elements.ok_or(error::NO_SUCH_KEY)?,
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    let elements = elements
        .ok_or(CmdError::text("ERR The value stored at the specified key is not represented using an hash table"))?;
    let mut text = String::new();
    describe(&mut text, elements, elements);
    ctx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(Handled::Done)
}

fn describe(text: &mut String, elements: usize, places: usize) {
    text.push_str("Hash table 0 stats (main hash table):\n");
    if elements == 0 {
        text.push_str("No stats available for empty dictionaries\n");
    } else {
        // Writing into a string cannot fail.
        let _ = write!(text, " table size: {places}\n number of elements: {elements}\n");
    }
}
