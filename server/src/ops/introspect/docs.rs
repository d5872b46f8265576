//! COMMAND DOCS: summary, history and arguments of a command.

use protocol::resp::reply::Reply;

use super::describe::{number_field, status_set, text_field};
use super::subcommands;
use crate::command::Spec;
use crate::command::spec::BeginSearch;
use crate::command::syntax::{self, ArgType, Argument};
use crate::engine::handler::Command;
use crate::engine::registry::Registry;

/// Writes the documentation of a command, subcommands included.
pub(super) fn docs(reply: &mut Reply<'_>, registry: &Registry, command: &Command) {
    let spec = command.spec;
    // An unreadable declaration is a mistake in our tables, which a test finds; here it only costs the arguments.
    let arguments = syntax::parse(spec.syntax).unwrap_or_default();
    let children: Vec<&Command> = subcommands(registry, command).collect();
    let doc_flags: Vec<&str> = [(spec.deprecated.is_some(), "deprecated"), (spec.syscmd, "syscmd")]
        .iter()
        .filter(|f| f.0)
        .map(|f| f.1)
        .collect();
    let fields = 3
        + usize::from(!spec.complexity.is_empty())
        + usize::from(!doc_flags.is_empty())
        + 2 * usize::from(spec.deprecated.is_some())
        + usize::from(!spec.history.is_empty())
        + usize::from(!arguments.is_empty())
        + usize::from(!children.is_empty());
    reply.map(fields);
    text_field(reply, "summary", spec.summary);
    text_field(reply, "since", spec.since);
    text_field(reply, "group", spec.group.name());
    if !spec.complexity.is_empty() {
        text_field(reply, "complexity", spec.complexity);
    }
    if !doc_flags.is_empty() {
        reply.bulk_str("doc_flags");
        status_set(reply, &doc_flags);
    }
    if let Some((since, by)) = spec.deprecated {
        text_field(reply, "deprecated_since", since);
        text_field(reply, "replaced_by", by);
    }
    if !spec.history.is_empty() {
        history(reply, spec);
    }
    if !arguments.is_empty() {
        reply.bulk_str("arguments");
        let patterns = spec.keys.iter().position(|key| key.begin == BeginSearch::Unknown);
        let mut keys = KeyCounter { next: 0, specs: spec.keys.len(), patterns };
        argument_list(reply, &arguments, &mut keys);
    }
    if !children.is_empty() {
        reply.bulk_str("subcommands");
        reply.map(children.len());
        for child in children {
            reply.bulk_str(&child.full_name);
            docs(reply, registry, child);
        }
    }
}

fn history(reply: &mut Reply<'_>, spec: &Spec) {
    reply.bulk_str("history");
    reply.set(spec.history.len());
    for (version, change) in spec.history {
        reply.array(2);
        reply.bulk_str(version);
        reply.bulk_str(change);
    }
}

/// Finds the key spec of the next key argument: specs and key arguments come in the same order, and the last spec may
/// cover several arguments (`LCS key1 key2`).
struct KeyCounter {
    next: usize,
    specs: usize,
    /// The spec of the keys that patterns stand for, which comes before those of the keys behind them.
    patterns: Option<usize>,
}

impl KeyCounter {
    fn take(&mut self) -> Option<usize> {
        let last = self.specs.checked_sub(1)?;
        let index = self.next.min(last);
        self.next += 1;
        Some(index)
    }
}

fn argument_list(reply: &mut Reply<'_>, arguments: &[Argument<'_>], keys: &mut KeyCounter) {
    reply.array(arguments.len());
    for one in arguments {
        argument(reply, one, keys);
    }
}

fn argument(reply: &mut Reply<'_>, argument: &Argument<'_>, keys: &mut KeyCounter) {
    let key_spec = match argument.ty {
        ArgType::Key => keys.take(),
        ArgType::Pattern => keys.patterns.inspect(|index| keys.next = keys.next.max(index + 1)),
        _ => None,
    };
    let flags: Vec<&str> =
        [(argument.optional, "optional"), (argument.multiple, "multiple"), (argument.multiple_token, "multiple_token")]
            .iter()
            .filter(|flag| flag.0)
            .map(|flag| flag.1)
            .collect();
    let has_members = matches!(argument.ty, ArgType::OneOf | ArgType::Block);
    let fields = 2
        + usize::from(key_spec.is_some())
        + usize::from(argument.token.is_some())
        + usize::from(argument.since.is_some())
        + usize::from(argument.deprecated_since.is_some())
        + usize::from(!flags.is_empty())
        + usize::from(has_members);
    reply.map(fields);
    text_field(reply, "name", &argument.name);
    text_field(reply, "type", argument.ty.name());
    if let Some(index) = key_spec {
        number_field(reply, "key_spec_index", index as i64);
    }
    let texts = [
        ("token", argument.token.as_deref()),
        ("since", argument.since),
        ("deprecated_since", argument.deprecated_since),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            text_field(reply, name, text);
        }
    }
    if !flags.is_empty() {
        reply.bulk_str("flags");
        status_set(reply, &flags);
    }
    if has_members {
        reply.bulk_str("arguments");
        argument_list(reply, &argument.arguments, keys);
    }
}
