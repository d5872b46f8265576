//! Which addresses are in a network, and what is none.

use super::Network;

fn holds(network: &str, address: &str) -> bool {
    network.parse::<Network>().expect(network).contains(address.parse().expect(address))
}

#[test]
fn a_network_holds_the_addresses_that_begin_with_its_bits() {
    for (network, inside, outside) in [
        ("172.17.0.0/16", "172.17.255.1", "172.18.0.1"),
        ("172.17.0.1", "172.17.0.1", "172.17.0.2"),
        ("10.0.0.9/30", "10.0.0.11", "10.0.0.12"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "fe80::1", "127.0.0.1"),
        ("fd00:1::/64", "fd00:1::ffff", "fd00:1:0:1::1"),
        ("::1", "::1", "::2"),
    ] {
        assert!(holds(network, inside), "{inside} in {network}");
        assert!(!holds(network, outside), "{outside} in {network}");
    }
}

#[test]
fn an_address_of_ipv4_in_ipv6_is_that_of_ipv4() {
    assert!(holds("172.17.0.0/16", "::ffff:172.17.0.9"));
    assert!(!holds("::/0", "::ffff:172.17.0.9"));
    for network in ["::ffff:172.17.0.0/112", "::ffff:172.17.0.9", "::ffff:0:0/96"] {
        assert!(holds(network, "172.17.0.9") && holds(network, "::ffff:172.17.0.9"), "{network}");
        assert!(!holds(network, "fd00::9"), "{network}");
    }
    assert!(!holds("::ffff:172.17.0.0/112", "172.18.0.9"));
}

#[test]
fn what_is_no_network_is_refused() {
    for text in ["", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0/8", "host", "10.0.0.0/8/8"] {
        assert!(text.parse::<Network>().is_err(), "{text}");
    }
}
