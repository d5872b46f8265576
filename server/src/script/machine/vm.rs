//! A machine that runs scripts, one at a time.
//!
//! It keeps its Lua state, the functions that it compiled and its stack from one script to the next, so that a script
//! costs little more than its own work. A worker has a few of them: while one is in the middle of a script, the next
//! script gets another.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use mlua_sys as ffi;
use protocol::resp::Args;
use protocol::resp::reply::{Protocol, Reply};

use super::{CHUNK_NAME, sandbox};
use crate::script::errors::Errors;
use crate::script::libs::{self, math};
use crate::script::lua::{Frame, Kind, NOT_ENOUGH, Settings, Shared, State, Turn, allocate, push_error_table};
use crate::script::result;
use crate::script::source::{ByDigest, DigestHash, Script};
use crate::script::words::Words;

/// Address space of a script's stack; memory is taken as it is used. Lua nests at most 200 calls into its own library,
/// some of which have buffers of 8 KiB.
const STACK_BYTES: usize = 4 * 1024 * 1024;
/// Room for a reply that is kept for the next one, bytes.
const KEPT_REPLY: usize = 64 * 1024;
/// Compiled functions that are kept; then all are forgotten.
const COMPILED: usize = 1000;

/// What a machine runs. Scripts and functions have worlds of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum VmKind {
    #[default]
    Scripts,
    Functions,
}

/// How a machine is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct VmOptions {
    pub kind: VmKind,
    /// Memory that its scripts may have, bytes.
    pub memory_limit: usize,
    /// Where its bytes are counted.
    pub meter: Arc<AtomicI64>,
    /// What `redis.REDIS_VERSION` says.
    pub version: String,
    /// Where `math.random` begins, unless it is where it does in Redis.
    pub random: Option<u64>,
}

/// See the essay of this file.
pub(crate) struct Vm {
    /// `None` once it is ended.
    coroutine: Option<Coroutine<(), Turn, ()>>,
    pub(super) state: State,
    pub(super) shared: Rc<Shared>,
    pub(super) sandbox: sandbox::Sandbox,
    kind: VmKind,
    /// Compiled scripts.
    compiled: ByDigest<i32>,
    /// The functions of the libraries that it knows, by their numbers there. `None`: the code of the library has not
    /// registered it here.
    pub(super) libraries: HashMap<u64, Vec<Option<i32>>, DigestHash>,
    pub(super) is_running: bool,
    /// How often compiled scripts had been forgotten when it was taken from its pool.
    pub(in crate::script) taken_at: u64,
    meter: Arc<AtomicI64>,
    /// Its bytes that are counted there.
    counted: i64,
}

impl Vm {
    /// A machine.
    ///
    /// # Errors
    /// There is no memory for its stack.
    pub(crate) fn new(options: &VmOptions) -> io::Result<Self> {
        let stack = DefaultStack::new(STACK_BYTES)?;
        let shared = Rc::new(Shared::new(Settings {
            memory_limit: options.memory_limit,
            version: options.version.clone(),
            random: options.random.unwrap_or(math::SEED),
            work: libs::STEPS,
        }));
        shared.memory.enter_host();
        // SAFETY: the memory lives in `shared`, which is dropped after the state is closed.
        let raw = unsafe { ffi::lua_newstate(allocate, shared.to_allocator()) };
        if raw.is_null() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: just made; closed when this is dropped.
        let state = unsafe { State::of(raw) };
        let sandbox = sandbox::Sandbox::set_up(state, &shared, options.kind);
        let inside = shared.clone();
        let coroutine = Coroutine::with_stack(stack, move |yielder, ()| {
            inside.set_yielder(yielder);
            while !inside.is_ending.get() {
                run_protected(state, &inside);
                yielder.suspend(Turn::Done);
            }
        });
        let mut vm = Self {
            coroutine: Some(coroutine),
            state,
            shared,
            sandbox,
            kind: options.kind,
            compiled: ByDigest::default(),
            libraries: HashMap::default(),
            is_running: false,
            taken_at: 0,
            meter: options.meter.clone(),
            counted: 0,
        };
        vm.count();
        Ok(vm)
    }

    /// Whether this source can be compiled, while `goes_on`.
    ///
    /// # Errors
    /// Lua's message.
    pub(crate) fn check(&mut self, script: &Script, goes_on: &mut dyn FnMut() -> bool) -> Result<(), Vec<u8>> {
        self.compile(script, goes_on).map(|_| ())
    }

