//! PSYNC, SYNC, REPLCONF, REPLICAOF, SLAVEOF, ROLE, WAIT, WAITAOF, FAILOVER.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use protocol::resp::Args;
use protocol::resp::reply::Reply;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

use super::core::{Core, Phase, Replica};
use super::facts::ReplicaFacts;
use super::failover::Failover;
use super::history::Refusal;
use super::roles::RoleChange;
use super::serve::Link;
use super::supply::{Outlet, Reader};
use super::{Replication, full_sync};
use crate::base::number::parse_i64;
use crate::command::{Arity, Categories, CmdError, Declared, Flags, Group, Spec, error};
use crate::config::{ids, words};
use crate::engine::handler::{Handled, Handover, SessionCtx, SessionResult};
use crate::engine::stats::bump;
use crate::session::Origin;
use crate::session::client::{ClientHandle, ClientKind};

/// A handler of this subsystem.
pub(crate) type ReplicationFn = fn(&Replication, &mut SessionCtx<'_, '_>, Args<'_>) -> SessionResult;

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT);
const SYNC: Flags = ADMIN.and(Flags::NO_ASYNC_LOADING).and(Flags::NO_MULTI);
const FOLLOW: Flags = ADMIN.and(Flags::NO_ASYNC_LOADING).and(Flags::STALE);

/// The commands of this subsystem.
pub(crate) static COMMANDS: &[Declared<ReplicationFn>] = &[
    Declared::new("PSYNC", Arity::at_least(3), Group::Server, SYNC, psync as ReplicationFn)
        .since("2.8.0")
        .summary("Internal command used for replication")
        .complexity("")
        .syntax("replicationid:string offset:integer"),
    Declared::new("SYNC", Arity::exactly(1), Group::Server, SYNC, sync as ReplicationFn)
        .since("1.0.0")
        .summary("Internal command used for replication")
        .complexity(""),
    Declared::new(
        "REPLCONF",
        Arity::at_least(1),
        Group::Server,
        ADMIN.and(Flags::LOADING).and(Flags::STALE).and(Flags::ALLOW_BUSY),
        replconf as ReplicationFn,
    )
    .since("3.0.0")
    .summary("An internal command for configuring the replication stream")
    .complexity("O(1)")
    .syscmd(),
    Declared::new("REPLICAOF", Arity::exactly(3), Group::Server, FOLLOW, replicaof as ReplicationFn)
        .since("5.0.0")
        .summary("Make the server a replica of another instance, or promote it as master.")
        .complexity("O(1)")
        .syntax("args:<host-port:{host:string port:integer}|no-one:{'no 'one}>"),
    Declared::new("SLAVEOF", Arity::exactly(3), Group::Server, FOLLOW, replicaof as ReplicationFn)
        .since("1.0.0")
        .summary("Make the server a replica of another instance, or promote it as master.")
        .complexity("O(1)")
        .syntax("args:<host-port:{host:string port:integer}|no-one:{'no 'one}>")
        .deprecated("5.0.0", "`REPLICAOF`"),
    Declared::new(
        "ROLE",
        Arity::exactly(1),
        Group::Server,
        Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST),
        role as ReplicationFn,
    )
    .acl(Categories::ADMIN)
    .since("2.8.12")
    .summary("Return the role of the instance in the context of replication")
    .complexity("O(1)"),
    Declared::new(
        "WAIT",
        Arity::exactly(3),
        Group::Generic,
        Flags::NOSCRIPT,
        wait as ReplicationFn,
    )
    .acl(Categories::CONNECTION)
    .since("3.0.0")
    .summary(
        "Wait for the synchronous replication of all the write commands sent in the context of the current connection",
    )
    .complexity("O(1)")
    .syntax("numreplicas:integer timeout:integer")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    Declared::new("WAITAOF", Arity::exactly(4), Group::Generic, Flags::BLOCKING, waitaof as ReplicationFn)
        .acl(Categories::CONNECTION)
        .since("7.2.0")
        .summary("Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the master and/or replicas.")
        .complexity("O(1)")
        .syntax("numlocal:integer numreplicas:integer timeout:integer")
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    Declared::new("FAILOVER", Arity::at_least(1), Group::Server, ADMIN.and(Flags::STALE), failover as ReplicationFn)
        .since("6.2.0")
        .summary("Start a coordinated failover between this server and one of its replicas.")
        .complexity("O(1)")
        .syntax("[TO=target:{host:string port:integer ['force]}] ['abort] [TIMEOUT=milliseconds:integer]"),
];

