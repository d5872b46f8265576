//! Commands about the connection itself: PING, ECHO, AUTH, HELLO, SELECT, RESET, QUIT, and the cluster's READONLY,
//! READWRITE, ASKING.

use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::resp::reply::Protocol;

use crate::base::number::parse_i64;
use crate::command::{Arity, Categories, CmdError, Declared, Flags, Group, Traits, error};
use crate::config::ids;
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};

const QUICK: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST);
const OPEN: Flags = QUICK.and(Flags::NO_AUTH).and(Flags::ALLOW_BUSY);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new(
        "PING",
        Arity::at_least(1),
        Group::Connection,
        Flags::FAST,
        ping as SessionFn,
    )
        .traits(Traits::FOR_SUBSCRIBERS.and(Traits::TELLS_OF_FAILED_SAVES).and(Traits::TOUCHES_NO_DATA))
        .since("1.0.0")
        .summary("Ping the server")
        .complexity("O(1)")
        .syntax("[message:string]")
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    Declared::new(
        "ECHO",
        Arity::exactly(2),
        Group::Connection,
        Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        echo as SessionFn,
    )
        .traits(Traits::TOUCHES_NO_DATA)
        .since("1.0.0")
        .summary("Echo the given string")
        .complexity("O(1)")
        .syntax("message:string"),
    Declared::new(
        "SELECT",
        Arity::exactly(2),
        Group::Connection,
        Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        select as SessionFn,
    )
        .traits(Traits::TOUCHES_NO_DATA.and(Traits::SELECTS))
        .other_db(selected)
        .since("1.0.0")
        .summary("Change the selected database for the current connection")
        .complexity("O(1)")
        .syntax("index:integer"),
    Declared::new("AUTH", Arity::at_least(2), Group::Connection, OPEN, auth as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("1.0.0")
        .summary("Authenticate to the server")
        .complexity("O(N) where N is the number of passwords defined for the user")
        .secrets_fn(|args| (1..args.len()).collect())
        .syntax("[username:string@6.0.0] password:string")
        .history(&[("6.0.0", "Added ACL style (username and password).")]),
    Declared::new("HELLO", Arity::at_least(1), Group::Connection, OPEN, hello as SessionFn)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("6.0.0")
        .summary("Handshake with Redis")
        .complexity("O(1)")
        .secrets_fn(hello_secrets)
        .syntax("[arguments:{protover:integer [AUTH=username_password:{username:string password:string}] [SETNAME=clientname:string]}]")
        .history(&[("6.2.0", "`protover` made optional; when called without arguments the command reports the current connection's context.")]),
    Declared::new("QUIT", Arity::at_least(1), Group::Connection, OPEN, quit as SessionFn)
        .traits(Traits::RUNS_IN_MULTI.and(Traits::ENDS_MULTI).and(Traits::FOR_SUBSCRIBERS).and(Traits::TOUCHES_NO_DATA))
        .since("1.0.0")
        .summary("Close the connection")
        .complexity("O(1)"),
    Declared::new("RESET", Arity::exactly(1), Group::Connection, OPEN, reset as SessionFn)
        .traits(Traits::RUNS_IN_MULTI.and(Traits::ENDS_MULTI).and(Traits::FOR_SUBSCRIBERS).and(Traits::ENDS_WATCHING))
        .since("6.2.0")
        .summary("Reset the connection")
        .complexity("O(1)"),
    Declared::new(
        "READONLY",
        Arity::exactly(1),
        Group::Cluster,
        Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        readonly as SessionFn,
    )
        .acl(Categories::CONNECTION)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("3.0.0")
        .summary("Enables read queries for a connection to a cluster replica node")
        .complexity("O(1)"),
    Declared::new(
        "READWRITE",
        Arity::exactly(1),
        Group::Cluster,
        Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        readwrite as SessionFn,
    )
        .acl(Categories::CONNECTION)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("3.0.0")
        .summary("Disables read queries for a connection to a cluster replica node")
        .complexity("O(1)"),
    Declared::new(
        "ASKING",
        Arity::exactly(1),
        Group::Cluster,
        Flags::FAST,
        asking as SessionFn,
    )
    .acl(Categories::CONNECTION)
        .traits(Traits::KEEPS_ASKING)
        .since("3.0.0")
        .summary("Sent by cluster clients after an -ASK redirect")
        .complexity("O(1)"),
];

fn ping(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args.len() > 2 {
        return Err(error::wrong_arity("ping"));
    }
    if ctx.session.in_subscriber_mode() {
        ctx.reply.array(2);
        ctx.reply.bulk_str("pong");
        ctx.reply.bulk(args.get(1).unwrap_or_default());
        return Ok(Handled::Done);
    }
    match args.get(1) {
        Some(message) => ctx.reply.bulk(message),
        None => ctx.reply.simple("PONG"),
    }
    Ok(Handled::Done)
}

fn echo(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    ctx.reply.bulk(&args[1]);
    Ok(Handled::Done)
}

/// The database that SELECT names. The handler reports invalid words.
fn selected(args: Args<'_>) -> Option<usize> {
    usize::try_from(parse_i64(args.get(1)?)?).ok()
}

fn select(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let index = parse_i64(&args[1]).ok_or(error::NOT_INTEGER)?;
    let index = i32::try_from(index).map_err(|_| error::NOT_32_BITS)?;
    if index != 0 && ctx.engine.hot.load().limits.has_one_database {
        return Err(error::SELECT_IN_CLUSTER);
    }
    let db =
        usize::try_from(index).ok().filter(|&db| db < ctx.engine.keyspace.databases()).ok_or(error::DB_OUT_OF_RANGE)?;
    ctx.session.db = db;
    ctx.session.handle.stats.db.store(db, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Handled::Done)
}

