//! FUNCTION, FCALL and FCALL_RO.

use std::sync::Arc;

use protocol::number::parse_i64;
use protocol::resp::Args;

use super::super::handler::{Handled, SessionCtx, SessionFn, SessionResult};
use super::super::held::alone;
use super::super::unit::Unit;
use super::commands::{WORST, WORST_RO, begin, checked_count, shown};
use super::functions::{self, Libraries, Policy};
use crate::base::glob;
use crate::command::{Arity, CmdError, Declared, Flags, Group, KeySpec, Traits, error, help as help_lines};
use crate::script::{Function, Library};
use crate::session::Origin;
use crate::session::tally::Tally;

const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const CHANGES: Flags = Flags::WRITE.and(Flags::NOSCRIPT);
const LOADS: Flags = CHANGES.and(Flags::DENYOOM);

/// The commands of this file.
pub(crate) static COMMANDS: &[Declared<SessionFn>] = &[
    fcall_like("FCALL", "Invoke a function", Flags::NONE).keys(&[KeySpec::numkeys(2)
        .rw()
        .access()
        .update()
        .notes(WORST)]),
    fcall_like("FCALL_RO", "Invoke a read-only function", Flags::READONLY)
        .keys(&[KeySpec::numkeys(2).ro().access().notes(WORST_RO)]),
    Declared::new("FUNCTION", Arity::at_least(2), Group::Scripting, Flags::CONTAINER, help as SessionFn)
        .since("7.0.0")
        .summary("A container for function commands")
        .complexity("Depends on subcommand."),
    sub("DELETE", Arity::exactly(3), CHANGES, delete)
        .summary("Delete a function by name")
        .complexity("O(1)")
        .syntax("library-name:string")
        .tips(ALL_SHARDS),
    sub("DUMP", Arity::exactly(2), Flags::NOSCRIPT, dump)
        .summary("Dump all functions into a serialized binary payload")
        .complexity("O(N) where N is the number of functions"),
    sub("FLUSH", Arity::at_least(2), CHANGES, flush)
        .summary("Deleting all functions")
        .complexity("O(N) where N is the number of functions deleted")
        .syntax("[async:<'ASYNC | 'SYNC>]")
        .tips(ALL_SHARDS),
    sub("HELP", Arity::exactly(2), Flags::LOADING.and(Flags::STALE), help)
        .summary("Show helpful text about the different subcommands")
        .complexity("O(1)"),
    sub("KILL", Arity::exactly(2), Flags::NOSCRIPT.and(Flags::ALLOW_BUSY), kill)
        .traits(Traits::TOUCHES_NO_DATA)
        .summary("Kill the function currently in execution.")
        .complexity("O(1)")
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]),
    sub("LIST", Arity::at_least(2), Flags::NOSCRIPT, list)
        .summary("List information about all the functions")
        .complexity("O(N) where N is the number of functions")
        .syntax("[library-name-pattern:LIBRARYNAME string] ['withcode]")
        .tips(&["nondeterministic_output_order"]),
    sub("LOAD", Arity::at_least(3), LOADS, load)
        .summary("Create a function with the given arguments (name, code, description)")
        .complexity("O(1) (considering compilation time is redundant)")
        .syntax("['replace] function-code:string")
        .tips(ALL_SHARDS),
    sub("RESTORE", Arity::at_least(3), LOADS, restore)
        .summary("Restore all the functions on the given payload")
        .complexity("O(N) where N is the number of functions on the payload")
        .syntax("serialized-value:string [policy:<'FLUSH | 'APPEND | 'REPLACE>]")
        .tips(ALL_SHARDS),
    sub("STATS", Arity::exactly(2), Flags::NOSCRIPT.and(Flags::ALLOW_BUSY), stats)
        .traits(Traits::TOUCHES_NO_DATA)
        .summary("Return information about the function currently running (name, description, duration)")
        .complexity("O(1)")
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
];

const NOT_FOUND: CmdError = CmdError::text("ERR Function not found");
const BAD_COUNT: CmdError = CmdError::text("ERR Bad number of keys provided");

const fn fcall_like(name: &'static str, summary: &'static str, flags: Flags) -> Declared<SessionFn> {
    let base = Flags::NOSCRIPT.and(Flags::STALE).and(Flags::SKIP_MONITOR).and(Flags::NO_MANDATORY_KEYS);
    Declared::new(name, Arity::at_least(3), Group::Scripting, base.and(flags), fcall as SessionFn)
        .traits(Traits::RUNS_A_SCRIPT.and(Traits::RUNS_A_FUNCTION))
        .since("7.0.0")
        .summary(summary)
        .complexity("Depends on the function that is executed.")
        .syntax("function:string numkeys:integer [key:key+] [arg:string+]")
}

