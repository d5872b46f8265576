//! What `--fix` does: one action after the other, each waited for and looked at before the next.
//!
//! An action is only begun while all nodes agree and serve; otherwise it is said why nothing is done. When one does not
//! come about in time, the rest is left undone: whoever calls again gets a plan for what is there then. Replicas that
//! change places do so in one action, because in between a shard has none, and a cluster with
//! `cluster-allow-replica-migration` would begin to help itself. They cannot be elected meanwhile ([`super::hold`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::bus::NodeId;

use super::super::node_list::Address;
use super::collect::{Asking, Visit};
use super::facts::{Facts, Link};
use super::findings::{Code, Finding, ranges};
use super::forget::{forgettable, may_come_back};
use super::picture::{Member, Picture};
use super::plan::{Moves, plan};
use super::seats::{Placement, Step};
use crate::base::readable::readable;

/// The time between two looks at what has become of an action.
const PAUSE: Duration = Duration::from_millis(200);
/// A failover that has not begun by then is asked for again: the node gives up after five seconds.
const AGAIN: Duration = Duration::from_secs(10);
/// While one of these is found, nothing is moved: a role would be moved on wrong grounds, or could not be.
const PREVENT: [Code; 9] = [
    Code::Unreachable,
    Code::OtherPassword,
    Code::ClusterDown,
    Code::UncoveredSlots,
    Code::OpenSlots,
    Code::Disagreement,
    Code::SameId,
    Code::FailedNode,
    Code::ReplicaLinkDown,
];

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action {
    /// In words.
    pub(super) text: String,
    orders: Vec<Order>,
    /// What is then so: whom each of these replicates.
    outcome: Vec<(NodeId, NodeId)>,
    /// Whom nobody knows then.
    forgotten: Option<NodeId>,
}

/// An order to one node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Order {
    to: NodeId,
    words: Vec<String>,
    /// The order that takes it back.
    back: Option<Vec<String>>,
}

impl Order {
    fn new(to: NodeId, words: &str) -> Self {
        Self { to, words: words.split(' ').map(str::to_owned).collect(), back: None }
    }

    fn replicate(to: NodeId, primary: NodeId, before: NodeId) -> Self {
        let order = Self::new(to, &format!("CLUSTER REPLICATE {primary}"));
        Self { back: Some(Self::new(to, &format!("CLUSTER REPLICATE {before}")).words), ..order }
    }
}

/// What can be done, and what cannot.
#[derive(Clone, Debug, Default)]
pub(super) struct Cure {
    pub(super) actions: Vec<Action>,
    /// Why something is not done.
    pub(super) refused: Vec<String>,
}

impl Cure {
    /// What to do about findings; `steps` are those that would help.
    pub(super) fn of(picture: &Picture, findings: &[Finding], steps: &[Step], now_ms: i64) -> Self {
        let mut cure = Self::default();
        match findings.iter().find(|finding| PREVENT.contains(&finding.code)) {
            Some(finding) if !steps.is_empty() => {
                cure.refused.push(format!("no role is moved as long as there is this: {}", finding.what));
            }
            Some(_) => {}
            None => {
                let copies = steps.iter().any(|step| !matches!(step, Step::Promote(_)));
                match may_come_back(picture, now_ms).filter(|_| copies) {
                    Some(member) => {
                        let name = &member.name;
                        let why =
                            "may come back: no replica is given another primary before it was away for five minutes";
                        cure.refused.push(format!("{name} {why}"));
                        cure.actions = moves(picture, &plan(&picture.placement().0, Moves::Promotions));
                    }
                    None => cure.actions = moves(picture, steps),
                }
            }
        }
        for (id, judgement) in forgettable(picture, now_ms) {
            let name = picture.name(id);
            match judgement {
                Ok(()) => cure.actions.push(forgetting(picture, id)),
                Err(why) => cure.refused.push(format!("{name} is not forgotten: {why}")),
            }
        }
        cure
    }
}

