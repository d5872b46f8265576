//! MEMORY STATS and MEMORY DOCTOR: the memory fields of INFO in another form, and what is conspicuous about them.
//!
//! STATS has the fields of Redis 7.0. Those of mechanisms that slotd lacks are 0; the allocator does not tell how much
//! it holds back, so its fragmentation is 0, too, and everything that is resident and not in use counts as its
//! overhead.

use protocol::resp::reply::Reply;

use super::fields::Facts;
use crate::engine::Engine;
use crate::session::client::ClientKind;
use crate::store::{EXPIRY_PLACE, TABLE_PLACE};

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A number of STATS.
enum Figure {
    Count(i64),
    Fraction(f64),
}

/// What the tables of a database take.
struct Tables {
    db: usize,
    main: u64,
    expires: u64,
}

impl Tables {
    fn of(engine: &Engine, db: usize) -> Self {
        let keyspace = &engine.keyspace;
        let expiries = keyspace.expires_len(db) + keyspace.timed_len(db);
        Self { db, main: (keyspace.len(db) * TABLE_PLACE) as u64, expires: (expiries * EXPIRY_PLACE) as u64 }
    }
}

/// Writes the reply of MEMORY STATS.
pub(in crate::ops) fn stats(engine: &Engine, now: i64, reply: &mut Reply<'_>) {
    let sources = engine.info.sources();
    let facts = Facts::new(engine, now, &sources);
    let databases: Vec<usize> = (0..engine.keyspace.databases()).filter(|db| !engine.keyspace.is_empty(*db)).collect();
    let tables: Vec<Tables> = databases.iter().map(|db| Tables::of(engine, *db)).collect();
    let (before, after) = figures(engine, &facts, &tables);
    reply.map(before.len() + tables.len() + after.len());
    write(reply, before);
    for Tables { db, main, expires } in tables {
        reply.bulk_str(&format!("db.{db}"));
        reply.map(3);
        let count = |bytes: u64| Figure::Count(bytes as i64);
        write(
            reply,
            vec![
                ("overhead.hashtable.main", count(main)),
                ("overhead.hashtable.expires", count(expires)),
                ("overhead.hashtable.slot-to-keys", count(0)),
            ],
        );
    }
    write(reply, after);
}

fn write(reply: &mut Reply<'_>, figures: Vec<(&'static str, Figure)>) {
    for (name, figure) in figures {
        reply.bulk_str(name);
        match figure {
            Figure::Count(number) => reply.int(number),
            Figure::Fraction(number) => reply.double(number),
        }
    }
}

