//! A creator against nodes that do what they are told.

use super::super::view::Known;
use super::*;

/// What a creator does that may take whatever has been taken: it has waited for long.
fn next(seen: &[Result<View, String>], own: &str, replicas: usize) -> Next {
    super::next(seen, own, replicas, &seen.iter().flatten().map(|view| view.id().to_owned()).collect())
}

/// Nodes in memory: what each knows, and the orders that it takes.
struct World {
    views: Vec<View>,
}

impl World {
    /// So many new nodes, on so many hosts.
    fn new(nodes: usize, hosts: usize) -> Self {
        let view = |node: usize| {
            let (ip, port) = (format!("10.0.0.{}", node % hosts), 7000 + (node / hosts) as u16);
            let known = Known {
                id: format!("id{node}"),
                address: format!("{ip}:{port}"),
                bus_port: port + 10000,
                myself: true,
                connected: true,
                ..Known::default()
            };
            View { name: format!("node{node}:{port}"), ip, port, known: vec![known], ..View::default() }
        };
        Self { views: (0..nodes).map(view).collect() }
    }

    fn seen(&self) -> Vec<Result<View, String>> {
        self.views.iter().cloned().map(Ok).collect()
    }

    fn take(&mut self, order: &Order) {
        let words: Vec<&str> = order.words.iter().map(String::as_str).collect();
        let myself = self.views[order.to].known.iter_mut().find(|known| known.myself).expect("each knows itself");
        match words.as_slice() {
            ["CLUSTER", "SET-CONFIG-EPOCH", epoch] => myself.epoch = epoch.parse().expect("a number"),
            ["CLUSTER", "MEET", ip, port, _] => {
                let met = self.views.iter().position(|view| view.ip == *ip && view.port.to_string() == *port);
                let met = met.expect("a node is there");
                self.introduce(order.to, met);
            }
            ["CLUSTER", "REPLICATE", id] => myself.primary = Some((*id).to_owned()),
            ["CLUSTER", "ADDSLOTSRANGE", first, last] => {
                myself.slots.push((first.parse().expect("a number"), last.parse().expect("a number")));
            }
            other => panic!("{other:?}"),
        }
        self.gossip();
    }

    fn introduce(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            let known = Known { myself: false, ..self.views[from].myself().expect("there").clone() };
            if !self.views[to].knows(&known.id) {
                self.views[to].known.push(known);
            }
        }
    }

    /// Everyone tells everyone what it is and whom it knows.
    fn gossip(&mut self) {
        for _ in 0..2 {
            let own: Vec<Known> = self.views.iter().map(|view| view.myself().expect("there").clone()).collect();
            for at in 0..self.views.len() {
                let friends: Vec<usize> =
                    (0..own.len()).filter(|other| self.views[at].knows(&own[*other].id)).collect();
                for friend in friends {
                    for known in self.views[friend].known.clone() {
                        if !self.views[at].knows(&known.id) {
                            self.views[at].known.push(Known { myself: false, ..known });
                        }
                    }
                }
                for known in &mut self.views[at].known {
                    if let Some(now) = own.iter().find(|now| now.id == known.id) {
                        *known = Known { myself: known.myself, ..now.clone() };
                    }
                }
            }
        }
        for view in &mut self.views {
            view.ok = view.covered();
        }
    }

    /// Does what the creator says until it is done, at most so many orders; returns what it said last.
    fn run(&mut self, mut orders: usize) -> Next {
        for _ in 0..20 {
            match next(&self.seen(), "id0", 1) {
                Next::Act(list) => {
                    for order in list {
                        if orders == 0 {
                            return Next::Wait("interrupted".to_owned());
                        }
                        orders -= 1;
                        self.take(&order);
                    }
                }
                Next::Wait(_) => self.gossip(),
                other => return other,
            }
        }
        panic!("it goes on for ever: {:?}", next(&self.seen(), "id0", 1));
    }
}

#[test]
fn nodes_become_a_cluster_with_replicas_on_other_hosts() {
    let mut world = World::new(6, 3);
    assert_eq!(world.run(usize::MAX), Next::Done("the cluster has 6 nodes and serves all slots".to_owned()));
    let primaries = world.views.iter().filter(|view| view.myself().is_some_and(|me| !me.slots.is_empty())).count();
    assert_eq!(primaries, 3);
    for view in &world.views {
        let Some(primary) = view.myself().and_then(|me| me.primary.clone()) else { continue };
        let of = world.views.iter().find(|other| other.id() == primary).expect("one of them");
        assert!(of.ip != view.ip && of.myself().is_some_and(|me| !me.slots.is_empty()));
    }
    assert_eq!(shared_hosts(&world.seen(), 1), None);
    assert!(shared_hosts(&World::new(6, 1).seen(), 1).is_some_and(|text| text.contains("3 replicas")));
}