/// The specs, in the order of the handlers' indexes.
pub(crate) fn specs() -> Vec<&'static Spec> {
    COMMANDS.iter().map(|declared| &declared.spec).collect()
}

/// The position from which a replica wants to continue.
struct Wish {
    id: Vec<u8>,
    /// Bytes that the replica has.
    position: i64,
    failover: bool,
}

fn is(word: Option<&[u8]>, text: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(text.as_bytes()))
}

fn integer(word: Option<&[u8]>) -> Result<i64, CmdError> {
    word.and_then(parse_i64).ok_or(error::NOT_INTEGER)
}

fn psync(this: &Replication, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let failover = is(args.get(3), "failover");
    if failover {
        let core = this.core.lock();
        this.engine
            .log
            .warning(format_args!("Failover request received for replid {}.", String::from_utf8_lossy(&args[1])));
        if core.following.is_none() {
            return Err(error::PSYNC_FAILOVER_TO_PRIMARY);
        }
        if !args[1].eq_ignore_ascii_case(&core.history.id) {
            return Err(error::PSYNC_FAILOVER_ID);
        }
    }
    let from = integer(args.get(2))?;
    hand_over(this, ctx, Some(Wish { id: args[1].to_vec(), position: from.saturating_sub(1), failover }))
}

fn sync(this: &Replication, ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    hand_over(this, ctx, None)
}

/// Takes the connection out of request processing and makes it a replica's link.
fn hand_over(this: &Replication, ctx: &mut SessionCtx<'_, '_>, wish: Option<Wish>) -> SessionResult {
    if ctx.session.origin != Origin::Client {
        return Ok(Handled::Done);
    }
    if this.is_failing_over() {
        return Err(error::SYNC_FAILING_OVER);
    }
    let failover = wish.as_ref().is_some_and(|wish| wish.failover);
    if ctx.engine.state.is_replica() && !this.link_up() && !failover {
        return Err(error::SYNC_NO_PRIMARY_LINK);
    }
    if ctx.engine.state.withholding.load(Ordering::Acquire) {
        return Err(error::SYNC_WITHHELD);
    }
    let facts = ReplicaFacts::of(ctx.session).clone();
    if facts.rdb_filter_data && !facts.capa_eof {
        return Err(error::SYNC_FILTER_EOF);
    }
    if ctx.reply.out_len() > 0 {
        return Err(error::SYNC_PENDING_OUTPUT);
    }
    let Some(replication) = this.me.upgrade() else { return Ok(Handled::Done) };
    Ok(Handled::Handover(Handover {
        take: Box::new(move |stream, input, handle| Box::pin(take(replication, wish, facts, stream, input, handle))),
    }))
}

async fn take(
    this: Arc<Replication>,
    wish: Option<Wish>,
    facts: ReplicaFacts,
    stream: TcpStream,
    input: Vec<u8>,
    handle: Arc<ClientHandle>,
) {
    if wish.as_ref().is_some_and(|wish| wish.failover) {
        let (done, changed) = oneshot::channel();
        this.request(RoleChange::Promote, Some(done));
        // If the change failed, the checks below report it.
        let _ = changed.await;
        this.engine.log.notice(format_args!("MASTER MODE enabled (failover request from 'addr={}')", handle.addr));
    }
    let Ok(stream) = stream.into_std() else { return };
    handle.set_kind(ClientKind::Replica);
    this.engine.clients.add(handle.clone());
    let wake = Arc::new(Notify::new());
    let (source, out) = this.admit(wish, facts, &handle, &wake);
    let Some(threads) = this.threads.upgrade() else { return };
    threads.control().spawn(move |_| async move {
        match TcpStream::from_std(stream) {
            Ok(stream) => Link { replication: this, handle, stream, input, source, wake, out }.run().await,
            Err(_) => this.lost_replica(handle.id),
        }
    });
}

