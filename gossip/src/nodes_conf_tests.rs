//! Tests of `nodes.conf`: files of stock redis-server, every kind of damage, round trips.
//!
//! The 7.0.15 files were written by stock servers of one cluster; the 7.2 file follows that version's source.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MIGRATING: &str = include_str!("testdata/redis-7.0.15-migrating.conf");
const IMPORTING: &str = include_str!("testdata/redis-7.0.15-importing.conf");
const REDIS_7_2: &str = include_str!("testdata/redis-7.2.4.conf");

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn parse(text: &str) -> Result<NodesConf, NodesConfError> {
    NodesConf::parse(text.as_bytes())
}

fn line(conf: &NodesConf, port: u16) -> &NodeLine {
    conf.nodes.iter().find(|node| node.port == port).unwrap()
}

#[test]
fn files_of_stock_redis_print_again_byte_for_byte() {
    for file in [MIGRATING, IMPORTING] {
        assert_eq!(parse(file).unwrap().to_string(), file);
    }
}

#[test]
fn the_fields_of_a_stock_file_mean_what_they_should() {
    let conf = parse(MIGRATING).unwrap();
    assert_eq!((conf.current_epoch, conf.last_vote_epoch, conf.nodes.len()), (7, 7, 6));
    let me = line(&conf, 37065);
    assert_eq!((me.ip.as_str(), me.bus_port, me.hostname.as_str()), ("127.0.0.1", 47065, "node-a.example"));
    assert_eq!(me.flags, NodeFlags::MYSELF | NodeFlags::MASTER);
    assert_eq!((me.slots.count(), me.config_epoch, me.connected), (5001, 1, true));
    let peer = line(&conf, 44279);
    assert_eq!(me.migrating, [(SlotId::new(3).unwrap(), peer.id)]);
    let failed = line(&conf, 44101);
    assert_eq!(failed.flags, NodeFlags::MASTER | NodeFlags::FAIL);
    assert_eq!((failed.connected, failed.ping_sent > 0), (false, true));
    assert_eq!(line(&conf, 46931).replica_of.unwrap().as_str(), "f".repeat(40));
    let conf = parse(IMPORTING).unwrap();
    assert_eq!(line(&conf, 44279).importing, [(SlotId::new(3).unwrap(), me.id)]);
}

#[test]
fn aux_fields_of_7_2_are_read_and_not_written_because_7_0_would_take_them_for_a_host_name() {
    let conf = parse(REDIS_7_2).unwrap();
    let me = line(&conf, 7000);
    assert_eq!((me.hostname.as_str(), me.nodename.as_str()), ("node-a.example", "first/node"));
    assert!(me.shard_id.unwrap().as_str().starts_with("00d0"));
    assert_eq!(line(&conf, 7001).hostname, "");
    let replica = line(&conf, 7002);
    assert_eq!((replica.ip.as_str(), replica.secondary_port), ("::1", 7102));
    let printed = conf.to_string();
    assert!(printed.contains(" 127.0.0.1:7000@17000,node-a.example myself,master "), "{printed}");
    assert!(printed.contains(" ::1:7002@17002 slave "), "{printed}");
    assert!(!printed.contains("shard-id"));
}

#[test]
fn what_a_writer_leaves_behind_when_it_dies_is_passed_over() {
    let whole = parse(MIGRATING).unwrap();
    for tail in ["\n\n\n", "\0\0\0", "\n\n\0\0"] {
        assert_eq!(parse(&format!("{MIGRATING}{tail}")).as_ref(), Ok(&whole));
    }
    assert_eq!(parse(&MIGRATING.replace('\n', "\r\n")).as_ref(), Ok(&whole), "edited on another system");
}

#[test]
fn a_file_without_bus_ports_or_with_unknown_variables_loads() {
    let text = format!("vars foo bar CURRENTEPOCH 5\n{A} 10.0.0.1:7000 myself,master - 0 0 9 connected 0-1 16383\n");
    let conf = parse(&text).unwrap();
    assert_eq!(conf.nodes[0].bus_port, 17000);
    assert_eq!(conf.other_vars, [("foo".to_owned(), "bar".to_owned())]);
    assert_eq!(conf.current_epoch, 9, "raised to the highest config epoch");
    let vars = conf.to_string();
    assert!(vars.ends_with("vars currentEpoch 9 lastVoteEpoch 0 foo bar\n"), "{vars}");
}

#[test]
fn a_node_without_an_address_loads_and_prints_as_redis_prints_it() {
    let text = format!(
        "{A} :0@0 noaddr,slave,fail {B} 0 0 3 disconnected\n{B} :0@0 myself,noflags - 0 0 0 connected\n\
         vars currentEpoch 3 lastVoteEpoch 0\n"
    );
    let conf = parse(&text).unwrap();
    assert!(conf.nodes[0].ip.is_empty());
    assert_eq!(conf.nodes[0].to_string(), format!("{A} :0@0 slave,fail,noaddr {B} 0 0 3 disconnected"));
}