#[test]
fn slots_come_last_so_that_nothing_is_served_half_made() {
    let mut world = World::new(6, 6);
    while let Next::Act(orders) = next(&world.seen(), "id0", 1) {
        let gives = |order: &Order| order.words[1] == "ADDSLOTSRANGE";
        if orders.iter().any(gives) {
            assert!(orders.iter().all(gives));
            assert_eq!(
                world.views.iter().filter(|view| view.myself().is_some_and(|me| me.primary.is_some())).count(),
                3
            );
        }
        orders.iter().for_each(|order| world.take(order));
    }
    assert!(world.views[0].covered());
}

#[test]
fn a_replica_without_a_link_is_named() {
    let mut world = World::new(6, 6);
    let _ = world.run(usize::MAX);
    world.views[4].link_down = true;
    let text = "all slots are served; without a link to their primaries, and their logs say why: node4:7000";
    assert_eq!(next(&world.seen(), "id0", 1), Next::Wait(text.to_owned()));
    world.views[4].link_down = false;
    assert!(matches!(next(&world.seen(), "id0", 1), Next::Done(_)));
}

#[test]
fn nodes_that_do_not_know_each_other_are_named_with_their_bus_ports() {
    let mut world = World::new(6, 6);
    let text =
        "node1:7000 has not been met (and 4 more): is its bus port reachable from every node, at 10.0.0.1:17000?";
    assert_eq!(apart(&world.seen(), "id0").as_deref(), Some(text));
    let _ = world.run(usize::MAX);
    assert_eq!(apart(&world.seen(), "id0"), None);
    world.views[2].known.retain(|known| known.id != "id5");
    let text = "node2:7000 does not know node5:7000: is the bus port of that reachable from it, at 10.0.0.5:17000?";
    assert_eq!(apart(&world.seen(), "id0").as_deref(), Some(text));
    let mut seen = world.seen();
    seen[3] = Err("node3:7000: Connection refused".to_owned());
    assert_eq!(apart(&seen, "id0"), None, "that is what is waited for");
}

#[test]
fn a_creator_that_was_interrupted_goes_on() {
    for interrupted_after in 0..20 {
        let mut world = World::new(6, 2);
        let _ = world.run(interrupted_after);
        assert!(matches!(world.run(usize::MAX), Next::Done(_)), "after {interrupted_after} orders");
    }
}

/// Two creators whose lists have nodes in common, one order at a time in every order: one gets all its nodes, the other
/// one has introduced nobody and sees that its node is in another cluster.
#[test]
fn two_creators_that_want_the_same_nodes_do_not_merge_their_clusters() {
    let lists = [[0, 1, 2, 3], [4, 3, 2, 5]];
    for turns in 0..1_u32 << 12 {
        let mut world = World::new(6, 6);
        let mut taken = [BTreeSet::new(), BTreeSet::new()];
        let mut plans: [Vec<Order>; 2] = Default::default();
        for turn in 0..40 {
            let one = (turns >> (turn % 12) & 1) as usize;
            let seen: Vec<_> = lists[one].iter().map(|node| Ok(world.views[*node].clone())).collect();
            if plans[one].is_empty() {
                let own = world.views[lists[one][0]].id().to_owned();
                match super::next(&seen, &own, 0, &taken[one]) {
                    Next::Act(orders) => plans[one] = orders,
                    _ => continue,
                }
            }
            let order = plans[one].remove(0);
            let (view, order) = (lists[one][order.to], Order { to: lists[one][order.to], ..order });
            if order.words[1] != CLAIM {
                world.take(&order);
            } else if world.views[view].known.len() == 1 && world.views[view].known[0].epoch == 0 {
                taken[one].insert(world.views[view].id().to_owned());
                world.take(&order);
            } else {
                plans[one].clear();
            }
        }
        assert!(world.views.iter().all(|view| view.known.len() <= 4), "{turns:b}");
        assert!([0, 4].iter().all(|node| !world.views[*node].knows(&format!("id{}", 4 - node))), "{turns:b}");
    }
}

#[test]
fn a_node_that_another_creator_has_taken_is_waited_for() {
    let mut world = World::new(3, 3);
    let Next::Act(claims) = super::next(&world.seen(), "id0", 0, &BTreeSet::new()) else { panic!("all are free") };
    assert!(claims.iter().all(|order| order.words[1] == CLAIM) && claims.len() == 3);
    claims.iter().for_each(|order| world.take(order));
    let mine = BTreeSet::from(["id0".to_owned(), "id1".to_owned()]);
    let text = "another creator has taken node2:7000, as it seems: looking again";
    assert_eq!(super::next(&world.seen(), "id0", 0, &mine), Next::Wait(text.to_owned()));
    assert!(matches!(next(&world.seen(), "id0", 0), Next::Act(orders) if orders[0].words[1] == "MEET"));
}

#[test]
fn a_cluster_that_is_there_is_left_alone() {
    let mut world = World::new(7, 7);
    world.views.truncate(6);
    let _ = world.run(usize::MAX);
    // One more was added by hand, and roles have changed.
    let added = Known { id: "added".to_owned(), connected: true, ..Known::default() };
    world.views.iter_mut().for_each(|view| view.known.push(added.clone()));
    world.views[3].known.iter_mut().for_each(|known| known.primary = None);
    assert!(matches!(next(&world.seen(), "id0", 1), Next::Done(_)));
    let mut seen = world.seen();
    seen[4] = Err("node4:7000: Connection refused".to_owned());
    assert!(matches!(next(&seen, "id0", 1), Next::Done(_)), "one may be away");
    seen[5] = Ok(World::new(7, 7).views[6].clone());
    let Next::Warn(text) = next(&seen, "id0", 1) else { panic!("a stranger is in the list") };
    assert!(
        text.contains("node6:7000 is no member") && text.contains("add-node 10.0.0.6:7000 10.0.0.0:7000"),
        "{text}"
    );
}

