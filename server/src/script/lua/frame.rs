//! A function of ours that runs for Lua: what it sees, and how it ends.
//!
//! Every such function has the same entry ([`enter`]), so that what is delicate stands once: while it runs no memory is
//! refused, and its error is raised when its own values are gone, because raising jumps over everything that is on the
//! stack of calls.

use std::ffi::{c_int, c_void};

use mlua_sys as ffi;

use super::shared::Shared;
use super::state::State;

/// Why a function of ours fails.
pub(in crate::script) enum Failure {
    /// A message, to which Lua adds where it was.
    Here(Vec<u8>),
    /// A message as it is.
    Plain(Vec<u8>),
    /// An error table of Redis's: `{err = message}`.
    Redis(Vec<u8>),
    /// The topmost value.
    Raised,
}

/// How a function ends: how many of the topmost values it returns.
pub(in crate::script) type Returns = Result<i32, Failure>;

/// A function of ours.
pub(in crate::script) type HostFn = fn(&Frame<'_>) -> Returns;

/// What a function of ours works with: its arguments are the values from index 1.
#[derive(Clone, Copy)]
pub(in crate::script) struct Frame<'a> {
    pub state: State,
    pub shared: &'a Shared,
}

/// Upvalues of every function: the shared data, and the function itself. Its own ones follow.
const SHARED: c_int = 1;
const FUNCTION: c_int = 2;
const OWN: c_int = 3;

impl Frame<'_> {
    /// Calls a function that is on the stack below its arguments. They are replaced by its results.
    ///
    /// # Errors
    /// It raised an error, which is the topmost value now.
    pub(in crate::script) fn call(&self, arguments: i32, results: i32) -> Result<(), Failure> {
        let host = self.shared.memory.begin_call();
        // SAFETY: the function and its arguments are there; the call is protected, so nothing jumps over this frame.
        let status = unsafe { ffi::lua_pcall(self.state.raw(), arguments, results, 0) };
        self.shared.memory.end_call(host);
        if status == ffi::LUA_OK { Ok(()) } else { Err(Failure::Raised) }
    }

    /// Calls a function without arguments that is on top. Its results take its place. The value with this index is the
    /// function that is called with an error, and what it returns is what is raised.
    ///
    /// # Errors
    /// As above.
    pub(in crate::script) fn call_handled(&self, handler: i32) -> Result<(), Failure> {
        let host = self.shared.memory.begin_call();
        // SAFETY: as above.
        let status = unsafe { ffi::lua_pcall(self.state.raw(), 0, ffi::LUA_MULTRET, handler) };
        self.shared.memory.end_call(host);
        if status == ffi::LUA_OK { Ok(()) } else { Err(Failure::Raised) }
    }

    /// The index of one of the function's own upvalues.
    pub(in crate::script) fn upvalue(number: i32) -> i32 {
        ffi::lua_upvalueindex(OWN + number)
    }

    /// Sets an own upvalue to the topmost value, and takes that from the stack.
    pub(in crate::script) fn set_upvalue(&self, number: i32) {
        // SAFETY: the function was made with this upvalue.
        unsafe { ffi::lua_replace(self.state.raw(), Self::upvalue(number)) }
    }

    /// Pushes a function; the topmost `own` values become its upvalues.
    pub(in crate::script) fn push_function(&self, function: HostFn, own: i32) {
        push_function(self.state, self.shared, function, own);
    }

    /// Calls a function of Lua's own library, given as an upvalue, with the arguments of this one. It may raise an
    /// error directly, so the caller has nothing to drop, and does nothing afterwards.
    pub(in crate::script) fn original(&self, number: i32) -> Returns {
        let state = self.state;
        state.push_value(Self::upvalue(number));
        state.insert(1);
        self.call(state.top() - 1, ffi::LUA_MULTRET)?;
        Ok(state.top())
    }
}

/// Pushes a function; the topmost `own` values become its upvalues.
pub(in crate::script) fn push_function(state: State, shared: &Shared, function: HostFn, own: i32) {
    push_entered(state, shared, function, own, enter);
}

