//! Findings and cures of clusters that exist only as what their nodes say.

use super::super::node_list::Address;
use super::facts::{Disk, Facts, Link, Report, Stranger};
use super::*;

/// A cluster in words: each node's address, and its primary's address or its slots.
struct World {
    nodes: Vec<(&'static str, &'static str)>,
}

/// Three shards on three hosts, two nodes on each.
const THREE_HOSTS: [(&str, &str); 6] = [
    ("10.0.0.1:7000", "0-5460"),
    ("10.0.0.2:7000", "5461-10922"),
    ("10.0.0.3:7000", "10923-16383"),
    ("10.0.0.2:7003", "10.0.0.1:7000"),
    ("10.0.0.3:7003", "10.0.0.2:7000"),
    ("10.0.0.1:7003", "10.0.0.3:7000"),
];

impl World {
    fn id(&self, name: &str) -> String {
        format!("{:040x}", 1 + self.nodes.iter().position(|(other, _)| *other == name).expect("a node of the world"))
    }

    /// CLUSTER NODES, as the node of this name says it; `down` are those that it thinks are.
    fn lines(&self, me: &str, down: &[&str]) -> String {
        let line = |(at, (name, place)): (usize, &(&str, &str))| {
            let port: u16 = name.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
            let (id, myself) = (self.id(name), if *name == me { "myself," } else { "" });
            let fail = if down.contains(name) { ",fail" } else { "" };
            let is_replica = place.contains(':');
            let role = if is_replica { "slave" } else { "master" };
            let primary = if is_replica { self.id(place) } else { "-".to_owned() };
            let slots = if is_replica { "" } else { place };
            format!("{id} {name}@{} {myself}{role}{fail} {primary} 0 1000 {at} connected {slots}", port + 10_000)
        };
        self.nodes.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }

    fn report(&self, name: &str, down: &[&str]) -> Report {
        let (host, port) = name.rsplit_once(':').expect("a port");
        Report {
            id: self.id(name).parse().expect("an id"),
            address: Address { host: host.to_owned(), port: port.parse().expect("a port") },
            ip: host.to_owned(),
            lines: self.lines(name, down).lines().map(|line| line.parse().expect("a line")).collect(),
            ok: true,
            version: "redis 7.2.4".to_owned(),
            run_id: name.to_owned(),
            ahead_ms: 0,
            unsure_ms: 1,
            offset: 5_000_000,
            backlog: 1 << 20,
            link: Link::Up,
            disk: Disk { saves: Some(true), file: format!("/data/{port}/dump.rdb"), process: 1, failed: false },
        }
    }

    /// What all nodes say but those that are down.
    fn facts(&self, down: &[&str]) -> Facts {
        let up = self.nodes.iter().filter(|(name, _)| !down.contains(name));
        let silent = down.iter().map(|name| (name.parse().expect("an address"), "Connection refused".to_owned()));
        let reports = up.map(|(name, _)| self.report(name, down)).collect();
        Facts { reports, silent: silent.collect(), ..Facts::default() }
    }
}

fn world(nodes: &[(&'static str, &'static str)]) -> World {
    World { nodes: nodes.to_vec() }
}

/// Everything about facts: codes with their texts, actions, refusals.
fn examined(facts: Facts, labels: &[&str]) -> (Vec<(Code, String)>, Vec<String>, Vec<String>) {
    let labels: Vec<Label> = labels.iter().map(|label| label.parse().expect("a label")).collect();
    let examined = Examined::new(Picture::new(facts, &labels));
    let findings = examined.findings.into_iter().map(|finding| (finding.code, finding.what)).collect();
    (findings, examined.cure.actions.into_iter().map(|action| action.text).collect(), examined.cure.refused)
}

fn codes(findings: &[(Code, String)]) -> Vec<Code> {
    findings.iter().map(|(code, _)| *code).collect()
}

#[test]
fn a_cluster_in_order_has_no_findings() {
    assert_eq!(examined(world(&THREE_HOSTS).facts(&[]), &[]), (vec![], vec![], vec![]));
}