type Figures = Vec<(&'static str, Figure)>;

/// The fields before the databases, and those after them.
fn figures(engine: &Engine, facts: &Facts<'_>, tables: &[Tables]) -> (Figures, Figures) {
    let count = |bytes: u64| Figure::Count(bytes as i64);
    let told = |field| Figure::Count(facts.told_by_source(field));
    let scripts = facts.scripts();
    let (used, resident, startup) = (facts.memory.used, facts.memory.resident, facts.startup());
    let before = vec![
        ("peak.allocated", count(facts.peak())),
        ("total.allocated", count(used)),
        ("startup.allocated", count(startup)),
        ("replication.backlog", told("mem_replication_backlog")),
        ("clients.slaves", told("mem_clients_slaves")),
        ("clients.normal", Figure::Count(facts.client_buffers())),
        ("cluster.links", told("mem_cluster_links")),
        ("aof.buffer", count(0)),
        ("lua.caches", count(scripts.script_bytes)),
        ("functions.caches", count(scripts.function_bytes)),
    ];
    let buffers = ["mem_replication_backlog", "mem_clients_slaves", "mem_cluster_links"];
    let buffers = buffers.iter().map(|field| facts.told_by_source(field)).sum::<i64>() + facts.client_buffers();
    let places: u64 = tables.iter().map(|tables| tables.main + tables.expires).sum();
    let overhead = startup + places + scripts.bytes() + u64::try_from(buffers).unwrap_or(0);
    let keys: u64 = tables.iter().map(|tables| engine.keyspace.len(tables.db) as u64).sum();
    let dataset = used.saturating_sub(overhead);
    let beyond = resident as i64 - used as i64;
    let after = vec![
        ("overhead.total", count(overhead)),
        ("keys.count", count(keys)),
        ("keys.bytes-per-key", count(facts.dataset().checked_div(keys).unwrap_or(0))),
        ("dataset.bytes", count(dataset)),
        ("dataset.percentage", Figure::Fraction(share(dataset, facts.dataset()))),
        ("peak.percentage", Figure::Fraction(share(used, facts.peak()))),
        ("allocator.allocated", count(used)),
        ("allocator.active", count(used)),
        ("allocator.resident", count(resident)),
        ("allocator-fragmentation.ratio", Figure::Fraction(1.0)),
        ("allocator-fragmentation.bytes", count(0)),
        ("allocator-rss.ratio", Figure::Fraction(ratio(resident, used))),
        ("allocator-rss.bytes", Figure::Count(beyond)),
        ("rss-overhead.ratio", Figure::Fraction(1.0)),
        ("rss-overhead.bytes", count(0)),
        ("fragmentation", Figure::Fraction(ratio(resident, used))),
        ("fragmentation.bytes", Figure::Count(beyond)),
    ];
    (before, after)
}

/// Below this, nothing can be said (Redis: `getMemoryDoctorReport`).
const TOO_LITTLE: u64 = 5 << 20;

/// The text of MEMORY DOCTOR. Redis's conditions; its words where nothing is wrong.
pub(in crate::ops) fn doctor(engine: &Engine, now: i64) -> String {
    let sources = engine.info.sources();
    let facts = Facts::new(engine, now, &sources);
    let (used, resident) = (facts.memory.used, facts.memory.resident);
    // What the process itself takes tells nothing about its data.
    if facts.dataset() < TOO_LITTLE {
        return "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in these \
                conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and I will \
                be back to our programming as soon as I finished rebooting.\n"
            .to_owned();
    }
    let mut issues = Vec::new();
    if ratio(facts.peak(), used) > 1.5 {
        issues.push(
            "Peak memory: the node once used more than 150% of the memory that it uses now. The allocator may keep the \
             difference, so resident memory may look large. It is used again when the data grow, and MEMORY PURGE \
             returns what it can.",
        );
    }
    if ratio(resident, used) > 1.4 && resident.saturating_sub(used) > 10 << 20 {
        issues.push(
            "High fragmentation: resident memory is more than 140% of the memory in use. After a peak this is expected; \
             otherwise the values that came and went were of very different sizes.",
        );
    }
    let normal = facts.clients().iter().filter(|client| client.kind() == ClientKind::Normal).count() as i64;
    if normal > 0 && facts.client_buffers() / normal > 200 << 10 {
        issues.push(
            "Big client buffers: ordinary clients take more than 200 kB each on average. They may send long pipelines, \
             ask for large replies, or read them slowly; CLIENT LIST shows which.",
        );
    }
    let replicas = facts.clients().iter().filter(|client| client.kind() == ClientKind::Replica).count() as i64;
    if replicas > 0 && facts.told_by_source("mem_clients_slaves") / replicas > 10 << 20 {
        issues.push(
            "Big replica buffers: replicas leave more than 10 MB each unread on average. They may be slow, or their \
             links.",
        );
    }
    if issues.is_empty() {
        return "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n"
            .to_owned();
    }
    let list: String = issues.iter().map(|issue| format!(" * {issue}\n\n")).collect();
    format!(
        "Sam, I detected a few issues in this Redis instance memory implants:\n\n{list}I'm here to keep you safe, Sam. I \
         want to help you.\n"
    )
}
