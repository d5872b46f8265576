//! COMMAND, COMMAND COUNT, LIST, INFO, DOCS, GETKEYS, GETKEYSANDFLAGS and HELP.

use protocol::resp::Args;

use super::{describe, docs, look_up, subcommands, top_level};
use crate::base::glob;
use crate::command::keys::{KeyPositions, extract};
use crate::command::{Arity, Categories, CmdError, Declared, Flags, Group, KeyFlags, Traits, error, help};
use crate::engine::handler::{Command, Handled, SessionCtx, SessionFn, SessionResult};

const OPEN: Flags = Flags::LOADING.and(Flags::STALE);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("COMMAND", Arity::at_least(1), Group::Server, OPEN.and(Flags::CONTAINER), all as SessionFn)
        .acl(Categories::CONNECTION)
        .traits(Traits::TOUCHES_NO_DATA)
        .since("2.8.13")
        .summary("Get array of Redis command details")
        .complexity("O(N) where N is the total number of Redis commands")
        .tips(&["nondeterministic_output_order"]),
    Declared::sub("COMMAND", "COUNT", Arity::exactly(2), Group::Server, OPEN, count as SessionFn)
        .acl(Categories::CONNECTION)
        .since("2.8.13")
        .summary("Get total number of Redis commands")
        .complexity("O(1)"),
    Declared::sub("COMMAND", "DOCS", Arity::at_least(2), Group::Server, OPEN, document as SessionFn)
        .acl(Categories::CONNECTION)
        .since("7.0.0")
        .summary("Get array of specific Redis command documentation")
        .complexity("O(N) where N is the number of commands to look up")
        .syntax("[command-name:string+]")
        .tips(&["nondeterministic_output_order"]),
    Declared::sub("COMMAND", "GETKEYS", Arity::at_least(4), Group::Server, OPEN, get_keys as SessionFn)
        .acl(Categories::CONNECTION)
        .since("2.8.13")
        .summary("Extract keys given a full Redis command")
        .complexity("O(N) where N is the number of arguments to the command"),
    Declared::sub(
        "COMMAND",
        "GETKEYSANDFLAGS",
        Arity::at_least(4),
        Group::Server,
        OPEN,
        get_keys_and_flags as SessionFn,
    )
    .acl(Categories::CONNECTION)
    .since("7.0.0")
    .summary("Extract keys and access flags given a full Redis command")
    .complexity("O(N) where N is the number of arguments to the command"),
    Declared::sub("COMMAND", "HELP", Arity::exactly(2), Group::Server, OPEN, help as SessionFn)
        .acl(Categories::CONNECTION)
        .since("5.0.0")
        .summary("Show helpful text about the different subcommands")
        .complexity("O(1)"),
    Declared::sub("COMMAND", "INFO", Arity::at_least(2), Group::Server, OPEN, info as SessionFn)
        .acl(Categories::CONNECTION)
        .since("2.8.13")
        .summary("Get array of specific Redis command details, or all when no argument is given.")
        .complexity("O(N) where N is the number of commands to look up")
        .syntax("[command-name:string+]")
        .history(&[("7.0.0", "Allowed to be called with no argument to get info on all commands.")])
        .tips(&["nondeterministic_output_order"]),
    Declared::sub("COMMAND", "LIST", Arity::at_least(2), Group::Server, OPEN, list as SessionFn)
        .acl(Categories::CONNECTION)
        .since("7.0.0")
        .summary("Get an array of Redis command names")
        .complexity("O(N) where N is the total number of Redis commands")
        .syntax("[FILTERBY=filterby:<MODULE=module-name:string|ACLCAT=category:string|PATTERN=pattern:pattern>]")
        .tips(&["nondeterministic_output_order"]),
];

fn all(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let registry = &ctx.engine.registry;
    ctx.reply.array(top_level(registry).count());
    for command in top_level(registry) {
        describe::info(&mut ctx.reply, registry, command);
    }
    Ok(Handled::Done)
}

fn count(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.reply.int(top_level(&ctx.engine.registry).count() as i64);
    Ok(Handled::Done)
}

fn info(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args.len() == 2 {
        return all(ctx, args);
    }
    let registry = &ctx.engine.registry;
    ctx.reply.array(args.len() - 2);
    for name in args.iter().skip(2) {
        match look_up(registry, name) {
            Some(command) => describe::info(&mut ctx.reply, registry, command),
            None => ctx.reply.null(),
        }
    }
    Ok(Handled::Done)
}