/// The actions that steps of a plan are. Replicas that change places in turns (A goes to B's shard, B to C's) are one
/// action, so that each copies its data once.
fn moves(picture: &Picture, steps: &[Step]) -> Vec<Action> {
    let (mut place, who) = picture.placement();
    let (mut actions, mut turning) = (Vec::new(), Turning::default());
    for step in steps {
        let touched = match *step {
            Step::Promote(seat) | Step::Move { seat, .. } => vec![seat],
            Step::Swap(one, other) => vec![one, other],
        };
        if matches!(step, Step::Promote(_)) || !touched.iter().any(|seat| turning.contains_key(seat)) {
            actions.extend(turned(picture, &place, &who, std::mem::take(&mut turning)));
        }
        if let Step::Promote(seat) = *step {
            actions.push(promotion(picture, &place, &who, seat));
        } else {
            touched.iter().for_each(|seat| {
                turning.entry(*seat).or_insert(place.seats[*seat].shard);
            });
        }
        place = place.after(*step);
    }
    actions.extend(turned(picture, &place, &who, turning));
    actions
}

/// Replicas that change places, with the shards that they come from.
type Turning = BTreeMap<usize, usize>;

/// The action that gives replicas the primaries that they have in a placement.
fn turned(picture: &Picture, place: &Placement, who: &[&Member], turning: Turning) -> Option<Action> {
    let primary = |shard: usize| who[place.primaries[shard]].id;
    let changes: Vec<(NodeId, NodeId, NodeId)> = turning
        .into_iter()
        .filter(|(seat, before)| place.seats[*seat].shard != *before)
        .map(|(seat, before)| (who[seat].id, primary(place.seats[seat].shard), primary(before)))
        .collect();
    (!changes.is_empty()).then(|| replication(picture, &changes))
}

/// The action that makes a replica the primary of its shard.
fn promotion(picture: &Picture, place: &Placement, who: &[&Member], seat: usize) -> Action {
    let shard = place.seats[seat].shard;
    let (new, old) = (who[seat], who[place.primaries[shard]]);
    let members = (0..who.len()).filter(|other| place.seats[*other].shard == shard && *other != seat);
    let slots = picture.primaries().nth(shard).map_or_else(String::new, |first| ranges(&first.slots));
    Action {
        text: format!("{} takes over {slots} from {} (CLUSTER FAILOVER)", new.name, old.name),
        orders: vec![Order::new(new.id, "CLUSTER FAILOVER")],
        outcome: members.map(|member| (who[member].id, new.id)).collect(),
        forgotten: None,
    }
}

/// Replicas get other primaries: who, which one, which one before.
fn replication(picture: &Picture, changes: &[(NodeId, NodeId, NodeId)]) -> Action {
    let each = |(replica, primary, _): &(NodeId, NodeId, NodeId)| {
        format!("{} becomes a replica of {}", picture.name(*replica), picture.name(*primary))
    };
    let text: Vec<String> = changes.iter().map(each).collect();
    Action {
        text: format!("{} (CLUSTER REPLICATE)", text.join(", and ")),
        orders: changes.iter().map(|(to, primary, before)| Order::replicate(*to, *primary, *before)).collect(),
        outcome: changes.iter().map(|(replica, primary, _)| (*replica, *primary)).collect(),
        forgotten: None,
    }
}

fn forgetting(picture: &Picture, id: NodeId) -> Action {
    let others = picture.members.iter().filter(|member| member.answers && member.id != id);
    let name = Some(picture.name(id)).filter(|name| *name != id.to_string());
    let last = name.map_or_else(String::new, |name| format!(", last at {name}"));
    Action {
        text: format!("all nodes forget {id}{last} (CLUSTER FORGET)"),
        orders: others.map(|member| Order::new(member.id, &format!("CLUSTER FORGET {id}"))).collect(),
        outcome: Vec::new(),
        forgotten: Some(id),
    }
}

