//! CLUSTER: the administrator's commands to the core, and small queries.
//!
//! Each handler parses its words, gives the core one command, and turns the typed result into Redis's reply. Replies
//! that list many nodes (SLOTS, SHARDS, NODES, LINKS) are in [`super::shapes`]. Redis: `clusterCommand`.

use std::sync::Arc;

use gossip::{Bump, FailoverMode, Gossip};
use protocol::resp::Args;
use protocol::slot::{SlotId, SlotRange, key_slot};

use super::driver::Cluster;
use super::shapes;
use super::slot_stats::slot_stats;
use crate::base::number::parse_i64;
use crate::command::keys::slot_of;
use crate::command::{Arity, CmdError, Declared, Flags, Group, Spec, error, help};
use crate::engine::handler::{Handled, Service, SessionCtx, SessionResult};
use crate::engine::held::{Held, alone};

/// A handler of this subsystem.
pub(crate) type ClusterFn =
    for<'c, 'x, 'e, 'a> fn(&Arc<Cluster>, &'c mut SessionCtx<'x, 'e>, Args<'a>) -> SessionResult;

const ADMIN: Flags = Flags::NO_ASYNC_LOADING.and(Flags::ADMIN).and(Flags::STALE);
const ASK: Flags = Flags::STALE;

const fn sub(name: &'static str, arity: Arity, flags: Flags, handler: ClusterFn) -> Declared<ClusterFn> {
    Declared::sub("CLUSTER", name, arity, Group::Cluster, flags, handler)
        .since("3.0.0")
        .summary("A container for cluster commands")
        .complexity("Depends on subcommand.")
}

