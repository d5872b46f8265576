//! The functions of the table `redis`.
//!
//! `redis.call` collects its words, hands the thread to whoever drives the script, and goes on when the reply is there.

use std::borrow::Cow;

use protocol::number;

use crate::base::sha1;
use crate::script::convert;
use crate::script::libs::{spend_bytes, to_text};
use crate::script::lua::{Failure, Frame, HostFn, Kind, Returns, Shared, State, Turn, check_end, push_error_table};

/// The functions that functions of libraries do not have.
pub(super) const OF_SCRIPTS: &[&[u8]] = &[b"breakpoint", b"debug", b"replicate_commands"];

/// The functions, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[
    (b"call", call),
    (b"pcall", pcall),
    (b"log", log),
    (b"sha1hex", sha1hex),
    (b"error_reply", error_reply),
    (b"status_reply", status_reply),
    (b"setresp", setresp),
    (b"set_repl", set_repl),
    (b"replicate_commands", replicate_commands),
    (b"breakpoint", breakpoint),
    (b"debug", debug),
    (b"acl_check_cmd", acl_check_cmd),
];

/// `redis.LOG_*`, and what is propagated, as bits: to the append-only file 1, to replicas 2.
const NUMBERS: &[(&[u8], f64)] = &[
    (b"LOG_DEBUG", 0.0),
    (b"LOG_VERBOSE", 1.0),
    (b"LOG_NOTICE", 2.0),
    (b"LOG_WARNING", 3.0),
    (b"REPL_NONE", 0.0),
    (b"REPL_AOF", 1.0),
    (b"REPL_SLAVE", 2.0),
    (b"REPL_REPLICA", 2.0),
    (b"REPL_ALL", 3.0),
];

/// Bytes that are copied while one goes into a digest.
const SHA1_COST: usize = 8;

/// Adds the numbers and the version to the table, which exists. The numbers about propagation are left out unless
/// `with_repl`.
pub(super) fn add_constants(state: State, shared: &Shared, globals: i32, with_repl: bool) {
    state.field(globals, b"redis");
    for (name, number) in NUMBERS.iter().filter(|(name, _)| with_repl || name.starts_with(b"LOG")) {
        state.push_number(*number);
        state.set_field(-2, name);
    }
    state.push_bytes(shared.version.as_bytes());
    state.set_field(-2, b"REDIS_VERSION");
    let parts = shared.version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let number = parts.take(3).fold(0, |number, part| number << 8 | (part & 0xff));
    state.push_number(f64::from(number));
    state.set_field(-2, b"REDIS_VERSION_NUM");
    state.pop(1);
}

fn call(frame: &Frame<'_>) -> Returns {
    invoke(frame, Turn::Call)?;
    if convert::push_reply(frame)? { Err(Failure::Raised) } else { Ok(1) }
}

fn pcall(frame: &Frame<'_>) -> Returns {
    match invoke(frame, Turn::Call) {
        Ok(()) => {
            convert::push_reply(frame)?;
        }
        // A refusal is on top.
        Err(Failure::Raised) => {}
        Err(Failure::Redis(text)) => {
            check_end(frame)?;
            push_error_table(frame.state, &text);
        }
        Err(other) => return Err(other),
    }
    Ok(1)
}

/// Has the driver execute the command that the arguments are. Its reply is in [`Shared::reply`].
///
/// # Errors
/// The command is refused without being executed.
fn invoke(frame: &Frame<'_>, turn: Turn) -> Result<(), Failure> {
    let count = frame.state.top();
    if count == 0 {
        return Err(Failure::Redis(b"ERR Please specify at least one argument for this redis lib call".to_vec()));
    }
    gather(frame, count)?;
    frame.shared.hand_over(turn);
    frame.state.set_top(0);
    check_end(frame)?;
    let Some(text) = frame.shared.refusal.take() else { return Ok(()) };
    push_error_table(frame.state, &text);
    convert::mark_counted(frame.state);
    Err(Failure::Raised)
}

/// Collects the arguments as the words of a command.
fn gather(frame: &Frame<'_>, count: i32) -> Result<(), Failure> {
    let mut words = frame.shared.words.borrow_mut();
    words.clear();
    for at in 1..=count {
        let fits = match frame.state.kind(at) {
            Kind::String => words.push(frame.state.bytes(at).unwrap_or_default()),
            Kind::Number => words.push(&number::format_f64(frame.state.number(at).unwrap_or_default())),
            _ => {
                let text = b"ERR Lua redis lib command arguments must be strings or integers";
                return Err(Failure::Redis(text.to_vec()));
            }
        };
        if !fits {
            return Err(Failure::Redis(b"ERR the words of the command are too long".to_vec()));
        }
    }
    Ok(())
}

