//! Who shares a host.

use super::*;

fn place(ip: &str, port: u16, hostname: &str) -> Place {
    Place { ip: ip.to_owned(), port, hostname: hostname.to_owned(), id: format!("{port:040}") }
}

fn named(places: &[Place], labels: &[&str]) -> Vec<String> {
    let labels: Vec<Label> = labels.iter().map(|label| label.parse().expect("a label")).collect();
    let (names, of) = hosts(places, &labels);
    of.iter().map(|host| names[*host].clone()).collect()
}

#[test]
fn an_address_or_an_announced_name_is_a_host() {
    let places = [place("10.0.0.1", 7000, ""), place("10.0.0.2", 7000, "vm2"), place("10.0.0.1", 7003, "")];
    assert_eq!(named(&places, &[]), ["10.0.0.1", "vm2", "10.0.0.1"]);
    // Two names at one address, one name at two addresses.
    let places = [place("10.0.0.1", 1, "a"), place("10.0.0.1", 2, "b"), place("10.0.9.9", 3, "b"), place("::1", 4, "")];
    assert_eq!(named(&places, &[]), ["10.0.0.1", "10.0.0.1", "10.0.0.1", "::1"]);
}

#[test]
fn a_label_names_nodes_by_address_port_name_or_id() {
    let places =
        [place("127.0.0.1", 1, ""), place("127.0.0.1", 2, ""), place("127.0.0.1", 3, ""), place("::1", 4, "x")];
    let third = format!("b={:040}", 3);
    assert_eq!(named(&places, &["a=127.0.0.1:1,127.0.0.1:2", &third, "c=[::1]:4"]), ["a", "a", "b", "c"]);
    assert_eq!(named(&places, &["c=x", "rest=127.0.0.1"]), ["rest", "rest", "rest", "c"]);
    for text in ["a", "a=", "=10.0.0.1", ""] {
        assert!(text.parse::<Label>().is_err(), "{text}");
    }
}

#[test]
fn labels_that_contradict_each_other_or_name_nobody_are_refused() {
    let labels = |texts: &[&str]| -> Vec<Label> { texts.iter().map(|text| text.parse().expect("a label")).collect() };
    let places = [place("10.0.0.1", 1, "vm1"), place("10.0.0.1", 2, ""), place("10.0.0.2", 1, "")];
    for (texts, why) in [
        (&["a=10.0.0.1", "b=10.0.0.1"][..], "10.0.0.1 is said to be on a and on b"),
        (&["a=10.0.0.1", "a=10.0.0.2"], "--host a is given twice"),
        (&["a=10.0.0.1,10.0.0.1"], "10.0.0.1 is named twice"),
        (
            &["a=22a42cdf"],
            "--host a=22a42cdf: no node of the cluster is that. Its nodes are 10.0.0.1:1, 10.0.0.1:2, 10.0.0.2:1;",
        ),
        (&["a=10.0.0.1:3"], "no node of the cluster is that"),
        (&["a=10.0.0.1", "b=vm1"], "--host b=vm1: what that names is on a already"),
    ] {
        let labels = labels(texts);
        let error = check_labels(&labels).and_then(|()| check_places(&places, &labels)).expect_err(why);
        assert!(error.contains(why), "{error}");
    }
    // The last may take the rest of an address.
    let labels = labels(&["a=10.0.0.1:1", "b=10.0.0.1,10.0.0.2"]);
    assert_eq!(check_labels(&labels).and_then(|()| check_places(&places, &labels)), Ok(()));
}