/// The commands of the cluster.
pub(crate) static COMMANDS: &[Declared<ClusterFn>] = &[
    Declared::new("CLUSTER", Arity::at_least(2), Group::Cluster, Flags::CONTAINER, container as ClusterFn)
        .since("3.0.0")
        .summary("A container for cluster commands")
        .complexity("Depends on subcommand."),
    sub("ADDSLOTS", Arity::at_least(3), ADMIN, add_slots)
        .since("3.0.0")
        .summary("Assign new hash slots to receiving node")
        .complexity("O(N) where N is the total number of hash slot arguments")
        .syntax("slot:integer+"),
    sub("ADDSLOTSRANGE", Arity::at_least(4), ADMIN, add_slots_range)
        .since("7.0.0")
        .summary("Assign new hash slots to receiving node")
        .complexity("O(N) where N is the total number of the slots between the start slot and end slot arguments.")
        .syntax("start-slot_end-slot:{start-slot:integer end-slot:integer}+"),
    sub("BUMPEPOCH", Arity::exactly(2), ADMIN, bump_epoch)
        .since("3.0.0")
        .summary("Advance the cluster config epoch")
        .complexity("O(1)")
        .tips(&["nondeterministic_output"]),
    sub("COUNT-FAILURE-REPORTS", Arity::exactly(3), Flags::ADMIN.and(ASK), count_failure_reports)
        .since("3.0.0")
        .summary("Return the number of failure reports active for a given node")
        .complexity("O(N) where N is the number of failure reports")
        .syntax("node-id:string")
        .tips(&["nondeterministic_output"]),
    sub("COUNTKEYSINSLOT", Arity::exactly(3), ASK, count_keys)
        .since("3.0.0")
        .summary("Return the number of local keys in the specified hash slot")
        .complexity("O(1)")
        .syntax("slot:integer"),
    sub("DELSLOTS", Arity::at_least(3), ADMIN, del_slots)
        .since("3.0.0")
        .summary("Set hash slots as unbound in receiving node")
        .complexity("O(N) where N is the total number of hash slot arguments")
        .syntax("slot:integer+"),
    sub("DELSLOTSRANGE", Arity::at_least(4), ADMIN, del_slots_range)
        .since("7.0.0")
        .summary("Set hash slots as unbound in receiving node")
        .complexity("O(N) where N is the total number of the slots between the start slot and end slot arguments.")
        .syntax("start-slot_end-slot:{start-slot:integer end-slot:integer}+"),
    sub("FAILOVER", Arity::at_least(2), ADMIN, failover)
        .since("3.0.0")
        .summary("Forces a replica to perform a manual failover of its master.")
        .complexity("O(1)")
        .syntax("[options:<'force|'takeover>]"),
    sub("FLUSHSLOTS", Arity::exactly(2), ADMIN, flush_slots)
        .since("3.0.0")
        .summary("Delete a node's own slots information")
        .complexity("O(1)"),
    sub("FORGET", Arity::exactly(3), ADMIN, forget)
        .since("3.0.0")
        .summary("Remove a node from the nodes table")
        .complexity("O(1)")
        .syntax("node-id:string"),
    sub("GETKEYSINSLOT", Arity::exactly(4), ASK, get_keys)
        .since("3.0.0")
        .summary("Return local key names in the specified hash slot")
        .complexity("O(log(N)) where N is the number of requested keys")
        .syntax("slot:integer count:integer")
        .tips(&["nondeterministic_output"]),
    sub("HELP", Arity::exactly(2), Flags::LOADING.and(Flags::STALE), show_help)
        .since("5.0.0")
        .summary("Show helpful text about the different subcommands")
        .complexity("O(1)"),
    sub("INFO", Arity::exactly(2), ASK, shapes::info)
        .since("3.0.0")
        .summary("Provides info about Redis Cluster node state")
        .complexity("O(1)")
        .tips(&["nondeterministic_output"]),
    sub("KEYSLOT", Arity::exactly(3), ASK, keyslot)
        .since("3.0.0")
        .summary("Returns the hash slot of the specified key")
        .complexity("O(N) where N is the number of bytes in the key")
        .syntax("key:string"),
    sub("LINKS", Arity::exactly(2), ASK, shapes::links)
        .since("7.0.0")
        .summary("Returns a list of all TCP links to and from peer nodes in cluster")
        .complexity("O(N) where N is the total number of Cluster nodes")
        .tips(&["nondeterministic_output"]),
    sub("MEET", Arity::at_least(4), ADMIN, meet)
        .since("3.0.0")
        .summary("Force a node cluster to handshake with another node")
        .complexity("O(1)")
        .syntax("ip:string port:integer [cluster_bus_port:integer@4.0.0]")
        .history(&[("4.0.0", "Added the optional `cluster_bus_port` argument.")]),
    sub("MYID", Arity::exactly(2), ASK, my_id).since("3.0.0").summary("Return the node id").complexity("O(1)"),
    sub("MYSHARDID", Arity::exactly(2), ASK, my_shard_id)
        .since("7.2.0")
        .summary("Returns the shard ID of a node.")
        .complexity("O(1)")
        .tips(&["nondeterministic_output"]),
    sub("NODES", Arity::exactly(2), ASK, shapes::nodes)
        .since("3.0.0")
        .summary("Get Cluster config for the node")
        .complexity("O(N) where N is the total number of Cluster nodes")
        .tips(&["nondeterministic_output"]),
    sub("REPLICAS", Arity::exactly(3), Flags::ADMIN.and(ASK), shapes::replicas)
        .since("5.0.0")
        .summary("List replica nodes of the specified master node")
        .complexity("O(1)")
        .syntax("node-id:string")
        .tips(&["nondeterministic_output"]),
    sub("REPLICATE", Arity::exactly(3), ADMIN, replicate)
        .since("3.0.0")
        .summary("Reconfigure a node as a replica of the specified master node")
        .complexity("O(1)")
        .syntax("node-id:string"),
    sub("RESET", Arity::at_least(2), Flags::ADMIN.and(ASK).and(Flags::NOSCRIPT), reset)
        .since("3.0.0")
        .summary("Reset a Redis Cluster node")
        .complexity("O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.")
        .syntax("[hard_soft:<'hard|'soft>]"),
    sub("SAVECONFIG", Arity::exactly(2), ADMIN, save_config)
        .since("3.0.0")
        .summary("Forces the node to save cluster state on disk")
        .complexity("O(1)"),
    sub("SET-CONFIG-EPOCH", Arity::exactly(3), ADMIN, set_config_epoch)
        .since("3.0.0")
        .summary("Set the configuration epoch in a new node")
        .complexity("O(1)")
        .syntax("config-epoch:integer"),
    sub("SETSLOT", Arity::at_least(4), ADMIN, set_slot)
        .since("3.0.0")
        .summary("Bind a hash slot to a specific node")
        .complexity("O(1)")
        .syntax(
            "slot:integer subcommand:<IMPORTING=node-id:string|MIGRATING=node-id:string|NODE=node-id:string|'stable>",
        ),
    sub("SHARDS", Arity::exactly(2), ASK, shapes::shards)
        .since("7.0.0")
        .summary("Get array of cluster slots to node mappings")
        .complexity("O(N) where N is the total number of cluster nodes")
        .tips(&["nondeterministic_output"]),
    sub("SLAVES", Arity::exactly(3), Flags::ADMIN.and(ASK), shapes::replicas)
        .since("3.0.0")
        .summary("List replica nodes of the specified master node")
        .complexity("O(1)")
        .syntax("node-id:string")
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .tips(&["nondeterministic_output"]),
    sub("SLOT-STATS", Arity::at_least(4), Flags::LOADING.and(Flags::STALE), slot_stats)
        .since("8.0.0")
        .summary("Return an array of slot usage statistics for slots assigned to the current node.")
        .complexity(
            "O(N) where N is the total number of slots based on arguments. O(N*log(N)) with ORDERBY subcommand.",
        )
        .syntax("filter:<SLOTSRANGE=slotsrange:{start-slot:integer end-slot:integer}|ORDERBY=orderby:{metric:string [LIMIT=limit:integer] [order:<'asc|'desc>]}>")
        .tips(&["nondeterministic_output", "request_policy:all_shards"]),
    sub("SLOTS", Arity::exactly(2), ASK, shapes::slots)
        .since("3.0.0")
        .summary("Get array of Cluster slot to node mappings")
        .complexity("O(N) where N is the total number of Cluster nodes")
        .history(&[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")])
        .deprecated("7.0.0", "`CLUSTER SHARDS`")
        .tips(&["nondeterministic_output"]),
];

/// The specs of [`COMMANDS`], for the registry.
pub(crate) fn specs() -> Vec<&'static Spec> {
    COMMANDS.iter().map(|command| &command.spec).collect()
}

impl Service for Cluster {
    fn call(&self, index: usize, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
        match self.me() {
            Some(me) => (COMMANDS[index].handler)(&me, ctx, args),
            None => Err(error::CLUSTER_DISABLED),
        }
    }
}

fn container(_: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    Err(error::wrong_arity(&ctx.command.full_name))
}

fn refusal(problem: &gossip::Error) -> CmdError {
    CmdError::new(format!("ERR {problem}"))
}

/// Gives the core a command whose reply is OK or an error.
fn run(
    cluster: &Arc<Cluster>,
    ctx: &mut SessionCtx<'_, '_>,
    command: impl FnOnce(&mut Gossip, i64) -> Result<(), gossip::Error>,
) -> SessionResult {
    if ctx.session.in_exec {
        cluster.with_core_saved(command).map_err(|problem| refusal(&problem))?;
    } else {
        cluster.with_core(command).map_err(|problem| refusal(&problem))?;
    }
    ctx.reply.ok();
    Ok(when_saved(cluster, ctx))
}

/// Holds the written reply back until everything that was asked of the core is performed and saved. A transaction waits
/// for that elsewhere.
fn when_saved(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>) -> Handled {
    if !ctx.session.in_exec {
        ctx.session.reply_after = cluster.settling();
    }
    Handled::Done
}

/// Holds the reply back until no command runs any more that was routed before the change. From then on, a key that is
/// missing in a slot that leaves is not created here: MIGRATE takes keys away, and a client that finds none is sent to
/// the target. A transaction that changes the cluster runs alone.
fn after_commands_under_way(ctx: &mut SessionCtx<'_, '_>) {
    if !ctx.session.in_exec {
        let engine = ctx.engine.clone();
        ctx.session.hold_reply(async move { engine.begun_over().await });
    }
}

/// As [`run`], for changes that a transaction saves together: slots and epochs.
fn run_together(
    cluster: &Arc<Cluster>,
    ctx: &mut SessionCtx<'_, '_>,
    command: impl FnOnce(&mut Gossip, i64) -> Result<(), gossip::Error>,
) -> SessionResult {
    cluster.with_core_in(ctx.session.in_exec, command).map_err(|problem| refusal(&problem))?;
    ctx.reply.ok();
    Ok(when_saved(cluster, ctx))
}

/// A node id or an address. Bytes that are not text cannot name a node; they are only quoted back.
fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(error::c_string(word)).into_owned()
}