#[test]
fn two_primaries_on_one_host_lose_the_majority_and_one_goes_back() {
    let mut nodes = THREE_HOSTS;
    // 10.0.0.1 was away.
    (nodes[0].1, nodes[3].1) = ("10.0.0.2:7003", "0-5460");
    let (findings, actions, _) = examined(world(&nodes).facts(&[]), &[]);
    let lost = "losing host 10.0.0.2 loses the majority: 2 of 3 primaries are on it".to_owned();
    assert_eq!(findings, [(Code::MajorityOnHost, lost)]);
    assert_eq!(actions, ["10.0.0.1:7000 takes over slots 0-5460 from 10.0.0.2:7003 (CLUSTER FAILOVER)"]);
}

#[test]
fn a_shard_on_one_host_is_lost_with_it_and_replicas_change_places() {
    let mut nodes = THREE_HOSTS;
    (nodes[3].1, nodes[4].1, nodes[5].1) = ("10.0.0.2:7000", "10.0.0.3:7000", "10.0.0.1:7000");
    let (findings, actions, _) = examined(world(&nodes).facts(&[]), &[]);
    assert_eq!(codes(&findings), [Code::ShardOnOneHost; 3]);
    assert!(
        findings[0].1.starts_with("losing host 10.0.0.1 loses slots 0-5460: primary 10.0.0.1:7000"),
        "{findings:?}"
    );
    // Each copies its data once.
    assert_eq!(actions.len(), 1, "{actions:?}");
    assert_eq!(actions[0].matches(" becomes a replica of ").count(), 3, "{actions:?}");
}

#[test]
fn labels_say_which_nodes_share_a_host() {
    let local = [
        ("127.0.0.1:1", "0-5460"),
        ("127.0.0.1:2", "5461-10922"),
        ("127.0.0.1:3", "10923-16383"),
        ("127.0.0.1:4", "127.0.0.1:1"),
        ("127.0.0.1:5", "127.0.0.1:2"),
        ("127.0.0.1:6", "127.0.0.1:3"),
    ];
    let (findings, actions, _) = examined(world(&local).facts(&[]), &[]);
    assert_eq!((codes(&findings), actions.len()), (vec![Code::OneHost], 0));
    let labels = ["a=127.0.0.1:1,127.0.0.1:5", "b=127.0.0.1:2,127.0.0.1:6", "c=127.0.0.1"];
    assert_eq!(examined(world(&local).facts(&[]), &labels).0, []);
}

#[test]
fn a_replica_that_is_down_is_not_forgotten_without_reason() {
    let facts = world(&THREE_HOSTS).facts(&["10.0.0.1:7003"]);
    let (findings, actions, refused) = examined(facts, &[]);
    // It was last heard of long ago.
    assert_eq!(codes(&findings), [Code::StaleNode, Code::NoReplica]);
    assert!(actions[0].starts_with("all nodes forget 0000000000000000000000000000000000000006, last at 10.0.0.1:7003"));
    assert_eq!(refused, Vec::<String>::new());
    let mut facts = world(&THREE_HOSTS).facts(&["10.0.0.1:7003"]);
    let now = SystemClock::new().now_ms();
    facts.reports[0].lines[5].pong_received = now - 60_000;
    let (_, actions, refused) = examined(facts.clone(), &[]);
    assert_eq!(actions, Vec::<String>::new());
    assert!(refused[0].starts_with("10.0.0.1:7003 is not forgotten: it may come back"), "{refused:?}");
    // Another node is where it was.
    facts.reports[0].lines[4].port = 7003;
    facts.reports[1].lines[5].flags.remove(protocol::bus::NodeFlags::FAIL);
    assert!(examined(facts, &[]).2[0].ends_with("not all nodes have given it up"));
}

/// A world in which the replica of the third shard is down since ten minutes, and the last node is at its address.
fn with_another_at_the_address_of_a_dead_replica(nodes: &[(&'static str, &'static str)]) -> Facts {
    let mut facts = world(nodes).facts(&["10.0.0.1:7003"]);
    for report in &mut facts.reports {
        report.lines[5].pong_received = SystemClock::new().now_ms() - 600_000;
        report.lines.last_mut().expect("there are nodes").port = 7003;
    }
    facts
}

