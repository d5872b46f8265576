//! SLOTD NODE: breaks and repairs the nodes of a one-process cluster, for tests that have only a client.
//!
//! SIGKILL and SIGSTOP cannot be sent to one of several nodes in a process. So any node takes the order and hands it to
//! the owner of them all ([`Neighbours`], which the embedded cluster implements). A node that is alone in its process
//! has no such owner and replies with an error. `enable-test-commands` must allow the command, because it is as
//! dangerous as a shell.
//!
//! The reply to an order for another node is sent when the order was carried out. A node that ends itself does not
//! reply: its connections close, as with SHUTDOWN. One that pauses itself replies when it goes on, as with DEBUG SLEEP.

use std::sync::Arc;
use std::time::Duration;

use protocol::resp::Args;
use protocol::resp::reply::Reply;
use tokio::sync::oneshot;

use super::{Ops, contention};
use crate::base::number::parse_i64;
use crate::command::{CmdError, error, help};
use crate::config::ids;
use crate::engine::handler::{Handled, SessionCtx, SessionResult};

/// An order to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As kill -9: nothing is saved.
    Kill,
    /// As SIGTERM.
    Stop,
    /// Stop, if it runs, and start in the same directory with the same ports.
    Restart,
    /// Kill, and start again.
    Recover,
    /// As SIGSTOP, for so long.
    Pause(Duration),
    /// As SIGCONT.
    Resume,
}

/// A node of this process.
#[derive(Clone, Debug)]
pub(crate) struct Neighbour {
    pub id: String,
    pub address: String,
    pub port: u16,
    /// `running`, `paused` or `down`.
    pub state: &'static str,
}

/// All nodes of this process, as seen by one of them.
pub(crate) trait Neighbours: Send + Sync {
    fn list(&self) -> Vec<Neighbour>;
    /// The number in that list of the asking node.
    fn own(&self) -> usize;
    /// Carries the order out on a thread that no node runs on. The receiver gets the outcome.
    fn order(&self, node: usize, order: Order) -> oneshot::Receiver<Result<(), String>>;
}

/// So many digits of an id are enough to name a node; `slotd cluster` prints as many.
const ID_DIGITS: usize = 8;

const HELP: &[&str] = &[
    "CONTENTION",
    "    Show how often threads of this node were in each other's way.",
    "NODE LIST",
    "    Show the id, the address and the state of every node of this process.",
    "NODE KILL [<node>]",
    "    End a node as kill -9 does: nothing is saved.",
    "NODE STOP [<node>]",
    "    End a node as SIGTERM does.",
    "NODE RESTART [<node>]",
    "    End a node in order, if it runs, and start it again in its directory with its ports.",
    "NODE PAUSE <milliseconds> [<node>]",
    "    Let nothing of a node run for so long, as SIGSTOP does.",
    "NODE RESUME [<node>]",
    "    End a pause.",
    "<node> is an id, its first 8 digits or more, or a port; without it, the node that is asked.",
];

pub(super) fn slotd(ops: &Ops, ctx: &mut SessionCtx<'_, '_>, args: Args<'_>) -> SessionResult {
    let is = |index: usize, word: &str| args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    if is(1, "HELP") && args.len() == 2 || is(1, "NODE") && is(2, "HELP") && args.len() == 3 {
        help::write(&mut ctx.reply, "SLOTD", HELP);
        return Ok(Handled::Done);
    }
    if is(1, "CONTENTION") && args.len() == 2 {
        contention::write(&ops.engine, &mut ctx.reply);
        return Ok(Handled::Done);
    }
    if !ops.engine.config.bool(ids::ENABLE_TEST_COMMANDS) {
        return Err(error::TEST_COMMANDS_DISABLED);
    }
    let Some(neighbours) = ops.neighbours.get() else { return Err(error::NO_NEIGHBOURS) };
    if !is(1, "NODE") || args.len() < 3 {
        return Err(error::unknown_or_arity("SLOTD", &args[1]));
    }
    if is(2, "LIST") && args.len() == 3 {
        list(neighbours, ctx);
        return Ok(Handled::Done);
    }
    let (order, node) = parse(args)?;
    let node = match node {
        Some(name) => find(&neighbours.list(), name)?,
        None => neighbours.own(),
    };
    let done = neighbours.order(node, order);
    let protocol = ctx.session.protocol;
    Ok(Handled::Wait(Box::pin(async move {
        let outcome = done.await.unwrap_or_else(|_| Err("the order was not carried out".to_owned()));
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, protocol);
        match outcome {
            Ok(()) => reply.ok(),
            Err(problem) => reply.error(format!("ERR {problem}").as_bytes()),
        }
        out
    })))
}

