//! Tests of addresses: what is announced, and what is refused.

use super::*;

fn of(directives: &str) -> Result<(String, Option<String>, String), String> {
    let config = super::super::Options::new().directives(directives).config().expect("directives that are right");
    let reach = Reach::of(&config).map_err(|error| error.to_string())?;
    Ok((reach.dial.to_string(), reach.announce.map(|ip| ip.to_string()), reach.shown.to_string()))
}

#[test]
fn nodes_announce_an_address_that_they_listen_on() {
    let own = |ip: &str| (ip.to_owned(), Some(ip.to_owned()), ip.to_owned());
    assert_eq!(of(""), Ok(("127.0.0.1".into(), None, "127.0.0.1".into())));
    assert_eq!(of("bind localhost"), Ok(("127.0.0.1".into(), None, "127.0.0.1".into())));
    assert_eq!(of("bind 127.0.0.2"), Ok(own("127.0.0.2")));
    assert_eq!(of("bind ::1"), Ok(own("::1")));
    assert_eq!(
        of("bind 0.0.0.0"),
        Ok(("127.0.0.1".into(), None, "127.0.0.1".into())),
        "protected: only for this machine"
    );
    let (dial, announce, shown) = of("bind * -::*\nprotected-mode no").expect("fine");
    assert_eq!(dial, "127.0.0.1");
    assert!(announce.is_none_or(|ip| ip == shown), "the way out, if there is one");
    let told = of("bind *\ncluster-announce-ip 127.0.0.1").expect("fine");
    assert_eq!(told, ("127.0.0.1".into(), None, "127.0.0.1".into()), "what is said stays");
}

#[test]
fn an_address_that_cannot_work_is_refused_with_what_it_contradicts() {
    for (directives, parts) in [
        ("cluster-announce-ip 198.51.100.1", &["--cluster-announce-ip 198.51.100.1", "no such address"][..]),
        ("cluster-announce-ip 127.0.0.2", &["--cluster-announce-ip 127.0.0.2", "--bind 127.0.0.1"]),
    ] {
        let error = of(directives).expect_err(directives);
        assert!(parts.iter().all(|part| error.contains(part)), "{directives}: {error}");
    }
}

#[test]
fn an_address_that_is_not_this_machine_s_is_named_before_anything_else() {
    let check = |bind: &str| {
        let config = super::super::Options::new().directive("bind", bind).config().expect("directives that are right");
        check_bound(&config)
    };
    assert_eq!(check("198.51.100.1"), Err("--bind 198.51.100.1: this machine has no such address".to_owned()));
    assert!(check("nohost.invalid").is_err_and(|text| text.starts_with("--bind nohost.invalid: not an IP address")));
}
