//! Strings that clients wrote, read and changed as HyperLogLogs: any bytes are found corrupted or are whole, and adding
//! to them never panics. Both forms of a whole one agree, before and after each addition.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slotd::parts::hyperloglog::{Form, Place, cached, count, make_stale, raise, to_dense};

fuzz_target!(|data: &[u8]| {
    let Some((&[limit, additions], runs)) = data.split_first_chunk::<2>() else { return };
    let mut sparse = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0", runs].concat();
    let _ = count(runs);
    assert_eq!(Form::of(&sparse), Some(Form::Sparse));
    // A last run that lacks its second byte is whole as long as it is not changed.
    let is_complete = to_dense(&[&sparse[..], &[0]].concat()).is_err();
    let mut dense = to_dense(&sparse).ok().filter(|_| is_complete);
    for number in 0..additions {
        let place = Place::of(&[number, limit]);
        let raised = raise(&mut sparse, place, usize::from(limit) * 4);
        if let Some(dense) = &mut dense {
            assert_eq!(raised, raise(dense, place, 0));
            assert_eq!(count(&sparse), count(dense));
        } else if raised.is_err() {
            return;
        }
    }
    make_stale(&mut sparse);
    assert_eq!(cached(&sparse), None);
});