#[test]
fn a_replica_is_forgotten_early_only_if_its_address_is_anothers_and_its_shard_lacks_nothing() {
    let with = |last: (&'static str, &'static str)| {
        let nodes: Vec<_> = THREE_HOSTS.into_iter().chain([last]).collect();
        examined(with_another_at_the_address_of_a_dead_replica(&nodes), &[])
    };
    let (_, actions, refused) = with(("10.0.0.1:7009", "10.0.0.3:7000"));
    assert!(actions[0].starts_with("all nodes forget 0000000000000000000000000000000000000006"), "{refused:?}");
    // One without work; one that moved there from another shard.
    for (last, why) in [
        (("10.0.0.1:7009", ""), "no other node of the cluster has its address"),
        (("10.0.0.1:7009", "10.0.0.2:7000"), "its shard has too few replicas without it"),
    ] {
        let (_, actions, refused) = with(last);
        assert!(refused[0].starts_with("10.0.0.1:7003 is not forgotten: it may come back: "), "{refused:?}");
        assert!(refused[0].contains(why), "{refused:?}");
        assert!(!actions.iter().any(|action| action.contains("FORGET")), "{actions:?}");
    }
    // That somebody else has answered at its address counts only if its shard lacks nothing.
    for (last, forgotten) in [(("10.0.0.1:7009", "10.0.0.2:7000"), 0), (("10.0.0.1:7009", "10.0.0.3:7000"), 1)] {
        let nodes: Vec<_> = THREE_HOSTS.into_iter().chain([last]).collect();
        let mut facts = world(&nodes).facts(&["10.0.0.1:7003"]);
        for report in &mut facts.reports {
            report.lines[5].flags.insert(protocol::bus::NodeFlags::NOADDR);
            report.lines[5].pong_received = SystemClock::new().now_ms() - 60_000;
        }
        let (_, actions, _) = examined(facts, &[]);
        assert_eq!(actions.iter().filter(|action| action.contains("FORGET")).count(), forgotten, "{actions:?}");
    }
}

#[test]
fn a_stranger_is_named_and_nobody_is_told_to_let_it_meet() {
    let mut facts = world(&THREE_HOSTS).facts(&["10.0.0.1:7003"]);
    facts.silent.clear();
    for report in &mut facts.reports {
        report.lines[5].pong_received = SystemClock::new().now_ms() - 60_000;
    }
    let address: Address = "10.0.0.1:7003".parse().expect("an address");
    facts.strangers = vec![Stranger { address: address.clone(), is_alone: false }];
    let examined = Examined::new(Picture::new(facts.clone(), &[]));
    let codes: Vec<Code> = examined.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::Stranger, Code::StaleNode, Code::NoReplica]);
    let (stranger, stale) = (&examined.findings[0], &examined.findings[1]);
    assert!(stranger.what.starts_with("10.0.0.1:7003 is a node of another cluster, at the address of 0000"));
    assert!(stranger.advice.contains("two clusters do not become one"), "{stranger:?}");
    assert!(stale.what.contains("down: a node of another cluster is at its address"), "{stale:?}");
    assert_eq!((examined.cure.actions.len(), examined.cure.refused.len()), (0, 1));
    facts.strangers = vec![Stranger { address, is_alone: true }];
    let examined = Examined::new(Picture::new(facts, &[]));
    assert!(examined.findings[0].what.starts_with("10.0.0.1:7003 is in no cluster, "), "{:?}", examined.findings[0]);
    assert!(examined.findings[0].advice.contains("--cluster add-node 10.0.0.1:7003"), "{:?}", examined.findings[0]);
}

#[test]
fn two_nodes_with_one_id_are_found_and_nothing_moves() {
    let mut nodes = THREE_HOSTS;
    (nodes[0].1, nodes[3].1) = ("10.0.0.2:7003", "0-5460");
    let mut facts = world(&nodes).facts(&[]);
    let (one, other) = (facts.reports[0].address.clone(), "10.0.0.9:7000".parse::<Address>().expect("an address"));
    let id = facts.reports[0].lines[0].id;
    facts.twins = vec![(id, one.clone(), other.clone()), (id, one, other)];
    let (findings, actions, refused) = examined(facts, &[]);
    let what = format!("10.0.0.1:7000 and 10.0.0.9:7000 have one id: {id}");
    assert_eq!((&findings[0], codes(&findings)), (&(Code::SameId, what), vec![Code::SameId, Code::MajorityOnHost]));
    assert_eq!((actions.len(), refused.len()), (0, 1), "{actions:?}");
}