fn single_slots(args: Args<'_>) -> Result<Vec<SlotRange>, CmdError> {
    args.iter().skip(2).map(|word| slot_of(word).map(|slot| SlotRange { first: slot, last: slot })).collect()
}

fn slot_ranges(ctx: &SessionCtx<'_, '_>, args: Args<'_>) -> Result<Vec<SlotRange>, CmdError> {
    if args.len() % 2 == 1 {
        return Err(error::wrong_arity(&ctx.command.full_name));
    }
    let mut ranges = Vec::new();
    for at in (2..args.len()).step_by(2) {
        let (first, last) = (slot_of(&args[at])?, slot_of(&args[at + 1])?);
        let Some(range) = SlotRange::new(first, last) else {
            return Err(CmdError::new(format!("ERR start slot number {first} is greater than end slot number {last}")));
        };
        ranges.push(range);
    }
    Ok(ranges)
}

fn add_slots(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let slots = single_slots(args)?;
    run_together(cluster, ctx, |core, now| core.add_slots(&slots, now))
}

fn add_slots_range(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let slots = slot_ranges(ctx, args)?;
    run_together(cluster, ctx, |core, now| core.add_slots(&slots, now))
}

fn del_slots(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let slots = single_slots(args)?;
    run_together(cluster, ctx, |core, now| core.del_slots(&slots, now))
}

