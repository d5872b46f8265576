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
}

/// Machines of one kind.
#[derive(Default)]
struct Idle {
    idle: RefCell<[Option<Box<Vm>>; KEPT]>,
    made: Cell<u64>,
}

impl VmPool {
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
        if let Some(mut vm) = idle.borrow_mut().iter_mut().find_map(Option::take) {
            vm.limit_memory(limit);
            return Ok(vm);
        }
        made.set(made.get() + 1);
        Vm::new(&options(made.get())).map(Box::new)
    }

    /// Takes a machine back whose script has ended.
    pub(crate) fn put(&self, mut vm: Box<Vm>) {
        vm.trim();
        vm.count();
        let mut idle = self.of(vm.kind()).idle.borrow_mut();
        let place = idle.iter_mut().find(|place| place.is_none());
        if let Some(place) = place.filter(|_| !vm.is_running() && vm.memory() <= KEPT_BYTES) {
            *place = Some(vm);
        }
    }
}

impl std::fmt::Debug for VmPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let idle = |kind| self.of(kind).idle.borrow().iter().flatten().count();
        f.debug_struct("VmPool")
            .field("scripts", &idle(VmKind::Scripts))
            .field("functions", &idle(VmKind::Functions))
            .finish()
    }
}
