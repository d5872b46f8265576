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
