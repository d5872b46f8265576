//! Intset tests: Redis's bytes, a model under random operations, and bytes that are refused.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn intset(values: &[i64]) -> Intset {
    let mut intset = Intset::default();
    values.iter().for_each(|value| assert!(intset.insert(*value)));
    intset
}

#[test]
fn the_bytes_are_those_of_redis() {
    assert_eq!(intset(&[3, 1, -2]).as_bytes(), b"\x02\0\0\0\x03\0\0\0\xfe\xff\x01\0\x03\0");
    assert_eq!(intset(&[1, 32_768]).as_bytes(), b"\x04\0\0\0\x02\0\0\0\x01\0\0\0\0\x80\0\0");
    assert_eq!(intset(&[1, -32_769]).as_bytes(), b"\x04\0\0\0\x02\0\0\0\xff\x7f\xff\xff\x01\0\0\0");
    let wide = b"\x08\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0";
    assert_eq!(intset(&[1, 1 << 31]).as_bytes(), wide);
    let mut narrow_again = intset(&[1, 1 << 31, 5]);
    assert!(narrow_again.remove(5));
    assert_eq!(narrow_again.as_bytes(), wide);
}

#[test]
fn bytes_that_break_a_rule_are_refused() {
    let refused = |bytes: &[u8]| Intset::from_bytes(bytes).expect_err("it is not valid").0;
    assert_eq!(refused(b""), "intset shorter than its header");
    assert_eq!(refused(b"\x02\0\0\0\x01\0\0"), "intset shorter than its header");
    assert_eq!(refused(b"\x03\0\0\0\x01\0\0\0\x01\0\0"), "intset of unknown width");
    assert_eq!(refused(b"\x02\x01\0\0\x01\0\0\0\x01\0"), "intset of unknown width");
    assert_eq!(refused(b"\x02\0\0\0\x02\0\0\0\x01\0"), "intset whose size is not that of its integers");
    assert_eq!(refused(b"\x02\0\0\0\x01\0\0\0\x01\0\x02"), "intset whose size is not that of its integers");
    assert_eq!(refused(b"\x02\0\0\0\xff\xff\xff\xff\x01\0"), "intset whose size is not that of its integers");
    assert_eq!(refused(b"\x02\0\0\0\0\0\0\0"), "intset without integers");
    assert_eq!(refused(b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0"), "intset out of order");
    assert_eq!(refused(b"\x02\0\0\0\x02\0\0\0\x01\0\xff\xff"), "intset out of order");
}

fn value() -> impl Strategy<Value = i64> {
    prop_oneof![-40..40_i64, -40_000..40_000_i64, any::<i32>().prop_map(i64::from), any::<i64>()]
}

proptest! {
    #[test]
    fn any_operations_agree_with_a_set(ops in prop::collection::vec((0..4_u8, value()), 1..200)) {
        let (mut intset, mut model) = (Intset::default(), BTreeSet::new());
        for (op, value) in ops {
            match op {
                0 => prop_assert_eq!(intset.remove(value), model.remove(&value)),
                1 if value % 16 == 0 => {
                    intset.retain(|number| number > value);
                    model.retain(|number| *number > value);
                }
                _ => prop_assert_eq!(intset.insert(value), model.insert(value)),
            }
            prop_assert_eq!(intset.contains(value), model.contains(&value));
            prop_assert!(intset.iter().eq(model.iter().copied()));
            prop_assert_eq!(intset.len(), model.len());
            if !model.is_empty() {
                let back = Intset::from_bytes(intset.as_bytes()).expect("it is valid");
                prop_assert!(back.iter().eq(intset.iter()));
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(prop_oneof![Just(0), Just(2), any::<u8>()], 0..40)) {
        if let Ok(intset) = Intset::from_bytes(&bytes) {
            prop_assert_eq!(intset.as_bytes(), bytes);
        }
    }
}
