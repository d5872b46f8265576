//! SUBSCRIBE, PUBLISH and their kin.

use std::sync::atomic::Ordering;

use protocol::resp::Args;
use protocol::resp::reply::Protocol;
use protocol::slot::key_slot;

use crate::base::glob;
use crate::command::{Arity, CmdError, Declared, Flags, Group, KeyFlags, KeySpec, Traits, error, help};
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use crate::session::client::subscriptions::Kind;
use crate::session::pubsub::confirm;

const SUB: Flags = Flags::PUBSUB.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);
const PUB: Flags = Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::MAY_REPLICATE);
const ASK: Flags = Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("SUBSCRIBE", Arity::at_least(2), Group::PubSub, SUB, subscribe as SessionFn)
        .traits(Traits::FOR_SUBSCRIBERS)
        .since("2.0.0")
        .summary("Listen for messages published to the given channels")
        .complexity("O(N) where N is the number of channels to subscribe to.")
        .syntax("channel:string+"),
    Declared::new("UNSUBSCRIBE", Arity::at_least(1), Group::PubSub, SUB, unsubscribe as SessionFn)
        .traits(Traits::FOR_SUBSCRIBERS)
        .since("2.0.0")
        .summary("Stop listening for messages posted to the given channels")
        .complexity("O(N) where N is the number of clients already subscribed to a channel.")
        .syntax("[channel:string+]"),
    Declared::new("PSUBSCRIBE", Arity::at_least(2), Group::PubSub, SUB, psubscribe as SessionFn)
        .traits(Traits::FOR_SUBSCRIBERS)
        .since("2.0.0")
        .summary("Listen for messages published to channels matching the given patterns")
        .complexity("O(N) where N is the number of patterns the client is already subscribed to.")
        .syntax("pattern:{pattern:pattern}+"),
    Declared::new("PUNSUBSCRIBE", Arity::at_least(1), Group::PubSub, SUB, punsubscribe as SessionFn)
        .traits(Traits::FOR_SUBSCRIBERS)
        .since("2.0.0")
        .summary("Stop listening for messages posted to channels matching the given patterns")
        .complexity("O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total patterns subscribed in the system (by any client).")
        .syntax("[pattern:pattern+]"),
    Declared::new("SSUBSCRIBE", Arity::at_least(2), Group::PubSub, SUB, ssubscribe as SessionFn)
        .traits(Traits::FOR_SUBSCRIBERS)
        .since("7.0.0")
        .summary("Listen for messages published to the given shard channels")
        .complexity("O(N) where N is the number of shard channels to subscribe to.")
        .keys(&[KeySpec::range(1, -1, 1).flags(KeyFlags::NOT_KEY)])
        .syntax("shardchannel:string+"),
    Declared::new("SUNSUBSCRIBE", Arity::at_least(1), Group::PubSub, SUB, sunsubscribe as SessionFn)
        .traits(Traits::FOR_SUBSCRIBERS)
        .since("7.0.0")
        .summary("Stop listening for messages posted to the given shard channels")
        .complexity("O(N) where N is the number of clients already subscribed to a shard channel.")
        .keys(&[KeySpec::range(1, -1, 1).flags(KeyFlags::NOT_KEY)])
        .syntax("[shardchannel:string+]"),
    Declared::new("PUBLISH", Arity::exactly(3), Group::PubSub, PUB, publish as SessionFn)
        .since("2.0.0")
        .summary("Post a message to a channel")
        .complexity("O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).")
        .syntax("channel:string message:string"),
    Declared::new("SPUBLISH", Arity::exactly(3), Group::PubSub, PUB, spublish as SessionFn)
        .since("7.0.0")
        .summary("Post a message to a shard channel")
        .complexity("O(N) where N is the number of clients subscribed to the receiving shard channel.")
        .keys(&[KeySpec::at(1).flags(KeyFlags::NOT_KEY)])
        .syntax("shardchannel:string message:string"),
    Declared::new("PUBSUB", Arity::at_least(2), Group::PubSub, Flags::CONTAINER, container as SessionFn)
        .since("2.8.0")
        .summary("A container for Pub/Sub commands")
        .complexity("Depends on subcommand."),
    Declared::sub("PUBSUB", "CHANNELS", Arity::at_least(2), Group::PubSub, ASK, channels as SessionFn)
        .since("2.8.0")
        .summary("List active channels")
        .complexity("O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)")
        .syntax("[pattern:pattern]"),
    Declared::sub("PUBSUB", "NUMSUB", Arity::at_least(2), Group::PubSub, ASK, numsub as SessionFn)
        .since("2.8.0")
        .summary("Get the count of subscribers for channels")
        .complexity("O(N) for the NUMSUB subcommand, where N is the number of requested channels")
        .syntax("[channel:string+]"),
    Declared::sub("PUBSUB", "HELP", Arity::exactly(2), Group::PubSub, Flags::LOADING.and(Flags::STALE), show_help as SessionFn)
        .since("6.2.0")
        .summary("Show helpful text about the different subcommands"),
    Declared::sub("PUBSUB", "NUMPAT", Arity::exactly(2), Group::PubSub, ASK, numpat as SessionFn)
        .since("2.8.0")
        .summary("Get the count of unique patterns pattern subscriptions")
        .complexity("O(1)"),
    Declared::sub("PUBSUB", "SHARDCHANNELS", Arity::at_least(2), Group::PubSub, ASK, shard_channels as SessionFn)
        .since("7.0.0")
        .summary("List active shard channels")
        .complexity("O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).")
        .syntax("[pattern:pattern]"),
    Declared::sub("PUBSUB", "SHARDNUMSUB", Arity::at_least(2), Group::PubSub, ASK, shard_numsub as SessionFn)
        .since("7.0.0")
        .summary("Get the count of subscribers for shard channels")
        .complexity("O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels")
        .syntax("[shardchannel:string+]"),
];

