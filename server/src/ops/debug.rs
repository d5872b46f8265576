//! DEBUG: what test suites need to inspect a node and to put it into unusual states.
//!
//! `enable-debug-command` must allow it. Nothing here crashes the process or leaks memory: the subcommands of Redis
//! that do are for testing Redis itself.

use protocol::bus::PacketType;
use protocol::rdb::Writer;
use protocol::resp::Args;
use protocol::resp::reply::Reply;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::debug_entries::with_entry;
use super::neighbours::Order;
use super::{Ops, debug_entries, debug_replies};
use crate::base::number::{parse_f64, parse_i64, parse_memory};
use crate::command::{CmdError, error, help};
use crate::engine::handler::{Handled, SessionCtx, SessionResult};
use crate::engine::held::alone;
use crate::engine::state::{PauseKind, PausePurpose};
use crate::persistence::reload::Reload;
use crate::store::payload::Vintage;
use crate::store::payload::digest::Digest;
use crate::store::types::list::List;
use crate::store::{AccessClock, EntryRef, Keyspace, payload};

/// The largest size of a list element that shares its node: a listpack holds at most 4 GiB with room to spare (Redis:
/// `quicklistisSetPackedThreshold`).
const PACKED_THRESHOLD_MAX: u64 = (1 << 32) - (1 << 20);

/// Most keys that DEBUG POPULATE creates, and the longest value.
const POPULATED_MOST: usize = 1 << 29;

