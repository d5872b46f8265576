//! What a script and the one who drives it exchange.
//!
//! The two never run at the same time: each hands over to the other ([`Shared::hand_over`]) and goes on when it gets
//! control back.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;

use corosensei::Yielder;
use mlua_sys as ffi;
use protocol::resp::reply::Protocol;

use super::memory::Memory;
use crate::script::errors::Errors;
use crate::script::library::Registering;
use crate::script::words::Words;

/// Why a script hands the thread back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It calls a command: [`Shared::words`]. It goes on with the reply.
    Call,
    /// It wants to write to the log: [`Shared::words`] are the level and the text.
    Log,
    /// It asks whether it may call a command. It goes on when the reply is `:1` or `:0`, or a refusal.
    AclCheck,
    /// Its share of time is used up.
    Paused,
    /// It has ended: its result is on its stack of values.
    Done,
}

/// What a machine is made with.
pub(in crate::script) struct Settings {
    /// Memory that scripts may have, bytes.
    pub memory_limit: usize,
    /// What `redis.REDIS_VERSION` says.
    pub version: String,
    /// Where `math.random` begins.
    pub random: u64,
    /// Where [`Shared::work`] begins.
    pub work: u32,
}

/// See the essay of this file. Lua's allocator is given a pointer to this as one to the memory: hence the layout.
#[repr(C)]
pub(in crate::script) struct Shared {
    /// The first field ([`Shared::to_allocator`]).
    pub(in crate::script) memory: Memory,
    yielder: Cell<*const Yielder<(), Turn>>,
    /// The command that the script calls.
    pub(in crate::script) words: RefCell<Words>,
    /// Its reply; at the end, the script's result, if that is a table.
    pub(in crate::script) reply: RefCell<Vec<u8>>,
    /// The error that the call is to report instead of a reply: one of the script's making, not the command's.
    pub(in crate::script) refusal: RefCell<Option<Vec<u8>>>,
    /// How the client wants the result to be written.
    pub(in crate::script) protocol: Cell<Protocol>,
    /// Whether [`Shared::reply`] is the result.
    pub(in crate::script) is_written: Cell<bool>,
    /// RESP version of the replies that the script sees (`redis.setresp`).
    pub(in crate::script) resp: Cell<u8>,
    /// Which effects are propagated (`redis.set_repl`).
    pub(in crate::script) repl: Cell<u8>,
    /// What the library that is being loaded has registered.
    pub(in crate::script) registered: RefCell<Option<Registering>>,
    /// State of `math.random`.
    pub(in crate::script) random: Cell<u64>,
    /// How much work functions of ours may do before the script is asked to pause ([`crate::script::libs`]).
    pub(in crate::script) work: Cell<u32>,
    /// Why the script has to end.
    pub(in crate::script) stop: RefCell<Option<Vec<u8>>>,
    /// The stack is to be given up.
    pub(in crate::script) is_ending: Cell<bool>,
    /// The errors in the result that is written.
    pub(in crate::script) errors: RefCell<Errors>,
    /// Whether the protected call of the script failed.
    pub(in crate::script) failed: Cell<bool>,
    /// What REDIS_VERSION says.
    pub(in crate::script) version: String,
}

impl Shared {
    pub(in crate::script) fn new(settings: Settings) -> Self {
        Self {
            memory: Memory::new(settings.memory_limit),
            yielder: Cell::new(ptr::null()),
            words: RefCell::default(),
            reply: RefCell::default(),
            refusal: RefCell::default(),
            protocol: Cell::default(),
            is_written: Cell::new(false),
            resp: Cell::new(2),
            repl: Cell::new(3),
            registered: RefCell::default(),
            random: Cell::new(settings.random),
            work: Cell::new(settings.work),
            stop: RefCell::default(),
            is_ending: Cell::new(false),
            errors: RefCell::default(),
            failed: Cell::new(false),
            version: settings.version,
        }
    }

    /// What Lua's allocator is given.
    pub(in crate::script) fn to_allocator(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// The shared data of a state.
    ///
    /// # Safety
    /// The state was made with [`Shared::to_allocator`], and lives.
    pub(in crate::script) unsafe fn of_state<'s>(raw: *mut ffi::lua_State) -> &'s Self {
        let mut data = ptr::null_mut();
        // SAFETY: the state lives, and its allocator's data is this.
        unsafe {
            ffi::lua_getallocf(raw, &raw mut data);
            &*data.cast::<Self>()
        }
    }

    /// The script's stack has begun.
    pub(in crate::script) fn set_yielder(&self, yielder: &Yielder<(), Turn>) {
        self.yielder.set(yielder);
    }

    /// Hands the thread to the driver, until it resumes the script. Only called on the script's stack.
    pub(in crate::script) fn hand_over(&self, turn: Turn) {
        // SAFETY: set when the script's stack began; it lives as long as that does, and Lua runs nowhere else.
        let yielder = unsafe { &*self.yielder.get() };
        yielder.suspend(turn);
        self.memory.rest();
    }

    /// Whether the script has to end.
    pub(in crate::script) fn is_stopped(&self) -> bool {
        self.stop.borrow().is_some()
    }
}