/// `SLOTD NODE <order> ...`: the order, and the word that names the node.
fn parse(args: Args<'_>) -> Result<(Order, Option<&[u8]>), CmdError> {
    let (order, at) = match args[2].to_ascii_uppercase().as_slice() {
        b"KILL" => (Order::Kill, 3),
        b"STOP" => (Order::Stop, 3),
        b"RESTART" => (Order::Restart, 3),
        b"RESUME" => (Order::Resume, 3),
        b"PAUSE" if args.len() > 3 => {
            let ms = parse_i64(&args[3]).ok_or(error::NOT_INTEGER)?;
            let ms = u64::try_from(ms).ok().filter(|ms| *ms > 0).ok_or(error::PAUSE_TIME)?;
            (Order::Pause(Duration::from_millis(ms)), 4)
        }
        _ => return Err(error::unknown_or_arity("SLOTD NODE", &args[2])),
    };
    if args.len() > at + 1 {
        return Err(error::unknown_or_arity("SLOTD NODE", &args[2]));
    }
    Ok((order, args.get(at)))
}

/// The node with this port or id, or whose id begins like this.
fn find(nodes: &[Neighbour], name: &[u8]) -> Result<usize, CmdError> {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    if let Some(index) = nodes.iter().position(|node| node.port.to_string() == name) {
        return Ok(index);
    }
    let mut begins = nodes.iter().enumerate().filter(|(_, node)| node.id.starts_with(&name));
    match (begins.next(), begins.next()) {
        (Some((index, _)), None) if name.len() >= ID_DIGITS => Ok(index),
        _ => Err(error::NO_SUCH_NEIGHBOUR),
    }
}

fn list(neighbours: &Arc<dyn Neighbours>, ctx: &mut SessionCtx<'_, '_>) {
    let nodes = neighbours.list();
    ctx.reply.array(nodes.len());
    for node in nodes {
        ctx.reply.array(3);
        ctx.reply.bulk(node.id.as_bytes());
        ctx.reply.bulk(node.address.as_bytes());
        ctx.reply.bulk(node.state.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::resp::OwnedArgs;

    fn nodes() -> Vec<Neighbour> {
        let node = |id: &str, port| Neighbour { id: id.into(), address: String::new(), port, state: "running" };
        vec![node("0123456789abcdef", 7000), node("01234567ffffffff", 7001), node("7000000000000000", 7002)]
    }

    #[test]
    fn a_node_is_named_by_port_or_by_enough_of_its_id_to_be_the_only_one() {
        assert_eq!(find(&nodes(), b"7001"), Ok(1));
        assert_eq!(find(&nodes(), b"0123456789ABCDEF"), Ok(0));
        assert_eq!(find(&nodes(), b"012345678"), Ok(0));
        assert_eq!(find(&nodes(), b"7000"), Ok(0), "a port comes before the beginning of an id");
        for wrong in ["01234567", "0123", "", "zz", "7003"] {
            assert_eq!(find(&nodes(), wrong.as_bytes()), Err(error::NO_SUCH_NEIGHBOUR), "{wrong}");
        }
    }

    #[test]
    fn orders_take_the_node_last_and_a_pause_its_time_before_it() {
        let read = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let args = OwnedArgs::from_slices(&words);
            parse(args.view()).map(|(order, node)| (order, node.map(<[u8]>::to_vec)))
        };
        assert_eq!(read("SLOTD NODE kill"), Ok((Order::Kill, None)));
        assert_eq!(read("SLOTD NODE RESTART 7001"), Ok((Order::Restart, Some(b"7001".to_vec()))));
        let pause = Order::Pause(Duration::from_millis(20));
        assert_eq!(read("SLOTD NODE PAUSE 20"), Ok((pause, None)));
        assert_eq!(read("SLOTD NODE PAUSE 20 7001"), Ok((pause, Some(b"7001".to_vec()))));
        for wrong in ["PAUSE", "PAUSE 0", "PAUSE -1", "PAUSE x", "KILL a b", "PAUSE 1 a b", "FREEZE", "LIST a"] {
            assert!(read(&format!("SLOTD NODE {wrong}")).is_err(), "{wrong}");
        }
    }
}
