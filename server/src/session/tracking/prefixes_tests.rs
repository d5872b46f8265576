//! A change is collected once under every prefix that it begins with, and prefixes of one client that overlap are
//! found.

use super::*;

#[test]
fn a_key_is_noted_under_each_prefix_that_it_begins_with() {
    let mut prefixes = Prefixes::default();
    for (name, client) in [("", 1), ("a", 2), ("ab", 3), ("b", 4), ("abc", 5)] {
        prefixes.add(name.as_bytes(), client);
    }
    assert!(prefixes.note(b"ab", 7) && prefixes.note(b"ab", 8) && prefixes.note(b"", 9));
    let told: Vec<_> = prefixes
        .take_news()
        .into_iter()
        .map(|News { clients, changed }| (clients, changed.into_iter().map(|(key, by)| (key.to_vec(), by)).collect()))
        .collect::<Vec<(Vec<_>, Vec<_>)>>();
    let ab = || (b"ab".to_vec(), 8);
    assert_eq!(told, [(vec![1], vec![(vec![], 9), ab()]), (vec![2], vec![ab()]), (vec![3], vec![ab()])]);
    assert!(prefixes.take_news().is_empty());
}

#[test]
fn a_prefix_goes_with_its_last_client() {
    let mut prefixes = Prefixes::default();
    prefixes.add(b"a", 1);
    prefixes.add(b"a", 2);
    prefixes.remove(b"a", 1);
    prefixes.remove(b"b", 1);
    assert!(prefixes.len() == 1 && prefixes.note(b"ax", 0));
    prefixes.remove(b"a", 2);
    assert!(prefixes.len() == 0 && !prefixes.note(b"ax", 0) && prefixes.take_news().is_empty());
}

#[test]
fn prefixes_overlap_if_one_begins_with_the_other() {
    let mut own = OwnPrefixes::default();
    assert!(own.overlap(b"").is_none());
    for name in ["foo", "bar", "barn", "foo"] {
        own.insert(name.as_bytes());
    }
    assert_eq!(own.iter().len(), 3);
    for (word, found) in [
        ("fo", Some("foo")),
        ("foo", Some("foo")),
        ("foobar", Some("foo")),
        ("fop", None),
        ("", Some("bar")),
        ("b", Some("bar")),
        ("barns", Some("bar")),
        ("c", None),
    ] {
        assert_eq!(own.overlap(word.as_bytes()), found.map(str::as_bytes), "{word}");
    }
}
