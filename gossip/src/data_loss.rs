//! A primary that comes back without its data must not be copied by the replicas that still have it.
//!
//! A process that keeps no data on disk (or an old snapshot) and is restarted within the node timeout, by docker or
//! systemd, is a primary again before its absence was noticed. Its replicas ask for its data, get nothing, and drop
//! theirs: all acknowledged data of the shard is lost (redis issue 6434, valkey issue 579; stock nodes do that today).
//!
//! **The mark.** nodes.conf has a mark while the node has data. A node without the mark that starts as a primary has
//! nothing to lose, and does not wait.
//!
//! **Suspicion.** A marked primary with slots and replicas that starts feeds no replica and reports
//! `cluster_state:fail` until it has heard from its replicas, which takes one round trip. A replica that does not
//! answer within [`JUDGEMENT_MS`] is not waited for. The packets of a replica carry its replication offset. If none is
//! greater than that of the data loaded here, nothing is missing, and the node goes on. Redis also keeps a restarted
//! primary closed for that long.
//!
//! **Held back.** If a replica has more data, it must take over, in the normal way: this node stays silent on the bus,
//! so that the others find it failed and vote. It listens, and the claim of its successor turns it into a replica.
//! After [`PATIENCE`] node timeouts without a successor it gives up and serves what it has, as Redis does at once. If
//! no replica could be elected (no majority without this node) it does not wait.

use std::collections::BTreeSet;

use protocol::bus::NodeId;

use crate::config::UnixMillis;
use crate::event::{Effect, Level};
use crate::node::NodeKey;
use crate::state::Gossip;

/// How long a restarted primary waits for the offsets of its replicas, in milliseconds (as long as
/// CLUSTER_WRITABLE_DELAY).
const JUDGEMENT_MS: i64 = 2_000;
/// How many node timeouts a replica has to take over: one until the failure is noticed, and some for elections.
const PATIENCE: i64 = 4;
/// A node that has been empty for this long, in milliseconds, has no data. The delay keeps a cache that is flushed and
/// filled again from rewriting nodes.conf each time.
const EMPTY_FOR_MS: i64 = 10_000;

#[derive(Debug, Default)]
pub(crate) struct DataLoss {
    /// This node has data, or had until a moment ago; in nodes.conf.
    pub(crate) marked: bool,
    empty_since: Option<UnixMillis>,
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    /// No data is missing.
    #[default]
    Complete,
    /// Just started: the offsets of the replicas are awaited.
    Suspected { until: UnixMillis, heard: BTreeSet<NodeId> },
    /// A replica has more data.
    Held { until: UnixMillis },
}

impl Gossip {
    /// Whether replicas may copy this node's data.
    pub fn feeds_replicas(&self) -> bool {
        matches!(self.data_loss.stage, Stage::Complete)
    }

    /// Whether this node waits, silently, for a replica to take over.
    pub(crate) fn is_held_back(&self) -> bool {
        matches!(self.data_loss.stage, Stage::Held { .. })
    }

    /// Notes whether the server has keys. Called periodically; the first time before any packet is received.
    pub fn note_data(&mut self, present: bool, now: UnixMillis) {
        let loss = &mut self.data_loss;
        let mark = if present {
            loss.empty_since = None;
            true
        } else if loss.marked && matches!(loss.stage, Stage::Complete) {
            now - *loss.empty_since.get_or_insert(now) < EMPTY_FOR_MS
        } else {
            loss.marked
        };
        if loss.marked != mark {
            self.begin(now);
            self.data_loss.marked = mark;
            self.save_durably();
            self.finish(now);
        }
    }

    /// At start, after all of nodes.conf was read.
    pub(crate) fn suspect_data_loss(&mut self, now: UnixMillis) {
        let me = &self.nodes[self.me];
        if !self.data_loss.marked || !me.is_voter() || me.replicas.is_empty() {
            return;
        }
        if self.other_voters().count() < self.quorum() {
            let text = "Whether my replicas have data that I lost is not asked: they could not be elected in my place.";
            return self.log(Level::Notice, text.into());
        }
        self.data_loss.stage = Stage::Suspected { until: now + JUDGEMENT_MS, heard: BTreeSet::new() };
    }