const fn sub(name: &'static str, arity: Arity, flags: Flags, handler: SessionFn) -> Declared<SessionFn> {
    Declared::sub("FUNCTION", name, arity, Group::Scripting, flags, handler).since("7.0.0")
}

fn fcall(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    shown(ctx, args, |ctx| {
        let functions = &ctx.engine.scripts.functions;
        let program = functions.find_again(&mut ctx.session.last_function, &args[1]).ok_or(NOT_FOUND)?;
        let count = parse_i64(&args[2]).ok_or(BAD_COUNT)?;
        let keys = checked_count(count, args)?;
        begin(ctx, program, keys, args)
    })
}

fn says(problem: String) -> CmdError {
    CmdError::new(format!("ERR {problem}"))
}

/// Replaces the node's libraries by what `apply` makes of them, and propagates the command.
///
/// # Errors
/// What `apply` says; then nothing has changed.
fn change(
    ctx: &mut SessionCtx<'_, '_>,
    args: Args<'_>,
    apply: impl FnOnce(&mut Libraries) -> Result<(), CmdError>,
) -> Result<Option<Handled>, CmdError> {
    let engine = ctx.engine;
    let outer = ctx.unit.as_deref_mut().and_then(|unit| unit.downcast_mut::<Unit>());
    // A snapshot has these libraries, and what replicas hear afterwards begins with the command.
    let ran = alone(ctx.pass, ctx.session, |_, session| {
        let functions = &engine.scripts.functions;
        let mut libraries = (*functions.current()).clone();
        if let Err(problem) = apply(&mut libraries) {
            return Ok(Err(problem));
        }
        functions.set(libraries);
        let mut unit = Unit::of(session);
        let told = outer.unwrap_or(&mut unit);
        told.tell(engine, session.db, args);
        told.tally.add(Tally { dirty: 1, ..Tally::default() });
        engine.end_unit(session, unit);
        Ok(Ok(()))
    });
    match ran {
        Ok(applied) => applied.map(|()| None),
        Err(held) => Ok(Some(Handled::Postponed(held))),
    }
}

/// For how long the code of libraries may run, microseconds. What the primary has loaded has to be loaded here.
fn load_limit(ctx: &SessionCtx<'_, '_>) -> u64 {
    if ctx.session.origin == Origin::Primary { functions::NO_LIMIT } else { functions::LOAD_US }
}

/// What the code in a word of a command has registered, while the command waits until it is alone.
struct Prepared {
    word: Box<[u8]>,
    made: Libraries,
}

/// The libraries in a word of a command: what an attempt before this one has made of it, or what `make` makes.
///
/// # Errors
/// What `make` says.
fn prepared(
    ctx: &mut SessionCtx<'_, '_>,
    word: &[u8],
    make: impl FnOnce(&SessionCtx<'_, '_>) -> Result<Libraries, String>,
) -> Result<Libraries, CmdError> {
    let before = ctx.session.prepared.take().and_then(|prepared| prepared.downcast::<Prepared>().ok());
    match before.filter(|prepared| *prepared.word == *word) {
        Some(prepared) => Ok(prepared.made),
        None => make(ctx).map_err(says),
    }
}

/// Keeps them for the next attempt.
fn keep_prepared(ctx: &mut SessionCtx<'_, '_>, word: &[u8], made: Libraries) {
    ctx.session.prepared = Some(Box::new(Prepared { word: word.into(), made }));
}

fn load(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let mut replaces = false;
    for option in args.slice(2..args.len() - 1) {
        if !option.eq_ignore_ascii_case(b"REPLACE") {
            return Err(says(format!("Unknown option given: {}", String::from_utf8_lossy(option))));
        }
        replaces = true;
    }
    let code = &args[args.len() - 1];
    let made = prepared(ctx, code, |ctx| {
        let current = ctx.engine.scripts.functions.current();
        let is_taken = |name: &str| !replaces && current.contains(name);
        let library = functions::load(ctx.engine, &ctx.session.vms, code, load_limit(ctx), is_taken)?;
        let mut libraries = Libraries::default();
        libraries.load(library, false).map(|()| libraries)
    })?;
    if let Some(handled) = change(ctx, args, |libraries| libraries.merge(&made, replaces).map_err(says))? {
        keep_prepared(ctx, code, made);
        return Ok(handled);
    }
    made.iter().for_each(|library| ctx.reply.bulk_str(&library.name));
    Ok(Handled::Done)
}

fn delete(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let name = String::from_utf8_lossy(&args[2]).into_owned();
    let removed = change(ctx, args, |libraries| {
        libraries.remove(&name).then_some(()).ok_or(CmdError::text("ERR Library not found"))
    })?;
    Ok(answered(ctx, removed))
}

fn answered(ctx: &mut SessionCtx<'_, '_>, handled: Option<Handled>) -> Handled {
    handled.unwrap_or_else(|| {
        ctx.reply.ok();
        Handled::Done
    })
}

