//! CLUSTER replies that print many nodes: NODES, INFO, SLOTS, SHARDS, LINKS, REPLICAS.
//!
//! The core's view makes the texts; here its data becomes RESP replies. Redis: cluster.c, `clusterReplyMultiBulkSlots`,
//! `clusterReplyShards`, `addReplyClusterLinksDescription`.

use std::sync::Arc;

use gossip::{NodeView, View};
use protocol::resp::Args;
use protocol::resp::reply::Reply;
use protocol::slot::SlotRange;

use super::driver::Cluster;
use super::names::{Name, Names};
use crate::command::CmdError;
use crate::engine::handler::{Handled, SessionCtx, SessionResult};

pub(super) fn info(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    ctx.reply.verbatim(*b"txt", cluster.fresh_view().info_text().as_bytes());
    Ok(Handled::Done)
}

pub(super) fn nodes(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    ctx.reply.verbatim(*b"txt", cluster.fresh_view().nodes_text(false).as_bytes());
    Ok(Handled::Done)
}

pub(super) fn replicas(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let view = cluster.fresh_view();
    let id = str::from_utf8(&args[2]).ok().and_then(|id| id.parse().ok());
    let Some(node) = id.and_then(|id| view.node(&id)) else {
        return Err(CmdError::quoting("ERR Unknown node ", &args[2], ""));
    };
    if node.is_replica() {
        return Err(CmdError::text("ERR The specified node is not a master"));
    }
    ctx.reply.array(node.replicas.len());
    for &replica in &node.replicas {
        ctx.reply.bulk_str(&view.node_line(&view.nodes[replica], false));
    }
    Ok(Handled::Done)
}

fn write_slots_node(reply: &mut Reply<'_>, node: &NodeView, names: &Names<'_>) {
    reply.array(4);
    let name = names.name(node);
    match name {
        Name::Unknown => reply.null(),
        Name::Ip | Name::Hostname | Name::Own(_) => reply.bulk_str(&names.host(node)),
    }
    reply.int(i64::from(node.port));
    reply.bulk_str(node.id.as_str());
    // What it has been told by is not repeated.
    let ip = (name != Name::Ip).then(|| node.ip.to_string()).filter(|ip| name != Name::Own(ip));
    let hostname = Some(&node.hostname)
        .filter(|hostname| !hostname.is_empty() && name != Name::Hostname && name != Name::Own(hostname));
    reply.map(usize::from(ip.is_some()) + usize::from(hostname.is_some()));
    if let Some(ip) = ip {
        reply.bulk_str("ip");
        reply.bulk_str(&ip);
    }
    if let Some(hostname) = hostname {
        reply.bulk_str("hostname");
        reply.bulk_str(hostname);
    }
}

pub(super) fn slots(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    let view = cluster.fresh_view();
    let names = cluster.policy().names(&view, Some(&ctx.session.handle));
    let runs = view.slot_runs();
    ctx.reply.array(runs.len());
    for (range, owner) in runs {
        let owner = &view.nodes[owner];
        let replicas: Vec<&NodeView> = owner
            .replicas
            .iter()
            .map(|&index| &view.nodes[index])
            .filter(|replica| replica.is_available_replica())
            .collect();
        ctx.reply.array(3 + replicas.len());
        ctx.reply.int(i64::from(range.first.get()));
        ctx.reply.int(i64::from(range.last.get()));
        write_slots_node(&mut ctx.reply, owner, &names);
        replicas.iter().for_each(|replica| write_slots_node(&mut ctx.reply, replica, &names));
    }
    Ok(Handled::Done)
}

fn write_shard_node(reply: &mut Reply<'_>, node: &NodeView, names: &Names<'_>) {
    let length = reply.deferred_map();
    let mut fields = 0;
    let mut text = |reply: &mut Reply<'_>, name: &str, value: &str| {
        reply.bulk_str(name);
        reply.bulk_str(value);
        fields += 1;
    };
    text(reply, "id", node.id.as_str());
    if node.port != 0 {
        reply.bulk_str("port");
        reply.int(i64::from(node.port));
    }
    text(reply, "ip", &node.ip.to_string());
    text(reply, "endpoint", &names.host(node));
    if !node.hostname.is_empty() {
        text(reply, "hostname", &node.hostname);
    }
    text(reply, "role", if node.is_replica() { "replica" } else { "master" });
    reply.bulk_str("replication-offset");
    reply.int(node.offset as i64);
    text(reply, "health", node.health());
    reply.set_len(length, fields + 1 + usize::from(node.port != 0));
}

pub(super) fn shards(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    let view = cluster.fresh_view();
    let names = cluster.policy().names(&view, Some(&ctx.session.handle));
    let primaries: Vec<&NodeView> = view.primaries().collect();
    ctx.reply.array(primaries.len());
    for primary in primaries {
        write_shard(&mut ctx.reply, &view, primary, &names);
    }
    Ok(Handled::Done)
}

fn write_shard(reply: &mut Reply<'_>, view: &View, primary: &NodeView, names: &Names<'_>) {
    reply.map(2);
    reply.bulk_str("slots");
    reply.array(primary.slots.len() * 2);
    for SlotRange { first, last } in &primary.slots {
        reply.int(i64::from(first.get()));
        reply.int(i64::from(last.get()));
    }
    reply.bulk_str("nodes");
    reply.array(1 + primary.replicas.len());
    write_shard_node(reply, primary, names);
    primary.replicas.iter().for_each(|&replica| write_shard_node(reply, &view.nodes[replica], names));
}

pub(super) fn links(cluster: &Arc<Cluster>, ctx: &mut SessionCtx<'_, '_>, _: Args<'_>) -> SessionResult {
    let view = cluster.fresh_view();
    let queued = cluster.queued_bytes();
    ctx.reply.array(view.links.len());
    for link in &view.links {
        let waiting = queued.get(&link.id).copied().unwrap_or(0) + link.queued_bytes;
        ctx.reply.map(6);
        for (name, value) in [("direction", if link.inbound { "from" } else { "to" }), ("node", link.node.as_str())] {
            ctx.reply.bulk_str(name);
            ctx.reply.bulk_str(value);
        }
        ctx.reply.bulk_str("create-time");
        ctx.reply.int(link.created_at);
        ctx.reply.bulk_str("events");
        ctx.reply.bulk_str(match (link.connected, waiting > 0) {
            (true, true) => "rw",
            (true, false) => "r",
            (false, _) => "",
        });
        for name in ["send-buffer-allocated", "send-buffer-used"] {
            ctx.reply.bulk_str(name);
            ctx.reply.int(waiting as i64);
        }
    }
    Ok(Handled::Done)
}
