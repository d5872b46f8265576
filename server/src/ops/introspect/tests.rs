//! What COMMAND derives, against facts of Redis 7.0.15.

use crate::command::syntax;
use crate::engine::registry::{Registry, Table};

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
