//! What a script finds in its world, and what it cannot do to it.
//!
//! Tables that scripts share (`_G`, the libraries) are read-only, or one script could change what another one does.
//! Lua 5.1 knows no such tables, so scripts get a stand-in for each: an empty table whose metatable finds what is asked
//! for in the real one, and refuses what is assigned. The functions that bypass metatables (`rawget`, `next` and the
//! like) are ours, and look through the stand-in. Redis patches Lua instead.
//!
//! What reaches out of the script is not there: files, modules, environments, compiled code. Functions that can run for
//! long without executing an instruction of Lua, or nest without end in C, are ours, too ([`crate::script::libs`]).

use std::ffi::{CStr, c_int};

use mlua_sys as ffi;
use protocol::resp::Args;

use super::{CHUNK_NAME, VmKind, api, protected, register, tables};
use crate::script::libs;
use crate::script::lua::{
    Failure, Frame, HostFn, Kind, Returns, Shared, State, check_end, push_error_table, push_function, push_to_number,
};
use crate::script::result;

const READ_ONLY: &[u8] = b"Attempt to modify a readonly table";

/// Globals of Lua's base library that scripts do not get.
const REMOVED: &[&[u8]] =
    &[b"dofile", b"loadfile", b"print", b"newproxy", b"module", b"require", b"getfenv", b"setfenv"];

/// What it counts to compile a part of a text: four are enough for a pause.
const PART_STEPS: u32 = libs::STEPS / 4;

/// Libraries whose tables are read-only.
const LIBRARIES: &[&[u8]] =
    &[b"string", b"table", b"math", b"coroutine", b"os", b"redis", b"cjson", b"cmsgpack", b"struct", b"bit"];

/// What lies at the bottom of a state's stack for good: the function that makes an error table of what a script raised,
/// the real table of globals, the names of two of them, and the function that writes a large result.
pub(super) const ERROR_HANDLER: i32 = 1;
const GLOBALS: i32 = 2;
const KEYS: i32 = 3;
const ARGV: i32 = 4;
/// See [`result::write_all`].
pub(super) const RESULT_WRITER: i32 = 5;
/// How much that is.
pub(super) const BOTTOM: i32 = 5;

/// Kept values of a state.
pub(super) struct Sandbox {
    /// The real table of globals, and its stand-in.
    globals: i32,
    world: i32,
    /// What is in the place of the globals while a library is loaded.
    loading: i32,
}

/// Upvalues of the functions that look through stand-ins.
const REAL_OF: i32 = 0;
const OTHER: i32 = 1;
/// Where the table of stand-ins has that of the strings' metatable.
const OF_STRINGS: &[u8] = b"strings";

impl Sandbox {
    /// Fills a new state.
    pub(super) fn set_up(state: State, shared: &Shared, kind: VmKind) -> Self {
        open_libraries(state);
        // The stand-ins, with what they stand for.
        state.push_table(0, 16);
        let real_of = state.top();
        state.push_value(ffi::LUA_GLOBALSINDEX);
        let globals = state.top();
        for name in REMOVED {
            state.push_nil();
            state.set_field(globals, name);
        }
        for (name, function) in api::FUNCTIONS {
            if kind == VmKind::Scripts || !api::OF_SCRIPTS.contains(name) {
                add(state, shared, globals, b"redis", name, *function);
            }
        }
        api::add_constants(state, shared, globals, true);
        libs::add_to(&Frame { state, shared }, globals, &mut |function, name| {
            add(state, shared, globals, name.0, name.1, function);
        });
        for (library, name, function) in protected::FUNCTIONS {
            add(state, shared, globals, library, name, *function);
        }
        tables::guard(state, shared, globals);
        guard_functions(state, shared, globals, real_of);
        for name in LIBRARIES {
            state.field(globals, name);
            if state.kind(-1) == Kind::Table {
                push_stand_in(state, shared, real_of);
                state.set_field(globals, name);
            }
            state.pop(1);
        }
        state.field(globals, b"redis");
        state.set_field(globals, b"server");
        guard_strings(state, shared, globals, real_of);
        let world = make_world(state, shared, globals, real_of);
        let loading = make_loading_world(state, shared, real_of);
        state.push_value(real_of);
        push_function(state, shared, handle_error, 1);
        if kind == VmKind::Scripts {
            state.push_value(-1);
            state.set_field(globals, b"__redis__err__handler");
        }
        state.insert(ERROR_HANDLER);
        // Lua makes these where it cannot tell that there is no memory for them.
        for text in [protected::ERROR_IN_HANDLER, protected::TOO_MANY_CALLS] {
            state.push_bytes(text);
            state.keep();
        }
        state.push_value(globals + 1);
        state.insert(GLOBALS);
        state.set_top(GLOBALS);
        state.push_bytes(b"KEYS");
        state.push_bytes(b"ARGV");
        push_function(state, shared, result::write_all, 0);
        state.push_value(GLOBALS);
        let globals = state.keep();
        Self { globals, world, loading }
    }

