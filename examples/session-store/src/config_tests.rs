//! Lists of nodes.

use super::*;

#[test]
fn a_list_of_nodes_is_read_in_every_usual_form() {
    let nodes = parse_nodes("a:7000, b,10.0.0.1:7001 [::1]:7002,::2").expect("it is well formed");
    let addresses: Vec<String> = nodes.iter().map(Node::address).collect();
    assert_eq!(addresses, ["a:7000", "b:6379", "10.0.0.1:7001", "[::1]:7002", "[::2]:6379"]);
}

#[test]
fn what_is_no_list_of_nodes_is_refused() {
    for text in ["", ",", "a:", ":7000", "a:0", "a:70000", "a:b"] {
        assert!(parse_nodes(text).is_err(), "{text}");
    }
}
