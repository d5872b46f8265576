//! What the server says about its own commands: COMMAND and its subcommands.
//!
//! No command is known by name here. Flags, [ACL categories](crate::command::Categories), key specifications
//! ([`describe`]) and documentation ([`docs`]) are derived from the [`crate::command::Spec`]s of the registry.
//! Dispatch, routing and locking obey the same specs, so COMMAND describes what the server does.

pub(crate) mod commands;
mod describe;
mod docs;

use crate::command::Flags;
use crate::engine::handler::Command;
use crate::engine::registry::Registry;

/// Names of set flags, in the order of a list of Redis.
fn flag_names<F: Copy>(list: &[(F, &'static str)], has: impl Fn(F) -> bool) -> Vec<&'static str> {
    list.iter().filter(|(flag, _)| has(*flag)).map(|(_, name)| *name).collect()
}

/// Commands other than subcommands, without internal ones.
fn top_level(registry: &Registry) -> impl Iterator<Item = &Command> {
    registry.iter().filter(|command| command.spec.container.is_none() && !is_hidden(command))
}

fn is_hidden(command: &Command) -> bool {
    command.spec.flags.has(Flags::HIDDEN)
}

/// Subcommands of a container, without internal ones.
fn subcommands<'r>(registry: &'r Registry, command: &'r Command) -> impl Iterator<Item = &'r Command> {
    command.subcommands.iter().map(|&index| registry.by_index(index)).filter(|command| !is_hidden(command))
}

/// The command of a full name: `get`, `config|get` (Redis: `lookupCommandBySds`).
pub(super) fn look_up<'r>(registry: &'r Registry, name: &[u8]) -> Option<&'r Command> {
    let mut words = name.split(|byte| *byte == b'|');
    let command = registry.find(words.next()?)?;
    match (words.next(), words.next()) {
        (None, _) => Some(command),
        (Some(sub), None) => registry.find_sub(command, sub),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
