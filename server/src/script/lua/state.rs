//! A Lua state, with the few operations that this room needs, each safe to call from a function of ours.
//!
//! None of them can raise an error of Lua: they bypass metamethods, and memory is not refused meanwhile
//! ([`super::memory`]). The one that calls Lua code does so in a protected call.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::slice;

use mlua_sys as ffi;

use super::memory::NOT_ENOUGH;

/// A value's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::script) enum Kind {
    None,
    Nil,
    Boolean,
    Number,
    String,
    Table,
    Function,
    /// Userdata and threads.
    Other,
}

/// How much of a source text Lua reads at once, bytes.
const PART: usize = 256;

/// A source text that Lua reads.
struct Reading<'s> {
    rest: &'s [u8],
    goes_on: &'s mut dyn FnMut() -> bool,
    has_begun: bool,
    /// It did not go on.
    is_cut: bool,
}

/// Gives Lua the next part of a [`Reading`].
unsafe extern "C-unwind" fn read(_raw: *mut ffi::lua_State, data: *mut c_void, len: *mut usize) -> *const c_char {
    // SAFETY: the pointers that `State::load` and Lua pass.
    let (reading, len) = unsafe { (&mut *data.cast::<Reading<'_>>(), &mut *len) };
    reading.is_cut = reading.is_cut || reading.has_begun && !reading.rest.is_empty() && !(reading.goes_on)();
    reading.has_begun = true;
    let (part, rest) = reading.rest.split_at(if reading.is_cut { 0 } else { reading.rest.len().min(PART) });
    (reading.rest, *len) = (rest, part.len());
    part.as_ptr().cast()
}

/// A state, or one of its coroutines.
#[derive(Clone, Copy, Debug)]
pub(in crate::script) struct State(*mut ffi::lua_State);

impl State {
    /// # Safety
    /// The state lives as long as this is used, and only one thread uses it.
    pub(in crate::script) unsafe fn of(state: *mut ffi::lua_State) -> Self {
        Self(state)
    }

    pub(in crate::script) fn raw(self) -> *mut ffi::lua_State {
        self.0
    }

    /// How many values are on the stack.
    #[inline]
    pub(in crate::script) fn top(self) -> i32 {
        // SAFETY: the state lives (State::of), here and below.
        unsafe { ffi::lua_gettop(self.0) }
    }

    /// Drops values, or adds nils, so that so many are on the stack.
    pub(in crate::script) fn set_top(self, top: i32) {
        // SAFETY: within what `reserve` made room for.
        unsafe { ffi::lua_settop(self.0, top) }
    }

    /// Drops the topmost values.
    pub(in crate::script) fn pop(self, count: i32) {
        self.set_top(-count - 1);
    }

    /// Makes room for so many values. `false`: the stack may not grow so far.
    #[must_use]
    pub(in crate::script) fn reserve(self, count: i32) -> bool {
        // SAFETY: as above.
        unsafe { ffi::lua_checkstack(self.0, count) != 0 }
    }

    #[inline]
    pub(in crate::script) fn kind(self, at: i32) -> Kind {
        // SAFETY: as above; any index may be asked.
        match unsafe { ffi::lua_type(self.0, at) } {
            ffi::LUA_TNONE => Kind::None,
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            _ => Kind::Other,
        }
    }

    /// A value's type as Lua calls it.
    pub(in crate::script) fn type_name(self, at: i32) -> &'static str {
        match self.kind(at) {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            // SAFETY: as above.
            Kind::Other if unsafe { ffi::lua_type(self.0, at) } == ffi::LUA_TTHREAD => "thread",
            Kind::Other => "userdata",
        }
    }

    /// The bytes of a string. They stay where they are while the string is on the stack, or in a table that is.
    #[inline]
    pub(in crate::script) fn bytes<'s>(self, at: i32) -> Option<&'s [u8]> {
        if self.kind(at) != Kind::String {
            return None;
        }
        let mut len = 0;
        // SAFETY: a string; strings do not move, and live while they are reachable.
        Some(unsafe { slice::from_raw_parts(ffi::lua_tolstring(self.0, at, &raw mut len).cast(), len) })
    }

    /// The number, if the value is one. Strings are not converted.
    #[inline]
    pub(in crate::script) fn number(self, at: i32) -> Option<f64> {
        // SAFETY: as above.
        (self.kind(at) == Kind::Number).then(|| unsafe { ffi::lua_tonumber(self.0, at) })
    }

    /// The value as a number, as Lua's own functions take it: a number, or a string that is one.
    pub(in crate::script) fn to_number(self, at: i32) -> Option<f64> {
        // SAFETY: as above.
        let number = unsafe { ffi::lua_tonumber(self.0, at) };
        // What is no number is 0.
        // SAFETY: as above.
        (number != 0.0 || unsafe { ffi::lua_isnumber(self.0, at) } != 0).then_some(number)
    }

    /// The text of a string or number, as Lua's own functions take it.
    pub(in crate::script) fn text(self, at: i32) -> Option<Vec<u8>> {
        match self.kind(at) {
            Kind::String => self.bytes(at).map(<[u8]>::to_vec),
            Kind::Number => {
                // A copy, which Lua turns into a string.
                self.push_value(at);
                let mut len = 0;
                // SAFETY: a number; the text is on the stack until it is copied.
                let text = unsafe {
                    let text = ffi::lua_tolstring(self.0, -1, &raw mut len);
                    slice::from_raw_parts(text.cast(), len).to_vec()
                };
                self.pop(1);
                Some(text)
            }
            _ => None,
        }
    }

    /// Whether the value is neither nil nor false.
    pub(in crate::script) fn is_true(self, at: i32) -> bool {
        // SAFETY: as above.
        unsafe { ffi::lua_toboolean(self.0, at) != 0 }
    }

    /// Length of a table or string, without metamethods.
    pub(in crate::script) fn len(self, at: i32) -> usize {
        // SAFETY: as above.
        unsafe { ffi::lua_objlen(self.0, at) }
    }

    /// Identity of a table, function or userdata.
    pub(in crate::script) fn pointer(self, at: i32) -> *const c_void {
        // SAFETY: as above.
        unsafe { ffi::lua_topointer(self.0, at) }
    }

    #[inline]
    pub(in crate::script) fn push_nil(self) {
        // SAFETY: there is room for one value: C functions have 20, and who pushes more reserves it. The same below.
        unsafe { ffi::lua_pushnil(self.0) }
    }

    #[inline]
    pub(in crate::script) fn push_bool(self, value: bool) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    #[inline]
    pub(in crate::script) fn push_number(self, value: f64) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushnumber(self.0, value) }
    }

    #[inline]
    pub(in crate::script) fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: as above; the bytes are copied.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    pub(in crate::script) fn push_value(self, at: i32) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushvalue(self.0, at) }
    }

    pub(in crate::script) fn push_light(self, pointer: *mut c_void) {
        // SAFETY: as above.
        unsafe { ffi::lua_pushlightuserdata(self.0, pointer) }
    }

    /// Moves the topmost value to an index.
    pub(in crate::script) fn insert(self, at: i32) {
        // SAFETY: `at` is on the stack.
        unsafe { ffi::lua_insert(self.0, at) }
    }

    /// Moves the topmost value to an index, in place of the value there.
    pub(in crate::script) fn replace(self, at: i32) {
        // SAFETY: `at` is on the stack.
        unsafe { ffi::lua_replace(self.0, at) }
    }

    pub(in crate::script) fn remove(self, at: i32) {
        // SAFETY: `at` is on the stack.
        unsafe { ffi::lua_remove(self.0, at) }
    }

    /// Pushes an empty table with room for so many elements and fields.
    pub(in crate::script) fn push_table(self, elements: usize, fields: usize) {
        // SAFETY: as above.
        unsafe { ffi::lua_createtable(self.0, elements.min(1 << 24) as c_int, fields.min(1 << 24) as c_int) }
    }

    /// Replaces the topmost value, a key, by the table's value for it.
    pub(in crate::script) fn raw_get(self, table: i32) {
        // SAFETY: `table` is a table.
        unsafe { ffi::lua_rawget_(self.0, table) }
    }

    /// Pushes the value of a field.
    pub(in crate::script) fn field(self, table: i32, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.raw_get(table);
    }

    /// Pushes an element.
    pub(in crate::script) fn element(self, table: i32, at: usize) {
        // SAFETY: `table` is a table.
        unsafe { ffi::lua_rawgeti_(self.0, table, at as c_int) }
    }

    /// Takes a key and a value from the stack and puts them into the table.
    pub(in crate::script) fn raw_set(self, table: i32) {
        // SAFETY: `table` is a table. The key is neither nil nor NaN: callers see to that.
        unsafe { ffi::lua_rawset(self.0, table) }
    }

    /// Takes the topmost value and makes it a field.
    pub(in crate::script) fn set_field(self, table: i32, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.insert(-2);
        self.raw_set(table);
    }

    /// Takes the topmost value and makes it an element.
    pub(in crate::script) fn set_element(self, table: i32, at: usize) {
        // SAFETY: `table` is a table.
        unsafe { ffi::lua_rawseti_(self.0, table, at as c_int) }
    }

    /// Replaces the topmost value, a key, by the next key and its value; at the end by nothing, and returns `false`.
    /// The key is in the table, or nil.
    pub(in crate::script) fn next(self, table: i32) -> bool {
        // SAFETY: `table` is a table, and the key is one of its own.
        unsafe { ffi::lua_next(self.0, table) != 0 }
    }

    /// Pushes the metatable. `false`: there is none, and nothing was pushed.
    pub(in crate::script) fn metatable(self, at: i32) -> bool {
        // SAFETY: as above.
        unsafe { ffi::lua_getmetatable(self.0, at) != 0 }
    }

    /// Takes a table, or nil, from the stack and makes it the metatable.
    pub(in crate::script) fn set_metatable(self, at: i32) {
        // SAFETY: a table or nil is on top.
        unsafe { ffi::lua_setmetatable(self.0, at) };
    }

    /// Whether the value is a function that is not written in Lua.
    pub(in crate::script) fn is_c_function(self, at: i32) -> bool {
        // SAFETY: as above.
        unsafe { ffi::lua_iscfunction(self.0, at) != 0 }
    }

    /// The coroutine, if the value is one.
    pub(in crate::script) fn thread(self, at: i32) -> Option<Self> {
        // SAFETY: as above.
        let thread = unsafe { ffi::lua_tothread(self.0, at) };
        (!thread.is_null()).then_some(Self(thread))
    }

    /// Pushes a new coroutine. It lives as long as the value does.
    pub(in crate::script) fn push_thread(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { ffi::lua_newthread(self.0) })
    }

    /// Moves the topmost values to another coroutine, which has room for them.
    pub(in crate::script) fn move_to(self, other: Self, count: i32) {
        if self.0 != other.0 {
            // SAFETY: both belong to the same machine; the values are there.
            unsafe { ffi::lua_xmove(self.0, other.0, count) }
        }
    }

    /// Takes the topmost value and keeps it until [`State::unkeep`].
    pub(in crate::script) fn keep(self) -> i32 {
        // SAFETY: there is a value.
        unsafe { ffi::luaL_ref(self.0, ffi::LUA_REGISTRYINDEX) }
    }

    /// Pushes a kept value.
    pub(in crate::script) fn push_kept(self, number: i32) {
        self.element_of_registry(number);
    }

    pub(in crate::script) fn unkeep(self, number: i32) {
        // SAFETY: made by `keep`.
        unsafe { ffi::luaL_unref(self.0, ffi::LUA_REGISTRYINDEX, number) }
    }

    fn element_of_registry(self, number: i32) {
        // SAFETY: the registry is a table.
        unsafe { ffi::lua_rawgeti_(self.0, ffi::LUA_REGISTRYINDEX, number) }
    }

    /// Compiles source text and pushes the function. Some texts take minutes: the parser walks through all `or` of an
    /// expression at each further one. So `goes_on` is asked from time to time whether it may.
    ///
    /// # Errors
    /// Lua's message.
    pub(in crate::script) fn load(
        self,
        source: &[u8],
        name: &CStr,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), Vec<u8>> {
        let mut reading = Reading { rest: source, goes_on, has_begun: false, is_cut: false };
        // The parser does not keep its name from being collected (CVE-2025-49844): it lies on the stack meanwhile.
        self.push_bytes(name.to_bytes());
        // SAFETY: `read` has the type that Lua calls, and what it is given outlives the call; loading is protected.
        // Binary chunks are not text: callers refuse them.
        let status = unsafe { ffi::lua_load(self.0, read, (&raw mut reading).cast(), name.as_ptr()) };
        self.remove(-2);
        if reading.is_cut {
            self.pop(1);
            return Err(b"it takes too long to compile".to_vec());
        }
        if status == ffi::LUA_OK {
            return Ok(());
        }
        let message = self.bytes(-1).filter(|_| status != ffi::LUA_ERRMEM).unwrap_or(NOT_ENOUGH).to_vec();
        self.pop(1);
        Err(message)
    }

    /// Memory in use, KiB.
    pub(in crate::script) fn kibibytes(self) -> f64 {
        // SAFETY: as above; nothing is changed.
        let (whole, rest) =
            unsafe { (ffi::lua_gc(self.0, ffi::LUA_GCCOUNT, 0), ffi::lua_gc(self.0, ffi::LUA_GCCOUNTB, 0)) };
        f64::from(whole) + f64::from(rest) / 1024.0
    }

    /// Collects all garbage.
    pub(in crate::script) fn collect(self) {
        // SAFETY: as above. Finalizers do not exist: no userdata of this room has one.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCCOLLECT, 0) };
    }

    /// Collects garbage for a while. `true`: a cycle of the collector has ended.
    pub(in crate::script) fn collect_some(self) -> bool {
        /// Work of the collector, about, in units of 1024 bytes: it takes some hundredths of a millisecond.
        const WORK: c_int = 64;
        // SAFETY: as above.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCSTEP, WORK) != 0 }
    }

    /// Where Lua code is: `source:line: `, of the function so many levels up.
    pub(in crate::script) fn push_where(self, level: i32) {
        // SAFETY: as above.
        unsafe { ffi::luaL_where(self.0, level) }
    }

    /// What its caller calls the function that runs, and whether it does so as a method. `None`: it has no name.
    pub(in crate::script) fn called_as(self) -> Option<(Vec<u8>, bool)> {
        // SAFETY: plain data, filled by the calls below.
        let mut place: ffi::lua_Debug = unsafe { std::mem::zeroed() };
        // SAFETY: the state lives; the names of what is wanted are Lua's, and so are the texts, which are copied.
        unsafe {
            if ffi::lua_getstack(self.0, 0, &raw mut place) == 0
                || ffi::lua_getinfo(self.0, c"n".as_ptr(), &raw mut place) == 0
                || place.name.is_null()
            {
                return None;
            }
            let name = CStr::from_ptr(place.name).to_bytes().to_vec();
            Some((name, CStr::from_ptr(place.namewhat) == c"method"))
        }
    }

    /// An index from the bottom that stays right when values are pushed.
    pub(in crate::script) fn absolute(self, at: i32) -> i32 {
        if at < 0 && at > ffi::LUA_REGISTRYINDEX { self.top() + at + 1 } else { at }
    }
}
