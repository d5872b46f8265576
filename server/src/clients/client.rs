//! CLIENT: lists connections, names, pauses, unblocks and closes them.
//!
//! A command of one connection reaches another connection only through its [`ClientHandle`]: it reads the counters
//! there, or asks the connection's worker to close it. So CLIENT LIST never waits; a counter may be slightly out of
//! date.
//!
//! CLIENT TRACKING and its family are in [`super::tracking`].

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::resp::Args;

use super::connection::check_name;
use crate::base::number::parse_i64;
use crate::command::{Arity, CmdError, Declared, Flags, Group, Traits, error, help};
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use crate::engine::state::{PauseKind, PausePurpose};
use crate::session::ReplyMode;
use crate::session::client::tracker::Mode;
use crate::session::client::{ClientHandle, ClientKind};

const OWN: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE);
const ADMIN: Flags = OWN.and(Flags::ADMIN);
const HELPING: Flags = Flags::LOADING.and(Flags::STALE);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("CLIENT", Arity::at_least(2), Group::Connection, Flags::CONTAINER, container as SessionFn)
        .traits(Traits::KEEPS_CACHING)
        .since("2.4.0")
        .summary("A container for client connection commands")
        .complexity("Depends on subcommand."),
    Declared::sub("CLIENT", "GETNAME", Arity::exactly(2), Group::Connection, OWN, get_name as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("2.6.9")
        .summary("Get the current connection name")
        .complexity("O(1)"),
    Declared::sub("CLIENT", "HELP", Arity::exactly(2), Group::Connection, HELPING, help as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("5.0.0")
        .summary("Show helpful text about the different subcommands")
        .complexity("O(1)"),
    Declared::sub("CLIENT", "ID", Arity::exactly(2), Group::Connection, OWN, own_id as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("5.0.0")
        .summary("Returns the client ID for the current connection")
        .complexity("O(1)"),
    Declared::sub("CLIENT", "INFO", Arity::exactly(2), Group::Connection, OWN, info as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("6.2.0")
        .summary("Returns information about the current client connection.")
        .complexity("O(1)")
        .tips(&["nondeterministic_output"]),
    Declared::sub("CLIENT", "KILL", Arity::at_least(3), Group::Connection, ADMIN, kill as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA.and(Traits::HELPS_WHILE_BUSY))
        .since("2.4.0")
        .summary("Kill the connection of a client")
        .complexity("O(N) where N is the number of client connections")
        .syntax("filter:<ip:port:string!2.8.12|new-format:<[ID=client-id:integer@2.8.12]|[TYPE=normal_master_slave_pubsub:<'normal|'master@3.2.0|'slave|'replica@5.0.0|'pubsub>@2.8.12]|[USER=username:string]|[ADDR=ip:port:string]|[LADDR=ip:port:string@6.2.0]|[SKIPME=yes/no:string]>+>")
        .history(&[("2.8.12", "Added new filter format."), ("2.8.12", "`ID` option."), ("3.2.0", "Added `master` type in for `TYPE` option."), ("5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."), ("6.2.0", "`LADDR` option.")]),
    Declared::sub("CLIENT", "LIST", Arity::at_least(2), Group::Connection, ADMIN, list as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA.and(Traits::HELPS_WHILE_BUSY))
        .since("2.4.0")
        .summary("Get the list of client connections")
        .complexity("O(N) where N is the number of client connections")
        .syntax("[TYPE=normal_master_replica_pubsub:<'normal|'master|'replica|'pubsub>@5.0.0] [ID=id:{client-id:integer+}@6.2.0]")
        .history(&[("2.8.12", "Added unique client `id` field."), ("5.0.0", "Added optional `TYPE` filter."), ("6.0.0", "Added `user` field."), ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."), ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."), ("7.0.3", "Added `ssub` field.")])
        .tips(&["nondeterministic_output"]),
    Declared::sub("CLIENT", "NO-EVICT", Arity::exactly(3), Group::Connection, ADMIN, no_evict as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("7.0.0")
        .summary("Set client eviction mode for the current connection")
        .complexity("O(1)")
        .syntax("enabled:<'on|'off>"),
    Declared::sub("CLIENT", "NO-TOUCH", Arity::exactly(3), Group::Connection, OWN, no_touch as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("7.2.0")
        .summary("Controls whether commands sent by the client affect the LRU/LFU of accessed keys.")
        .complexity("O(1)")
        .syntax("enabled:<'on|'off>"),
    Declared::sub("CLIENT", "SETINFO", Arity::exactly(4), Group::Connection, OWN, set_info as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("7.2.0")
        .summary("Sets information specific to the client or connection.")
        .complexity("O(1)")
        .syntax("attr:<LIB-NAME=libname:string|LIB-VER=libver:string>")
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    Declared::sub("CLIENT", "PAUSE", Arity::at_least(3), Group::Connection, ADMIN, pause as SessionFn)
        .since("2.9.50")
        .summary("Stop processing commands from clients for some time")
        .complexity("O(1)")
        .syntax("timeout:integer [mode:<'write|'all>@6.2.0]")
        .history(&[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")]),
    Declared::sub("CLIENT", "REPLY", Arity::exactly(3), Group::Connection, OWN, reply as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("3.2.0")
        .summary("Instruct the server whether to reply to commands")
        .complexity("O(1)")
        .syntax("on_off_skip:<'on|'off|'skip>"),
    Declared::sub("CLIENT", "SETNAME", Arity::exactly(3), Group::Connection, OWN, set_name as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("2.6.9")
        .summary("Set the current connection name")
        .complexity("O(1)")
        .syntax("connection-name:string"),
    Declared::sub("CLIENT", "UNBLOCK", Arity::at_least(3), Group::Connection, ADMIN, unblock as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("5.0.0")
        .summary("Unblock a client blocked in a blocking command from a different connection")
        .complexity("O(log N) where N is the number of client connections")
        .syntax("client-id:integer [timeout_error:<'timeout|'error>]"),
    Declared::sub("CLIENT", "UNPAUSE", Arity::exactly(2), Group::Connection, ADMIN, unpause as SessionFn)
        .since("6.2.0")
        .summary("Resume processing of clients that were paused")
        .complexity("O(N) Where N is the number of paused clients"),
];

fn container(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    Err(error::wrong_arity(&ctx.command.full_name))
}

fn own_id(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.int(ctx.session.handle.id as i64);
    Ok(Handled::Done)
}

fn get_name(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let texts = ctx.session.handle.texts.lock();
    if texts.name.is_empty() {
        ctx.reply.null();
    } else {
        ctx.reply.bulk(&texts.name);
    }
    Ok(Handled::Done)
}

fn set_name(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    check_name(&args[2])?;
    ctx.session.handle.texts.lock().name = args[2].to_vec();
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn set_info(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let is_name = args[2].eq_ignore_ascii_case(b"LIB-NAME");
    if !is_name && !args[2].eq_ignore_ascii_case(b"LIB-VER") {
        return Err(error::unrecognized_option(&args[2]));
    }
    check_name(&args[3]).map_err(|_| error::special_characters(&args[2]))?;
    let mut texts = ctx.session.handle.texts.lock();
    let target = if is_name { &mut texts.lib_name } else { &mut texts.lib_ver };
    *target = args[3].to_vec();
    ctx.reply.ok();
    Ok(Handled::Done)
}

/// `ON` or `OFF`.
fn switch(word: &[u8]) -> Result<bool, CmdError> {
    if word.eq_ignore_ascii_case(b"ON") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"OFF") {
        Ok(false)
    } else {
        Err(error::SYNTAX)
    }
}

/// Clients are not evicted yet. The flag is kept and shown, so that it is effective as soon as they are.
fn no_evict(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    ctx.session.handle.stats.no_evict.store(switch(&args[2])?, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn no_touch(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let on = switch(&args[2])?;
    ctx.session.no_touch = on;
    ctx.session.handle.stats.no_touch.store(on, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn reply(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args[2].eq_ignore_ascii_case(b"SKIP") {
        if ctx.session.reply_mode != ReplyMode::Off {
            ctx.session.reply_mode = ReplyMode::SkipNext;
        }
    } else if switch(&args[2])? {
        ctx.session.reply_mode = ReplyMode::On;
        ctx.reply.ok();
    } else {
        ctx.session.reply_mode = ReplyMode::Off;
    }
    ctx.engine.note_replies_of_monitor(ctx.session);
    Ok(Handled::Done)
}

fn pause(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args.len() > 4 {
        return Err(error::unknown_or_arity("CLIENT", &args[1]));
    }
    let kind = match args.get(3) {
        None => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"ALL") => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"WRITE") => PauseKind::Writes,
        Some(_) => return Err(error::PAUSE_MODE),
    };
    let timeout = parse_i64(&args[2]).ok_or(error::TIMEOUT_NOT_INTEGER)?;
    if timeout < 0 {
        return Err(error::TIMEOUT_NEGATIVE);
    }
    // Redis adds without an overflow check: a pause that wraps around is already over.
    ctx.engine.state.pause(PausePurpose::Client, kind, ctx.now.wrapping_add(timeout));
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn unpause(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.engine.state.unpause(PausePurpose::Client);
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn unblock(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args.len() > 4 {
        return Err(error::unknown_or_arity("CLIENT", &args[1]));
    }
    let with_error = match args.get(3) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"TIMEOUT") => false,
        Some(word) if word.eq_ignore_ascii_case(b"ERROR") => true,
        Some(_) => return Err(error::UNBLOCK_REASON),
    };
    let id = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
    let target = u64::try_from(id).ok().and_then(|id| ctx.engine.clients.get(id));
    let reason = with_error.then_some(error::UNBLOCKED);
    let parked = target.as_ref().and_then(|client| client.parked());
    let unblocked = target.map_or(Ok(false), |client| ctx.engine.unblock(ctx.session, &client, reason.as_ref()));
    let unblocked = match unblocked {
        Ok(unblocked) => unblocked,
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    if let Some(parked) = parked.filter(|_| unblocked) {
        // UNBLOCK makes the waiting command count as failed; a timeout and a change of role do not (as in Redis).
        ctx.engine.stats.command(parked.command).failed.fetch_add(1, Ordering::Relaxed);
        ctx.engine.count_served(&parked, 0);
    }
    ctx.reply.int(i64::from(unblocked));
    Ok(Handled::Done)
}

fn client_type(word: &[u8]) -> Result<ClientKind, CmdError> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(ClientKind::Normal),
        b"replica" | b"slave" => Ok(ClientKind::Replica),
        b"pubsub" => Ok(ClientKind::PubSub),
        b"master" => Ok(ClientKind::Primary),
        _ => Err(error::unknown_client_type(word)),
    }
}

/// The client type as TYPE selects it: a normal client with subscriptions counts as a subscriber.
fn type_of(client: &ClientHandle) -> ClientKind {
    match client.kind() {
        ClientKind::Normal if client.subscription_count() > 0 => ClientKind::PubSub,
        kind => kind,
    }
}

fn list(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let clients: Vec<Arc<ClientHandle>> = match args.get(2) {
        None => ctx.engine.clients.all(),
        Some(word) if word.eq_ignore_ascii_case(b"TYPE") && args.len() == 4 => {
            let wanted = client_type(&args[3])?;
            ctx.engine.clients.all().into_iter().filter(|client| type_of(client) == wanted).collect()
        }
        Some(word) if word.eq_ignore_ascii_case(b"ID") && args.len() > 3 => {
            let mut found = Vec::new();
            for word in args.iter().skip(3) {
                let id = parse_i64(word).ok_or(error::INVALID_CLIENT_ID)?;
                found.extend(u64::try_from(id).ok().and_then(|id| ctx.engine.clients.get(id)));
            }
            found
        }
        Some(_) => return Err(error::SYNTAX),
    };
    let mut text = Vec::new();
    for client in clients {
        describe(ctx, &client, args, &mut text);
    }
    ctx.reply.verbatim(*b"txt", &text);
    Ok(Handled::Done)
}

fn info(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let mut text = Vec::new();
    describe(ctx, &ctx.session.handle.clone(), args, &mut text);
    ctx.reply.verbatim(*b"txt", &text);
    Ok(Handled::Done)
}

fn flags_of(client: &ClientHandle) -> String {
    let stats = &client.stats;
    let on = |flag: &std::sync::atomic::AtomicBool| flag.load(Ordering::Relaxed);
    let tracks = client.tracker.mode();
    let flags: String = [
        (on(&stats.monitor), 'O'),
        (client.kind() == ClientKind::Replica, 'S'),
        (client.kind() == ClientKind::Primary, 'M'),
        (client.subscription_count() > 0, 'P'),
        (stats.multi.load(Ordering::Relaxed) >= 0, 'x'),
        (on(&stats.blocked) || on(&stats.paused), 'b'),
        (tracks.has(Mode::ON), 't'),
        (tracks.has(Mode::BROKEN), 'R'),
        (tracks.has(Mode::BCAST), 'B'),
        (client.watching.lock().as_ref().is_some_and(|transaction| transaction.is_raised()), 'd'),
        (client.is_killed(), 'A'),
        (on(&stats.readonly), 'r'),
        (on(&stats.no_evict), 'e'),
        (on(&stats.no_touch), 'T'),
    ]
    .iter()
    .filter(|flag| flag.0)
    .map(|flag| flag.1)
    .collect();
    if flags.is_empty() { "N".to_owned() } else { flags }
}

/// One line of CLIENT LIST, with the fields of Redis 7.2.
///
/// Reply buffers belong to a worker and not to a connection, so `rbs` and `rbp` are zero. `qbuf` counts the bytes that
/// were read and not executed yet; those of the asking command itself are in the worker's buffer.
fn describe(ctx: &SessionCtx<'_, '_>, client: &ClientHandle, args: Args<'_>, out: &mut Vec<u8>) {
    let (stats, texts) = (&client.stats, client.texts.lock());
    let count = |number: &std::sync::atomic::AtomicUsize| number.load(Ordering::Relaxed);
    let is_self = client.id == ctx.session.handle.id;
    let arguments = if is_self { args.total_len() } else { 0 };
    let queued = count(&stats.multi_mem);
    let output = count(&stats.output_buffer) + client.mail_bytes();
    let (mut input, spare) = (count(&stats.query_buffer), count(&stats.query_buffer_free));
    if is_self {
        input = input.max(request_len(args));
    }
    let command = match stats.last_command.load(Ordering::Relaxed) {
        0 => "NULL",
        number => ctx.engine.registry.by_index(number as usize - 1).full_name.as_str(),
    };
    let seconds_since = |ms: i64| (ctx.now / 1000 - ms / 1000).max(0);
    let mut line = String::new();
    // Writing into a string cannot fail.
    let _ = write!(line, "id={} addr={} laddr={} fd={} name=", client.id, client.addr, client.local_addr, client.fd);
    line.push_str(&String::from_utf8_lossy(&texts.name));
    let _ = write!(
        line,
        " age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={}",
        seconds_since(client.created_ms),
        seconds_since(stats.last_interaction_ms.load(Ordering::Relaxed)),
        flags_of(client),
        count(&stats.db),
        count(&stats.channels),
        count(&stats.patterns),
        count(&stats.shard_channels),
        stats.multi.load(Ordering::Relaxed),
    );
    let total =
        input + spare + arguments + queued + output + size_of::<ClientHandle>() + size_of::<crate::session::Session>();
    let _ = write!(
        line,
        " qbuf={input} qbuf-free={spare} argv-mem={arguments} multi-mem={queued} rbs=0 rbp=0 obl=0 oll={} omem={output} tot-mem={total}",
        usize::from(output > 0),
    );
    let _ = write!(
        line,
        " events=r cmd={command} user={} redir={} resp={}",
        texts.user,
        client.tracker.told_redirect(),
        stats.protocol.load(Ordering::Relaxed)
    );
    for (name, value) in [("lib-name", &texts.lib_name), ("lib-ver", &texts.lib_ver)] {
        let _ = write!(line, " {name}={}", String::from_utf8_lossy(value));
    }
    line.push('\n');
    out.extend_from_slice(line.as_bytes());
}

/// Bytes of a request with these words.
fn request_len(args: Args<'_>) -> usize {
    let header = |count: usize| 4 + count.max(1).ilog10() as usize;
    header(args.len()) + args.iter().map(|word| header(word.len()) + word.len() + 2).sum::<usize>()
}

/// Which clients CLIENT KILL selects; every condition that is given must hold.
struct KillFilter<'a> {
    addr: Option<&'a [u8]>,
    local_addr: Option<&'a [u8]>,
    kind: Option<ClientKind>,
    id: Option<u64>,
    skip_me: bool,
}

impl<'a> KillFilter<'a> {
    /// The old form names an address, and may name the caller's own.
    fn old(addr: &'a [u8]) -> Self {
        Self { addr: Some(addr), local_addr: None, kind: None, id: None, skip_me: false }
    }

    fn parse(args: Args<'a>) -> Result<Self, CmdError> {
        let mut filter = Self { addr: None, local_addr: None, kind: None, id: None, skip_me: true };
        let mut at = 2;
        while let Some(option) = args.get(at) {
            let value = args.get(at + 1).ok_or(error::SYNTAX)?;
            match option.to_ascii_uppercase().as_slice() {
                b"ID" => {
                    let id = parse_i64(value).filter(|id| *id > 0).ok_or(error::CLIENT_ID_NOT_POSITIVE)?;
                    filter.id = Some(id as u64);
                }
                b"TYPE" => filter.kind = Some(client_type(value)?),
                b"ADDR" => filter.addr = Some(value),
                b"LADDR" => filter.local_addr = Some(value),
                // There is one user, `default`, for every client.
                b"USER" if value == b"default" => {}
                b"USER" => return Err(error::no_such_user(value)),
                b"SKIPME" if value.eq_ignore_ascii_case(b"YES") => filter.skip_me = true,
                b"SKIPME" if value.eq_ignore_ascii_case(b"NO") => filter.skip_me = false,
                _ => return Err(error::SYNTAX),
            }
            at += 2;
        }
        Ok(filter)
    }

    fn admits(&self, client: &ClientHandle) -> bool {
        self.addr.is_none_or(|addr| addr == client.addr.as_bytes())
            && self.local_addr.is_none_or(|addr| addr == client.local_addr.as_bytes())
            && self.kind.is_none_or(|kind| kind == type_of(client))
            && self.id.is_none_or(|id| id == client.id)
    }
}

fn kill(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let old = args.len() == 3;
    let filter = if old { KillFilter::old(&args[2]) } else { KillFilter::parse(args)? };
    let mut killed = 0;
    for client in ctx.engine.clients.all().into_iter().filter(|client| filter.admits(client)) {
        if client.id != ctx.session.handle.id {
            ctx.engine.kill_client(&client);
        } else if filter.skip_me {
            continue;
        } else {
            // The reply goes out first.
            ctx.session.close_after_reply = true;
        }
        killed += 1;
    }
    match (old, killed) {
        (true, 0) => return Err(error::NO_SUCH_CLIENT),
        (true, _) => ctx.reply.ok(),
        (false, _) => ctx.reply.int(killed),
    }
    Ok(Handled::Done)
}

fn help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    help::write(&mut ctx.reply, "CLIENT", HELP);
    Ok(Handled::Done)
}

const HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
];
