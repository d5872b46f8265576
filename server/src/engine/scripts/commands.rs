//! EVAL and its kin, and SCRIPT.

use std::sync::atomic::Ordering;

use protocol::number::parse_i64;
use protocol::resp::Args;
use protocol::slot::key_slot;

use super::super::Engine;
use super::super::handler::{Command, Handled, SessionCtx, SessionFn, SessionResult};
use super::call::CallState;
use super::run::{self, Begin};
use crate::base::sha1::DIGEST_BYTES;
use crate::command::{Arity, CmdError, Declared, Flags, Group, KeySpec, LockPlan, Traits, error, help as help_lines};
use crate::script::{Program, Script, ScriptFlags};
use crate::session::Session;

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    eval_like("EVAL", "2.6.0", "Execute a Lua script server side", EVAL, "script", eval as SessionFn)
        .keys(&[KeySpec::numkeys(2).rw().access().update().notes(WORST)]),
    eval_like("EVALSHA", "2.6.0", "Execute a Lua script server side", EVAL, "sha1", eval_sha as SessionFn)
        .keys(&[KeySpec::numkeys(2).rw().access().update()]),
    eval_like("EVAL_RO", "7.0.0", "Execute a read-only Lua script server side", EVAL_RO, "script", eval as SessionFn)
        .keys(&[KeySpec::numkeys(2).ro().access().notes(WORST_RO)]),
    eval_like(
        "EVALSHA_RO",
        "7.0.0",
        "Execute a read-only Lua script server side",
        EVAL_RO,
        "sha1",
        eval_sha as SessionFn,
    )
    .keys(&[KeySpec::numkeys(2).ro().access()]),
    Declared::new("SCRIPT", Arity::at_least(2), Group::Scripting, Flags::CONTAINER, help as SessionFn)
        .since("2.6.0")
        .summary("A container for Lua scripts management commands")
        .complexity("Depends on subcommand."),
    Declared::sub("SCRIPT", "DEBUG", Arity::exactly(3), Group::Scripting, Flags::NOSCRIPT, debug as SessionFn)
        .since("3.2.0")
        .summary("Set the debug mode for executed scripts.")
        .complexity("O(1)")
        .syntax("mode:<'YES | 'SYNC | 'NO>"),
    Declared::sub("SCRIPT", "EXISTS", Arity::at_least(3), Group::Scripting, Flags::NOSCRIPT, exists as SessionFn)
        .since("2.6.0")
        .summary("Check existence of scripts in the script cache.")
        .complexity(
            "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        )
        .syntax("sha1:string+")
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"]),
    Declared::sub("SCRIPT", "FLUSH", Arity::at_least(2), Group::Scripting, Flags::NOSCRIPT, flush as SessionFn)
        .since("2.6.0")
        .summary("Remove all the scripts from the script cache.")
        .complexity("O(N) with N being the number of scripts in cache")
        .syntax("[async:<'ASYNC | 'SYNC>@6.2.0]")
        .history(&[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    Declared::sub(
        "SCRIPT",
        "HELP",
        Arity::exactly(2),
        Group::Scripting,
        Flags::LOADING.and(Flags::STALE),
        help as SessionFn,
    )
    .since("5.0.0")
    .summary("Show helpful text about the different subcommands")
    .complexity("O(1)"),
    Declared::sub(
        "SCRIPT",
        "KILL",
        Arity::exactly(2),
        Group::Scripting,
        Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        kill as SessionFn,
    )
    .traits(Traits::TOUCHES_NO_DATA)
    .since("2.6.0")
    .summary("Kill the script currently in execution.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    Declared::sub(
        "SCRIPT",
        "LOAD",
        Arity::exactly(3),
        Group::Scripting,
        Flags::NOSCRIPT.and(Flags::STALE),
        load as SessionFn,
    )
    .since("2.6.0")
    .summary("Load the specified Lua script into the script cache.")
    .complexity("O(N) with N being the length in bytes of the script body.")
    .syntax("script:string")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
];

const NAMED: Traits = Traits::RUNS_A_SCRIPT.and(Traits::NAMES_ITS_SCRIPT);
const BASE: Flags = Flags::NOSCRIPT.and(Flags::STALE).and(Flags::SKIP_MONITOR).and(Flags::NO_MANDATORY_KEYS);
const EVAL: Flags = BASE.and(Flags::MAY_REPLICATE);
const EVAL_RO: Flags = BASE.and(Flags::READONLY);
pub(super) const WORST: &str = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";
pub(super) const WORST_RO: &str = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";

const NO_SCRIPT: CmdError = CmdError::text("NOSCRIPT No matching script. Please use EVAL.");
const NEGATIVE_KEYS: CmdError = CmdError::text("ERR Number of keys can't be negative");
const TOO_MANY_KEYS: CmdError = CmdError::text("ERR Number of keys can't be greater than number of args");
const NO_CLUSTER: CmdError = CmdError::text("ERR Can not run script on cluster, 'no-cluster' flag is set.");
const OUT_OF_MEMORY: CmdError =
    CmdError::text("OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'");
const NOT_READ_ONLY: CmdError = CmdError::text("ERR Can not execute a script with write flag using *_ro command.");

const fn eval_like(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    flags: Flags,
    script: &'static str,
    handler: SessionFn,
) -> Declared<SessionFn> {
    // What COMMAND DOCS calls the first word.
    let (syntax, traits) = match script.as_bytes() {
        b"sha1" => ("sha1:string numkeys:integer [key:key+] [arg:string+]", NAMED),
        _ => ("script:string numkeys:integer [key:key+] [arg:string+]", Traits::RUNS_A_SCRIPT),
    };
    Declared::new(name, Arity::at_least(3), Group::Scripting, flags, handler)
        .traits(traits)
        .since(since)
        .summary(summary)
        .complexity("Depends on the script that is executed.")
        .syntax(syntax)
}

fn eval(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    shown(ctx, args, |ctx| eval_text(ctx, args))
}

fn eval_sha(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    shown(ctx, args, |ctx| eval_known(ctx, args))
}

/// Shows a script to monitors before it runs, whatever becomes of it.
pub(super) fn shown(
    ctx: &mut SessionCtx<'_, '_>,
    args: Args<'_>,
    run: impl FnOnce(&mut SessionCtx<'_, '_>) -> SessionResult,
) -> SessionResult {
    ctx.engine.show_script(ctx.session, ctx.command, args);
    let result = run(ctx);
    if !matches!(result, Ok(Handled::Postponed(_))) {
        ctx.session.is_shown = false;
    }
    result
}

fn eval_text(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let keys = key_count(args)?;
    let cache = &ctx.engine.scripts.cache;
    let script = match cache.find(&Script::sha_of(&args[1])) {
        Some(script) => script,
        None => cache.add_passing(compiled(ctx, &args[1])?),
    };
    begin(ctx, Program::Script(script), keys, args)
}

fn eval_known(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args[1].len() != 2 * DIGEST_BYTES {
        return Err(NO_SCRIPT);
    }
    let keys = key_count(args)?;
    let sha = Script::parse_sha(&args[1]).ok_or(NO_SCRIPT)?;
    let script = ctx.engine.scripts.cache.find_again(&mut ctx.session.last_script, &sha).ok_or(NO_SCRIPT)?;
    begin(ctx, Program::Script(script), keys, args)
}

/// What the script that a command runs says about itself, if it can be found.
pub(super) fn flags_of(engine: &Engine, session: &Session, command: &Command, args: Args<'_>) -> Option<ScriptFlags> {
    if command.traits.has(Traits::RUNS_A_FUNCTION) {
        let known = engine.scripts.functions.peek(session.last_function.as_deref(), args.get(1)?);
        return known.map(|program| program.flags());
    }
    let sha = if command.traits.has(Traits::NAMES_ITS_SCRIPT) {
        Script::parse_sha(args.get(1)?)?
    } else if args.get(1)?.starts_with(b"#!") {
        Script::sha_of(args.get(1)?)
    } else {
        return Some(ScriptFlags::COMPATIBLE);
    };
    match engine.scripts.cache.find(&sha) {
        Some(script) => Some(script.flags),
        None if command.traits.has(Traits::NAMES_ITS_SCRIPT) => None,
        None => Script::new(args.get(1)?).ok().map(|script| script.flags),
    }
}

/// How many of the words behind the number are keys.
fn key_count(args: Args<'_>) -> Result<usize, CmdError> {
    checked_count(parse_i64(&args[2]).ok_or(error::NOT_INTEGER)?, args)
}

/// The same of the number that was read.
pub(super) fn checked_count(count: i64, args: Args<'_>) -> Result<usize, CmdError> {
    if count > (args.len() - 3) as i64 {
        return Err(TOO_MANY_KEYS);
    }
    usize::try_from(count).map_err(|_| NEGATIVE_KEYS)
}

/// A new script of this text, which can be compiled.
fn compiled(ctx: &SessionCtx<'_, '_>, text: &[u8]) -> Result<Script, CmdError> {
    let script = Script::new(text).map_err(|problem| CmdError::of_bytes([b"ERR ", &problem[..]].concat()))?;
    run::check(ctx, &script)?;
    Ok(script)
}

/// Checks what the script's flags say about this node, and runs it.
pub(super) fn begin(ctx: &mut SessionCtx<'_, '_>, program: Program, keys: usize, args: Args<'_>) -> SessionResult {
    let is_read_only_command = ctx.command.flags.has(Flags::READONLY);
    let flags = program.flags();
    let (engine, hot) = (ctx.engine, ctx.hot);
    let out_of_memory = hot.max_memory != 0 && ctx.session.out_of_memory;
    if flags.is_compatible {
        if engine.is_stale(hot) {
            return Err(error::MASTER_DOWN);
        }
    } else {
        // The gates of a command that may write, or may see stale data, as the script says.
        if !flags.no_writes {
            if engine.state.save_failed.load(Ordering::Relaxed) {
                engine.disk_gate(hot)?;
            }
            engine.write_gates(hot)?;
        }
        if !flags.allow_stale && engine.is_stale(hot) {
            return Err(error::MASTER_DOWN);
        }
        if flags.no_cluster && engine.router().is_some() {
            return Err(NO_CLUSTER);
        }
        if !flags.no_writes && is_read_only_command {
            return Err(NOT_READ_ONLY);
        }
        if out_of_memory && !flags.allow_oom && !flags.no_writes {
            return Err(OUT_OF_MEMORY);
        }
    }
    let key_words = args.slice(3..3 + keys);
    let mut plan = LockPlan::default();
    let known = Some(ctx.keys).filter(|known| known.len() == keys);
    match known {
        Some(known) => known.iter().for_each(|known| plan.add(ctx.session.db, known.slot)),
        None => key_words.iter().for_each(|key| plan.add(ctx.session.db, key_slot(key))),
    }
    plan.prepare();
    let first = known.and_then(<[_]>::first).map(|known| (known.slot, known.hash));
    let first_slot = first.map(|(slot, _)| slot).or_else(|| key_words.get(0).map(key_slot));
    let state = CallState {
        is_read_only: is_read_only_command || flags.no_writes,
        out_of_memory: out_of_memory && !flags.allow_oom,
        // Scripts of the old kind have always been allowed to.
        any_slot: flags.allow_cross_slot_keys || flags.is_compatible,
        first_slot: first_slot.filter(|_| engine.router().is_some()),
        first,
        declared: plan.clone(),
        ..CallState::default()
    };
    run::start(ctx, Begin { program, words: args, keys, plan, state })
}

fn load(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let script = ctx.engine.scripts.cache.add_for_good(compiled(ctx, &args[2])?);
    ctx.reply.bulk_str(script.name());
    Ok(Handled::Done)
}

fn exists(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    ctx.reply.array(args.len() - 2);
    for name in args.iter().skip(2) {
        let known = Script::parse_sha(name).and_then(|sha| ctx.engine.scripts.cache.find(&sha));
        ctx.reply.int(i64::from(known.is_some()));
    }
    Ok(Handled::Done)
}

fn flush(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let is_mode = |word: &[u8]| word.eq_ignore_ascii_case(b"SYNC") || word.eq_ignore_ascii_case(b"ASYNC");
    match (args.len(), args.get(2)) {
        (2, _) => {}
        (3, Some(word)) if is_mode(word) => {}
        _ => return Err(CmdError::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
    }
    ctx.engine.scripts.cache.flush();
    ctx.session.vms.flush();
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn kill(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.engine.scripts.kill(false, &ctx.engine.log)?;
    ctx.reply.ok();
    Ok(Handled::Done)
}

/// There is no debugger: only switching it off works.
fn debug(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let mode = &args[2];
    if mode.eq_ignore_ascii_case(b"NO") {
        ctx.reply.ok();
        return Ok(Handled::Done);
    }
    if mode.eq_ignore_ascii_case(b"YES") || mode.eq_ignore_ascii_case(b"SYNC") {
        // redis-cli does not look at the reply, and would run the script for good.
        ctx.session.close_after_reply = true;
        return Err(CmdError::text("ERR slotd has no debugger for scripts"));
    }
    Err(CmdError::text("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}

fn help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    const LINES: &[&str] = &[
        "DEBUG (YES|SYNC|NO)",
        "    Set the debug mode for subsequent scripts executed.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Flush the Lua scripts cache. Very dangerous on replicas.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the scripts cache.",
        "    * SYNC: Synchronously flush the scripts cache.",
        "KILL",
        "    Kill the currently executing Lua script.",
        "LOAD <script>",
        "    Load a script into the scripts cache without executing it.",
    ];
    help_lines::write(&mut ctx.reply, "SCRIPT", LINES);
    Ok(Handled::Done)
}
