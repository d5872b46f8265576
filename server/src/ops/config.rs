//! CONFIG GET, SET, REWRITE, RESETSTAT and HELP.
//!
//! Only the wire format; [`crate::config::Config`] interprets the words. REWRITE waits for the disk on the worker that
//! runs it, as in Redis; it is an administrator's command, and its reply promises that the file is written.

use protocol::resp::Args;

use crate::command::{Arity, CmdError, Declared, Flags, Group, error};
use crate::config::rewrite::RewriteError;
use crate::config::{ConfigSetError, Setter};
use crate::engine::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use crate::session::client::is_local;

const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);
const HELP: Flags = Flags::LOADING.and(Flags::STALE);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    Declared::new("CONFIG", Arity::at_least(2), Group::Server, Flags::CONTAINER, container as SessionFn)
        .since("2.0.0")
        .summary("A container for server configuration commands")
        .complexity("Depends on subcommand."),
    Declared::sub("CONFIG", "GET", Arity::at_least(3), Group::Server, ADMIN, get as SessionFn)
        .since("2.0.0")
        .summary("Get the values of configuration parameters")
        .complexity("O(N) when N is the number of configuration parameters provided")
        .syntax("parameter:{parameter:string}+")
        .history(&[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")]),
    Declared::sub("CONFIG", "SET", Arity::at_least(4), Group::Server, ADMIN, set as SessionFn)
        .since("2.0.0")
        .summary("Set configuration parameters to the given values")
        .complexity("O(N) when N is the number of configuration parameters provided")
        .syntax("parameter_value:{parameter:string value:string}+")
        .history(&[("7.0.0", "Added the ability to set multiple parameters in one call.")])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    Declared::sub("CONFIG", "REWRITE", Arity::exactly(2), Group::Server, ADMIN, rewrite as SessionFn)
        .since("2.8.0")
        .summary("Rewrite the configuration file with the in memory configuration")
        .complexity("O(1)"),
    Declared::sub("CONFIG", "RESETSTAT", Arity::exactly(2), Group::Server, ADMIN, reset_stat as SessionFn)
        .since("2.0.0")
        .summary("Reset the stats returned by INFO")
        .complexity("O(1)"),
    Declared::sub("CONFIG", "HELP", Arity::exactly(2), Group::Server, HELP, help as SessionFn)
        .since("5.0.0")
        .summary("Show helpful text about the different subcommands")
        .complexity("O(1)"),
];

fn container(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    Err(error::wrong_arity(&ctx.command.full_name))
}

fn get(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let patterns: Vec<&[u8]> = args.iter().skip(2).collect();
    let found = ctx.engine.config.get_matching(&patterns);
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(&name);
        ctx.reply.bulk(&value);
    }
    Ok(Handled::Done)
}

fn set(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let words: Vec<&[u8]> = args.iter().skip(2).collect();
    let (pairs, []) = words.as_chunks::<2>() else { return Err(error::SYNTAX) };
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    let setter = Setter {
        local: is_local(&ctx.session.handle.addr),
        loading: ctx.engine.state.loading.load(std::sync::atomic::Ordering::Relaxed),
    };
    ctx.engine.config.set_many(&pairs, setter).map_err(|refused| match refused {
        ConfigSetError::Unknown(name) => error::unknown_directive(&name),
        refused => CmdError::new(refused.to_string()),
    })?;
    for warning in ctx.engine.config.without_effect_of(pairs.iter().map(|(name, _)| *name)) {
        ctx.engine.log.warning(format_args!("{warning}"));
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn rewrite(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    match ctx.engine.config.rewrite(false) {
        Ok(()) => ctx.engine.log.warning(format_args!("CONFIG REWRITE executed with success.")),
        Err(refused) => {
            if let RewriteError::File(reason) = &refused {
                ctx.engine.log.warning(format_args!("CONFIG REWRITE failed: {reason}"));
            }
            return Err(CmdError::new(refused.to_string()));
        }
    }
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn reset_stat(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.engine.reset_stats();
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    const LINES: [&str; 11] = [
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        "HELP",
        "    Prints this help.",
    ];
    ctx.reply.array(LINES.len());
    for line in LINES {
        ctx.reply.simple(line);
    }
    Ok(Handled::Done)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