#[test]
fn every_damage_is_refused_with_the_line_and_what_is_wrong() {
    let good = format!("{A} 1.1.1.1:1@2 myself,master - 0 0 1 connected 0-9 [3->-{B}]");
    assert!(parse(&format!("{good}\n")).is_ok());
    let damages: &[(&str, &str, &str)] = &[
        (A, "aaaa", "malformed node id \"aaaa\""),
        (A, &A.to_uppercase(), "malformed node id"),
        ("1.1.1.1:1@2", "1.1.1.1", "address \"1.1.1.1\" has no port"),
        ("1.1.1.1:1@2", "1.1.1.1:70000@2", "malformed port \"70000\""),
        ("1.1.1.1:1@2", "1.1.1.1:1@x", "malformed bus port \"x\""),
        ("1.1.1.1:1@2", "1.1.1.1:60000", "no bus port above 60000"),
        ("1.1.1.1:1@2", "1.1$1:1@2", "malformed address \"1.1$1\""),
        ("1.1.1.1:1@2", "1.1.1.1:1@2,a_b", "malformed host name \"a_b\""),
        ("1.1.1.1:1@2", "1.1.1.1:1@2,,shard-id=1", "malformed node id \"1\""),
        ("1.1.1.1:1@2", "1.1.1.1:1@2,,new=1", "malformed or unknown aux field \"new=1\""),
        ("myself,master", "myself,king", "unknown flag \"king\""),
        ("myself,master", "master", "no node is flagged myself"),
        (" - ", " x ", "malformed node id \"x\""),
        (" 0 0 1 ", " 0 0 -1 ", "malformed config epoch \"-1\""),
        (" 0 0 1 ", " 0 0 1x ", "malformed config epoch \"1x\""),
        (" 0 0 1 ", " +1 0 1 ", "malformed ping time \"+1\""),
        ("connected", "conn", "unknown link state \"conn\""),
        ("0-9", "9-0", "slots 9-0 are the wrong way round"),
        ("0-9", "0-16384", "malformed slot \"16384\""),
        ("0-9", "-1", "malformed slot \"\""),
        ("[3->", "[3-x", "malformed slot \"[3-x"),
        ("[3->", "[2017000->", "malformed slot \"2017000\""),
        (&format!("-{B}]"), "-b]", "malformed node id \"b\""),
        (&format!("-{B}]"), &format!("-{B}"), "malformed slot \"[3->"),
        (" 0 0 1 connected 0-9", " 0 0", "7 fields, at least 8 expected"),
    ];
    for (from, to, problem) in damages {
        let damaged = good.replacen(from, to, 1);
        assert_ne!(damaged, good);
        let error = parse(&format!("\n{damaged}\n")).unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.problem.starts_with(problem), "{damaged}: {error}");
    }
}

#[test]
fn lines_that_contradict_each_other_are_refused() {
    let mine = format!("{A} 1.1.1.1:1@2 myself,master - 0 0 1 connected 0-9\n");
    let cases = [
        (mine.clone(), "node aaaa"),
        (format!("{B} 1.1.1.1:1@2 myself,master - 0 0 1 connected\n"), "both aaaa"),
        (format!("{B} 1.1.1.1:1@2 master - 0 0 1 connected 9\n"), "slots of bbbb"),
        ("vars currentEpoch\n".to_owned(), "variable currentEpoch has no value"),
        ("vars currentEpoch -3\n".to_owned(), "malformed currentEpoch"),
        (format!("{B} 1.1.1.1:1@2 master - 0 0 1 connected"), "cut off"),
        ("\u{e9}\n".to_owned(), "1 fields"),
    ];
    for (second, problem) in cases {
        let error = parse(&format!("{mine}{second}")).unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.problem.starts_with(problem), "{second}: {error}");
    }
    let mut bytes = mine.into_bytes();
    bytes.extend_from_slice(b"\xff\n");
    assert_eq!(NodesConf::parse(&bytes).unwrap_err().to_string(), "line 2: not text");
    assert_eq!(parse("").unwrap_err().problem, "no node is flagged myself");
}

prop_compose! {
    fn any_id()(random in any::<[u8; 20]>()) -> NodeId { NodeId::from_random(random) }
}

prop_compose! {
    fn any_moving()(slot in 0_u16..16384, id in any_id()) -> (SlotId, NodeId) { (SlotId::new(slot).unwrap(), id) }
}

prop_compose! {
    /// A line whose slots start at `first` and stay below `first + 100`.
    fn any_line(first: u16)(
        (id, replica_of) in (any_id(), prop::option::of(any_id())),
        (ip, hostname) in ("[0-9a-f.:]{0,45}", "[a-zA-Z0-9.-]{0,60}"),
        (port, bus_port, ping_sent, pong_received, config_epoch, connected)
            in any::<(u16, u16, i64, i64, u64, bool)>(),
        flags in vec(1_usize..8, 0..4),
        slots in vec(0_u16..100, 0..20),
        mut migrating in vec(any_moving(), 0..3),
    ) -> NodeLine {
        migrating.sort_by_key(|(slot, _)| *slot);
        let flags = flags.iter().fold(NodeFlags::NONE, |all, index| all | NodeFlags::NAMES[*index].0);
        NodeLine {
            ip: ip.parse().unwrap(), port, bus_port, hostname, flags, replica_of, ping_sent, pong_received,
            config_epoch, connected, slots: slots.iter().filter_map(|s| SlotId::new(first + s)).collect(),
            migrating, ..NodeLine::new(id)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn parsing_undoes_printing(
        mut nodes in (any_line(0), any_line(100), any_line(16284)).prop_map(|(a, b, c)| vec![a, b, c]),
        last_vote_epoch: u64,
    ) {
        nodes[1].flags.insert(NodeFlags::MYSELF);
        let current_epoch = nodes.iter().map(|node| node.config_epoch).max().unwrap();
        let conf = NodesConf { nodes, current_epoch, last_vote_epoch, other_vars: vec![] };
        prop_assert_eq!(NodesConf::parse(conf.to_string().as_bytes()), Ok(conf));
    }

    #[test]
    fn no_bytes_can_make_the_parser_panic(
        at in any::<prop::sample::Index>(),
        garbage in vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = IMPORTING.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes.splice(at..at, garbage);
        let _ = NodesConf::parse(&bytes);
        let _ = NodesConf::parse(&bytes[..cut.index(bytes.len())]);
    }
}
