//! Rules of the supply: every reader gets every byte in order, whatever its pace; memory stays within the window.

use super::*;
use proptest::prelude::*;

fn file() -> io::Result<File> {
    let path =
        std::env::temp_dir().join(format!("slotd-supply-{}-{:?}", std::process::id(), std::thread::current().id()));
    let file = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

fn no_file() -> io::Result<File> {
    Err(io::Error::other("the directory is not writable"))
}

/// The byte at a position of the snapshot.
fn byte(at: u64) -> u8 {
    (at % 251) as u8
}

fn block(from: u64, len: usize) -> Bytes {
    (from..from + len as u64).map(byte).collect()
}

/// Reads on until there is nothing, checking each byte.
fn drain(supply: &Supply, position: &mut u64, at_most: usize) {
    for _ in 0..at_most {
        let bytes = match supply.look(*position).expect("its bytes are kept for it") {
            Found::Nothing => return,
            Found::Bytes(bytes) => bytes,
            Found::Stored(stored) => stored.read().expect("the file can be read"),
        };
        for &got in &bytes {
            assert_eq!(got, byte(*position));
            *position += 1;
        }
    }
}

fn in_memory(supply: &Supply) -> u64 {
    let window = supply.0.lock();
    window.end - window.start
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_reader_gets_every_byte_at_its_own_pace(
        steps in proptest::collection::vec((1usize..400_000, 0usize..6, 0usize..3), 1..80)
    ) {
        let supply = Supply::default();
        let (mut fast, mut slow) = (0, 0);
        for (len, quick, lazy) in steps {
            supply.push(block(supply.len(), len));
            prop_assert!(supply.shrink(Some(fast.min(slow)), file));
            prop_assert!(in_memory(&supply) <= (WINDOW + len) as u64);
            drain(&supply, &mut fast, quick);
            drain(&supply, &mut slow, lazy);
        }
        drain(&supply, &mut fast, usize::MAX);
        drain(&supply, &mut slow, usize::MAX);
        prop_assert_eq!((fast, slow), (supply.len(), supply.len()));
    }
}

#[test]
fn without_a_file_nothing_that_is_wanted_is_dropped() {
    let supply = Supply::default();
    let mut reader = 0;
    while supply.shrink(Some(reader), no_file) {
        supply.push(block(supply.len(), 100_000));
    }
    assert!(in_memory(&supply) <= WINDOW as u64 + 100_000);
    drain(&supply, &mut reader, 1);
    assert!(supply.shrink(Some(reader), no_file), "one block is not wanted any more");
    drain(&supply, &mut reader, usize::MAX);
    assert_eq!(reader, supply.len());
}

#[test]
fn what_nobody_wants_needs_no_file() {
    let supply = Supply::default();
    for _ in 0..100 {
        supply.push(block(supply.len(), 100_000));
        assert!(supply.shrink(None, no_file));
    }
    assert!(in_memory(&supply) <= WINDOW as u64);
}

fn part(bytes: &'static [u8]) -> Taken {
    Taken::Part(SyncPart::Bytes(Bytes::from_static(bytes)))
}

#[test]
fn an_outlet_hands_out_head_snapshot_and_tail_in_order() {
    let (outlet, supply) = (Outlet::default(), Arc::new(Supply::default()));
    assert_eq!(outlet.take(), Taken::Nothing);
    outlet.head(Bytes::from_static(b"head"));
    assert_eq!(outlet.take(), part(b"head"));
    supply.push(Bytes::from_static(b"keys"));
    assert_eq!(outlet.take(), Taken::Nothing, "not opened");
    outlet.open(&supply);
    assert_eq!(outlet.take(), part(b"keys"));
    assert_eq!((outlet.take(), outlet.wanted()), (Taken::Nothing, Some(4)));
    outlet.end([Bytes::from_static(b"mark")]);
    assert_eq!(outlet.take(), part(b"mark"));
    assert_eq!(outlet.take(), Taken::Part(SyncPart::End));
    outlet.leave();
    assert_eq!(outlet.wanted(), None);
}

#[test]
fn what_is_in_the_file_is_read_elsewhere_and_nothing_of_it_is_lost_by_who_gives_up_waiting() {
    let (outlet, supply) = (Outlet::default(), Arc::new(Supply::default()));
    let total = 3 * WINDOW as u64;
    outlet.open(&supply);
    while supply.len() < total {
        supply.push(block(supply.len(), 100_000));
        assert!(supply.shrink(outlet.wanted(), file));
    }
    outlet.end([]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let read = runtime.block_on(async {
        let mut at = 0;
        loop {
            // The first look only starts reading, like a link that has other work first.
            let next = tokio::time::timeout(std::time::Duration::ZERO, outlet.next()).await;
            let part = match next {
                Ok(part) => part,
                Err(_) => outlet.next().await,
            };
            match part {
                SyncPart::Bytes(bytes) => {
                    assert!(bytes.iter().enumerate().all(|(index, got)| *got == byte(at + index as u64)));
                    at += bytes.len() as u64;
                }
                SyncPart::End => return at,
                SyncPart::Failed => panic!("nothing failed"),
            }
        }
    });
    assert_eq!(read, supply.len());
}
