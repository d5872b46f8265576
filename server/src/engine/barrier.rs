//! The barrier: a moment at which no command runs anywhere in the node.
//!
//! Every thread that executes commands owns a *gate* and holds it while it works through one batch of requests; whoever needs
//! the whole node for itself (FLUSHALL, SWAPDB, an EXEC over several slots, the cut of a snapshot) takes all gates in
//! ascending order. Entering costs one uncontended compare-and-swap per batch, not per command.
//!
//! Invariants: a thread holds at most its own gate when it asks for exclusivity, and gives it up first ([`Pass::exclusive`]),
//! so two askers cannot wait for each other. No gate is held across an `.await`.

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

/// The gates of one node: one per worker, and some for helpers (cron, snapshot, loader).
pub struct Barrier {
    gates: Box<[CachePadded<Mutex<()>>]>,
}

/// Proof that the holder executes between two barriers, or alone.
pub struct Pass<'a> {
    barrier: &'a Barrier,
    gate: usize,
    guard: Option<MutexGuard<'a, ()>>,
    alone: bool,
}

impl Barrier {
    /// Gates for `workers` workers and `helpers` further threads.
    pub fn new(workers: usize, helpers: usize) -> Self {
        Self { gates: (0..workers + helpers).map(|_| CachePadded::new(Mutex::new(()))).collect() }
    }

    /// How many gates there are.
    pub fn gates(&self) -> usize {
        self.gates.len()
    }

    /// Enters through gate `gate`; blocks while somebody is exclusive.
    pub fn enter(&self, gate: usize) -> Pass<'_> {
        Pass { barrier: self, gate, guard: Some(self.gates[gate].lock()), alone: false }
    }

    /// Enters through gate `gate` unless somebody is exclusive: for the control thread, which waits for no command.
    pub fn try_enter(&self, gate: usize) -> Option<Pass<'_>> {
        let guard = self.gates[gate].try_lock()?;
        Some(Pass { barrier: self, gate, guard: Some(guard), alone: false })
    }

    fn lock_all(&self) -> Vec<MutexGuard<'_, ()>> {
        self.gates.iter().map(|gate| gate.lock()).collect()
    }
}

impl<'a> Pass<'a> {
    /// Runs `f` while nobody else executes. The pass is given up for the wait and taken again afterwards; asked for by someone
    /// who is alone already, it costs nothing.
    pub fn exclusive<R>(&mut self, f: impl FnOnce(&mut Pass<'a>) -> R) -> R {
        if self.alone {
            return f(self);
        }
        self.guard = None;
        let all = self.barrier.lock_all();
        self.alone = true;
        let result = f(self);
        self.alone = false;
        drop(all);
        self.guard = Some(self.barrier.gates[self.gate].lock());
        result
    }

    /// Whether nobody else executes.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// Lets a waiting exclusive go first.
    pub fn yield_now(&mut self) {
        if let Some(guard) = &mut self.guard {
            MutexGuard::bump(guard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_control_thread_does_not_wait_for_an_exclusive_command() {
        let barrier = Barrier::new(1, 1);
        barrier.enter(0).exclusive(|_| assert!(barrier.try_enter(1).is_none()));
        assert!(barrier.try_enter(1).is_some());
    }

    #[test]
    fn exclusive_holder_runs_alone() {
        let barrier = Arc::new(Barrier::new(3, 0));
        let inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|gate| {
                let (barrier, inside) = (barrier.clone(), inside.clone());
                std::thread::spawn(move || {
                    let mut pass = barrier.enter(gate);
                    for round in 0..200 {
                        inside.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if round % 20 == gate {
                            pass.exclusive(|_| {
                                assert_eq!(
                                    inside.fetch_add(10, Ordering::SeqCst),
                                    0,
                                    "nobody else is between two commands"
                                );
                                inside.fetch_sub(10, Ordering::SeqCst);
                            });
                        }
                        pass.yield_now();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no thread panicked");
        }
    }
}