/// COMMAND DOCS leaves out unknown commands.
fn document(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let registry = &ctx.engine.registry;
    let wanted: Vec<&Command> = if args.len() == 2 {
        top_level(registry).collect()
    } else {
        args.iter().skip(2).filter_map(|name| look_up(registry, name)).collect()
    };
    ctx.reply.map(wanted.len());
    for command in wanted {
        ctx.reply.bulk_str(&command.full_name);
        docs::docs(&mut ctx.reply, registry, command);
    }
    Ok(Handled::Done)
}

/// Which commands COMMAND LIST names.
enum Filter<'a> {
    All,
    /// There are no modules, so no command belongs to one.
    Module,
    /// None: there is no such category.
    Category(Option<Categories>),
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn admits(&self, command: &Command) -> bool {
        match self {
            Self::All => true,
            Self::Module => false,
            Self::Category(category) => category.is_some_and(|category| Categories::of(command.spec).has(category)),
            Self::Pattern(pattern) => glob::matches(pattern, command.full_name.as_bytes(), true),
        }
    }
}

fn list(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let filter = match args.len() {
        2 => Filter::All,
        5 if args[2].eq_ignore_ascii_case(b"FILTERBY") => match args[3].to_ascii_uppercase().as_slice() {
            b"MODULE" => Filter::Module,
            b"ACLCAT" => Filter::Category(Categories::named(&String::from_utf8_lossy(&args[4]).to_ascii_lowercase())),
            b"PATTERN" => Filter::Pattern(&args[4]),
            _ => return Err(error::SYNTAX),
        },
        _ => return Err(error::SYNTAX),
    };
    let registry = &ctx.engine.registry;
    let names: Vec<&str> = top_level(registry)
        .flat_map(|command| std::iter::once(command).chain(subcommands(registry, command)))
        .filter(|command| filter.admits(command))
        .map(|command| command.full_name.as_str())
        .collect();
    ctx.reply.array(names.len());
    for name in &names {
        ctx.reply.bulk_str(name);
    }
    Ok(Handled::Done)
}

/// The keys of the command that follows, each with the way in which the command uses it.
fn find_keys(ctx: &SessionCtx<'_, '_>, command: Args<'_>) -> Result<KeyPositions, CmdError> {
    let registry = &ctx.engine.registry;
    let mut found = registry.find(&command[0]).ok_or(error::INVALID_KEYS_COMMAND)?;
    if !found.subcommands.is_empty()
        && let Some(word) = command.get(1)
    {
        found = registry.find_sub(found, word).ok_or(error::INVALID_KEYS_COMMAND)?;
    }
    let spec = found.spec;
    if spec.keys_fn.is_none() && spec.keys.iter().all(|key| key.flags.has(KeyFlags::NOT_KEY)) {
        return Err(error::NO_KEYS_MENTIONED);
    }
    if !spec.arity.accepts(command.len()) {
        return Err(error::INVALID_KEYS_ARITY);
    }
    let mut positions = KeyPositions::new();
    let readable = extract(spec, command, &mut positions).is_ok();
    positions.retain(|(_, flags)| !flags.has(KeyFlags::NOT_KEY));
    if (!readable || positions.is_empty()) && !spec.flags.has(Flags::NO_MANDATORY_KEYS) {
        return Err(error::INVALID_KEYS_ARGUMENTS);
    }
    Ok(positions)
}

fn get_keys(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let command = args.skip(2);
    let positions = find_keys(ctx, command)?;
    ctx.reply.array(positions.len());
    for (position, _) in &positions {
        ctx.reply.bulk(&command[*position as usize]);
    }
    Ok(Handled::Done)
}

fn get_keys_and_flags(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let command = args.skip(2);
    let positions = find_keys(ctx, command)?;
    ctx.reply.array(positions.len());
    for (position, flags) in positions {
        ctx.reply.array(2);
        ctx.reply.bulk(&command[position as usize]);
        describe::key_flags(&mut ctx.reply, flags);
    }
    Ok(Handled::Done)
}

fn help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    help::write(&mut ctx.reply, "COMMAND", HELP);
    Ok(Handled::Done)
}

const HELP: &[&str] = &[
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
];
