//! Hostile packets: no panic, no unbounded growth, and no contradictions in the table.

use gossip::{Config, Effect, Gossip, LinkId, View};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::bus::{
    Body, Extension, GossipEntry, HEADER_LEN, Header, IpText, MessageFlags, NodeFlags, NodeId, Packet, PingBody, encode,
};
use protocol::slot::{SlotBitmap, SlotId};

/// A small world of ids, so that packets are about the same nodes. 0 is the node under test.
fn id(number: u8) -> NodeId {
    NodeId::from_random([number; 20])
}

fn address() -> IpText {
    "10.1.1.1".parse().expect("an address")
}

fn slots() -> impl Strategy<Value = SlotBitmap> {
    vec(0_u16..40, 0..6).prop_map(|slots| slots.into_iter().filter_map(SlotId::new).collect())
}

fn header() -> impl Strategy<Value = Header> {
    let epoch =
        || prop_oneof![0_u64..6, any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63), Just((1 << 63) - 1)];
    let who = (0_u8..6, proptest::option::of(0_u8..6), any::<u16>(), any::<u8>());
    (who, epoch(), epoch(), any::<u64>(), slots()).prop_map(|(who, current_epoch, config_epoch, offset, slots)| {
        Header {
            sender: id(who.0),
            ip: IpText::EMPTY,
            port: 7_000,
            secondary_port: 0,
            bus_port: 17_000 + u16::from(who.3 % 3),
            flags: NodeFlags(who.2),
            cluster_ok: true,
            current_epoch,
            config_epoch,
            offset,
            slots,
            replica_of: who.1.map(id),
            message_flags: MessageFlags(who.3),
        }
    })
}

fn ping_body() -> impl Strategy<Value = PingBody> {
    let entry = (0_u8..8, any::<u16>(), any::<u32>(), 0_u16..3).prop_map(|(node, flags, seconds, port)| GossipEntry {
        id: id(node),
        ping_sent: seconds,
        pong_received: seconds,
        ip: address(),
        port,
        bus_port: port,
        flags: NodeFlags(flags),
        secondary_port: 0,
    });
    let extension = prop_oneof![
        (0_u8..8, any::<u64>()).prop_map(|(node, ttl_seconds)| Extension::ForgottenNode { id: id(node), ttl_seconds }),
        (0_u8..8).prop_map(|node| Extension::ShardId(id(node))),
        Just(Extension::Hostname("a.b".into())),
    ];
    (vec(entry, 0..5), vec(extension, 0..4)).prop_map(|(gossip, extensions)| PingBody { gossip, extensions })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        ping_body().prop_map(Body::Ping),
        ping_body().prop_map(Body::Pong),
        ping_body().prop_map(Body::Meet),
        (0_u8..8).prop_map(|node| Body::Fail { node: id(node) }),
        (0_u8..8, any::<u64>(), slots()).prop_map(|(node, config_epoch, slots)| Body::Update {
            node: id(node),
            config_epoch,
            slots: Box::new(slots)
        }),
        Just(Body::AuthRequest),
        Just(Body::AuthAck),
        Just(Body::MfStart),
        Just(Body::Publish { channel: b"c".to_vec(), message: b"m".to_vec() }),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Packet(usize, Box<Packet>),
    Garbage(usize, Vec<u8>),
    Accept,
    Close(usize),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let packet = (header(), body()).prop_map(|(header, body)| Box::new(Packet { header, body }));
    prop_oneof![
        12 => (0_usize..8, packet).prop_map(|(link, packet)| Step::Packet(link, packet)),
        1 => (0_usize..8, vec(any::<u8>(), 0..HEADER_LEN + 40)).prop_map(|(link, bytes)| Step::Garbage(link, bytes)),
        2 => Just(Step::Accept),
        1 => (0_usize..8).prop_map(Step::Close),
        3 => (1_i64..3_000).prop_map(Step::Pass),
    ]
}

/// The links that a driver would hold, newest last.
struct Rig {
    core: Gossip,
    links: Vec<LinkId>,
    now: i64,
    /// Our end of outgoing connections succeeds at once.
    connect: bool,
}

impl Rig {
    fn drain(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Connect { link, .. } if self.connect => {
                    self.core.handle_link_connected(link, address(), self.now);
                    self.links.push(link);
                }
                Effect::Connect { link, .. } => self.core.handle_link_closed(link, self.now),
                Effect::Close { link } => self.links.retain(|known| *known != link),
                _ => {}
            }
        }
        let excess = self.links.len().saturating_sub(8);
        self.links.drain(..excess);
    }

    fn perform(&mut self, step: Step) {
        let pick = |links: &[LinkId], index: usize| links.get(index % links.len().max(1)).copied();
        match step {
            Step::Packet(link, packet) => {
                if let Some(link) = pick(&self.links, link) {
                    self.core.handle_packet(link, &encode(&packet), self.now);
                }
            }
            Step::Garbage(link, bytes) => {
                if let Some(link) = pick(&self.links, link) {
                    self.core.handle_packet(link, &bytes, self.now);
                }
            }
            Step::Accept => self.links.push(self.core.handle_link_accepted(address(), address(), self.now)),
            Step::Close(link) => {
                if let Some(link) = pick(&self.links, link) {
                    self.core.handle_link_closed(link, self.now);
                }
            }
            Step::Pass(millis) => {
                self.now += millis;
                self.core.handle_tick(self.now);
            }
        }
        self.drain();
    }
}

fn check(view: &View, before: &View) {
    assert!(view.current_epoch >= before.current_epoch, "the current epoch went back");
    assert!(view.nodes.len() <= 64, "{} nodes from packets about 8", view.nodes.len());
    let mut seen = SlotBitmap::new();
    for (index, node) in view.nodes.iter().enumerate() {
        assert!(node.config_epoch <= view.current_epoch, "config epoch above the current one");
        assert!(!(node.is_primary() && node.primary.is_some()), "a primary with a primary");
        assert!(node.primary != Some(node.id), "a node replicates itself");
        for replica in &node.replicas {
            assert_eq!(view.nodes[*replica].primary, Some(node.id), "a replica of somebody else in the list");
        }
        if let Some(primary) = node.primary.and_then(|id| view.node(&id)) {
            assert!(primary.replicas.contains(&index), "a replica is missing in the list of its primary");
        }
        for slot in node.slots.iter().flat_map(|range| range.iter()) {
            assert!(seen.set(slot), "{slot:?} has two owners");
            assert_eq!(view.owner(slot).expect("owned").id, node.id);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_packets_leaves_a_consistent_table(steps in vec(step(), 1..80), connect in any::<bool>(), replica in any::<bool>()) {
        let role = if replica { format!("myself,slave {}", id(1)) } else { "myself,master -".into() };
        let slots = if replica { "" } else { " 0-20" };
        let conf = format!(
            "{} 10.0.0.1:7000@17000 {role} 0 0 1 connected{slots}\n{} 10.0.0.2:7000@17000 master - 0 0 2 connected 21-39\n\
             vars currentEpoch 2 lastVoteEpoch 0\n",
            id(0), id(1)
        );
        let now = 1_700_000_000_000;
        let core = Gossip::load(Config::new(7_000, 17_000), 7, conf.as_bytes(), now).expect("valid");
        let mut rig = Rig { core, links: Vec::new(), now, connect };
        rig.drain();
        for step in steps {
            let before = rig.core.view();
            rig.perform(step);
            check(&rig.core.view(), &before);
        }
    }
}
