//! What clients from different places are told.

use super::{Audiences, Told};
use crate::config::audience::parse;
use crate::runtime::routes::Routes;
use crate::session::client::ClientHandle;

/// A container at 172.17.0.2 in Docker's network.
fn container(rules: &str) -> impl Fn(&str, &str) -> Option<String> {
    let routes = Routes::of(
        "eth0 00000000 010011AC 0003 0 0 0 00000000 0 0 0\neth0 000011AC 00000000 0001 0 0 0 0000FFFF 0 0 0\n",
        "",
    );
    let audiences = Audiences::new(parse(rules).expect(rules), routes);
    move |peer, local| {
        let told = audiences.told(peer.parse().expect(peer), local.parse().expect(local))?;
        Some(match told {
            Told::Unknown => String::new(),
            Told::Host(host) => host,
        })
    }
}

#[test]
fn a_client_is_told_the_address_that_it_has_used() {
    let told = container("auto");
    for (peer, local, host) in [
        ("172.17.0.3", "172.17.0.2", "172.17.0.2"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("::1", "::1", "::1"),
        ("203.0.113.9", "172.17.0.2", "172.17.0.2"),
        ("::ffff:172.17.0.3", "::ffff:172.17.0.2", "172.17.0.2"),
    ] {
        assert_eq!(told(peer, local).as_deref(), Some(host), "{peer}");
    }
    assert_eq!(told("172.17.0.1", "172.17.0.2").as_deref(), Some(""), "the host may have used any address");
}

#[test]
fn the_host_and_who_is_behind_it_are_told_what_the_rules_say_and_siblings_the_container() {
    let told = container("outside=127.0.0.1,auto");
    for (peer, host) in [("172.17.0.1", "127.0.0.1"), ("203.0.113.9", "127.0.0.1"), ("172.17.0.3", "172.17.0.2")] {
        assert_eq!(told(peer, "172.17.0.2").as_deref(), Some(host), "{peer}");
    }
    let told = container("router=localhost,203.0.113.0/24=cells.example.com");
    for (peer, host) in
        [("172.17.0.1", Some("localhost")), ("203.0.113.9", Some("cells.example.com")), ("172.17.0.3", None)]
    {
        assert_eq!(told(peer, "172.17.0.2").as_deref(), host, "{peer}");
    }
    assert_eq!(container("")("172.17.0.1", "172.17.0.2"), None);
}

#[test]
fn a_client_of_a_socket_of_both_families_fits_the_networks_of_ipv4() {
    for rules in ["10.0.0.0/8=localhost", "::ffff:10.0.0.0/104=localhost", "::/0=a,10.1.2.3=localhost"] {
        let client = ClientHandle::new(1, "[::ffff:10.1.2.3]:4".into(), "[::ffff:172.17.0.2]:6379".into(), 3, 0);
        let audiences = Audiences::new(parse(rules).expect(rules), Routes::default());
        assert_eq!(audiences.told_to(&client), Some(Told::Host("localhost".into())), "{rules}");
    }
}
