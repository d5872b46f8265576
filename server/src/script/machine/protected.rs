//! Protected calls and coroutines: what can catch an error in a script.
//!
//! **Nothing catches the end of a script.** When it has to end (SCRIPT KILL, its memory, its time), an error is raised
//! wherever it is. Lua's own functions would hand that error to the code that called them, as any other, and some would
//! run code of the script's first, which Lua's hook does not reach: the handler of `xpcall`. So these functions are
//! ours. They raise the error again, from one level to the next, until nothing of the script is left.
//!
//! Each coroutine counts its own instructions towards its next pause, so to go on in one counts as work of its own:
//! otherwise a script that makes more and more of them would never pause.

use std::ffi::c_int;

use mlua_sys as ffi;

use crate::script::libs::{self, bad_argument_here, spend};
use crate::script::lua::{Failure, Frame, HostFn, Kind, Returns, State, check_end};

/// The functions, with their library and name.
pub(super) const FUNCTIONS: &[(&[u8], &[u8], HostFn)] = &[
    (b"", b"pcall", pcall),
    (b"", b"xpcall", xpcall),
    (b"coroutine", b"resume", resume),
    (b"coroutine", b"wrap", wrap),
];

/// What it counts to go on in a coroutine: 200 times are enough for a pause.
const RESUME_STEPS: u32 = libs::STEPS / 200;
/// How often the handler of `xpcall` is called with an error of its own. In Lua that ends when its stack is full.
const HANDLED: usize = 221;

unsafe extern "C-unwind" {
    /// Has `to` nest as deep as `from` (lua.h).
    fn lua_setlevel(from: *mut ffi::lua_State, to: *mut ffi::lua_State);
}

/// Redis's: an error table is returned as its message.
fn pcall(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.kind(1) == Kind::None {
        return Err(libs::bad_argument(1, "pcall", "value expected"));
    }
    // Before the call, since its results may leave no room.
    state.push_bool(true);
    state.insert(1);
    if frame.call(state.top() - 2, ffi::LUA_MULTRET).is_err() {
        check_end(frame)?;
        if state.kind(-1) == Kind::Table {
            state.field(-1, b"err");
            if matches!(state.kind(-1), Kind::String | Kind::Number) {
                state.insert(-2);
                state.pop(1);
            }
            // Otherwise what is no message is returned, too.
        }
        state.push_bool(false);
        state.insert(1);
        state.remove(2);
    }
    Ok(state.top())
}

fn xpcall(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.kind(2) == Kind::None {
        return Err(libs::bad_argument(2, "xpcall", "value expected"));
    }
    state.set_top(2);
    // A function of C is no code of the script's, and may look at who called it.
    if !state.is_c_function(2) {
        frame.push_function(handle, 1);
    }
    state.insert(1);
    // Before the call, as above.
    state.push_bool(true);
    state.insert(1);
    if frame.call_handled(2).is_err() {
        check_end(frame)?;
        state.push_bool(false);
        state.replace(1);
    }
    state.remove(2);
    Ok(state.top())
}

/// Calls the handler of `xpcall`, unless the script has to end. It is called where the error is.
fn handle(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    for _ in 0..HANDLED {
        if frame.shared.is_stopped() {
            return Ok(1);
        }
        state.push_value(Frame::upvalue(0));
        state.insert(-2);
        if frame.call(1, 1).is_ok() {
            return Ok(1);
        }
    }
    state.push_bytes(ERROR_IN_HANDLER);
    Ok(1)
}

/// What Lua says if a handler fails.
pub(super) const ERROR_IN_HANDLER: &[u8] = b"error in error handling";
/// What Lua says when coroutines nest too deep.
pub(super) const TOO_MANY_CALLS: &[u8] = b"C stack overflow";

fn resume(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    let Some(coroutine) = state.thread(1) else {
        return Err(bad_argument_here(frame, 1, "coroutine expected"));
    };
    let resumed = run(frame, coroutine, state.top() - 1)?;
    state.push_bool(resumed.is_some());
    let count = resumed.unwrap_or(1);
    state.insert(-count - 1);
    Ok(count + 1)
}

fn wrap(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.kind(1) != Kind::Function || state.is_c_function(1) {
        return Err(bad_argument_here(frame, 1, "Lua function expected"));
    }
    state.set_top(1);
    let coroutine = state.push_thread();
    state.insert(1);
    state.move_to(coroutine, 1);
    frame.push_function(resume_wrapped, 1);
    Ok(1)
}

fn resume_wrapped(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    let Some(coroutine) = state.thread(Frame::upvalue(0)) else { return Ok(0) };
    if let Some(count) = run(frame, coroutine, state.top())? {
        return Ok(count);
    }
    if let Some(text) = state.text(-1) {
        state.push_where(1);
        let place = state.bytes(-1).unwrap_or_default();
        state.push_bytes(&[place, &text].concat());
    }
    Err(Failure::Raised)
}

/// Goes on in a coroutine, with the topmost values. Returns how many it has handed over, which are the topmost ones
/// then. `None`: it has failed, and its error is.
fn run(frame: &Frame<'_>, coroutine: State, arguments: i32) -> Result<Option<i32>, Failure> {
    let (state, memory) = (frame.state, &frame.shared.memory);
    check_end(frame)?;
    spend(frame, RESUME_STEPS * memory.slowness())?;
    if !coroutine.reserve(arguments) {
        return Err(Failure::Here(b"too many arguments to resume".to_vec()));
    }
    let status = status(state, coroutine);
    if status != "suspended" {
        state.push_bytes(format!("cannot resume {status} coroutine").as_bytes());
        return Ok(None);
    }
    state.move_to(coroutine, arguments);
    memory.run(coroutine.raw());
    let host = memory.begin_call();
    // SAFETY: the coroutine is suspended, and has its arguments. Resuming is protected, so nothing jumps over this
    // frame.
    let status = unsafe {
        lua_setlevel(state.raw(), coroutine.raw());
        ffi::lua_resume_(coroutine.raw(), arguments)
    };
    memory.end_call(host);
    memory.run(state.raw());
    check_end(frame)?;
    if !matches!(status, ffi::LUA_OK | ffi::LUA_YIELD) {
        coroutine.move_to(state, 1);
        return Ok(None);
    }
    let count = coroutine.top();
    if !state.reserve(count + 1) {
        return Err(Failure::Here(b"too many results to resume".to_vec()));
    }
    coroutine.move_to(state, count);
    Ok(Some(count))
}

/// What `coroutine.status` says.
fn status(state: State, coroutine: State) -> &'static str {
    const NO_ERROR: c_int = ffi::LUA_OK;
    if state.raw() == coroutine.raw() {
        return "running";
    }
    // SAFETY: plain data, filled by the call below.
    let mut place: ffi::lua_Debug = unsafe { std::mem::zeroed() };
    // SAFETY: the coroutine lives.
    let (status, has_frames) =
        unsafe { (ffi::lua_status(coroutine.raw()), ffi::lua_getstack(coroutine.raw(), 0, &raw mut place) > 0) };
    match status {
        ffi::LUA_YIELD => "suspended",
        NO_ERROR if has_frames => "normal",
        NO_ERROR if coroutine.top() != 0 => "suspended",
        _ => "dead",
    }
}

#[cfg(test)]
#[path = "protected_tests.rs"]
mod tests;