type Admission = (Option<Reader>, VecDeque<Bytes>);

impl Replication {
    /// Admits a replica: from where it stopped, or with a full sync.
    fn admit(
        &self,
        wish: Option<Wish>,
        facts: ReplicaFacts,
        handle: &Arc<ClientHandle>,
        wake: &Arc<Notify>,
    ) -> Admission {
        let now = self.now();
        let peer_ip = handle.addr.rsplit_once(':').map_or("", |(ip, _)| ip).trim_matches(['[', ']']).to_owned();
        let mut replica = Replica {
            handle: handle.clone(),
            ip: if facts.ip_address.is_empty() { peer_ip } else { facts.ip_address.clone() },
            facts,
            old_protocol: wish.is_none(),
            phase: Phase::Waiting,
            position: 0,
            ack: 0,
            file_ack: 0,
            ack_ms: now,
            soft_since_ms: None,
            since_ms: now,
            wake: wake.clone(),
        };
        let name = replica.name();
        self.engine.log.notice(format_args!("Replica {name} asks for synchronization"));
        let mut core = self.core.lock();
        if let Some(wish) = &wish {
            match core.can_continue(&wish.id, wish.position) {
                Ok(()) => {
                    let mut first = b"+CONTINUE".to_vec();
                    if replica.facts.capa_psync2 {
                        first.push(b' ');
                        first.extend_from_slice(&core.history.id);
                    }
                    first.extend_from_slice(b"\r\n");
                    replica.phase = Phase::Online;
                    replica.position = wish.position;
                    let missing = core.history.offset - wish.position;
                    core.attach(replica);
                    bump(&self.engine.stats.sync_partial_ok);
                    self.engine.log.notice(format_args!("Partial resynchronization request from {name} accepted. Sending {missing} bytes of backlog starting from offset {}.",
                        wish.position + 1));
                    return (None, VecDeque::from([Bytes::from(first)]));
                }
                Err(refusal) => self.log_refusal(&refusal, wish, &core, &name),
            }
        }
        bump(&self.engine.stats.sync_full);
        self.begin_history(&mut core);
        let outlet = Arc::new(Outlet::default());
        if replica.facts.rdb_filter_data {
            // There is nothing to wait for.
            replica.phase = Phase::Sending;
            replica.position = core.history.offset;
            full_sync::without_keys(&self.engine, &core, &replica, self.new_id(), &outlet);
            core.attach(replica);
            return (Some(Reader(outlet)), VecDeque::new());
        }
        self.sources.lock().insert(handle.id, outlet.clone());
        core.attach(replica);
        drop(core);
        self.order_sync(false);
        (Some(Reader(outlet)), VecDeque::new())
    }

    /// The first replica of a primary begins its history: from here on executed writes are kept.
    fn begin_history(&self, core: &mut Core) {
        if !core.replicas.is_empty() || core.stream.is_some() || core.following.is_some() {
            return;
        }
        core.history.restart(self.new_id());
        if self.engine.config.bool(ids::CLUSTER_ENABLED) {
            core.history.leave_zero();
        }
        core.open_stream();
        // Writes from here on are appended; the snapshot's cut comes later.
        self.publish(core);
        self.engine.log.notice(format_args!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            String::from_utf8_lossy(&core.history.id),
            String::from_utf8_lossy(&core.history.former_id())
        ));
    }

    fn log_refusal(&self, refusal: &Refusal, wish: &Wish, core: &Core, name: &str) {
        let asked = String::from_utf8_lossy(&wish.id);
        if wish.id.first() == Some(&b'?') {
            self.engine.log.notice(format_args!("Full resync requested by replica {name}"));
            return;
        }
        bump(&self.engine.stats.sync_partial_err);
        let from = wish.position + 1;
        match refusal {
            Refusal::Foreign => self.engine.log.notice(format_args!("Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', my replication IDs are '{}' and '{}')",
                String::from_utf8_lossy(&core.history.id), String::from_utf8_lossy(&core.history.former_id()))),
            Refusal::BeyondFormer(limit) => self.engine.log.notice(format_args!("Partial resynchronization not accepted: Requested offset for second ID was {from}, but I can reply up to {limit}")),
            Refusal::NotHeld => {
                self.engine.log.notice(format_args!("Unable to partial resync with replica {name} for lack of backlog (Replica request was: {from})."));
                if from > core.history.offset + 1 {
                    self.engine.log.warning(format_args!("Warning: replica {name} tried to PSYNC with an offset that is greater than the master replication offset."));
                }
            }
        }
    }
}

