//! Tables of the kernel, and who is beside a machine that has them.

use super::Routes;

/// Of a container in two networks of Docker's, 172.17.0.2/16 and fd00:1::2/64 through 172.17.0.1 and fd00:1::1, and
/// 10.213.77.9/24 beside it.
const V4: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t004DD50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0000A8C0\t00000000\t0200\t0\t0\t0\t0000FFFF\t0\t0\t0
";
const V6: &str = "\
fd000001000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000001000000000000000000000001 00000400 00000001 00000000 00000003 eth0
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000002 00000000 80200001 lo
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001 eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo
";

#[test]
fn who_is_beside_a_machine_is_in_its_networks_and_no_router() {
    let routes = Routes::of(V4, V6);
    let local = "172.17.0.2".parse().expect("an address");
    let beside = |peer: &str| routes.is_beside(peer.parse().expect("an address"), local);
    for peer in ["127.0.0.1", "::1", "172.17.0.2", "172.17.0.3", "10.213.77.1", "fd00:1::9", "fe80::9"] {
        assert!(beside(peer), "{peer}");
    }
    // The host through a published port, a machine behind it, a router, a network that is refused.
    for peer in ["172.17.0.1", "203.0.113.9", "10.213.78.1", "fd00:1::1", "fd00:2::1", "192.168.0.9", "ff02::1"] {
        assert!(!beside(peer), "{peer}");
    }
    let routers = ["172.17.0.1", "fd00:1::1", "172.17.0.3", "203.0.113.9", "127.0.0.1"];
    assert_eq!(
        routers.map(|peer| routes.is_router(peer.parse().expect("an address"))),
        [true, true, false, false, false]
    );
}

#[test]
fn where_there_are_no_tables_nobody_is_beside() {
    for text in ["", "no such table\n", "a b c d e f g h i j k\n", "x\tx\tx\tzz\tx\tx\tx\tx\n"] {
        assert_eq!(Routes::of(text, text), Routes::default(), "{text}");
    }
    assert!(!Routes::default().is_beside("10.0.0.1".parse().expect("an address"), "10.0.0.2".parse().expect("one")));
}