#[test]
fn nothing_moves_while_nodes_disagree_or_slots_are_missing() {
    let mut nodes = THREE_HOSTS;
    (nodes[0].1, nodes[3].1) = ("10.0.0.2:7003", "0-5460");
    let good = world(&nodes).facts(&[]);
    let mut stale = good.clone();
    stale.reports[1].lines = world(&THREE_HOSTS).report("10.0.0.2:7000", &[]).lines;
    let mut halted = good.clone();
    halted.reports[2].ok = false;
    let mut syncing = good.clone();
    syncing.reports[4].link = Link::Syncing;
    let mut unknown = good.clone();
    unknown.reports[0].lines.pop();
    for (facts, code) in [
        (stale, Code::Disagreement),
        (halted, Code::ClusterDown),
        (syncing, Code::ReplicaLinkDown),
        (unknown, Code::Disagreement),
    ] {
        let (findings, actions, refused) = examined(facts, &[]);
        assert!(codes(&findings).contains(&code), "{findings:?}");
        assert_eq!(actions, Vec::<String>::new(), "{code:?}");
        assert!(refused[0].starts_with("no role is moved as long as there is this: "), "{refused:?}");
    }
}

#[test]
fn slots_that_are_missing_moving_or_unequal_are_found() {
    let mut nodes = THREE_HOSTS;
    nodes[0].1 = "0-3000 3002-5000 [77->-0000000000000000000000000000000000000002]";
    let (findings, ..) = examined(world(&nodes).facts(&[]), &[]);
    let of = |code: Code| findings.iter().find(|(other, _)| *other == code).map(|(_, what)| what.as_str());
    assert_eq!(of(Code::UncoveredSlots), Some("nobody serves slots 3001, 5001-5460: 461 slots"));
    assert_eq!(of(Code::OpenSlots), Some("slots are moving: 10.0.0.1:7000: 1"));
    assert!(of(Code::UnequalSlots).is_some_and(|what| what.contains("10.0.0.1:7000: 5000")), "{findings:?}");
}

#[test]
fn clocks_disks_versions_and_lag_are_found() {
    let mut facts = world(&THREE_HOSTS).facts(&[]);
    facts.reports[0].ahead_ms = 2500;
    facts.reports[1].disk.saves = Some(false);
    facts.reports[2].disk.failed = true;
    facts.reports[3].version = "redis 7.0.15".to_owned();
    facts.reports[4].offset = 1;
    facts.reports[5].disk = Disk { process: 2, ..facts.reports[0].disk.clone() };
    let (findings, actions, _) = examined(facts, &[]);
    let texts: Vec<&str> = findings.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!(
        texts,
        [
            "10.0.0.3:7003 is 4999999 bytes behind 10.0.0.2:7000",
            "the clock of 10.0.0.1:7000 is 2.5 s ahead of the others'",
            "1 of 6 nodes save nothing",
            "the last save of 10.0.0.3:7000 failed",
            "2 nodes on 10.0.0.1 save to one file: /data/7000/dump.rdb",
            "the nodes have different versions: 1 x redis 7.0.15, 5 x redis 7.2.4",
        ]
    );
    assert_eq!(actions, Vec::<String>::new());
}

#[test]
fn a_node_of_slotd_is_not_taken_for_the_redis_that_it_announces() {
    let said = |api: &str| collect::version(&format!("redis_version:7.2.4\r\natomicvar_api:{api}\r\n"));
    assert_eq!(said("rust-core"), "slotd as redis 7.2.4");
    assert_eq!(said("c11-builtin"), "redis 7.2.4");
}