pub(super) fn log(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.top() < 2 {
        return Err(Failure::Redis(b"ERR redis.log() requires two arguments or more.".to_vec()));
    }
    let Some(level) = state.to_number(1) else {
        return Err(Failure::Redis(b"ERR First argument must be a number (log level).".to_vec()));
    };
    let level = level as i32;
    if !(0..=3).contains(&level) {
        return Err(Failure::Redis(b"ERR Invalid debug level.".to_vec()));
    }
    let texts: Vec<Vec<u8>> = (2..=state.top()).map(|at| to_text(state, at).into_owned()).collect();
    {
        let mut words = frame.shared.words.borrow_mut();
        words.clear();
        let _fits = words.push(level.to_string().as_bytes()) && words.push(&texts.join(b" ".as_slice()));
    }
    frame.shared.hand_over(Turn::Log);
    check_end(frame)?;
    Ok(0)
}

fn sha1hex(frame: &Frame<'_>) -> Returns {
    if frame.state.top() != 1 {
        return Err(Failure::Redis(b"ERR wrong number of arguments".to_vec()));
    }
    let text = match frame.state.bytes(1) {
        Some(text) => Cow::Borrowed(text),
        // What is no text is none.
        None => Cow::Owned(frame.state.text(1).unwrap_or_default()),
    };
    let digest = sha1::sha1_in_parts(&text, |bytes| spend_bytes(frame, bytes.saturating_mul(SHA1_COST)))?;
    frame.state.push_bytes(sha1::to_hex(&digest).as_bytes());
    Ok(1)
}

fn error_reply(frame: &Frame<'_>) -> Returns {
    let Some(text) = only_text(frame) else { return Ok(1) };
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let text = &text[..end];
    // The first of several words is a code.
    let message = if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() };
    push_error_table(frame.state, &message);
    Ok(1)
}

/// The only argument, a string. Otherwise an error is pushed, which is returned and not raised.
fn only_text<'f>(frame: &'f Frame<'_>) -> Option<&'f [u8]> {
    let state = frame.state;
    if state.top() == 1 && state.kind(1) == Kind::String {
        return state.bytes(1);
    }
    push_error_table(state, b"ERR wrong number or type of arguments");
    None
}

fn status_reply(frame: &Frame<'_>) -> Returns {
    let Some(text) = only_text(frame) else { return Ok(1) };
    frame.state.push_table(0, 1);
    frame.state.push_bytes(text);
    frame.state.set_field(-2, b"ok");
    Ok(1)
}

fn setresp(frame: &Frame<'_>) -> Returns {
    if frame.state.top() != 1 {
        return Err(Failure::Redis(b"ERR redis.setresp() requires one argument.".to_vec()));
    }
    match frame.state.to_number(1).map(|number| number as i64) {
        Some(version @ 2..=3) => frame.shared.resp.set(version as u8),
        _ => return Err(Failure::Redis(b"ERR RESP version must be 2 or 3.".to_vec())),
    }
    Ok(0)
}

fn set_repl(frame: &Frame<'_>) -> Returns {
    if frame.state.top() != 1 {
        return Err(Failure::Redis(b"ERR redis.set_repl() requires two arguments.".to_vec()));
    }
    // What is no number is 0.
    match frame.state.to_number(1).unwrap_or_default() as i64 {
        flags @ 0..=3 => frame.shared.repl.set(flags as u8),
        _ => {
            let text = "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
            return Err(Failure::Redis(text.into()));
        }
    }
    Ok(0)
}

/// Effects are always replicated, since Redis 7.
fn replicate_commands(frame: &Frame<'_>) -> Returns {
    frame.state.push_bool(true);
    Ok(1)
}

/// There is no debugger.
fn breakpoint(frame: &Frame<'_>) -> Returns {
    frame.state.push_bool(false);
    Ok(1)
}

fn debug(_: &Frame<'_>) -> Returns {
    Ok(0)
}

fn acl_check_cmd(frame: &Frame<'_>) -> Returns {
    let count = frame.state.top();
    if count == 0 {
        let text = b"ERR Please specify at least one argument for this redis lib call";
        return Err(Failure::Redis(text.to_vec()));
    }
    gather(frame, count)?;
    frame.shared.hand_over(Turn::AclCheck);
    check_end(frame)?;
    if let Some(text) = frame.shared.refusal.take() {
        return Err(Failure::Redis(text));
    }
    let allowed = frame.shared.reply.borrow().starts_with(b":1");
    frame.state.push_bool(allowed);
    Ok(1)
}