fn replconf(_this: &Replication, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args.len().is_multiple_of(2) {
        return Err(error::SYNTAX);
    }
    let facts = ReplicaFacts::of(ctx.session);
    let mut at = 1;
    while let (Some(option), Some(value)) = (args.get(at), args.get(at + 1)) {
        at += 2;
        match option.to_ascii_lowercase().as_slice() {
            b"listening-port" => facts.listening_port = integer(Some(value))? as i32,
            b"ip-address" if value.len() < 256 => facts.ip_address = String::from_utf8_lossy(value).into_owned(),
            b"ip-address" => return Err(error::replconf_long_address(value.len())),
            b"capa" if value.eq_ignore_ascii_case(b"eof") => facts.capa_eof = true,
            b"capa" if value.eq_ignore_ascii_case(b"psync2") => facts.capa_psync2 = true,
            b"version" => facts.set_version(value),
            // Unknown capabilities are accepted.
            b"capa" => {}
            // ACK comes only from a replica's link, and GETACK only from a primary; neither gets a reply.
            b"ack" | b"getack" => return Ok(Handled::Done),
            b"rdb-only" => match integer(Some(value))? {
                number @ (0 | 1) => facts.rdb_only = number == 1,
                _ => return Err(error::OUT_OF_RANGE_0_1),
            },
            // Parts that are not named are left out, and the keys in any case, since they have no name.
            b"rdb-filter-only" => {
                let words = words::split(value).ok_or(error::REPLCONF_NO_FILTER)?;
                facts.rdb_filter_data = true;
                facts.rdb_filter_functions = !words.is_empty();
                if let Some(unknown) = words.iter().find(|word| !word.eq_ignore_ascii_case(b"functions")) {
                    return Err(error::replconf_filter(unknown));
                }
            }
            _ => return Err(error::replconf_unknown(option)),
        }
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn replicaof(this: &Replication, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if ctx.engine.config.bool(ids::CLUSTER_ENABLED) {
        return Err(error::REPLICAOF_IN_CLUSTER);
    }
    if this.is_failing_over() {
        return Err(error::REPLICAOF_FAILING_OVER);
    }
    let user = format!("id={} addr={}", ctx.session.handle.id, ctx.session.handle.addr);
    let current = this.intended();
    let change = if is(args.get(1), "no") && is(args.get(2), "one") {
        if current.is_none() {
            ctx.reply.ok();
            return Ok(Handled::Done);
        }
        record(ctx, "no one");
        this.engine.log.notice(format_args!("MASTER MODE enabled (user request from '{user}')"));
        RoleChange::Promote
    } else {
        let port =
            integer(args.get(2)).ok().and_then(|port| u16::try_from(port).ok()).ok_or(error::INVALID_PRIMARY_PORT)?;
        let host = String::from_utf8_lossy(&args[1]).into_owned();
        if current.is_some_and(|(old, old_port)| old.eq_ignore_ascii_case(&host) && old_port == port) {
            this.engine.log.notice(format_args!("REPLICAOF would result into synchronization with the master we are already connected with. No operation performed."));
            ctx.reply.simple("OK Already connected to specified master");
            return Ok(Handled::Done);
        }
        record(ctx, &format!("{host} {port}"));
        this.engine.log.notice(format_args!("REPLICAOF {host}:{port} enabled (user request from '{user}')"));
        RoleChange::Follow { host, port }
    };
    let (done, changed) = oneshot::channel();
    this.request(change, Some(done));
    if ctx.session.in_exec {
        // A command inside EXEC cannot wait for the barrier. The change is made right after EXEC, before its reply is
        // sent.
        ctx.session.hold_reply(async move {
            // An error means that the node stops.
            let _ = changed.await;
        });
        ctx.reply.ok();
        return Ok(Handled::Done);
    }
    let protocol = ctx.session.protocol;
    Ok(Handled::Wait(Box::pin(async move {
        // An error means that the node stops.
        let _ = changed.await;
        let mut out = Vec::new();
        Reply::new(&mut out, protocol).ok();
        out
    })))
}

/// Records the primary in the configuration, for CONFIG GET and CONFIG REWRITE.
fn record(ctx: &SessionCtx<'_, '_>, value: &str) {
    if let Err(text) = ctx.engine.config.record(ids::REPLICAOF, value) {
        ctx.engine.log.warning(format_args!("replicaof can't be noted: {text}"));
    }
}

fn role(this: &Replication, ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let info = this.info();
    let reply = &mut ctx.reply;
    match &info.primary {
        None => {
            let online: Vec<_> = info.replicas.iter().filter(|replica| replica.state == "online").collect();
            reply.array(3);
            reply.bulk(b"master");
            reply.int(info.offset);
            reply.array(online.len());
            for replica in online {
                reply.array(3);
                reply.bulk_str(&replica.ip);
                reply.bulk_int(i64::from(replica.port));
                reply.bulk_int(replica.offset);
            }
        }
        Some(primary) => {
            reply.array(5);
            reply.bulk(b"slave");
            reply.bulk_str(&primary.host);
            reply.int(i64::from(primary.port));
            reply.bulk_str(primary.state);
            reply.int(primary.read_offset);
        }
    }
    Ok(Handled::Done)
}

/// What replicas have done with a client's writes.
#[derive(Clone, Copy, Debug)]
enum Done {
    /// They have them.
    Received,
    /// They have them in their append-only files.
    Filed,
}

/// What WAIT and WAITAOF wait for: so many replicas that have done this with the stream up to an offset.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    done: Done,
    replicas: i64,
    offset: i64,
}

impl Awaited {
    fn count(self, core: &Core) -> i64 {
        let count = match self.done {
            Done::Received => core.acknowledged_by(self.offset),
            Done::Filed => core.filed_by(self.offset),
        };
        count as i64
    }

    /// WAITAOF also says whether the own file has the writes; there is none.
    fn write(self, reply: &mut Reply<'_>, count: i64) {
        if matches!(self.done, Done::Filed) {
            reply.array(2);
            reply.int(0);
        }
        reply.int(count);
    }
}

/// A timeout in milliseconds; zero waits for ever.
fn timeout(word: &[u8]) -> Result<i64, CmdError> {
    match parse_i64(word).ok_or(error::TIMEOUT_NOT_INTEGER)? {
        ..0 => Err(error::TIMEOUT_NEGATIVE),
        timeout => Ok(timeout),
    }
}

fn wait(this: &Replication, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if ctx.engine.state.is_replica() {
        return Err(error::WAIT_ON_REPLICA);
    }
    let replicas = integer(args.get(1))?;
    let timeout = timeout(&args[2])?;
    let offset = ctx.session.last_write_offset;
    wait_for_replicas(this, ctx, args, Awaited { done: Done::Received, replicas, offset }, timeout)
}

/// The node has no append-only file; replicas of other makes may have one.
fn waitaof(this: &Replication, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let wants_own = match integer(args.get(1))? {
        number @ (0 | 1) => number == 1,
        _ => return Err(error::OUT_OF_RANGE_0_1),
    };
    let replicas = parse_i64(&args[2]).filter(|count| *count >= 0).ok_or(error::OUT_OF_RANGE_POSITIVE)?;
    let timeout = timeout(&args[3])?;
    if ctx.now.checked_add(timeout).is_none() {
        return Err(error::TIMEOUT_OUT_OF_RANGE);
    }
    if ctx.engine.state.is_replica() {
        return Err(error::WAITAOF_ON_REPLICA);
    }
    if wants_own {
        return Err(error::WAITAOF_WITHOUT_AOF);
    }
    let offset = ctx.session.last_write_offset;
    wait_for_replicas(this, ctx, args, Awaited { done: Done::Filed, replicas, offset }, timeout)
}

fn wait_for_replicas(
    this: &Replication,
    ctx: &mut SessionCtx<'_, '_>,
    args: Args<'_>,
    awaited: Awaited,
    timeout: i64,
) -> SessionResult {
    let count = awaited.count(&this.core.lock());
    // A command inside EXEC cannot wait.
    if count >= awaited.replicas || ctx.pass.is_alone() {
        awaited.write(&mut ctx.reply, count);
        return Ok(Handled::Done);
    }
    let Some(this) = this.me.upgrade() else { return Ok(Handled::Done) };
    {
        let mut core = this.core.lock();
        core.request_acks();
        this.offset.store(core.history.offset, Ordering::Release);
    }
    let protocol = ctx.session.protocol;
    let (token, time_up) = ctx.engine.park_service(ctx.session, ctx.command.index, args.to_owned());
    Ok(Handled::Wait(Box::pin(async move {
        let deadline = async {
            if timeout == 0 {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(timeout as u64)).await;
        };
        // After a timeout the reply is the number so far.
        tokio::select! {
            () = this.wait_for(awaited) => {}
            () = deadline => {}
            () = time_up.notified() => {}
        }
        if !token.claim() {
            // Another party replies (CLIENT UNBLOCK, a change of role): the mail is on its way.
            std::future::pending::<()>().await;
        }
        token.serve();
        let count = awaited.count(&this.core.lock());
        let mut out = Vec::new();
        awaited.write(&mut Reply::new(&mut out, protocol), count);
        out
    })))
}

impl Replication {
    /// Returns when enough replicas have acknowledged. If the node becomes a replica, the change of role ends the wait.
    async fn wait_for(&self, awaited: Awaited) {
        loop {
            let heard = self.acknowledged.notified();
            tokio::pin!(heard);
            heard.as_mut().enable();
            if awaited.count(&self.core.lock()) >= awaited.replicas {
                return;
            }
            heard.await;
        }
    }
}

fn failover(this: &Replication, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if ctx.engine.config.bool(ids::CLUSTER_ENABLED) {
        return Err(error::FAILOVER_IN_CLUSTER);
    }
    if args.len() == 2 && is(args.get(1), "abort") {
        if !this.abort_failover("Failover manually aborted") {
            return Err(error::FAILOVER_NONE);
        }
        ctx.reply.ok();
        return Ok(Handled::Done);
    }
    let mut wanted = Failover { target: None, deadline_ms: None, force: false, in_progress: false };
    let mut at = 1;
    while let Some(word) = args.get(at) {
        let left = args.len() - at - 1;
        if is(Some(word), "timeout") && left >= 1 && wanted.deadline_ms.is_none() {
            let timeout = integer(args.get(at + 1))?;
            if timeout <= 0 {
                return Err(error::FAILOVER_TIMEOUT);
            }
            wanted.deadline_ms = Some(ctx.now.saturating_add(timeout));
            at += 2;
        } else if is(Some(word), "to") && left >= 2 && wanted.target.is_none() {
            let port = integer(args.get(at + 2))?;
            let host = String::from_utf8_lossy(&args[at + 1]).into_owned();
            // No replica listens at an impossible port.
            wanted.target = Some((host, u16::try_from(port).unwrap_or(0)));
            at += 3;
        } else if is(Some(word), "force") && !wanted.force {
            wanted.force = true;
            at += 1;
        } else {
            return Err(error::SYNTAX);
        }
    }
    this.begin_failover(wanted)?;
    ctx.reply.ok();
    Ok(Handled::Done)
}
