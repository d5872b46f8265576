//! RESTORE payloads: any bytes are refused or give a value that is whole, can be changed like any other, and is dumped
//! and restored to an equal one. The checksum is skipped, as a mutated input would never pass it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slotd::parts::{Collection, Digest, List, ListOptions, PayloadLimits, Value, ValueRef, dump, restore};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, payload)) = data.split_first() else { return };
    let list = ListOptions {
        fill: i16::from(choice & 0x0f) - 5,
        compress_depth: u16::from(choice >> 4 & 3),
        packed_threshold: if choice & 0x40 == 0 { 1 << 30 } else { 40 },
    };
    let limits = PayloadLimits { list, ..PayloadLimits::default() };
    let Ok(mut value) = restore(payload, &limits, false) else { return };
    if let Value::Collection(collection) = &mut value {
        match &mut **collection {
            Collection::List(list) => exercise(list, payload),
        }
        if collection.is_empty() {
            return;
        }
    }
    let again = restore(&dump(&value.as_ref()), &limits, true).expect("what is dumped can be restored");
    assert_eq!(digest(&again.as_ref()), digest(&value.as_ref()));
});

/// Does to the list what the input says, and checks that its length is always true.
fn exercise(list: &mut List, script: &[u8]) {
    for step in script.chunks_exact(2).take(64) {
        let (op, at) = (step[0], i64::from(step[1] as i8));
        match op % 8 {
            0 => list.push_front(script),
            1 => list.push_back(&step[..1]),
            2 => drop(list.pop_front()),
            3 => drop(list.pop_back()),
            4 => drop(list.set(at, script)),
            5 => drop(list.remove(&step[1..], at)),
            6 => drop(list.remove_range(usize::from(step[1]), 3)),
            _ => {
                if let Some(pivot) = list.with_index(at, |element| element.to_vec()) {
                    assert!(list.insert_after(&pivot, step));
                }
            }
        }
        let mut counted = 0;
        list.range(0, usize::MAX, |_| counted += 1);
        assert_eq!(counted, list.len());
    }
}

fn digest(value: &ValueRef<'_>) -> Digest {
    Digest::of_value(value, false)
}
