//! The machines of one thread: made when scripts need them, and used again.

use std::cell::RefCell;
use std::io;

use super::machine::{Vm, VmOptions};

/// Idle machines that are kept. More are needed only while as many scripts are suspended.
const KEPT: usize = 2;
/// A machine that has more memory than this after a script is given up, bytes.
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// See the essay of this file.
#[derive(Default)]
pub(crate) struct VmPool {
    idle: RefCell<Vec<Vm>>,
    made: std::cell::Cell<u64>,
}

impl VmPool {
    /// A machine for one script, which may have so many bytes.
    ///
    /// # Errors
    /// A new one is needed, and there is no memory for it.
    pub(crate) fn take(&self, limit: usize, mut options: impl FnMut(u64) -> VmOptions) -> io::Result<Vm> {
        if let Some(mut vm) = self.idle.borrow_mut().pop() {
            vm.limit_memory(limit);
            return Ok(vm);
        }
        self.made.set(self.made.get() + 1);
        Vm::new(&options(self.made.get()))
    }

    /// Takes a machine back whose script has ended.
    pub(crate) fn put(&self, mut vm: Vm) {
        vm.count();
        let mut idle = self.idle.borrow_mut();
        if idle.len() < KEPT && !vm.is_running() && vm.memory() <= KEPT_BYTES {
            idle.push(vm);
        }
    }
}

impl std::fmt::Debug for VmPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VmPool").field("idle", &self.idle.borrow().len()).finish_non_exhaustive()
    }
}
