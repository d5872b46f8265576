//! Lists of nodes.

use super::*;

fn address(host: &str, port: u16) -> Address {
    Address { host: host.to_owned(), port }
}

#[test]
fn nodes_are_separated_by_commas_or_blanks() {
    let expected =
        NodeList(vec![address("a", 7000), address("b", 6379), address("::1", 7001), address("fe80::2", 6379)]);
    assert_eq!("a:7000,b,[::1]:7001,fe80::2".parse(), Ok(expected.clone()));
    assert_eq!(" a:7000, b  [::1]:7001\n[fe80::2] ".parse(), Ok(expected.clone()));
    let printed: Vec<String> = expected.0.iter().map(Address::to_string).collect();
    assert_eq!(printed, ["a:7000", "b:6379", "[::1]:7001", "[fe80::2]:6379"]);
    assert_eq!("fe80::2%eth0".parse(), Ok(address("fe80::2%eth0", 6379)));
    assert_eq!(NodeList::parse("a", 7000), Ok(NodeList(vec![address("a", 7000)])));
}

#[test]
fn what_is_no_list_of_nodes_is_refused() {
    for (wrong, part) in [
        ("", "no node is named"),
        (" , ", "no node is named"),
        ("a:b", "'a:b' is no node"),
        ("a:0", "'a:0' is no node"),
        ("a:70000", "'a:70000' is no node"),
        (":7000", "':7000' is no node"),
        ("http://a:1", "'http://a:1' is no node"),
        ("http://a", "'http://a' is no node"),
        ("a:1:2", "'a:1:2' is no node"),
        ("[a:1:2]:7000", "'[a:1:2]:7000' is no node"),
        ("[::1]7000", "'[::1]7000' is no node"),
        ("a,b,a:6379", "a:6379 is named twice"),
    ] {
        assert!(wrong.parse::<NodeList>().is_err_and(|error| error.contains(part)), "{wrong}");
    }
}