impl Asking {
    /// Takes an action, and waits until all nodes agree that it is done.
    ///
    /// # Errors
    /// Why it was not done.
    pub(super) fn act(&self, action: &Action, picture: &Picture, patience: Duration) -> Result<(), String> {
        let (began, facts) = (Instant::now(), &picture.facts);
        let moved = action.orders.iter().filter(|order| order.words[1] == "REPLICATE");
        let moved: Vec<Address> = moved.filter_map(|order| Some(facts.of(order.to)?.address.clone())).collect();
        let held = self.hold(&moved)?;
        let done = self.carry_out(action, picture, began, patience);
        let released = self.release(held, began + patience);
        match (done, released) {
            (Err(first), Err(second)) => Err(format!("{first}; {second}")),
            (done, released) => done.and(released),
        }
    }

    fn carry_out(&self, action: &Action, picture: &Picture, began: Instant, patience: Duration) -> Result<(), String> {
        let (facts, mut ordered) = (&picture.facts, Instant::now());
        self.order_all(action, facts)?;
        loop {
            std::thread::sleep(PAUSE);
            // Who answered before may be silent for a moment, and is asked again.
            let lacks = match self.look(&mut Visit::after(facts, began + patience + PAUSE)) {
                Ok(now) => what_is_missing(action, &now, picture),
                Err(reason) => Some(reason),
            };
            let Some(lacks) = lacks else { return Ok(()) };
            if began.elapsed() > patience {
                return Err(format!("not done within {} s: {lacks}", patience.as_secs()));
            }
            // Not a replication: that would begin its copy anew.
            let repeats = action.orders.iter().all(|order| order.words[1] == "FAILOVER");
            if repeats && ordered.elapsed() > AGAIN {
                // Who has obeyed refuses now, which does not matter.
                let _ = self.order_all(action, facts);
                ordered = Instant::now();
            }
        }
    }

    /// Gives all orders of an action, or takes back those that were given.
    fn order_all(&self, action: &Action, facts: &Facts) -> Result<(), String> {
        for (at, order) in action.orders.iter().enumerate() {
            if let Err(reason) = self.order(order.to, &order.words, facts) {
                for given in &action.orders[..at] {
                    if let Some(back) = &given.back {
                        // The error that is reported is the first one.
                        let _ = self.order(given.to, back, facts);
                    }
                }
                return Err(reason);
            }
        }
        Ok(())
    }

    fn order(&self, to: NodeId, words: &[String], facts: &Facts) -> Result<(), String> {
        let address: &Address = match facts.of(to) {
            Some(report) => &report.address,
            None => return Err(format!("{to} does not answer")),
        };
        let mut node = self.connect(address)?;
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        match node.ask(&words)?.as_error() {
            // Another node has told it already.
            Some(error) if error.starts_with(b"ERR Unknown node") => Ok(()),
            Some(error) => Err(format!("{address}: {}", readable(error))),
            None => Ok(()),
        }
    }
}

/// What of an action's outcome is not there yet, in the eyes of any node; `picture` tells the names.
pub(super) fn what_is_missing(action: &Action, facts: &Facts, picture: &Picture) -> Option<String> {
    let name = |id: &NodeId| picture.name(*id);
    for report in &facts.reports {
        let by = &report.address;
        if let Some(id) = action.forgotten.filter(|id| report.line(*id).is_some()) {
            return Some(format!("{by} knows {}", name(&id)));
        }
        for (replica, primary) in &action.outcome {
            if report.line(*replica).is_none_or(|line| line.replica_of != Some(*primary)) {
                return Some(format!("{} does not replicate {} yet, says {by}", name(replica), name(primary)));
            }
            if report.line(*primary).is_none_or(|line| line.replica_of.is_some() || line.slots.is_empty()) {
                return Some(format!("{} does not serve yet, says {by}", name(primary)));
            }
        }
    }
    action.outcome.iter().find_map(|(replica, _)| match facts.of(*replica) {
        Some(report) if report.link == Link::Up => None,
        Some(report) => Some(format!("{} has no link to its primary yet", report.address)),
        None => Some(format!("{} does not answer", name(replica))),
    })
}
