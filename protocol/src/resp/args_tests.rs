//! Views and owned copies of arguments.

use super::*;

fn three() -> OwnedArgs {
    OwnedArgs::from_slices(&["SET", "key", "value"])
}

#[test]
fn views_narrow_without_panicking_past_the_end() {
    let owned = three();
    let args = owned.view();
    assert_eq!((args.len(), args.total_len()), (3, 11));
    assert_eq!(&args[1], b"key");
    assert_eq!(args.get(3), None);
    assert_eq!(args.last(), Some(&b"value"[..]));
    assert_eq!(args.skip(2).iter().collect::<Vec<_>>(), [b"value"]);
    assert!(args.skip(4).is_empty());
    assert_eq!(args.slice(1..9).len(), 2);
    assert!(args.slice(5..9).is_empty());
    assert_eq!(args.iter().next_back(), Some(&b"value"[..]));
}

#[test]
fn an_owned_copy_holds_its_own_bytes_only() {
    let buf = b"....GET....k";
    let ranges = [ArgRange { start: 4, len: 3 }, ArgRange { start: 11, len: 1 }];
    let owned = Args::new(buf, &ranges).to_owned();
    assert_eq!(owned, OwnedArgs::from_slices(&["GET", "k"]));
    assert_eq!(owned.heap_len(), 4);
    assert_eq!(format!("{owned:?}"), r#"["GET", "k"]"#);
}

#[test]
fn a_range_of_another_buffer_is_empty_not_a_panic() {
    assert_eq!(ArgRange { start: 5, len: 1 }.of(b"abc"), b"");
    assert_eq!(ArgRange { start: u32::MAX, len: u32::MAX }.of(b"abc"), b"");
}

#[test]
fn the_head_of_an_argument_ends_with_it() {
    let heads = |buf: &[u8], ranges: &[ArgRange]| {
        let args = Args::new(buf, ranges);
        (0..ranges.len()).map(|at| args.head(at).map(|(head, len)| (head.to_le_bytes(), len))).collect::<Vec<_>>()
    };
    let at = |start, len| ArgRange { start, len };
    let buf = b"GETkeyINCRBYFLOAT12";
    let ranges = [at(0, 3), at(6, 11), at(6, 8), at(17, 2), at(19, 0), at(40, 1)];
    assert_eq!(
        heads(buf, &ranges),
        [
            Some((*b"GET\0\0\0\0\0", 3)),
            Some((*b"INCRBYFL", 11)),
            Some((*b"INCRBYFL", 8)),
            Some((*b"12\0\0\0\0\0\0", 2)),
            Some(([0; 8], 0)),
            Some(([0; 8], 1)),
        ]
    );
    assert_eq!(Args::new(buf, &ranges).head(6), None);
}