    /// Gives the function on top of the stack the scripts' world as its globals.
    pub(super) fn confine(&self, state: State) {
        state.push_kept(self.world);
        // SAFETY: a function is below the table.
        unsafe { ffi::lua_setfenv(state.raw(), -2) };
    }

    /// Sets KEYS and ARGV.
    pub(super) fn set_words(state: State, keys: Args<'_>, args: Args<'_>) {
        for (name, words) in [(KEYS, keys), (ARGV, args)] {
            state.push_value(name);
            push_words(state, words);
            state.raw_set(GLOBALS);
        }
    }

    /// Shows the scripts' world, or what is there while a library is loaded.
    pub(super) fn show(&self, state: State, is_loading: bool) {
        state.push_kept(self.world);
        if state.metatable(-1) {
            state.push_kept(if is_loading { self.loading } else { self.globals });
            state.set_field(-2, b"__index");
            state.pop(1);
        }
        state.pop(1);
    }
}

fn open_libraries(state: State) {
    let open: [(ffi::lua_CFunction, &CStr); 5] = [
        (ffi::luaopen_base, c""),
        (ffi::luaopen_table, c"table"),
        (ffi::luaopen_string, c"string"),
        (ffi::luaopen_math, c"math"),
        (ffi::luaopen_os, c"os"),
    ];
    for (function, name) in open {
        // SAFETY: the libraries' own functions, called as they want to be; nothing is refused meanwhile, so nothing is
        // raised.
        unsafe {
            ffi::lua_pushcclosure(state.raw(), function, 0);
            state.push_bytes(name.to_bytes());
            ffi::lua_call(state.raw(), 1, 0);
        }
    }
    state.push_value(ffi::LUA_GLOBALSINDEX);
    // Of the operating system, scripts get the clock alone.
    state.field(-1, b"os");
    state.push_table(0, 1);
    state.field(-2, b"clock");
    state.set_field(-2, b"clock");
    state.set_field(-3, b"os");
    state.set_top(0);
}

/// Adds a function to a library, which is made if need be; without a library, to the globals.
pub(super) fn add(state: State, shared: &Shared, globals: i32, library: &[u8], name: &[u8], function: HostFn) {
    if library.is_empty() {
        push_function(state, shared, function, 0);
        return state.set_field(globals, name);
    }
    state.field(globals, library);
    if state.kind(-1) != Kind::Table {
        state.pop(1);
        state.push_table(0, 16);
        state.push_value(-1);
        state.set_field(globals, library);
    }
    push_function(state, shared, function, 0);
    state.set_field(-2, name);
    state.pop(1);
}

/// Replaces the functions that could look behind a stand-in, or change one.
fn guard_functions(state: State, shared: &Shared, globals: i32, real_of: i32) {
    let guards: [(&[u8], &[u8], HostFn); 8] = [
        (b"rawset", b"rawset", rawset),
        (b"rawget", b"rawget", rawget),
        (b"pairs", b"next", pairs),
        (b"next", b"next", next),
        (b"getmetatable", b"getmetatable", getmetatable),
        (b"setmetatable", b"setmetatable", setmetatable),
        (b"loadstring", b"loadstring", loadstring),
        (b"load", b"load", load),
    ];
    for (name, original, function) in guards {
        state.push_value(real_of);
        state.field(globals, original);
        push_function(state, shared, function, 2);
        state.set_field(globals, name);
    }
    state.field(globals, b"tonumber");
    push_to_number(state);
    state.set_field(globals, b"tonumber");
    state.field(globals, b"table");
    state.push_value(real_of);
    state.push_nil();
    push_function(state, shared, insert, 2);
    state.set_field(-2, b"insert");
    state.pop(1);
}

/// Pushes a stand-in for the table on top of the stack, which stays below.
fn push_stand_in(state: State, shared: &Shared, real_of: i32) {
    let real = state.top();
    state.push_table(0, 0);
    state.push_table(0, 2);
    state.push_value(real);
    state.set_field(-2, b"__index");
    push_function(state, shared, refuse_assignment, 0);
    state.set_field(-2, b"__newindex");
    state.set_metatable(-2);
    state.push_value(-1);
    state.push_value(real);
    state.raw_set(real_of);
}

