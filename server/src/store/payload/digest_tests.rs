//! Digests of stock Redis 7.0.15, recorded. Single values are compared where payloads are.

use super::*;
use crate::store::Collection;
use crate::store::types::list::{List, ListOptions};

fn list(elements: &[&[u8]]) -> List {
    let mut list = List::new(ListOptions::default());
    for element in elements {
        list.push_back(element);
    }
    list
}

#[test]
fn an_expiry_counts_but_not_when_it_is() {
    assert_eq!(Digest::of_value(&ValueRef::Int(1), false).to_hex(), "b4fc66738120fba0b5aa500ab5c2bf89cea1c5da");
    assert_eq!(Digest::of_value(&ValueRef::Str(b"xyz"), true).to_hex(), "56c84b94eec67961205b4c8ad864248193bb824c");
    let list = Collection::from(list(&[b"a", b"12", b"b"]));
    assert_eq!(
        Digest::of_value(&ValueRef::Collection(list.view()), false).to_hex(),
        "a321242d509160fd2e1651d5d59af1b8d48e6580"
    );
}

#[test]
fn a_data_set_has_the_digest_of_redis_in_any_order_of_keys() {
    assert_eq!(Digest::default().to_hex(), "0".repeat(40));
    let mut one = Digest::default();
    one.start_database(0);
    one.add_key(b"a", &ValueRef::Int(1), false);
    assert_eq!(one.to_hex(), "943d800368fb9c0e951138f1bc0e313ac769d91f");

    let list = Collection::from(list(&[b"a", b"12", b"b"]));
    let mut keys: Vec<(&[u8], ValueRef<'_>, bool)> = vec![
        (b"a", ValueRef::Str(b"1"), false),
        (b"b", ValueRef::Str(b"xyz"), true),
        (b"l", ValueRef::Collection(list.view()), false),
    ];
    for _ in 0..keys.len() {
        keys.rotate_left(1);
        let mut all = Digest::default();
        all.start_database(0);
        for (key, value, has_expire) in &keys {
            all.add_key(key, value, *has_expire);
        }
        all.start_database(3);
        all.add_key(b"a", &ValueRef::Int(1), false);
        assert_eq!(all.to_hex(), "75745726f5f4a48bc4798f06ef9616ac72c92acf");
    }
}