#[test]
fn it_waits_for_every_node() {
    let mut seen = World::new(6, 6).seen();
    seen[2] = Err("node2:7000: Connection refused".to_owned());
    seen[3] = Err("node3:7000: Connection refused".to_owned());
    let text = "waiting for 2 of 6 nodes: node2:7000: Connection refused (and 1 more)".to_owned();
    assert_eq!(next(&seen, "id0", 1), Next::Wait(text));
}

#[test]
fn what_cannot_become_a_cluster_is_refused_before_anything_is_done() {
    let refused = |seen: &[Result<View, String>], replicas: usize| match next(seen, "id0", replicas) {
        Next::Refuse(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(refused(&World::new(5, 5).seen(), 1).contains("name 6 nodes"));
    assert!(refused(&World::new(6, 6).seen()[1..], 1).contains("this node is none of those"));
    let mut twice = World::new(6, 6).seen();
    twice[4] = twice[1].clone();
    assert!(refused(&twice, 1).contains("node1:7000 and node1:7000 are one node"));
    let mut world = World::new(6, 6);
    world.views[2].keys = 3;
    assert!(refused(&world.seen(), 1).contains("node2:7000 holds 3 keys"));
    let mut world = World::new(6, 6);
    let stranger = Known { id: "x".to_owned(), address: "10.9.9.9:1".to_owned(), ..Known::default() };
    world.views[5].known.push(stranger);
    let text = refused(&world.seen(), 1);
    assert!(text.contains("node5:7000 is in a cluster with 10.9.9.9:1") && text.contains("add-node"), "{text}");
}

#[test]
fn nobody_is_told_to_delete_a_cluster_that_serves() {
    let mut world = World::new(6, 6);
    let _ = world.run(usize::MAX);
    // The creator has lost its files and comes back under another id; the others know the old one, without an address.
    let new = World::new(6, 6).views[0].clone();
    let new = View { known: vec![Known { id: "new".to_owned(), ..new.known[0].clone() }], ..new };
    world.views[0] = new.clone();
    for view in &mut world.views[1..] {
        view.known.iter_mut().filter(|known| known.id == "id0").for_each(|known| known.address = ":0".to_owned());
    }
    let text = "this node is new, and the other 5 nodes are a cluster already. Add it with redis-cli --cluster add-node \
                10.0.0.0:7000 10.0.0.1:7000";
    assert_eq!(next(&world.seen(), "new", 1), Next::Warn(text.to_owned()));
    // Two that are new are no newcomers to a cluster of the others, which is still not to be touched.
    world.views[1] = View { known: vec![Known { id: "new1".to_owned(), ..new.known[0].clone() }], ..new };
    let Next::Refuse(text) = next(&world.seen(), "new", 1) else { panic!("there is a cluster") };
    assert!(text.contains("is in a cluster with a node that is gone") && !text.contains("remove"), "{text}");
    // Half a cluster, which serves nothing, may be taken in or removed.
    for view in &mut world.views {
        view.known.iter_mut().for_each(|known| known.slots.clear());
    }
    let Next::Refuse(text) = next(&world.seen(), "new", 1) else { panic!("there are strangers") };
    assert!(text.contains("name all of these nodes, or remove the files"), "{text}");
}

#[test]
fn a_member_of_a_cluster_with_holes_is_no_creator() {
    let mut world = World::new(6, 6);
    let _ = world.run(usize::MAX);
    let stranger = Known { id: "x".to_owned(), address: "10.9.9.9:1".to_owned(), ..Known::default() };
    for view in &mut world.views {
        view.known.push(stranger.clone());
        view.known.iter_mut().filter(|known| known.id == "id1").for_each(|known| known.slots.clear());
    }
    world.gossip();
    assert!(matches!(next(&world.seen(), "id0", 1), Next::Warn(text) if text.contains("not all of its slots")));
}

#[test]
fn a_node_that_another_creator_has_taken_since_is_not_met() {
    let world = World::new(6, 3);
    let (seen, mut now) = (world.seen(), world.views[4].clone());
    assert!(!was_taken(&now, &seen));
    // It has met one of the list, which is what is wanted.
    now.known.push(Known { myself: false, ..world.views[1].known[0].clone() });
    assert!(!was_taken(&now, &seen));
    // One in a handshake has no id yet.
    now.known.push(Known { id: "made-up".to_owned(), in_handshake: true, ..Known::default() });
    assert!(!was_taken(&now, &seen));
    now.known.push(Known { id: "other".to_owned(), ..Known::default() });
    assert!(was_taken(&now, &seen));
}