    fn compile(&mut self, script: &Script, goes_on: &mut dyn FnMut() -> bool) -> Result<i32, Vec<u8>> {
        if let Some(known) = self.compiled.get(&script.sha) {
            return Ok(*known);
        }
        if self.compiled.len() >= COMPILED {
            self.forget_compiled();
        }
        let body = script.body();
        if body.first() == Some(&ffi::LUA_SIGNATURE[0]) {
            return Err(b"user_script: bad header in precompiled chunk".to_vec());
        }
        self.state.load(body, CHUNK_NAME, goes_on)?;
        self.sandbox.confine(self.state);
        let kept = self.state.keep();
        self.compiled.insert(script.sha, kept);
        Ok(kept)
    }

    /// Forgets all compiled functions (SCRIPT FLUSH).
    pub(crate) fn forget_compiled(&mut self) {
        if self.compiled.is_empty() {
            return;
        }
        std::mem::take(&mut self.compiled).into_values().for_each(|kept| self.state.unkeep(kept));
        self.state.collect();
    }

    /// Begins a script, which a machine has compiled before. [`Vm::resume`] runs it.
    ///
    /// # Errors
    /// It cannot be compiled: Lua's message.
    pub(crate) fn begin(&mut self, script: &Script, keys: Args<'_>, args: Args<'_>) -> Result<(), Vec<u8>> {
        let kept = self.compile(script, &mut || true)?;
        self.begin_at(kept);
        sandbox::Sandbox::set_words(self.state, keys, args);
        Ok(())
    }

    /// Begins a function that is kept; what is pushed then are its arguments.
    pub(super) fn begin_at(&mut self, kept: i32) {
        let (state, shared) = (self.state, &self.shared);
        state.set_top(sandbox::BOTTOM);
        shared.resp.set(2);
        shared.repl.set(3);
        *shared.stop.borrow_mut() = None;
        state.push_kept(kept);
        self.is_running = true;
    }

    /// What it runs.
    pub(crate) fn kind(&self) -> VmKind {
        self.kind
    }

    /// Runs the script until it hands the thread back.
    pub(crate) fn resume(&mut self) -> Turn {
        let Some(coroutine) = &mut self.coroutine else { return Turn::Done };
        self.shared.memory.leave_host();
        let turn = match coroutine.resume(()) {
            CoroutineResult::Yield(turn) => turn,
            CoroutineResult::Return(()) => Turn::Done,
        };
        self.shared.memory.enter_host();
        self.is_running = turn != Turn::Done;
        turn
    }

    /// The command that the script calls.
    pub(crate) fn words(&self) -> std::cell::Ref<'_, Words> {
        self.shared.words.borrow()
    }

    /// Takes the words out, so that they can be used while the reply is written. [`Vm::put_words`] gives their room
    /// back.
    pub(crate) fn take_words(&mut self) -> Words {
        self.shared.words.take()
    }

    /// See [`Vm::take_words`].
    pub(crate) fn put_words(&mut self, words: Words) {
        *self.shared.words.borrow_mut() = words;
    }

    /// Says how the client wants the result of the next script to be written.
    pub(crate) fn reply_in(&mut self, protocol: Protocol) {
        self.shared.protocol.set(protocol);
    }

    /// Gives the script the reply to its command: what `write` writes, in the script's version of RESP.
    pub(crate) fn reply(&mut self, write: impl FnOnce(&mut Vec<u8>, Protocol)) {
        let mut reply = self.shared.reply.borrow_mut();
        reply.clear();
        let protocol = if self.shared.resp.get() == 3 { Protocol::Resp3 } else { Protocol::Resp2 };
        write(&mut reply, protocol);
    }

    /// Refuses the script's command, with this text.
    pub(crate) fn refuse(&mut self, text: &[u8]) {
        *self.shared.refusal.borrow_mut() = Some(text.to_vec());
    }

    /// The script ends with this error when it goes on, whatever it does.
    pub(crate) fn stop(&mut self, text: &[u8]) {
        *self.shared.stop.borrow_mut() = Some(text.to_vec());
    }

    /// Which effects are to be propagated, as bits (`redis.set_repl`).
    pub(crate) fn repl(&self) -> u8 {
        self.shared.repl.get()
    }

    /// Writes the result of the script of this name, which has ended.
    pub(crate) fn write_result(&mut self, name: &str, reply: &mut Reply<'_>) -> Errors {
        let frame = &Frame { state: self.state, shared: &self.shared };
        let errors = if self.shared.failed.get() {
            result::write_failure(frame, name, reply)
        } else if self.shared.is_written.get() {
            debug_assert_eq!(reply.protocol(), self.shared.protocol.get(), "reply_in was told");
            reply.raw(&self.shared.reply.borrow());
            self.shared.errors.take()
        } else {
            result::write_simple(frame, reply);
            Errors::default()
        };
        self.state.set_top(sandbox::BOTTOM);
        errors
    }

    /// Gives back the room of a long reply that the script has read.
    pub(crate) fn trim(&mut self) {
        let mut reply = self.shared.reply.borrow_mut();
        if reply.capacity() > KEPT_REPLY {
            *reply = Vec::new();
        }
    }

    /// Whether a script has begun and not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.is_running
    }

    /// What its scripts may have from now on, bytes.
    pub(crate) fn limit_memory(&mut self, bytes: usize) {
        self.shared.memory.set_limit(bytes);
    }

    /// Counts its bytes where its node asks for them.
    pub(crate) fn count(&mut self) {
        self.count_as(self.memory() as i64);
    }

    fn count_as(&mut self, bytes: i64) {
        self.meter.fetch_add(bytes - self.counted, Ordering::Relaxed);
        self.counted = bytes;
    }

    /// Bytes that Lua has.
    pub(crate) fn memory(&self) -> usize {
        self.shared.memory.used()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.count_as(0);
        // A script in its midst is ended first: its stack has frames of Lua, which cannot be unwound.
        while self.is_running {
            self.stop(b"ERR the server is going away");
            self.resume();
        }
        self.shared.is_ending.set(true);
        self.resume();
        self.coroutine = None;
        // SAFETY: nothing runs on the state any more, and nothing uses it after this.
        unsafe { ffi::lua_close(self.state.raw()) };
    }
}

