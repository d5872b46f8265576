//! Categories of commands, against facts of Redis 7.0.15.

use super::*;
use crate::command::{Arity, Declared};

fn of_all(group: Group, flags: Flags, categories: Categories) -> Vec<&'static str> {
    Categories::of(&Declared::new("X", Arity::at_least(1), group, flags, ()).acl(categories).spec).names().collect()
}

fn of(group: Group, flags: Flags) -> Vec<&'static str> {
    of_all(group, flags, Categories::NONE)
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
    assert_eq!(of_all(Group::Generic, Flags::NONE, Categories::CONNECTION), ["slow", "connection"], "WAIT");
    assert_eq!(of_all(Group::Server, Flags::FAST, Categories::ADMIN), ["admin", "fast", "dangerous"], "LASTSAVE");
    assert_eq!(of(Group::Server, Flags::READONLY), ["read", "slow"], "LOLWUT");
}

#[test]
fn every_category_has_its_name() {
    for name in NAMES {
        let category = Categories::named(name).expect("it is in the list");
        assert_eq!(category.names().collect::<Vec<_>>(), [name]);
    }
    assert_eq!(Categories::named("sortedset"), Some(Categories::SORTED_SET));
    assert_eq!(Categories::named("scripting"), Some(Categories::SCRIPTING));
    assert_eq!(Categories::named("all"), None);
}