fn del_slots_range(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let slots = slot_ranges(ctx, args)?;
    run_together(cluster, ctx, |core, now| core.del_slots(&slots, now))
}

fn bump_epoch(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    match cluster.with_core_in(ctx.session.in_exec, Gossip::bump_epoch) {
        Bump::Bumped(epoch) => ctx.reply.simple(format!("BUMPED {epoch}")),
        Bump::Still(epoch) => ctx.reply.simple(format!("STILL {epoch}")),
    }
    Ok(when_saved(cluster, ctx))
}

fn count_failure_reports(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let id = text(&args[2]);
    let count =
        cluster.with_core(|core, now| core.count_failure_reports(&id, now)).map_err(|problem| refusal(&problem))?;
    ctx.reply.int(count as i64);
    Ok(Handled::Done)
}

fn count_keys(_: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let slot = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
    let slot = u16::try_from(slot).ok().and_then(SlotId::new).ok_or(CmdError::text("ERR Invalid slot"))?;
    // As it was published: a long command that has the slot is not waited for.
    ctx.reply.int(ctx.engine.keyspace.slot_len(ctx.session.db, slot) as i64);
    Ok(Handled::Done)
}

fn get_keys(_: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let slot = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
    let count = parse_i64(&args[3]).ok_or(error::NOT_INTEGER)?;
    let problem = CmdError::text("ERR Invalid slot or number of keys");
    let slot = u16::try_from(slot).ok().and_then(SlotId::new).ok_or(problem.clone())?;
    let count = usize::try_from(count).map_err(|_| problem)?;
    let guard = match ctx.engine.lock_soon(ctx.session, ctx.session.db, slot) {
        Ok(guard) => guard,
        Err(held) => return Ok(Handled::Postponed(held)),
    };
    ctx.reply.array(count.min(guard.len()));
    guard.iter().take(count).for_each(|entry| ctx.reply.bulk(entry.key()));
    Ok(Handled::Done)
}

const HELP: &[&str] = &[
    "ADDSLOTS <slot> [<slot> ...]",
    "    Assign slots to current node.",
    "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Assign slots which are between <start-slot> and <end-slot> to current node.",
    "BUMPEPOCH",
    "    Advance the cluster config epoch.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    Return number of failure reports for <node-id>.",
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "DELSLOTS <slot> [<slot> ...]",
    "    Delete slots information from current node.",
    "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    Delete slots information which are between <start-slot> and <end-slot> from current node.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Promote current replica node to being a master.",
    "FORGET <node-id>",
    "    Remove a node from the cluster.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "FLUSHSLOTS",
    "    Delete current node own slots information.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "MEET <ip> <port> [<bus-port>]",
    "    Connect nodes into a working cluster.",
    "MYID",
    "    Return the node id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICATE <node-id>",
    "    Configure current node as replica to <node-id>.",
    "RESET [HARD|SOFT]",
    "    Reset current node (default: soft).",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set config epoch of current node.",
    "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
    "    Set slot state.",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SAVECONFIG",
    "    Force saving cluster configuration on disk.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "    Output format is an array where each array element is a map containing attributes of a link",
];

fn show_help(_: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    help::write(&mut ctx.reply, "CLUSTER", HELP);
    Ok(Handled::Done)
}

fn failover(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let mode = match args.get(2) {
        None => FailoverMode::Default,
        Some(word) if word.eq_ignore_ascii_case(b"force") => FailoverMode::Force,
        Some(word) if word.eq_ignore_ascii_case(b"takeover") => FailoverMode::Takeover,
        Some(_) => return Err(error::SYNTAX),
    };
    at_most(args, 3)?;
    run(cluster, ctx, |core, now| core.failover(mode, now))
}

/// Limits the number of words of an open arity; beyond it Redis does not know the subcommand's form.
fn at_most(args: Args<'_>, words: usize) -> Result<(), CmdError> {
    if args.len() > words {
        return Err(error::unknown_or_arity("CLUSTER", &args[1]));
    }
    Ok(())
}