/// `("x"):upper()` goes through the stand-in of `string`, and the metatable of strings has one, too.
fn guard_strings(state: State, shared: &Shared, globals: i32, real_of: i32) {
    state.push_bytes(b"");
    if state.metatable(-1) {
        state.field(globals, b"string");
        state.set_field(-2, b"__index");
        push_stand_in(state, shared, real_of);
        // `getmetatable` returns this.
        state.set_field(real_of, OF_STRINGS);
    }
    state.set_top(globals);
}

/// The stand-in for the globals, which complains about what does not exist.
fn make_world(state: State, shared: &Shared, globals: i32, real_of: i32) -> i32 {
    state.push_table(0, 2);
    push_function(state, shared, refuse_missing, 0);
    state.set_field(-2, b"__index");
    push_stand_in(state, shared, real_of);
    state.insert(-2);
    state.set_metatable(globals);
    let shown = state.top();
    state.push_value(globals);
    push_stand_in(state, shared, real_of);
    state.remove(-2);
    // What `getmetatable(_G)` returns.
    if state.metatable(-1) {
        state.push_value(shown);
        state.set_field(-2, b"__metatable");
        state.pop(1);
    }
    state.push_value(-1);
    state.set_field(globals, b"_G");
    let world = state.keep();
    // For the functions that compile.
    for name in [b"loadstring".as_slice(), b"load"] {
        state.field(globals, name);
        state.push_kept(world);
        // SAFETY: the function is below; it has this upvalue, its second own one.
        unsafe { ffi::lua_setupvalue(state.raw(), -2, 4) };
        state.pop(1);
    }
    state.set_top(globals);
    world
}

/// The world in which a library's code runs when it is loaded: a table `redis` with a few functions.
fn make_loading_world(state: State, shared: &Shared, real_of: i32) -> i32 {
    let before = state.top();
    state.push_table(0, 2);
    let world = state.top();
    push_complaining(state, shared);
    state.set_metatable(world);
    for (name, function) in register::FUNCTIONS {
        add(state, shared, world, b"redis", name, *function);
    }
    api::add_constants(state, shared, world, false);
    state.field(world, b"redis");
    push_complaining(state, shared);
    state.set_metatable(-2);
    push_stand_in(state, shared, real_of);
    state.push_value(-1);
    state.set_field(world, b"redis");
    state.set_field(world, b"server");
    state.push_value(world);
    let kept = state.keep();
    state.set_top(before);
    kept
}

/// Pushes a metatable that complains about what does not exist.
fn push_complaining(state: State, shared: &Shared) {
    state.push_table(0, 1);
    push_function(state, shared, refuse_missing, 0);
    state.set_field(-2, b"__index");
}

/// Pushes a table of words.
pub(super) fn push_words(state: State, words: Args<'_>) {
    state.push_table(words.len(), 0);
    for (number, word) in words.iter().enumerate() {
        state.push_bytes(word);
        state.set_element(-2, number + 1);
    }
}

fn refuse_assignment(_: &Frame<'_>) -> Returns {
    Err(Failure::Here(READ_ONLY.to_vec()))
}

fn refuse_missing(frame: &Frame<'_>) -> Returns {
    let name = frame.state.bytes(2).unwrap_or(b"?");
    let text = [b"Script attempted to access nonexistent global variable '", name, b"'"].concat();
    Err(Failure::Here(text))
}

/// Pushes what the first argument stands for, or nil.
fn push_real(frame: &Frame<'_>) -> bool {
    frame.state.push_value(1);
    frame.state.raw_get(Frame::upvalue(REAL_OF));
    frame.state.kind(-1) == Kind::Table
}

/// Replaces the first argument by what it stands for.
fn look_through(frame: &Frame<'_>) {
    if frame.state.kind(1) == Kind::Table {
        if push_real(frame) {
            frame.state.insert(1);
            frame.state.remove(2);
        } else {
            frame.state.pop(1);
        }
    }
}

/// # Errors
/// The first argument is read-only.
fn check_writable(frame: &Frame<'_>) -> Result<(), Failure> {
    let protected = push_real(frame);
    frame.state.pop(1);
    if protected { Err(Failure::Plain(READ_ONLY.to_vec())) } else { Ok(()) }
}