/// Runs the function on the state's stack, on the script's own stack.
fn run_protected(state: State, shared: &Shared) {
    let arguments = state.top() - sandbox::BOTTOM - 1;
    // SAFETY: error handler, function and arguments are on the stack; the hook has the type that Lua calls.
    let status = unsafe {
        ffi::lua_sethook(state.raw(), Some(on_count), ffi::LUA_MASKCOUNT, shared.memory.instructions());
        shared.memory.run(state.raw());
        ffi::lua_pcall(state.raw(), arguments, 1, sandbox::ERROR_HANDLER)
    };
    shared.failed.set(status != ffi::LUA_OK);
    shared.is_written.set(false);
    if status == ffi::LUA_ERRMEM {
        shared.memory.enter_host();
        state.push_bytes(NOT_ENOUGH);
        shared.memory.leave_host();
    }
    if status == ffi::LUA_OK && state.kind(-1) == Kind::Table {
        write_table(state, shared);
    }
}

/// Writes the table on top as the result, while the script can still pause. If that fails, the error is on top.
fn write_table(state: State, shared: &Shared) {
    shared.memory.enter_host();
    let is_written = result::write_small(&Frame { state, shared });
    shared.memory.leave_host();
    if is_written {
        return;
    }
    state.push_value(sandbox::RESULT_WRITER);
    state.push_value(-2);
    // SAFETY: the function and its argument are on the stack.
    let status = unsafe { ffi::lua_pcall(state.raw(), 1, 0, 0) };
    shared.failed.set(status != ffi::LUA_OK);
}

/// Called by Lua from time to time.
unsafe extern "C-unwind" fn on_count(raw: *mut ffi::lua_State, _event: *mut ffi::lua_Debug) {
    // SAFETY: the state lives while it runs, and was made with its shared data.
    let (state, shared) = unsafe { (State::of(raw), Shared::of_state(raw)) };
    shared.memory.enter_host();
    shared.hand_over(Turn::Paused);
    let failure = end_of_script(&Frame { state, shared });
    let failed = failure.is_some();
    if let Some(text) = failure {
        push_error_table(state, &text);
        // Nothing can catch that (`super::protected`).
        *shared.stop.borrow_mut() = Some(text);
    }
    shared.memory.watch(raw);
    shared.memory.leave_host();
    if failed {
        // SAFETY: the error is on top, and nothing of this frame needs to be dropped.
        unsafe { ffi::lua_error(raw) }
    }
}

/// Why the script has to end now.
fn end_of_script(frame: &Frame<'_>) -> Option<Vec<u8>> {
    let shared = frame.shared;
    // The script may be told to end meanwhile, too.
    if shared.memory.is_exceeded() && !shared.is_stopped() && libs::collect(frame).is_ok() && shared.memory.is_used_up()
    {
        return Some([b"ERR ", NOT_ENOUGH].concat());
    }
    shared.stop.borrow().clone()
}