/// Alone, so that no key comes between the check and the moment from which workers serve no slot.
fn flush_slots(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    let engine = ctx.engine.clone();
    let done = alone(ctx.pass, ctx.session, |_, _| {
        let has_keys = engine.keyspace.has_keys();
        Ok(cluster.with_core_saved(|core, now| core.flush_slots(has_keys, now)))
    });
    answer_or_postpone(ctx, done)
}

fn forget(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let id = text(&args[2]);
    run(cluster, ctx, |core, now| core.forget(&id, now))
}

fn keyslot(_: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    ctx.reply.int(i64::from(key_slot(&args[2]).get()));
    Ok(Handled::Done)
}

fn meet(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    at_most(args, 5)?;
    let ip = text(&args[2]);
    let port =
        parse_i64(&args[3]).ok_or_else(|| CmdError::quoting("ERR Invalid TCP base port specified: ", &args[3], ""))?;
    let bus_port = match args.get(4) {
        Some(word) => {
            parse_i64(word).ok_or_else(|| CmdError::quoting("ERR Invalid TCP bus port specified: ", word, ""))?
        }
        None => port.saturating_add(super::BUS_PORT_OFFSET),
    };
    run(cluster, ctx, |core, now| core.meet(&ip, port, bus_port, now))
}

fn my_id(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    ctx.reply.bulk_str(cluster.view().myself().id.as_str());
    Ok(Handled::Done)
}

fn my_shard_id(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    ctx.reply.bulk_str(cluster.view().myself().shard_id.as_str());
    Ok(Handled::Done)
}

fn replicate(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let (id, has_keys) = (text(&args[2]), ctx.engine.keyspace.has_keys());
    run(cluster, ctx, |core, now| core.replicate(&id, has_keys, now))
}

fn reset(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    at_most(args, 3)?;
    let hard = match args.get(2) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"hard") => true,
        Some(word) if word.eq_ignore_ascii_case(b"soft") => false,
        Some(_) => return Err(error::SYNTAX),
    };
    let engine = ctx.engine.clone();
    // Alone until the data is removed: clients that track keys are told that all are invalid before the other effects
    // of the reset are performed in the background.
    let done = alone(ctx.pass, ctx.session, |pass, _| {
        let has_keys = engine.keyspace.has_keys();
        let result = cluster.with_core_saved(|core, now| core.reset(hard, has_keys, now));
        cluster.flush_if_due(pass);
        Ok(result)
    });
    answer_or_postpone(ctx, done)
}

/// The reply of a command that needs the barrier, or that it could not have it yet.
fn answer_or_postpone(ctx: &mut SessionCtx<'_, '_>, done: Result<Result<(), gossip::Error>, Held>) -> SessionResult {
    match done {
        Ok(result) => result.map_err(|problem| refusal(&problem))?,
        Err(held) => return Ok(Handled::Postponed(held)),
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn save_config(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    run(cluster, ctx, |core, now| {
        core.save_config(now);
        Ok(())
    })
}

fn set_config_epoch(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let epoch = parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?;
    let epoch =
        u64::try_from(epoch).map_err(|_| CmdError::new(format!("ERR Invalid config epoch specified: {epoch}")))?;
    run(cluster, ctx, |core, now| core.set_config_epoch(epoch, now))
}

fn set_slot(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if !cluster.view().myself().is_primary() {
        return Err(refusal(&gossip::Error::SetSlotOnReplica));
    }
    let slot = slot_of(&args[2])?;
    let action = &args[3];
    let is = |word: &[u8], words: usize| action.eq_ignore_ascii_case(word) && args.len() == words;
    if is(b"stable", 4) {
        return run_together(cluster, ctx, |core, now| core.set_slot_stable(slot, now));
    }
    let node = args.get(4).map(text).unwrap_or_default();
    if is(b"migrating", 5) {
        let done = run_together(cluster, ctx, |core, now| core.set_slot_migrating(slot, &node, now))?;
        after_commands_under_way(ctx);
        Ok(done)
    } else if is(b"importing", 5) {
        run_together(cluster, ctx, |core, now| core.set_slot_importing(slot, &node, now))
    } else if is(b"node", 5) {
        // No client may write into the slot between the check and the moment from which workers route to the new owner,
        // which is after the save.
        let engine = ctx.engine.clone();
        let done = alone(ctx.pass, ctx.session, |_, _| {
            let has_keys = engine.keyspace.slot_has_keys(slot);
            Ok(cluster.with_core_saved(|core, now| core.set_slot_node(slot, &node, has_keys, now)))
        });
        answer_or_postpone(ctx, done)
    } else {
        Err(CmdError::text("ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"))
    }
}