/// # Errors
/// The argument with this number is no table.
pub(in crate::script) fn check_table(frame: &Frame<'_>, number: i32, function: &str) -> Result<(), Failure> {
    if frame.state.kind(number) == Kind::Table {
        return Ok(());
    }
    Err(libs::bad_argument(number, function, &format!("table expected, got {}", libs::type_name(frame.state, number))))
}

fn rawset(frame: &Frame<'_>) -> Returns {
    check_table(frame, 1, "rawset")?;
    if frame.state.kind(2) == Kind::None || frame.state.kind(3) == Kind::None {
        let missing = if frame.state.kind(2) == Kind::None { 2 } else { 3 };
        return Err(libs::bad_argument(missing, "rawset", "value expected"));
    }
    check_writable(frame)?;
    frame.state.set_top(3);
    check_key(frame.state, 2)?;
    frame.state.raw_set(1);
    Ok(1)
}

/// # Errors
/// The value cannot be a key.
fn check_key(state: State, at: i32) -> Result<(), Failure> {
    match (state.kind(at), state.number(at)) {
        (Kind::Nil | Kind::None, _) => Err(Failure::Here(b"table index is nil".to_vec())),
        (_, Some(number)) if number.is_nan() => Err(Failure::Here(b"table index is NaN".to_vec())),
        _ => Ok(()),
    }
}

fn rawget(frame: &Frame<'_>) -> Returns {
    check_table(frame, 1, "rawget")?;
    if frame.state.kind(2) == Kind::None {
        return Err(libs::bad_argument(2, "rawget", "value expected"));
    }
    frame.state.set_top(2);
    look_through(frame);
    frame.state.raw_get(1);
    Ok(1)
}

fn next(frame: &Frame<'_>) -> Returns {
    check_table(frame, 1, "next")?;
    frame.state.set_top(2);
    look_through(frame);
    frame.original(OTHER)
}

/// Lua's own `next` for an ordinary table, which is faster than ours. What a stand-in stands for is not handed out: it
/// is walked through by a function that looks through the stand-in.
fn pairs(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    check_table(frame, 1, "pairs")?;
    state.set_top(1);
    let stands_in = push_real(frame);
    state.pop(1);
    state.push_value(Frame::upvalue(if stands_in { REAL_OF } else { OTHER }));
    if stands_in {
        state.push_value(Frame::upvalue(OTHER));
        frame.push_function(next, 2);
    }
    state.insert(1);
    state.push_nil();
    Ok(3)
}

fn getmetatable(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.kind(1) == Kind::None {
        return Err(libs::bad_argument(1, "getmetatable", "value expected"));
    }
    if !state.metatable(1) {
        state.push_nil();
        return Ok(1);
    }
    if state.kind(1) == Kind::String {
        state.field(Frame::upvalue(REAL_OF), OF_STRINGS);
        return Ok(1);
    }
    state.field(-1, b"__metatable");
    if state.kind(-1) != Kind::Nil {
        return Ok(1);
    }
    state.pop(1);
    if state.kind(1) == Kind::Table && push_real(frame) {
        // A library: in Redis it has no metatable.
        state.push_nil();
    } else if state.kind(1) == Kind::Table {
        state.pop(1);
    }
    Ok(1)
}

fn setmetatable(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    check_table(frame, 1, "setmetatable")?;
    if !matches!(state.kind(2), Kind::Nil | Kind::Table) {
        return Err(libs::bad_argument(2, "setmetatable", "nil or table expected"));
    }
    check_writable(frame)?;
    state.set_top(2);
    if state.metatable(1) {
        state.field(-1, b"__metatable");
        if state.kind(-1) != Kind::Nil {
            return Err(Failure::Here(b"cannot change a protected metatable".to_vec()));
        }
        state.set_top(2);
    }
    state.set_metatable(1);
    Ok(1)
}

fn loadstring(frame: &Frame<'_>) -> Returns {
    let Some(text) = frame.state.bytes(1) else {
        let got = libs::type_name(frame.state, 1);
        return Err(libs::bad_argument(1, "loadstring", &format!("string expected, got {got}")));
    };
    let name = frame.state.bytes(2).unwrap_or(text);
    compile(frame, text, name)
}