/// Compares in constant time, so that the duration does not reveal how much of the password was right.
fn same_secret(given: &[u8], wanted: &[u8]) -> bool {
    let mut difference = given.len() ^ wanted.len();
    for (index, byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ wanted.get(index).copied().unwrap_or(0));
    }
    difference == 0
}

fn authenticate(ctx: &mut SessionCtx<'_, '_>, user: &[u8], password: &[u8]) -> Result<(), CmdError> {
    let wanted = ctx.engine.hot.load().password.clone();
    if user != b"default" || !(wanted.is_empty() || same_secret(password, &wanted)) {
        return Err(error::WRONG_PASS);
    }
    ctx.session.authenticated = true;
    Ok(())
}

fn auth(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    match args.len() {
        2 => {
            if ctx.engine.hot.load().password.is_empty() {
                return Err(CmdError::text(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
                ));
            }
            authenticate(ctx, b"default", &args[1])?;
        }
        3 => authenticate(ctx, &args[1], &args[2])?,
        _ => return Err(error::SYNTAX),
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

/// Names and passwords among the words of HELLO, even of one that forgets the version.
fn hello_secrets(args: Args<'_>) -> Vec<usize> {
    let (mut secrets, mut at) = (Vec::new(), 1);
    while let Some(option) = args.get(at) {
        if option.eq_ignore_ascii_case(b"AUTH") {
            secrets.extend([at + 1, at + 2]);
            at += 3;
        } else {
            at += if option.eq_ignore_ascii_case(b"SETNAME") { 2 } else { 1 };
        }
    }
    secrets
}

fn hello(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let mut protocol = ctx.session.protocol;
    let mut next = 1;
    if let Some(word) = args.get(1) {
        protocol = match parse_i64(word) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(error::NO_PROTO),
            None => return Err(CmdError::text("ERR Protocol version is not an integer or out of range")),
        };
        next = 2;
    }
    let mut name = None;
    while let Some(option) = args.get(next) {
        let more = args.len() - next - 1;
        if option.eq_ignore_ascii_case(b"AUTH") && more >= 2 {
            authenticate(ctx, &args[next + 1], &args[next + 2])?;
            next += 3;
        } else if option.eq_ignore_ascii_case(b"SETNAME") && more >= 1 {
            check_name(&args[next + 1])?;
            name = Some(&args[next + 1]);
            next += 2;
        } else {
            return Err(error::hello_option(option));
        }
    }
    if !ctx.session.authenticated {
        return Err(CmdError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        ctx.session.handle.texts.lock().name = name.to_vec();
    }
    set_protocol(ctx, protocol);
    ctx.reply.map(7);
    let version = ctx.engine.config.string(ids::SERVER_VERSION_ANNOUNCED);
    for (key, value) in [("server", "redis"), ("version", &*version)] {
        ctx.reply.bulk_str(key);
        ctx.reply.bulk_str(value);
    }
    ctx.reply.bulk_str("proto");
    ctx.reply.int(if protocol == Protocol::Resp3 { 3 } else { 2 });
    ctx.reply.bulk_str("id");
    ctx.reply.int(ctx.session.handle.id as i64);
    ctx.reply.bulk_str("mode");
    ctx.reply.bulk_str(if ctx.engine.router().is_some() { "cluster" } else { "standalone" });
    ctx.reply.bulk_str("role");
    ctx.reply.bulk_str(if ctx.engine.state.is_replica() { "replica" } else { "master" });
    ctx.reply.bulk_str("modules");
    ctx.reply.array(0);
    Ok(Handled::Done)
}

fn set_protocol(ctx: &mut SessionCtx<'_, '_>, protocol: Protocol) {
    ctx.session.protocol = protocol;
    ctx.session.handle.stats.protocol.store(if protocol == Protocol::Resp3 { 3 } else { 2 }, Ordering::Relaxed);
    ctx.reply.set_protocol(protocol);
}

/// A client name must not contain characters that would break the lines of CLIENT LIST.
///
/// # Errors
/// Redis's text.
pub(crate) fn check_name(name: &[u8]) -> Result<(), CmdError> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(CmdError::text("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn quit(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.ok();
    ctx.session.close_after_reply = true;
    Ok(Handled::Done)
}

fn reset(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let engine = ctx.engine;
    engine.reset_session(ctx.session);
    ctx.session.authenticated = engine.hot.load().password.is_empty();
    ctx.reply.set_protocol(Protocol::Resp2);
    ctx.reply.simple("RESET");
    Ok(Handled::Done)
}

fn needs_cluster(ctx: &SessionCtx<'_, '_>) -> Result<(), CmdError> {
    if ctx.engine.router().is_some() { Ok(()) } else { Err(error::CLUSTER_DISABLED) }
}

fn readonly(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    needs_cluster(ctx)?;
    ctx.session.readonly = true;
    ctx.session.handle.stats.readonly.store(true, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn readwrite(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    needs_cluster(ctx)?;
    ctx.session.readonly = false;
    ctx.session.handle.stats.readonly.store(false, Ordering::Relaxed);
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn asking(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    needs_cluster(ctx)?;
    ctx.session.asking = true;
    ctx.reply.ok();
    Ok(Handled::Done)
}