pub(super) fn debug(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    match (args[1].to_ascii_uppercase().as_slice(), args.len()) {
        (b"HELP", 2) => {
            help::write(&mut ctx.reply, "DEBUG", HELP);
            return Ok(Handled::Done);
        }
        (b"SLEEP", 3) => return Ok(sleep(ops, ctx, &args[2])),
        (b"RELOAD", _) => return reload(ops, ctx, args),
        (b"RESTART", _) => return start_again(ops, ctx, args.get(2), Order::Restart),
        (b"CRASH-AND-RECOVER", _) => return start_again(ops, ctx, args.get(2), Order::Recover),
        (b"OBJECT", 3) => return object(ctx, &args[2]),
        (b"SDSLEN", 3) => return debug_entries::sds_len(ctx, &args[2]),
        (b"HTSTATS", 3) => return debug_entries::database_tables(ops, ctx, args),
        (b"HTSTATS-KEY", 3) => return debug_entries::key_table(ctx, &args[2]),
        (b"LISTPACK", 3) => return listpack(ctx, &args[2]),
        (b"QUICKLIST", 3 | 4) => return quicklist(ctx, &args[2]),
        (b"POPULATE", 3..=5) => return populate(ctx, args),
        (b"PROTOCOL", 3) => return debug_replies::protocol(ctx, &args[2]).map(|()| Handled::Done),
        (b"STRINGMATCH-TEST", 2) => {
            let text = debug_replies::match_strings(&mut ctx.session.rng);
            ctx.reply.simple(text);
            return Ok(Handled::Done);
        }
        (b"DIGEST", 2) => {
            return Ok(match alone(ctx.pass, ctx.session, |_, _| Ok(dataset_digest(&ops.engine.keyspace))) {
                Ok(digest) => {
                    ctx.reply.simple(digest.to_hex());
                    Handled::Done
                }
                Err(held) => Handled::Postponed(held),
            });
        }
        (b"DIGEST-VALUE", _) => return Ok(digest_values(ctx, args.skip(2))),
        (b"ERROR", 3) => {
            ctx.reply.error(&args[2]);
            return Ok(Handled::Done);
        }
        (b"LOG", 3) => log_line(ops, &args[2]),
        (b"SET-ACTIVE-EXPIRE", 3) => ops.engine.state.active_expire.store(is_on(&args[2]), Ordering::Relaxed),
        (b"SET-SKIP-CHECKSUM-VALIDATION", 3) => {
            ops.engine.state.skip_checksums.store(is_on(&args[2]), Ordering::Relaxed);
            ops.engine.reload_hot();
        }
        (b"SET-DISABLE-DENY-SCRIPTS", 3) => ops.engine.scripts.allow_all_commands(is_on(&args[2])),
        (b"PAUSE-CRON", 3) => ops.engine.state.cron_paused.store(is_on(&args[2]), Ordering::Relaxed),
        (b"REPLYBUFFER", 4) => check_reply_buffer(args)?,
        (b"QUICKLIST-PACKED-THRESHOLD", 3) => set_packed_threshold(ops, &args[2])?,
        (b"CHANGE-REPL-ID", 2) => {
            ops.engine.log.warning(format_args!("Changing replication IDs after receiving DEBUG change-repl-id"));
            ops.replication.change_id();
        }
        (b"DROP-CLUSTER-PACKET-FILTER", 3) => {
            let number = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
            let kind = u16::try_from(number).ok().and_then(packet_type);
            if let Some(cluster) = ops.cluster.get().and_then(std::sync::Weak::upgrade) {
                cluster.with_core(|core, _| core.set_drop_filter(kind));
            }
        }
        (b"CONFIG-REWRITE-FORCE-ALL", 2) => {
            ops.engine
                .config
                .rewrite(true)
                .map_err(|problem| CmdError::new(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {problem}")))?;
        }
        _ => return Err(error::unknown_or_arity("DEBUG", &args[1])),
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

/// Reply buffers belong to threads here: there is none of a connection whose size could follow its use. The words are
/// checked, so that tests that set this go on.
fn check_reply_buffer(args: Args<'_>) -> Result<(), CmdError> {
    let value = &args[3];
    match args[2].to_ascii_uppercase().as_slice() {
        b"RESIZING" => Ok(()),
        b"PEAK-RESET-TIME" if [&b"NEVER"[..], b"RESET"].iter().any(|word| value.eq_ignore_ascii_case(word)) => Ok(()),
        b"PEAK-RESET-TIME" => parse_i64(value).map(|_| ()).ok_or(error::NOT_INTEGER),
        _ => Err(error::unknown_or_arity("DEBUG", &args[1])),
    }
}

fn log_line(ops: &Ops, text: &[u8]) {
    ops.engine.log.warning(format_args!("DEBUG LOG: {}", String::from_utf8_lossy(text)));
}

/// The kind of bus packet with this number on the wire; `-1` and other numbers are none.
fn packet_type(number: u16) -> Option<PacketType> {
    PacketType::ALL.into_iter().find(|kind| *kind as u16 == number)
}

/// C's `atoi`, as far as switches need it: anything but a number other than zero is off.
fn is_on(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].iter().any(|digit| *digit != b'0')
}

/// The node does nothing for a while: neither its clients nor the other nodes of the cluster hear from it. The threads
/// go on, since other nodes of the process may use them.
fn sleep(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, word: &[u8]) -> Handled {
    let seconds = leading_number(word).filter(|seconds| seconds.is_finite() && *seconds > 0.0).unwrap_or(0.0);
    let ms = (seconds * 1000.0).min(f64::from(i32::MAX)) as i64;
    if ms == 0 {
        ctx.reply.ok();
        return Handled::Done;
    }
    ops.engine.state.pause(PausePurpose::Sleep, PauseKind::All, ctx.now + ms);
    if ctx.pass.is_alone() {
        // A command inside EXEC cannot be suspended: it blocks the thread, as Redis does.
        std::thread::sleep(Duration::from_millis(ms as u64));
        ctx.reply.ok();
        return Handled::Done;
    }
    let protocol = ctx.session.protocol;
    Handled::Wait(Box::pin(async move {
        tokio::time::sleep(Duration::from_millis(ms as u64)).await;
        let mut out = Vec::new();
        Reply::new(&mut out, protocol).ok();
        out
    }))
}

/// The number at the beginning of a word, as `strtod` reads it: the rest is ignored, and a word without a number is
/// zero.
fn leading_number(word: &[u8]) -> Option<f64> {
    const LONGEST: usize = 64;
    let word = word.trim_ascii_start();
    (1..=word.len().min(LONGEST)).rev().find_map(|length| parse_f64(&word[..length]))
}

fn reload(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let (mut flush, mut save, mut merge) = (true, true, false);
    for word in args.iter().skip(2) {
        match word.to_ascii_uppercase().as_slice() {
            // Loading replaces keys and libraries that are there already.
            b"MERGE" => merge = true,
            b"NOFLUSH" => flush = false,
            b"NOSAVE" => save = false,
            _ => return Err(error::RELOAD_OPTIONS),
        }
    }
    if ctx.pass.is_alone() {
        // A command inside EXEC cannot wait for the barrier.
        return Err(error::NO_MULTI);
    }
    let done = ops.persistence.reload(Reload { save, flush, merge });
    let protocol = ctx.session.protocol;
    Ok(Handled::Wait(Box::pin(async move {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, protocol);
        match done.await {
            Ok(Ok(())) => reply.ok(),
            Ok(Err(problem)) => reply.error(problem.as_bytes()),
            // There was no thread for it, or the node is stopping.
            Err(_) => reply.error(error::RELOAD_FAILED.as_bytes()),
        }
        out
    })))
}

/// RESTART and CRASH-AND-RECOVER. Redis executes its program anew. Here the process goes on with its other nodes, so a
/// node that is alone in it is not restarted. As in Redis, the client gets no reply unless it failed.
fn start_again(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, delay: Option<&[u8]>, order: Order) -> SessionResult {
    let delay = delay.map(|word| parse_i64(word).ok_or(error::NOT_INTEGER)).transpose()?.unwrap_or(0);
    let Some(neighbours) = ops.neighbours.get().cloned() else { return Err(error::NO_RESTART) };
    if ctx.pass.is_alone() {
        // A command inside EXEC cannot wait.
        return Err(error::NO_MULTI);
    }
    let (log, protocol) = (ops.engine.log.clone(), ctx.session.protocol);
    Ok(Handled::Wait(Box::pin(async move {
        tokio::time::sleep(Duration::from_millis(u64::try_from(delay).unwrap_or(0))).await;
        let own = neighbours.own();
        if let Ok(Err(problem)) = neighbours.order(own, order).await {
            log.warning(format_args!("Failed to restart: {problem}"));
        }
        let mut out = Vec::new();
        Reply::new(&mut out, protocol).error(b"ERR failed to restart the server. Check server logs.");
        out
    })))
}

fn set_packed_threshold(ops: &Ops, word: &[u8]) -> Result<(), CmdError> {
    let bytes = parse_memory(error::c_string(word))
        .filter(|bytes| *bytes <= PACKED_THRESHOLD_MAX)
        .ok_or(error::PACKED_THRESHOLD)?;
    ops.engine.state.list_packed_threshold.store(bytes, Ordering::Relaxed);
    ops.engine.reload_hot();
    Ok(())
}

fn object(ctx: &mut SessionCtx<'_, '_>, key: &[u8]) -> SessionResult {
    let now = AccessClock::at(ctx.now);
    let text = with_entry(ctx, key, |entry| {
        let mut body = Writer::new();
        payload::write(&entry.value(), Vintage::Redis70, &mut body);
        let mut text = format!(
            "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
            entry.key().as_ptr(),
            entry.encoding().name(),
            body.len(),
            entry.access().bits(),
            now.seconds_since(entry.access()),
        );
        if let Some(list) = entry.collection::<List>() {
            let info = list.info();
            text.push_str(&format!(
                " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
                info.nodes,
                info.average,
                info.fill,
                u8::from(info.compressed),
                info.uncompressed_bytes
            ));
        }
        text
    });
    match text {
        Ok(text) => ctx.reply.simple(text.ok_or(error::NO_SUCH_KEY)?),
        Err(held) => return Ok(Handled::Postponed(held)),
    }
    Ok(Handled::Done)
}

/// Redis prints the block to its standard output. Lists are quicklists (of listpacks), as in Redis 7.0.
fn listpack(ctx: &mut SessionCtx<'_, '_>, key: &[u8]) -> SessionResult {
    // Unlike its siblings, this subcommand does not see expired keys, and removes them (Redis:
    // `objectCommandLookupOrReply`).
    let now = ctx.now;
    let is_listpack = |entry: EntryRef<'_>| entry.encoding().name() == "listpack";
    match with_entry(ctx, key, |entry| (!entry.is_expired(now)).then(|| is_listpack(entry))) {
        Ok(Some(Some(true))) => {
            ctx.reply.simple("Listpack structure printed on stdout");
            return Ok(Handled::Done);
        }
        Ok(Some(Some(false))) => return Err(error::NOT_LISTPACK),
        // Its slot was free a moment ago.
        Ok(Some(None)) => ctx.engine.expire_key(ctx.session.db, key, now),
        Ok(None) => {}
        Err(held) => return Ok(Handled::Postponed(held)),
    }
    Err(error::NO_SUCH_KEY)
}

/// Creates so many strings, those that are not there yet: so it may begin again after it was held back.
fn populate(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let number = |at: usize| -> Result<usize, CmdError> {
        let Some(word) = args.get(at) else { return Ok(0) };
        let number = parse_i64(word).and_then(|number| usize::try_from(number).ok());
        number.filter(|number| *number <= POPULATED_MOST).ok_or(error::OUT_OF_RANGE_POSITIVE)
    };
    let (count, size) = (number(2)?, number(4)?);
    let prefix = args.get(3).unwrap_or(b"key");
    for index in 0..count {
        let key = [prefix, format!(":{index}").as_bytes()].concat();
        let mut value = format!("value:{index}").into_bytes();
        if size != 0 {
            value.resize(size, 0);
        }
        if let Err(held) = ctx.engine.populate(ctx.session, &key, &value, ctx.now) {
            return Ok(Handled::Postponed(held));
        }
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

/// Redis prints the nodes to its standard output.
fn quicklist(ctx: &mut SessionCtx<'_, '_>, key: &[u8]) -> SessionResult {
    match with_entry(ctx, key, |entry| entry.collection::<List>().is_some()) {
        Ok(Some(true)) => ctx.reply.simple("Quicklist structure printed on stdout"),
        Ok(Some(false)) => return Err(CmdError::text("ERR Not a quicklist encoded object.")),
        Ok(None) => return Err(error::NO_SUCH_KEY),
        Err(held) => return Ok(Handled::Postponed(held)),
    }
    Ok(Handled::Done)
}

/// The digest of all keys. The caller holds the barrier, so the digest is of one moment.
fn dataset_digest(keyspace: &Keyspace) -> Digest {
    let mut digest = Digest::default();
    for db in (0..keyspace.databases()).filter(|db| !keyspace.is_empty(*db)) {
        digest.start_database(db as u32);
        for slot in keyspace.occupied(db) {
            for entry in keyspace.lock(db, slot).iter() {
                digest.add_key(entry.key(), &entry.value(), entry.expire_at().is_some());
            }
        }
    }
    digest
}

fn digest_values(ctx: &mut SessionCtx<'_, '_>, keys: Args<'_>) -> Handled {
    let mut digests = Vec::new();
    for key in keys {
        match with_entry(ctx, key, |entry| Digest::of_value(&entry.value(), entry.expire_at().is_some())) {
            Ok(digest) => digests.push(digest.unwrap_or_default()),
            Err(held) => return Handled::Postponed(held),
        }
    }
    ctx.reply.array(digests.len());
    digests.iter().for_each(|digest| ctx.reply.simple(digest.to_hex()));
    Handled::Done
}

const HELP: &[&str] = &[
    "CHANGE-REPL-ID",
    "    Change the replication IDs of the instance.",
    "    Dangerous: should be used only for testing the replication subsystem.",
    "CONFIG-REWRITE-FORCE-ALL",
    "    Like CONFIG REWRITE but writes all configuration options, including",
    "    keywords not listed in original configuration file or default values.",
    "CRASH-AND-RECOVER [<milliseconds>]",
    "    Hard crash and restart after a <milliseconds> delay (default 0).",
    "DIGEST",
    "    Output a hex signature representing the current DB content.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Output a hex signature of the values of all the specified keys.",
    "DROP-CLUSTER-PACKET-FILTER <packet-type>",
    "    Drop all packets that match the filtered type. Set to -1 allow all packets.",
    "ERROR <string>",
    "    Return a Redis protocol error with <string> as message. Useful for clients",
    "    unit tests to simulate Redis errors.",
    "LOG <message>",
    "    Write <message> to the server log.",
    "HTSTATS <dbid>",
    "    Return hash table statistics of the specified Redis database.",
    "HTSTATS-KEY <key>",
    "    Like HTSTATS but for the hash table stored at <key>'s value.",
    "OBJECT <key>",
    "    Show low level info about `key` and associated value.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named key:<num>. If <prefix> is specified then",
    "    it is used instead of the 'key' prefix. These are not propagated to",
    "    replicas. Cluster slots are not respected so keys not belonging to the",
    "    current node can be created in cluster mode.",
    "PROTOCOL <type>",
    "    Reply with a test value of the specified type. <type> can be: string,",
    "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true, false.",
    "RELOAD [option ...]",
    "    Save the RDB on disk and reload it back to memory. Valid <option> values:",
    "    * MERGE: conflicting keys will be loaded from RDB.",
    "    * NOFLUSH: the existing database will not be removed before load.",
    "    * NOSAVE: the database will be loaded from an existing RDB file.",
    "RESTART [<milliseconds>]",
    "    Graceful restart: save config, db, restart after a <milliseconds> delay (default 0).",
    "SDSLEN <key>",
    "    Show low level SDS string info representing `key` and value.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Setting it to 0 disables expiring keys in background when they are not",
    "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
    "    default.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Sets the threshold for elements to be inserted as plain vs packed nodes",
    "    Default value is 1GB, allows values up to 4GB. Setting to 0 restores to default.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    If value is 1, scripts may run commands that are denied to them.",
    "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    "    Enables or disables checksum checks for RDB files and RESTORE's payload.",
    "SLEEP <seconds>",
    "    Stop the server for <seconds>. Decimals allowed.",
    "STRINGMATCH-TEST",
    "    Run a fuzz tester against the stringmatchlen() function.",
    "LISTPACK <key>",
    "    Show low level info about the listpack encoding of <key>.",
    "QUICKLIST <key> [<0|1>]",
    "    Show low level info about the quicklist encoding of <key>.",
    "    The optional argument (0 by default) sets the level of detail",
    "PAUSE-CRON <0|1>",
    "    Stop periodic cron job processing.",
    "REPLYBUFFER PEAK-RESET-TIME <NEVER||RESET|time>",
    "    Sets the time (in milliseconds) to wait between client reply buffer peak resets.",
    "    In case NEVER is provided the last observed peak will never be reset",
    "    In case RESET is provided the peak reset time will be restored to the default value",
    "REPLYBUFFER RESIZING <0|1>",
    "    Enable or disable the reply buffer resize cron job",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_as_atoi_reads_them() {
        for on in [&b"1"[..], b"-1", b"10", b"1x"] {
            assert!(is_on(on), "{on:?}");
        }
        for off in [&b"0"[..], b"", b"no", b"-0", b"00"] {
            assert!(!is_on(off), "{off:?}");
        }
    }
}
