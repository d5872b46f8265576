//! The machines of one thread: made when scripts need them, and used again.

use std::cell::{Cell, RefCell};
use std::io;

use super::machine::{Vm, VmKind, VmOptions};

/// Idle machines of a kind that are kept. More are needed only while as many scripts are suspended.
const KEPT: usize = 2;
/// A machine that has more memory than this after a script is given up, bytes.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// See the essay of this file.
#[derive(Default)]
pub(crate) struct VmPool {
    scripts: Idle,
    functions: Idle,
    /// How often the compiled scripts were to be forgotten.
    flushes: Cell<u64>,
    /// Has the other threads of the process forget theirs.
    tell_others: Option<Box<dyn Fn()>>,
}

/// Machines of one kind.
#[derive(Default)]
struct Idle {
    idle: RefCell<[Option<Box<Vm>>; KEPT]>,
    made: Cell<u64>,
}

impl VmPool {
    /// The machines of a thread that has others beside it: `tell_others` has these call [`VmPool::forget_compiled`].
    pub(crate) fn new(tell_others: impl Fn() + 'static) -> Self {
        Self { tell_others: Some(Box::new(tell_others)), ..Self::default() }
    }

    /// Has all machines of the process forget the scripts that they have compiled (SCRIPT FLUSH). Those of other nodes
    /// in the process are compiled again.
    pub(crate) fn flush(&self) {
        self.forget_compiled();
        if let Some(tell) = &self.tell_others {
            tell();
        }
    }

    /// Has the machines of this thread forget them: those that are in the midst of a script when it has ended.
    pub(crate) fn forget_compiled(&self) {
        self.flushes.set(self.flushes.get() + 1);
        for vm in self.scripts.idle.borrow_mut().iter_mut().flatten() {
            vm.forget_compiled();
            vm.count();
        }
    }

    fn of(&self, kind: VmKind) -> &Idle {
        match kind {
            VmKind::Scripts => &self.scripts,
            VmKind::Functions => &self.functions,
        }
    }

    /// A machine for one script, or function, which may have so many bytes. If it has to be made, `options` is asked
    /// how, with its number.
    ///
    /// # Errors
    /// A new one is needed, and there is no memory for it.
    pub(crate) fn take(
        &self,
        kind: VmKind,
        limit: usize,
        options: impl FnOnce(u64) -> VmOptions,
    ) -> io::Result<Box<Vm>> {
        let Idle { idle, made } = self.of(kind);
        let known = idle.borrow_mut().iter_mut().find_map(Option::take);
        let mut vm = match known {
            Some(vm) => vm,
            None => {
                made.set(made.get() + 1);
                Box::new(Vm::new(&options(made.get()))?)
            }
        };
        vm.limit_memory(limit);
        vm.taken_at = self.flushes.get();
        Ok(vm)
    }

    /// Takes a machine back whose script has ended.
    pub(crate) fn put(&self, mut vm: Box<Vm>) {
        vm.trim();
        if vm.taken_at != self.flushes.get() {
            vm.forget_compiled();
        }
        vm.count();
        let mut idle = self.of(vm.kind()).idle.borrow_mut();
        let place = idle.iter_mut().find(|place| place.is_none());
        if let Some(place) = place.filter(|_| !vm.is_running() && vm.memory() <= KEPT_BYTES) {
            *place = Some(vm);
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;

impl std::fmt::Debug for VmPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let idle = |kind| self.of(kind).idle.borrow().iter().flatten().count();
        f.debug_struct("VmPool")
            .field("scripts", &idle(VmKind::Scripts))
            .field("functions", &idle(VmKind::Functions))
            .finish()
    }
}