/// Pushes the function, or nil and the reason.
fn compile(frame: &Frame<'_>, text: &[u8], name: &[u8]) -> Returns {
    let (state, mut failure) = (frame.state, None);
    let loaded = if text.first() == Some(&ffi::LUA_SIGNATURE[0]) {
        Err(b"bad header in precompiled chunk".to_vec())
    } else {
        let name = std::ffi::CString::new(name.split(|byte| *byte == 0).next().unwrap_or_default());
        let mut goes_on = || {
            failure = libs::spend(frame, PART_STEPS).err();
            failure.is_none()
        };
        state.load(text, name.as_deref().unwrap_or(CHUNK_NAME), &mut goes_on)
    };
    if let Some(failure) = failure {
        return Err(failure);
    }
    match loaded {
        Ok(()) => {
            state.push_value(Frame::upvalue(OTHER));
            // SAFETY: the function is below the table.
            unsafe { ffi::lua_setfenv(state.raw(), -2) };
            Ok(1)
        }
        Err(message) => {
            state.push_nil();
            state.push_bytes(&message);
            Ok(2)
        }
    }
}

fn load(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    if state.kind(1) != Kind::Function {
        let got = libs::type_name(state, 1);
        return Err(libs::bad_argument(1, "load", &format!("function expected, got {got}")));
    }
    let name = state.bytes(2).unwrap_or(b"=(load)").to_vec();
    let mut text = Vec::new();
    loop {
        state.push_value(1);
        if frame.call(0, 1).is_err() {
            check_end(frame)?;
            state.push_nil();
            state.insert(-2);
            return Ok(2);
        }
        match state.bytes(-1) {
            Some(piece) if !piece.is_empty() => text.extend_from_slice(piece),
            Some(_) => break,
            None if state.kind(-1) == Kind::Nil => break,
            None => {
                state.push_nil();
                state.push_where(1);
                let place = state.bytes(-1).unwrap_or_default();
                state.push_bytes(&[place, b"reader function must return a string"].concat());
                state.remove(-2);
                return Ok(2);
            }
        }
        state.pop(1);
        if !frame.shared.memory.has_room_for(text.len()) {
            return Err(libs::not_enough_memory());
        }
    }
    compile(frame, &text, &name)
}

fn insert(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    check_table(frame, 1, "insert")?;
    check_writable(frame)?;
    let end = state.len(1) + 1;
    match state.top() {
        2 => {
            state.set_element(1, end);
        }
        3 => {
            let Some(at) = state.to_number(2) else {
                let got = libs::type_name(state, 2);
                return Err(libs::bad_argument(2, "insert", &format!("number expected, got {got}")));
            };
            // As a C int. If that is far below 1, there is much to move.
            let at = i64::from(at as i64 as i32);
            let mut from = (end as i64).max(at);
            while from > at {
                libs::spend(frame, 4)?;
                state.element(1, (from - 1) as usize);
                state.set_element(1, from as usize);
                from -= 1;
            }
            state.set_element(1, at as usize);
        }
        _ => return Err(Failure::Here(b"wrong number of arguments to 'insert'".to_vec())),
    }
    Ok(0)
}

/// Makes an error table of what was raised, with where that was.
fn handle_error(frame: &Frame<'_>) -> Returns {
    let state = frame.state;
    state.set_top(1);
    let place = if state.kind(1) == Kind::Table && push_real(frame) {
        // What scripts share is not written to. In Redis the handler is a script, and that is an error of its own.
        state.set_top(0);
        push_error_table(state, &[b"ERR err_handler_def:10: ", READ_ONLY].concat());
        Some((b"@err_handler_def".to_vec(), 10))
    } else {
        state.set_top(1);
        place_of_error(state)
    };
    if state.kind(1) != Kind::Table {
        let text = libs::to_text(state, 1);
        state.push_table(0, 3);
        state.push_bytes(&[b"ERR ", &*text].concat());
        state.set_field(-2, b"err");
    }
    if let Some((source, line)) = place {
        state.push_bytes(&source);
        state.set_field(-2, b"source");
        state.push_number(f64::from(line));
        state.set_field(-2, b"line");
    }
    Ok(1)
}

/// Source and line of the code that raised an error, from its handler.
fn place_of_error(state: State) -> Option<(Vec<u8>, c_int)> {
    for level in [1, 2] {
        // SAFETY: plain data, filled by the calls below.
        let mut place: ffi::lua_Debug = unsafe { std::mem::zeroed() };
        // SAFETY: the state lives; the names of what is wanted are Lua's.
        unsafe {
            if ffi::lua_getstack(state.raw(), level, &raw mut place) == 0 {
                return None;
            }
            ffi::lua_getinfo(state.raw(), c"nSl".as_ptr(), &raw mut place);
            if level == 2 || CStr::from_ptr(place.what) != c"C" {
                return Some((CStr::from_ptr(place.source).to_bytes().to_vec(), place.currentline));
            }
        }
    }
    None
}