#[test]
fn a_replica_is_behind_only_if_it_lacks_what_its_primary_had_at_the_look_before() {
    let mut facts = world(&THREE_HOSTS).facts(&[]);
    facts.reports[3].offset = 1_000_000;
    let first = examined(facts.clone(), &[]).0;
    assert_eq!(first, [(Code::ReplicaBehind, "10.0.0.2:7003 is 4000000 bytes behind 10.0.0.1:7000".to_owned())]);
    // Its primary has been written to in between, and it has what was there before.
    facts.earlier = facts.offsets();
    facts.reports[0].offset = 9_000_000;
    facts.reports[3].offset = 4_900_000;
    assert_eq!(examined(facts.clone(), &[]).0, []);
    facts.reports[3].offset = 1_000_001;
    let second = examined(facts, &[]).0;
    assert_eq!(second, [(Code::ReplicaBehind, "10.0.0.2:7003 is 3999999 bytes behind 10.0.0.1:7000".to_owned())]);
}

#[test]
fn a_node_with_another_password_is_no_unreachable_one() {
    let silent = |reason: &str| {
        let mut facts = world(&THREE_HOSTS).facts(&[]);
        facts.reports.pop();
        facts.silent = vec![("10.0.0.1:7003".parse().expect("an address"), format!("10.0.0.1:7003: {reason}"))];
        examined(facts, &[]).0
    };
    for reason in ["NOAUTH Authentication required.", "WRONGPASS invalid username-password pair or user is disabled."] {
        let found = silent(reason);
        assert_eq!(found[0], (Code::OtherPassword, format!("10.0.0.1:7003 has another password: {reason}")));
    }
    let found = silent("Connection refused");
    let what = "10.0.0.1:7003 does not answer here, and the other nodes have not given it up: Connection refused";
    assert_eq!(found[0], (Code::Unreachable, what.to_owned()));
    // What is at the address of a node that is down need not be that node.
    let mut facts = world(&THREE_HOSTS).facts(&["10.0.0.1:7003"]);
    facts.silent[0].1 = "10.0.0.1:7003: NOAUTH Authentication required.".to_owned();
    let found = examined(facts, &[]).0;
    let text = "10.0.0.1:7003 is down: a server with another password is at its address";
    assert!(found[0].0 == Code::StaleNode && found[0].1.starts_with(text), "{found:?}");
}

#[test]
fn a_parted_cluster_is_one_finding_and_not_one_for_each_pair() {
    let (here, there) = (["10.0.0.1:7000", "10.0.0.2:7003"], &THREE_HOSTS[1..]);
    let there: Vec<&str> = there.iter().map(|(name, _)| *name).filter(|name| !here.contains(name)).collect();
    let world = world(&THREE_HOSTS);
    let mut facts = world.facts(&[]);
    for (report, (name, _)) in facts.reports.iter_mut().zip(THREE_HOSTS) {
        *report = world.report(name, if here.contains(&name) { &there } else { &here });
    }
    let (findings, actions, _) = examined(facts.clone(), &[]);
    let failed: Vec<&str> =
        findings.iter().filter(|(code, _)| *code == Code::FailedNode).map(|(_, what)| what.as_str()).collect();
    let what =
        format!("the nodes see 2 clusters, which do not reach each other: {} | {}", here.join(", "), there.join(", "));
    // By id: the order of the world.
    assert_eq!((failed, actions.len()), (vec![what.as_str()], 0));
    // Only one side misses the other: it is said of each node, by whom.
    for (at, (name, _)) in THREE_HOSTS.iter().enumerate().filter(|(_, (name, _))| here.contains(name)) {
        facts.reports[at] = world.report(name, &[]);
    }
    let findings = examined(facts, &[]).0;
    let failed = findings.iter().filter(|(code, _)| *code == Code::FailedNode).count();
    assert_eq!(failed, 2, "{findings:?}");
}