fn container(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    Err(error::wrong_arity(&ctx.command.full_name))
}

const HELP: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    Return the currently active channels matching a <pattern> (default: '*').",
    "NUMPAT",
    "    Return number of subscriptions to patterns.",
    "NUMSUB [<channel> ...]",
    "    Return the number of subscribers for the specified channels, excluding",
    "    pattern subscriptions(default: no channels).",
    "SHARDCHANNELS [<pattern>]",
    "    Return the currently active shard level channels matching a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return the number of subscribers for the specified shard level channel(s)",
];

fn show_help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    help::write(&mut ctx.reply, "PUBSUB", HELP);
    Ok(Handled::Done)
}

fn count(ctx: &SessionCtx<'_, '_>, kind: Kind) -> usize {
    let stats = &ctx.session.handle.stats;
    match kind {
        Kind::Shard => stats.shard_channels.load(Ordering::Relaxed),
        Kind::Channel | Kind::Pattern => {
            stats.channels.load(Ordering::Relaxed) + stats.patterns.load(Ordering::Relaxed)
        }
    }
}

fn add(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>, kind: Kind) -> SessionResult {
    ctx.session.pushed = true;
    for name in args.iter().skip(1) {
        ctx.engine.pubsub.subscribe(&ctx.session.handle, kind, name);
        let left = count(ctx, kind);
        confirm(&mut ctx.reply, kind, true, Some(name), left);
    }
    Ok(Handled::Done)
}

fn remove(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>, kind: Kind) -> SessionResult {
    ctx.session.pushed = true;
    let names: Vec<Box<[u8]>> = if args.len() > 1 {
        args.iter().skip(1).map(Into::into).collect()
    } else {
        ctx.engine.pubsub.names_of(&ctx.session.handle, kind)
    };
    if names.is_empty() {
        let left = count(ctx, kind);
        confirm(&mut ctx.reply, kind, false, None, left);
    }
    for name in &names {
        ctx.engine.pubsub.unsubscribe(&ctx.session.handle, kind, name);
        let left = count(ctx, kind);
        confirm(&mut ctx.reply, kind, false, Some(name), left);
    }
    Ok(Handled::Done)
}

fn subscribe(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    add(ctx, args, Kind::Channel)
}

fn psubscribe(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    add(ctx, args, Kind::Pattern)
}

fn ssubscribe(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if ctx.session.in_exec {
        return Err(CmdError::text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    add(ctx, args, Kind::Shard)
}

fn unsubscribe(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    remove(ctx, args, Kind::Channel)
}

fn punsubscribe(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    remove(ctx, args, Kind::Pattern)
}

fn sunsubscribe(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    remove(ctx, args, Kind::Shard)
}

/// A RESP2 client that publishes to itself, which is possible only in EXEC, reads the message before the reply, as in
/// Redis 7.0. With RESP3 a push follows the reply of the command, so that it is never inside one (since Redis 7.2).
fn own_messages_first(ctx: &mut SessionCtx<'_, '_>) {
    if ctx.session.protocol == Protocol::Resp2 && ctx.session.handle.has_mail() {
        ctx.session.handle.take_pushes(|bytes| ctx.reply.raw(bytes));
    }
}

fn publish(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let receivers = ctx.engine.publish(&args[1], &args[2]);
    match ctx.engine.router() {
        Some(router) => router.relay(&args[1], &args[2], None),
        // Without a cluster bus, messages reach the subscribers of replicas through the replication stream.
        None => ctx.propagate(args),
    }
    own_messages_first(ctx);
    ctx.reply.int(receivers as i64);
    Ok(Handled::Done)
}

fn spublish(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let receivers = ctx.engine.publish_shard(&args[1], &args[2]);
    match ctx.engine.router() {
        Some(router) => router.relay(&args[1], &args[2], Some(key_slot(&args[1]))),
        // Without a cluster bus, messages reach the subscribers of replicas through the replication stream.
        None => ctx.propagate(args),
    }
    own_messages_first(ctx);
    ctx.reply.int(receivers as i64);
    Ok(Handled::Done)
}

fn list_channels(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>, kind: Kind) -> SessionResult {
    if args.len() > 3 {
        return Err(error::unknown_or_arity("PUBSUB", &args[1]));
    }
    let names: Vec<_> = ctx
        .engine
        .pubsub
        .channel_names(kind)
        .into_iter()
        .filter(|name| args.get(2).is_none_or(|pattern| glob::matches(pattern, name, false)))
        .collect();
    ctx.reply.array(names.len());
    names.iter().for_each(|name| ctx.reply.bulk(name));
    Ok(Handled::Done)
}

fn channels(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    list_channels(ctx, args, Kind::Channel)
}

fn shard_channels(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    list_channels(ctx, args, Kind::Shard)
}

fn count_subscribers(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>, kind: Kind) -> SessionResult {
    ctx.reply.array((args.len() - 2) * 2);
    for name in args.iter().skip(2) {
        ctx.reply.bulk(name);
        ctx.reply.int(ctx.engine.pubsub.subscriber_count(kind, name) as i64);
    }
    Ok(Handled::Done)
}

fn numsub(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    count_subscribers(ctx, args, Kind::Channel)
}

fn shard_numsub(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    count_subscribers(ctx, args, Kind::Shard)
}

fn numpat(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.int(ctx.engine.pubsub.pattern_count() as i64);
    Ok(Handled::Done)
}
