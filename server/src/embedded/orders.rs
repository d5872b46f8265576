//! Orders that a client gives to the nodes of its process (SLOTD NODE).

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use super::process::Process;
use super::{ClusterError, HOST};
use crate::base::thread;
use crate::node::StopSignal;
use crate::ops::neighbours::{Neighbour, Neighbours, Order};

/// A node's view of the process that it lives in.
pub(super) struct Seat {
    process: Weak<Process>,
    index: usize,
}

impl Seat {
    pub(super) fn new(process: &Arc<Process>, index: usize) -> Self {
        Self { process: Arc::downgrade(process), index }
    }
}

impl Neighbours for Seat {
    fn list(&self) -> Vec<Neighbour> {
        let Some(process) = self.process.upgrade() else { return Vec::new() };
        let neighbour = |member: &super::member::Member| {
            let at = member.address();
            let (id, port) = at.map_or_else(|| (String::new(), 0), |at| (at.id, at.port));
            Neighbour { id, address: format!("{HOST}:{port}"), port, state: member.state().name() }
        };
        process.members.iter().map(neighbour).collect()
    }

    fn own(&self) -> usize {
        self.index
    }

    fn order(&self, node: usize, order: Order) -> oneshot::Receiver<Result<(), String>> {
        let (told, outcome) = oneshot::channel();
        let process = self.process.clone();
        let carry_out = move || {
            let result = process.upgrade().ok_or(ClusterError::Closed).and_then(|process| match order {
                Order::Kill => did_run(process.kill(node), node),
                Order::Stop => process.stop(node, StopSignal::Terminate).and_then(|ran| did_run(ran, node)),
                Order::Restart => process.restart(node),
                Order::Recover => process.recover(node),
                Order::Pause(time) => process.pause(node, Some(time)),
                Order::Resume => process.resume(node),
            });
            // The node that asked may have just ended.
            let _ = told.send(result.map_err(|problem| problem.to_string()));
        };
        // Without a thread the sender is dropped, and the receiver learns that nothing was done.
        let _ = thread::spawn("node-order", carry_out);
        outcome
    }
}

/// A test that ends a node that is down has made a mistake, and is told so.
fn did_run(ran: bool, node: usize) -> Result<(), ClusterError> {
    if ran { Ok(()) } else { Err(ClusterError::NodeDown(node)) }
}
