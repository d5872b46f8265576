//! What a library's code finds in its world while it is loaded: `redis.register_function`, the log, the version, and
//! nothing else (function_lua.c).

use super::super::library::{BAD_NAME, Registered, is_name};
use super::super::libs::to_text;
use super::super::lua::{Failure, Frame, HostFn, Kind, Returns, State};
use super::super::source::ScriptFlags;
use super::api;

/// The functions of the table `redis`, by name.
pub(super) const FUNCTIONS: &[(&[u8], HostFn)] = &[(b"register_function", register_function), (b"log", api::log)];

fn fails<T>(text: &str) -> Result<T, Failure> {
    Err(Failure::Redis([b"ERR ", text.as_bytes()].concat()))
}

fn register_function(frame: &Frame<'_>) -> Returns {
    if frame.shared.registered.borrow().is_none() {
        return fails("redis.register_function can only be called on FUNCTION LOAD command");
    }
    let (name, description, flags) = match frame.state.top() {
        1 => read_named(frame)?,
        2 => read_positional(frame)?,
        _ => return fails("wrong number of arguments to redis.register_function"),
    };
    if !is_name(&name) {
        return fails(BAD_NAME);
    }
    let name = String::from_utf8_lossy(&name).into_owned();
    let mut registered = frame.shared.registered.borrow_mut();
    let Some(registered) = registered.as_mut() else { return Ok(0) };
    if registered.has(&name) {
        return fails("Function already exists in the library");
    }
    // The function is on top.
    let kept = frame.state.keep();
    registered.add(Registered { name, description, flags, kept });
    Ok(0)
}

type Read = (Vec<u8>, Option<Vec<u8>>, ScriptFlags);

fn text(state: State, at: i32) -> Option<Vec<u8>> {
    matches!(state.kind(at), Kind::String | Kind::Number).then(|| to_text(state, at).into_owned())
}

fn read_positional(frame: &Frame<'_>) -> Result<Read, Failure> {
    let Some(name) = text(frame.state, 1) else {
        return fails("first argument to redis.register_function must be a string");
    };
    if frame.state.kind(2) != Kind::Function {
        return fails("second argument to redis.register_function must be a function");
    }
    Ok((name, None, ScriptFlags::default()))
}

/// Reads a table of named arguments, and leaves the function on top.
fn read_named(frame: &Frame<'_>) -> Result<Read, Failure> {
    let state = frame.state;
    if state.kind(1) != Kind::Table {
        return fails(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        );
    }
    // The function goes below what the walk over the table needs.
    state.push_nil();
    let (mut name, mut description, mut flags) = (None, None, ScriptFlags::default());
    state.push_nil();
    while state.next(1) {
        let Some(key) = text(state, -2) else {
            return fails("named argument key given to redis.register_function is not a string");
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => match text(state, -1) {
                Some(given) => name = Some(given),
                None => return fails("function_name argument given to redis.register_function must be a string"),
            },
            b"description" => match text(state, -1) {
                Some(given) => description = Some(given),
                None => return fails("description argument given to redis.register_function must be a string"),
            },
            b"callback" => {
                if state.kind(-1) != Kind::Function {
                    return fails("callback argument given to redis.register_function must be a function");
                }
                state.push_value(-1);
                state.replace(2);
            }
            b"flags" => {
                if state.kind(-1) != Kind::Table {
                    return fails(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                }
                flags = read_flags(state)?;
            }
            _ => return fails("unknown argument given to redis.register_function"),
        }
        // The key stays for the next step.
        state.pop(1);
    }
    let Some(name) = name else { return fails("redis.register_function must get a function name argument") };
    if state.kind(2) != Kind::Function {
        return fails("redis.register_function must get a callback argument");
    }
    Ok((name, description, flags))
}

/// Reads the table on top.
fn read_flags(state: State) -> Result<ScriptFlags, Failure> {
    let mut flags = ScriptFlags::default();
    for number in 1.. {
        state.element(-1, number);
        if state.kind(-1) == Kind::Nil {
            state.pop(1);
            break;
        }
        let is_known = text(state, -1).is_some_and(|name| flags.set(&name));
        state.pop(1);
        if !is_known {
            return fails("unknown flag given");
        }
    }
    Ok(flags)
}
