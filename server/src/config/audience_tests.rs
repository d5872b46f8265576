//! Rules of `announce-client`, and what is none.

use super::{Rule, What, Who, parse};

#[test]
fn rules_are_read_in_their_order_and_auto_is_three_of_them() {
    let network = |text: &str| Who::Network(text.parse().expect("a network"));
    let rules = parse("172.17.0.1=localhost, outside=10.0.0.9\tauto").expect("rules");
    assert_eq!(
        rules,
        [
            Rule { who: network("172.17.0.1"), what: What::Host("localhost".into()) },
            Rule { who: Who::Outside, what: What::Host("10.0.0.9".into()) },
            Rule { who: Who::Router, what: What::Unknown },
            Rule { who: network("0.0.0.0/0"), what: What::Used },
            Rule { who: network("::/0"), what: What::Used },
        ]
    );
    assert_eq!(parse(""), Ok(Vec::new()));
}

#[test]
fn a_host_is_an_address_or_a_name_that_can_be_looked_up() {
    let longest = format!("{}.a", "x".repeat(63));
    for host in ["10.0.0.9", "fd00::9", "localhost", "cells-1.example.com", "cells.example.com.", "my_node_1", &longest]
    {
        assert_eq!(parse(&format!("outside={host}")).expect(host)[0].what, What::Host(host.into()));
    }
    let (long, longer) = (format!("{}.a", "x".repeat(64)), "x.".repeat(128));
    let wrong = [
        "1.2.3.4:80",
        "[::1]:80",
        "[::1]",
        "a:80",
        ":",
        "...",
        ".",
        "-x",
        "x-",
        "a..b",
        ".a",
        "a..",
        "a.-b.c",
        "1.2.3",
        "10.0.0.256",
        "1.2.3.4.",
        "12",
        "a/b",
        "fd00::9%eth0",
        &long,
        &longer,
    ];
    for host in wrong {
        let found = parse(&format!("outside={host}")).expect_err(host);
        assert!(found.contains("without a port") && found.contains("outside=127.0.0.1"), "{host}: {found}");
    }
}

#[test]
fn what_is_no_rule_is_refused_with_its_reason() {
    for (text, reason) in [
        ("yes", "must be 'auto'"),
        ("10.0.0.1/33=a", "before ="),
        ("=a", "before ="),
        ("inside=a", "before ="),
        ("outside=", "behind ="),
        ("outside=a=b", "behind ="),
        ("auto outside=a b", "must be 'auto'"),
        ("outside=a\r\nb", "behind ="),
    ] {
        let found = parse(text).expect_err(text);
        assert!(
            found.contains(reason) && found.contains("outside=127.0.0.1"),
            "what is wrong, and an example: {found}"
        );
    }
}