#[test]
fn no_replica_of_a_healthy_shard_is_moved_for_a_node_that_went_away_a_short_time_ago() {
    // The first shard has lost its replica, and the second one has two.
    let mut nodes = THREE_HOSTS.to_vec();
    nodes.push(("10.0.0.3:7009", "10.0.0.2:7000"));
    let away = |minutes: i64| {
        let mut facts = world(&nodes).facts(&["10.0.0.2:7003"]);
        for report in &mut facts.reports {
            report.lines[3].pong_received = SystemClock::new().now_ms() - minutes * 60_000;
        }
        examined(facts, &[])
    };
    let (_, actions, refused) = away(1);
    assert_eq!(actions, Vec::<String>::new());
    assert!(refused[0].starts_with("10.0.0.2:7003 may come back: no replica is given another primary"), "{refused:?}");
    let (_, actions, _) = away(6);
    assert!(actions.iter().any(|action| action.contains(" becomes a replica of 10.0.0.1:7000")), "{actions:?}");
    // Roles go back all the same.
    let mut moved = nodes.clone();
    (moved[2].1, moved[5].1) = ("10.0.0.1:7003", "10923-16383");
    let mut facts = world(&moved).facts(&["10.0.0.2:7003"]);
    for report in &mut facts.reports {
        report.lines[3].pong_received = SystemClock::new().now_ms() - 60_000;
    }
    let (_, actions, _) = examined(facts, &[]);
    assert_eq!(actions, ["10.0.0.3:7000 takes over slots 10923-16383 from 10.0.0.1:7003 (CLUSTER FAILOVER)"]);
}

#[test]
fn what_an_action_lacks_is_said_by_addresses() {
    let mut nodes = THREE_HOSTS;
    (nodes[0].1, nodes[3].1) = ("10.0.0.2:7003", "0-5460");
    let facts = world(&nodes).facts(&[]);
    let before = Examined::new(Picture::new(facts.clone(), &[]));
    let lacks = fix::what_is_missing(&before.cure.actions[0], &facts, &before.picture);
    assert_eq!(lacks.as_deref(), Some("10.0.0.2:7003 does not replicate 10.0.0.1:7000 yet, says 10.0.0.1:7000"));
}

#[test]
fn an_error_is_an_object_too_if_json_is_wanted() {
    let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    assert!(wants_json(&words("doctor --nodes a:b --json")));
    assert!(!wants_json(&words("cluster --json")) && !wants_json(&words("doctor --nodes a")));
    assert_eq!(json_of("a \"b\"\n"), "{\"error\":\"a \\\"b\\\"\"}\n");
}

#[test]
fn fewer_than_three_primaries_have_no_majority() {
    let nodes = [
        ("10.0.0.1:1", "0-8191"),
        ("10.0.0.2:1", "8192-16383"),
        ("10.0.0.3:1", "10.0.0.1:1"),
        ("10.0.0.3:2", "10.0.0.2:1"),
    ];
    assert_eq!(codes(&examined(world(&nodes).facts(&[]), &[]).0), [Code::FewPrimaries]);
}

#[test]
fn the_command_line_and_the_environment_name_the_nodes() {
    let read = |pairs: &[(&str, &str)], words: &[&str]| {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words, &variables, None).expect("usage has a status of its own")
    };
    let words = ["--nodes", "a:7000,b", "--host", "x=a", "--ignore", "no-persistence,clock-skew", "--fix", "--json"];
    let Invocation::Doctor(doctor) = read(&[], &words) else { panic!("examines") };
    assert_eq!((doctor.asking.nodes.len(), doctor.hosts.len(), doctor.fix, doctor.json), (2, 1, true, true));
    assert_eq!(doctor.ignore, [Code::NoPersistence, Code::ClockSkew]);
    let Invocation::Doctor(doctor) = read(&[("SLOTD_PORT", "7000")], &[]) else { panic!("examines") };
    assert_eq!(doctor.asking.nodes[0].to_string(), "127.0.0.1:7000");
    let Invocation::Doctor(doctor) = read(&[], &[]) else { panic!("examines the node of this machine") };
    assert_eq!(doctor.asking.nodes[0].to_string(), "127.0.0.1:6379");
    for words in [
        &["--nodes", "a:b"][..],
        &["--nodes", "a", "--ignore", "x"],
        &["--nodes", "a", "--host", "b"],
        &["--nodes", "a", "--host", "b=1.2.3.4", "--host", "c=1.2.3.4"],
        &["--nodes", "a", "--host", "b=1.2.3.4", "--host", "b=1.2.3.5"],
    ] {
        assert!(matches!(read(&[], words), Invocation::Refused { status: WRONG_USAGE, .. }), "{words:?}");
    }
}
