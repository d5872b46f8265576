//! Tests of HyperLogLogs: against registers one by one, and with any bytes.

use proptest::prelude::*;

use super::*;

/// The registers of a HyperLogLog.
fn registers_of(bytes: &[u8]) -> Vec<u8> {
    let mut registers = [0; REGISTERS];
    merge(&mut registers, bytes).expect("it is whole");
    registers.to_vec()
}

/// Places near each other, so that runs meet.
fn places() -> impl Strategy<Value = Vec<Place>> {
    let register = prop_oneof![0..40usize, 16_340..REGISTERS, 0..REGISTERS];
    let value = prop_oneof![1..4u8, 1..33u8, 1..52u8];
    prop::collection::vec((register, value).prop_map(|(register, value)| Place { register, value }), 0..300)
}

proptest! {
    #[test]
    fn registers_are_the_greatest_values_in_either_form(places in places(), max in prop_oneof![Just(3000usize), 18..200usize]) {
        let mut model = vec![0; REGISTERS];
        let (mut bytes, mut dense) = (empty(), to_dense(&empty()).expect("it is whole"));
        for place in places {
            let raised = model[place.register] < place.value;
            model[place.register] = model[place.register].max(place.value);
            prop_assert_eq!(raise(&mut bytes, place, max), Ok(raised));
            prop_assert_eq!(raise(&mut dense, place, max), Ok(raised));
        }
        prop_assert!(Form::of(&bytes) == Some(Form::Dense) || bytes.len() <= max.max(18));
        prop_assert_eq!(&registers_of(&bytes), &model);
        prop_assert_eq!(&registers_of(&dense), &model);
        prop_assert_eq!(count(&bytes), count(&dense));
        prop_assert_eq!(to_dense(&bytes).map(|bytes| bytes[HEADER..].to_vec()), Ok(dense[HEADER..].to_vec()));
    }

    #[test]
    fn a_cursor_changes_nothing_but_the_time(places in places(), more in places()) {
        let mut bytes = empty();
        for place in places {
            raise(&mut bytes, place, usize::MAX).expect("it is whole");
        }
        let (mut with_cursor, mut cursor) = (bytes.clone(), sparse::Cursor::START);
        let mut more = more;
        more.sort_by_key(|place| place.register);
        more.dedup_by_key(|place| place.register);
        for place in more {
            let expected = raise(&mut bytes, place, 3000);
            prop_assert_eq!(raise_after(&mut with_cursor, place, 3000, &mut cursor), expected);
            prop_assert_eq!(&with_cursor, &bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_and_changed_without_harm(
        form in 0..3u8, rest in prop::collection::vec(any::<u8>(), 0..200), places in places(), max in 0..300usize,
    ) {
        let mut bytes = [&MAGIC[..], &[form], &rest].concat();
        if Form::of(&bytes).is_none() {
            return Ok(());
        }
        let whole = to_dense(&bytes).is_ok();
        prop_assert_eq!(count(&bytes).is_ok(), whole);
        prop_assert!(cached(&bytes).is_none_or(|cardinality| cardinality < STALE));
        for place in places {
            if raise(&mut bytes, place, max).is_err() {
                break;
            }
        }
        make_stale(&mut bytes);
        prop_assert_eq!(cached(&bytes), None);
    }
}

#[test]
fn a_run_whose_second_byte_is_missing_is_cut_off_when_it_is_changed() {
    let mut bytes = [&empty()[..HEADER], &[0x40, 0xfe, 0x7f]].concat();
    assert_eq!(count(&bytes), Ok(0), "255 and 16129 zeros");
    let len = bytes.len();
    assert_eq!(raise(&mut bytes, Place { register: 300, value: 1 }, 3000), Ok(true));
    assert_eq!((bytes.len(), count(&bytes)), (len + 2, Err(Corrupted)));
}

#[test]
fn an_empty_one_is_one_run_of_zeros() {
    assert_eq!(empty()[HEADER..], [0x7f, 0xff]);
    assert_eq!((count(&empty()), cached(&empty())), (Ok(0), Some(0)));
    assert_eq!(to_dense(&empty()).map(|bytes| bytes.len()), Ok(HEADER + dense::BYTES));
}

#[test]
fn elements_are_hashed_as_redis_hashes_them() {
    // PFADD h a b c, PFDEBUG DECODE h: "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603".
    let mut places: Vec<_> = ["a", "b", "c"].map(|element| Place::of(element.as_bytes())).to_vec();
    places.sort_by_key(|place| place.register);
    let expected = [(8436, 1), (12711, 2), (15780, 1)].map(|(register, value)| Place { register, value });
    assert_eq!(places, expected);
}

#[test]
fn runs_that_miss_registers_or_have_too_many_are_corrupted() {
    let with = |runs: &[u8]| [&empty()[..HEADER], runs].concat();
    for runs in [&[][..], &[0x7f], &[0x7f, 0xfe], &[0x7f, 0xff, 0x00], &[0x7f, 0xfe, 0x84, 0x84], &[0x7f, 0xfe, 0x87]] {
        let bytes = with(runs);
        assert_eq!((to_dense(&bytes), count(&bytes)), (Err(Corrupted), Err(Corrupted)), "{runs:x?}");
    }
    assert_eq!(count(&with(&[0x7f, 0xfe, 0x84])), Ok(1));
    assert_eq!(Form::of(&with(&[])), Some(Form::Sparse));
    assert_eq!((Form::of(b"HYLL"), Form::of(&[b'H'; 16]), Form::of(b"HYLL\x02xxxxxxxxxxx")), (None, None, None));
    let dense = to_dense(&empty()).expect("it is whole");
    assert_eq!(
        (Form::of(&dense), Form::of(&dense[1..]), Form::of(&dense[..dense.len() - 1])),
        (Some(Form::Dense), None, None)
    );
}

#[test]
fn registers_that_no_element_can_have_caused_give_a_number_nevertheless() {
    for value in 0..64 {
        let registers = [value; REGISTERS];
        let cardinality = count_registers(&registers);
        assert_eq!(cardinality == 1 << 63, value > 49, "{value}: {cardinality}");
    }
}