fn flush(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args.len() > 3 {
        return Err(error::unknown_or_arity("FUNCTION", &args[1]));
    }
    if let Some(mode) = args.get(2)
        && !mode.eq_ignore_ascii_case(b"SYNC")
        && !mode.eq_ignore_ascii_case(b"ASYNC")
    {
        return Err(CmdError::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    let flushed = change(ctx, args, |libraries| {
        *libraries = Libraries::default();
        Ok(())
    })?;
    Ok(answered(ctx, flushed))
}

fn restore(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    if args.len() > 4 {
        return Err(error::unknown_or_arity("FUNCTION", &args[1]));
    }
    let policy = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"append") => Policy::Append,
        Some(b"replace") => Policy::Replace,
        Some(b"flush") => Policy::Flush,
        Some(_) => {
            let text = "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
            return Err(says(text.to_owned()));
        }
    };
    let restored =
        prepared(ctx, &args[2], |ctx| functions::restore(ctx.engine, &ctx.session.vms, &args[2], load_limit(ctx)))?;
    let joined = change(ctx, args, |libraries| libraries.join(&restored, policy).map_err(says))?;
    if joined.is_some() {
        keep_prepared(ctx, &args[2], restored);
    }
    Ok(answered(ctx, joined))
}

fn dump(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let payload = ctx.engine.scripts.functions.current().dump();
    ctx.reply.bulk(&payload);
    Ok(Handled::Done)
}

fn list(ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = args.iter().skip(2);
    while let Some(word) = words.next() {
        if !with_code && word.eq_ignore_ascii_case(b"WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"LIBRARYNAME") {
            let given = words.next().ok_or(CmdError::text("ERR library name argument was not given"))?;
            pattern = Some(given);
        } else {
            return Err(says(format!("Unknown argument {}", String::from_utf8_lossy(word))));
        }
    }
    let libraries = ctx.engine.scripts.functions.current();
    let is_meant =
        |library: &&Arc<Library>| pattern.is_none_or(|pattern| glob::matches(pattern, library.name.as_bytes(), true));
    let found: Vec<_> = libraries.iter().filter(is_meant).collect();
    ctx.reply.array(found.len());
    for library in found {
        write_library(ctx, library, with_code);
    }
    Ok(Handled::Done)
}

fn write_library(ctx: &mut SessionCtx<'_, '_>, library: &Library, with_code: bool) {
    let reply = &mut ctx.reply;
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk_str(&library.name);
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for Function { name, description, flags, .. } in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk_str(name);
        reply.bulk(b"description");
        match description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        let flags: Vec<&str> = flags.names().collect();
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag));
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

fn stats(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    let engine = ctx.engine;
    let running = engine.scripts.running_function(engine.clock.monotonic_us());
    let libraries = engine.scripts.functions.current();
    let reply = &mut ctx.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        None => reply.null(),
        Some(running) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk_str(&running.name);
            reply.bulk(b"command");
            reply.array(running.command.view().len());
            running.command.view().iter().for_each(|word| reply.bulk(word));
            reply.bulk(b"duration_ms");
            reply.int(running.duration_ms as i64);
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.int(libraries.len() as i64);
    reply.bulk(b"functions_count");
    reply.int(libraries.functions() as i64);
    Ok(Handled::Done)
}

fn kill(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    ctx.engine.scripts.kill(true, &ctx.engine.log)?;
    ctx.reply.ok();
    Ok(Handled::Done)
}

fn help(ctx: &mut SessionCtx<'_, '_>, _args: Args<'_>) -> SessionResult {
    const LINES: &[&str] = &[
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Create a new library with the given library name and code.",
        "DELETE <LIBRARY NAME>",
        "    Delete the given library.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Return general information on all the libraries:",
        "    * Library name",
        "    * The engine used to run the Library",
        "    * Library description",
        "    * Functions list",
        "    * Library code (if WITHCODE is given)",
        "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
        "STATS",
        "    Return information about the current function running:",
        "    * Function name",
        "    * Command used to run the function",
        "    * Duration in MS that the function is running",
        "    If no function is running, return nil",
        "    In addition, returns a list of available engines.",
        "KILL",
        "    Kill the current running function.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all the libraries.",
        "    When called without the optional mode argument, the behavior is determined by the",
        "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
        "    * ASYNC: Asynchronously flush the libraries.",
        "    * SYNC: Synchronously flush the libraries.",
        "DUMP",
        "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
        "    control how to handle existing libraries (default APPEND):",
        "    * FLUSH: delete all existing libraries.",
        "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
        "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
        "      libraries with the new libraries (notice that even on this option there is a chance of failure",
        "      in case of functions name collision with another library).",
    ];
    help_lines::write(&mut ctx.reply, "FUNCTION", LINES);
    Ok(Handled::Done)
}