/// The same, but the first of these values is a function of Lua's own library without upvalues, which is called instead
/// if the second argument is a function that is written in Lua.
pub(in crate::script) fn push_choice(state: State, shared: &Shared, function: HostFn, own: i32) {
    push_entered(state, shared, function, own, choose);
}

/// Pushes a function that says whether its first argument is less than the second.
pub(in crate::script) fn push_less(state: State) {
    // SAFETY: `less` has the type that Lua calls.
    unsafe { ffi::lua_pushcclosure(state.raw(), less, 0) }
}

unsafe extern "C-unwind" fn less(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls this with a live state. What raises an error jumps over nothing that needs to be dropped.
    unsafe {
        ffi::lua_settop(raw, 2);
        ffi::lua_pushboolean(raw, ffi::lua_lessthan(raw, 1, 2));
    }
    1
}

/// The entry of a function of [`push_choice`].
unsafe extern "C-unwind" fn choose(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: as in `enter`, which has the same upvalues. Lua's function finds its arguments where it expects them, and
    // what it raises jumps over nothing that needs to be dropped.
    unsafe {
        let is_lua = ffi::lua_type(raw, 2) == ffi::LUA_TFUNCTION && ffi::lua_iscfunction(raw, 2) == 0;
        match ffi::lua_tocfunction(raw, ffi::lua_upvalueindex(OWN)) {
            Some(original) if is_lua => original(raw),
            _ => enter(raw),
        }
    }
}

fn push_entered(state: State, shared: &Shared, function: HostFn, own: i32, entry: ffi::lua_CFunction) {
    state.push_light(std::ptr::from_ref(shared).cast_mut().cast());
    state.insert(-own - 1);
    state.push_light(function as *mut c_void);
    state.insert(-own - 1);
    // SAFETY: the upvalues are on the stack; the entry has the type that Lua calls.
    unsafe { ffi::lua_pushcclosure(state.raw(), entry, own + 2) }
}

/// The entry of every function of ours.
unsafe extern "C-unwind" fn enter(raw: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls this with a live state, and with the upvalues that `push_function` gave it. The shared data
    // outlives the state.
    let (state, shared, function) = unsafe {
        let pointer = |number| ffi::lua_touserdata(raw, ffi::lua_upvalueindex(number));
        let function = std::mem::transmute::<*mut c_void, HostFn>(pointer(FUNCTION));
        (State::of(raw), &*pointer(SHARED).cast::<Shared>(), function)
    };
    shared.memory.enter_host();
    let returned = match function(&Frame { state, shared }) {
        Ok(count) => count,
        Err(failure) => {
            push_failure(state, failure);
            -1
        }
    };
    shared.memory.leave_host();
    if returned < 0 {
        // SAFETY: the error is on top, and nothing of this frame needs to be dropped.
        unsafe { ffi::lua_error(raw) }
    }
    returned
}

fn push_failure(state: State, failure: Failure) {
    if !matches!(failure, Failure::Raised) {
        // There may be no room left above what the function has pushed.
        state.set_top(0);
    }
    match failure {
        Failure::Raised => {}
        Failure::Plain(message) => state.push_bytes(&message),
        Failure::Here(message) => {
            state.push_where(1);
            let place = state.bytes(-1).unwrap_or_default();
            state.push_bytes(&[place, &message].concat());
        }
        Failure::Redis(message) => push_error_table(state, &message),
    }
}

/// Pushes `{err = message}`.
pub(in crate::script) fn push_error_table(state: State, message: &[u8]) {
    state.push_table(0, 3);
    state.push_bytes(message);
    state.set_field(-2, b"err");
}

/// Raises the error that ends the script, if there is one: for functions that have handed the thread over.
pub(in crate::script) fn check_end(frame: &Frame<'_>) -> Result<(), Failure> {
    let stop = frame.shared.stop.borrow().clone();
    stop.map_or(Ok(()), |text| Err(Failure::Redis(text)))
}
