//! COMMAND INFO's ten fields.

use protocol::resp::reply::Reply;

use super::{flag_names, subcommands};
use crate::command::keys::legacy_range;
use crate::command::spec::{BeginSearch, FindKeys};
use crate::command::{Categories, Flags, KeyFlags, KeySpec};
use crate::engine::handler::Command;
use crate::engine::registry::Registry;

/// Flags that COMMAND INFO prints, in its order; the others are internal (Redis: "hidden on purpose").
const FLAGS: &[(Flags, &str)] = &[
    (Flags::WRITE, "write"),
    (Flags::READONLY, "readonly"),
    (Flags::DENYOOM, "denyoom"),
    (Flags::ADMIN, "admin"),
    (Flags::PUBSUB, "pubsub"),
    (Flags::NOSCRIPT, "noscript"),
    (Flags::BLOCKING, "blocking"),
    (Flags::LOADING, "loading"),
    (Flags::STALE, "stale"),
    (Flags::SKIP_MONITOR, "skip_monitor"),
    (Flags::SKIP_SLOWLOG, "skip_slowlog"),
    (Flags::ASKING, "asking"),
    (Flags::FAST, "fast"),
    (Flags::NO_AUTH, "no_auth"),
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLE_KEYS, "movablekeys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
];

const KEY_FLAGS: &[(KeyFlags, &str)] = &[
    (KeyFlags::RO, "RO"),
    (KeyFlags::RW, "RW"),
    (KeyFlags::OW, "OW"),
    (KeyFlags::RM, "RM"),
    (KeyFlags::ACCESS, "access"),
    (KeyFlags::UPDATE, "update"),
    (KeyFlags::INSERT, "insert"),
    (KeyFlags::DELETE, "delete"),
    (KeyFlags::NOT_KEY, "not_key"),
    (KeyFlags::INCOMPLETE, "incomplete"),
    (KeyFlags::VARIABLE_FLAGS, "variable_flags"),
];

/// A set of flags as simple strings.
pub(super) fn status_set(reply: &mut Reply<'_>, names: &[&str]) {
    reply.set(names.len());
    for name in names {
        reply.simple(name);
    }
}

/// What a command does with a key, as COMMAND INFO and GETKEYSANDFLAGS print it.
pub(super) fn key_flags(reply: &mut Reply<'_>, flags: KeyFlags) {
    status_set(reply, &flag_names(KEY_FLAGS, |flag| flags.has(flag)));
}

/// Writes the description of a command, subcommands included.
pub(super) fn info(reply: &mut Reply<'_>, registry: &Registry, command: &Command) {
    let spec = command.spec;
    reply.array(10);
    reply.bulk_str(&command.full_name);
    reply.int(i64::from(spec.arity.0));
    let mut flags = spec.flags;
    if spec.keys.iter().any(is_movable) {
        flags = flags.and(Flags::MOVABLE_KEYS);
    }
    status_set(reply, &flag_names(FLAGS, |flag| flags.has(flag)));
    let (first, last, step) = legacy_range(spec);
    for number in [first, last, step] {
        reply.int(number);
    }
    let categories: Vec<String> = Categories::of(spec).names().map(|name| format!("@{name}")).collect();
    reply.set(categories.len());
    for name in &categories {
        reply.simple(name);
    }
    reply.set(spec.tips.len());
    for tip in spec.tips {
        reply.bulk_str(tip);
    }
    reply.set(spec.keys.len());
    for key in spec.keys {
        key_spec(reply, key);
    }
    let children: Vec<&Command> = subcommands(registry, command).collect();
    if children.is_empty() {
        reply.set(0);
    } else {
        reply.array(children.len());
        for child in &children {
            info(reply, registry, child);
        }
    }
}

/// Whether the keys cannot be described by fixed positions.
fn is_movable(spec: &KeySpec) -> bool {
    !matches!((spec.begin, spec.find), (BeginSearch::Index(_), FindKeys::Range { .. }))
}

fn key_spec(reply: &mut Reply<'_>, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        text_field(reply, "notes", spec.notes);
    }
    reply.bulk_str("flags");
    key_flags(reply, spec.flags);
    reply.bulk_str("begin_search");
    match spec.begin {
        BeginSearch::Index(index) => search(reply, "index", &[("index", i64::from(index))]),
        BeginSearch::Keyword { keyword, start_from } => {
            search_head(reply, "keyword", 2);
            text_field(reply, "keyword", keyword);
            number_field(reply, "startfrom", i64::from(start_from));
        }
        BeginSearch::Unknown => search(reply, "unknown", &[]),
    }
    reply.bulk_str("find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => {
            let fields = [("lastkey", last), ("keystep", step), ("limit", limit)];
            search(reply, "range", &fields.map(|(name, number)| (name, i64::from(number))));
        }
        FindKeys::KeyNum { keynum, first, step } => {
            let fields = [("keynumidx", keynum), ("firstkey", first), ("keystep", step)];
            search(reply, "keynum", &fields.map(|(name, number)| (name, i64::from(number))));
        }
        FindKeys::Unknown => search(reply, "unknown", &[]),
    }
}

fn search_head(reply: &mut Reply<'_>, ty: &str, fields: usize) {
    reply.map(2);
    text_field(reply, "type", ty);
    reply.bulk_str("spec");
    reply.map(fields);
}

fn search(reply: &mut Reply<'_>, ty: &str, fields: &[(&str, i64)]) {
    search_head(reply, ty, fields.len());
    for (name, number) in fields {
        number_field(reply, name, *number);
    }
}

pub(super) fn text_field(reply: &mut Reply<'_>, name: &str, value: &str) {
    reply.bulk_str(name);
    reply.bulk_str(value);
}

pub(super) fn number_field(reply: &mut Reply<'_>, name: &str, value: i64) {
    reply.bulk_str(name);
    reply.int(value);
}
