//! Rules of the stream: every position that is held gives exactly the bytes after it, however it was appended, read and
//! trimmed.

use proptest::prelude::*;
use protocol::resp::OwnedArgs;

use super::*;

fn read_all(stream: &mut Stream, position: i64) -> Vec<u8> {
    let mut out = VecDeque::new();
    let mut at = position;
    while at < stream.end() {
        at = stream.read(at, 100, &mut out);
    }
    out.into_iter().flatten().collect()
}

#[test]
fn commands_are_encoded_as_clients_send_them() {
    let mut stream = Stream::new(10);
    stream.append_command(OwnedArgs::from_slices(&["SET", "k", ""]).view());
    assert_eq!(read_all(&mut stream, 10), b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
    assert_eq!(stream.end(), 10 + 26);
}

#[test]
fn a_block_takes_no_more_memory_than_its_bytes() {
    let mut stream = Stream::new(0);
    (0..10_000).for_each(|_| stream.append(&[7; 145]));
    let blocks = stream.blocks.len();
    assert!((22..=23).contains(&blocks), "{blocks} blocks of 64 KiB for 1.45 MB");
    assert!(stream.blocks.iter().all(|block| block.bytes.len() > BLOCK - 145 && block.bytes.len() <= BLOCK));
    assert!(stream.tail.capacity() <= BLOCK);
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Read(prop::sample::Index),
    Trim(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..90_000).prop_map(Step::Append),
        2 => any::<prop::sample::Index>().prop_map(Step::Read),
        1 => any::<prop::sample::Index>().prop_map(Step::Trim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_held_position_gives_the_bytes_after_it(start in 0i64..1000, steps in proptest::collection::vec(step(), 1..40)) {
        let mut stream = Stream::new(start);
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            match step {
                Step::Append(len) => {
                    let bytes: Vec<u8> = (0..len).map(|n| (n * 7 + model.len()) as u8).collect();
                    stream.append(&bytes);
                    model.extend(bytes);
                }
                Step::Read(at) => {
                    let held = stream.start() + at.index(stream.len() + 1) as i64;
                    prop_assert_eq!(read_all(&mut stream, held), &model[(held - start) as usize..]);
                }
                Step::Trim(at) => {
                    let keep = stream.start() + at.index(stream.len() + 1) as i64;
                    stream.trim(keep);
                    prop_assert!(stream.holds(keep), "what is to be kept is kept");
                }
            }
            prop_assert_eq!(stream.end(), start + model.len() as i64);
        }
    }
}
