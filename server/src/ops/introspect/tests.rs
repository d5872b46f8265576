//! What COMMAND derives, against facts of Redis 7.0.15.

use super::acl::{belongs, categories};
use crate::command::{Arity, Declared, Flags, Group, Spec, syntax};
use crate::engine::registry::{Registry, Table};

const fn spec(group: Group, flags: Flags) -> Spec {
    Declared::new("X", Arity::at_least(1), group, flags, ()).spec
}

fn of(group: Group, flags: Flags) -> Vec<&'static str> {
    categories(&spec(group, flags)).collect()
}

#[test]
fn acl_categories_follow_from_flags_and_group() {
    assert_eq!(of(Group::String, Flags::READONLY.and(Flags::FAST)), ["read", "string", "fast"]);
    assert_eq!(of(Group::List, Flags::WRITE.and(Flags::BLOCKING)), ["write", "list", "slow", "blocking"]);
    assert_eq!(of(Group::Server, Flags::ADMIN), ["admin", "slow", "dangerous"]);
    assert_eq!(of(Group::PubSub, Flags::PUBSUB), ["pubsub", "slow"]);
}

#[test]
fn a_container_has_no_category_of_its_group() {
    assert_eq!(of(Group::Connection, Flags::CONTAINER), ["slow"]);
}

#[test]
fn exceptions_of_redis_hold() {
    assert_eq!(of(Group::Server, Flags::WRITE), ["keyspace", "write", "slow", "dangerous"], "FLUSHALL");
    assert_eq!(of(Group::Generic, Flags::ACL_CONNECTION), ["slow", "connection"], "WAIT");
    assert_eq!(of(Group::Server, Flags::FAST.and(Flags::ACL_ADMIN)), ["admin", "fast", "dangerous"], "LASTSAVE");
    assert!(!belongs(&spec(Group::Server, Flags::READONLY), "keyspace"), "LOLWUT");
}

#[test]
fn every_declaration_can_be_read() {
    let registry = Registry::new(vec![
        Table::Keyed(crate::commands::strings::COMMANDS),
        Table::Keyed(crate::commands::lists::COMMANDS),
        Table::Keyed(crate::commands::list_moves::COMMANDS),
        Table::Session(crate::clients::connection::COMMANDS),
        Table::Session(crate::engine::transaction::COMMANDS),
        Table::Session(crate::clients::pubsub::COMMANDS),
        Table::Session(crate::ops::config::COMMANDS),
        Table::Session(crate::clients::client::COMMANDS),
        Table::Session(crate::clients::tracking::COMMANDS),
        Table::Session(super::commands::COMMANDS),
    ]);
    for command in registry.iter() {
        if let Err(error) = syntax::parse(command.spec.syntax) {
            panic!("{}: {error} of {:?}", command.full_name, command.spec.syntax);
        }
    }
}

#[test]
fn commands_are_found_by_full_name() {
    let registry = Registry::new(vec![Table::Session(super::commands::COMMANDS)]);
    let name = |word: &[u8]| super::look_up(&registry, word).map(|command| command.full_name.as_str());
    assert_eq!(name(b"Command"), Some("command"));
    assert_eq!(name(b"COMMAND|docs"), Some("command|docs"));
    assert_eq!(name(b"command|docs|x"), None);
    assert_eq!(name(b"docs"), None);
}
