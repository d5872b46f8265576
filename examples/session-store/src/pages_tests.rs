//! Mark-up of others stays text, and pages say what they have to.

use super::*;
use crate::cluster::Member;

const EVIL: &str = "<script>alert('1')</script>\" onfocus=\"x&";

fn place(host: &str) -> Place {
    let node = |port| Node { host: host.to_owned(), port };
    let member = |port, is_primary| Member { node: node(port), is_primary, is_online: is_primary, offset: 0 };
    let shard = |slots, port| Shard { slots: vec![slots], members: vec![member(port, true), member(port + 3, false)] };
    Place { slot: 7000, shards: vec![shard((0, 5460), 7000), shard((5461, 16383), 7001)] }
}

fn a_session(name: &str) -> Session {
    let moved = Some((EVIL.to_owned(), EVIL.to_owned()));
    Session { name: name.to_owned(), age: Duration::from_secs(1), visits: 3, failovers: 1, moved }
}

#[test]
fn no_page_has_the_markup_of_others() {
    let evil = Node { host: EVIL.to_owned(), port: 1 };
    for html in [
        login(EVIL, Some(EVIL)),
        session(&a_session(EVIL), EVIL, &place(EVIL), Duration::from_secs(1800)),
        away(&[evil.clone()], EVIL),
        login_away(EVIL, &[evil], EVIL),
        problem(EVIL, EVIL),
    ] {
        assert!(!html.contains("<script") && !html.contains("onfocus=\"x"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onfocus=&quot;x&amp;"));
    }
}

#[test]
fn the_session_page_says_where_the_session_is() {
    let html = session(&a_session("Ada"), "session:012345…", &place("10.0.0.1"), Duration::from_secs(1800));
    for text in [
        "Hello, Ada",
        r#"<dd id="slot">7000</dd>"#,
        r#"<dd id="shard">2 of 2</dd>"#,
        r#"<dd id="node">10.0.0.1:7001</dd>"#,
        "no replica is online",
        "2 (yours)",
        "Lived through 1 failover:",
        "ends in 30 minutes",
    ] {
        assert!(html.contains(text), "{text} is not in {html}");
    }
}

#[test]
fn lengths_of_time_are_read_with_ease() {
    let said = [0, 1, 119, 120, 7199, 7200].map(|seconds| lasting(Duration::from_secs(seconds)));
    assert_eq!(said, ["0 seconds", "1 second", "119 seconds", "2 minutes", "119 minutes", "2 hours"]);
}