    /// Takes the offset of a replica.
    pub(crate) fn judge_data(&mut self, sender: NodeKey, now: UnixMillis) {
        if self.feeds_replicas() || self.nodes[sender].primary != Some(self.me) {
            return;
        }
        let ahead = self.is_ahead(sender);
        let id = self.nodes[sender].id;
        match &mut self.data_loss.stage {
            Stage::Suspected { .. } if ahead => self.hold_back(sender, now),
            Stage::Suspected { heard, .. } => {
                heard.insert(id);
                self.check_data_loss(now);
            }
            Stage::Held { .. } | Stage::Complete => self.check_data_loss(now),
        }
    }

    fn is_ahead(&self, replica: NodeKey) -> bool {
        self.nodes[replica].offset > self.replication.offset
    }

    fn hold_back(&mut self, ahead: NodeKey, now: UnixMillis) {
        let node = &self.nodes[ahead];
        let (id, theirs, mine) = (node.id, node.offset, self.replication.offset);
        self.log(
            Level::Warning,
            format!(
                "My replica {id} has data up to offset {theirs} and I came back with {mine}: \
                 waiting for it to take over instead of feeding it what I have."
            ),
        );
        let until = now.saturating_add(self.config.node_timeout_ms.saturating_mul(PATIENCE));
        self.data_loss.stage = Stage::Held { until };
        // The others reconnect with links of their own, over which they tell us all that we need.
        self.todo.drop_links = true;
    }

    /// Ends the suspicion when there is nothing left to wait for.
    pub(crate) fn check_data_loss(&mut self, now: UnixMillis) {
        let replicas = || self.nodes[self.me].replicas.iter().copied();
        let over = match &self.data_loss.stage {
            Stage::Complete => return,
            _ if !self.nodes[self.me].is_voter() => Some("I am no primary with slots any more."),
            Stage::Suspected { until, heard } => {
                let all = replicas().all(|key| heard.contains(&self.nodes[key].id));
                let late = now >= *until;
                (all || late).then_some(if all {
                    "My replicas have nothing that I lack."
                } else {
                    "Not all of my replicas answer."
                })
            }
            Stage::Held { until } if now >= *until => Some("Nobody took over: serving what I have."),
            Stage::Held { .. } => {
                let lost = !replicas().any(|key| self.is_ahead(key));
                lost.then_some("No replica has more than I have any more.")
            }
        };
        if let Some(why) = over {
            let level = if self.is_held_back() { Level::Warning } else { Level::Verbose };
            self.log(level, why.into());
            self.data_is_settled();
        }
    }

    /// The wait is over. Pings that arrived meanwhile were never answered, and as long as our own pings arrive the
    /// peers would not send new ones: new links make them.
    pub(crate) fn data_is_settled(&mut self) {
        self.todo.drop_links |= self.is_held_back();
        self.data_loss.stage = Stage::Complete;
        self.data_loss.empty_since = None;
        self.todo.update_state = true;
        self.todo.view = true;
    }

    /// At the end of an input, when no rule needs its link any more: closes all links if that was noted.
    pub(crate) fn drop_links_if_noted(&mut self) {
        if !std::mem::take(&mut self.todo.drop_links) {
            return;
        }
        for key in self.nodes.keys() {
            for link in self.links.of_node(key) {
                self.close_link(link);
            }
            self.nodes[key].ping_sent = 0;
        }
    }

    /// At the end of an input: while held back, the node sends nothing.
    pub(crate) fn stay_silent_if_held_back(&mut self) {
        if self.is_held_back() {
            self.pending.retain(|effect| !matches!(effect, Effect::Send { .. }));
        }
    }
}
