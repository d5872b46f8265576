//! Streams as bytes: what stock Redis 7.0.15 wrote, recorded; the other two forms; and payloads that are refused.

use proptest::prelude::*;
use protocol::rdb::opcode;

use super::*;
use crate::store::payload::digest::Digest;
use crate::store::payload::{PayloadLimits, dump, read_whole, restore};
use crate::store::types::stream::{Delivery, Keep, Pending, StreamLimits, Trim, WrittenId};
use crate::store::value::Encoding;
use crate::store::{Value, ValueRef};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

fn stream_in(value: &Value) -> &Stream {
    value.as_ref().collection::<Stream>().expect("it is a stream")
}

fn restored(payload: &[u8]) -> Result<Value, PayloadError> {
    restore(payload, &PayloadLimits::default(), true)
}

fn add(stream: &mut Stream, ms: u64, seq: u64, pairs: &[(&[u8], &[u8])], node_entries: u64) {
    let limits = StreamLimits { node_entries, ..StreamLimits::default() };
    let id = WrittenId { id: StreamId::new(ms, seq), has_seq: true };
    stream.log_mut().add(Some(id), pairs, &limits, 0).expect("it is greater");
}

/// Payloads with their digests, as Redis 7.0.15 shows them.
const ONE: &str = "130110000000000000000100000000000000011d1d0000000a0001010001010181610200010201000100018162020401ff\
                   0101010101000001000a006f4334ecd7fa5aec";
const DELETED: &str = "130110000000000000000100000000000000013d3d00000018000201010101018161020001020100010001816202040\
                       1030100010101816302040100010101dfff020201817802010181790202010801ff0202000101010203000a0012ae1d\
                       be3e7cc7f2";
const EMPTY: &str = "13000000000000000000010167000081ffffffffffffffff00000a00a01a953dfb9cddde";
const NODES: &str = "1302100000000000000001000000000000000128280000000f000101010101018161020001030100010001816202040102\
                     01000101018163020401ff10000000000000000200000000000000002a2a0000000f00020100010101816102000102010001\
                     0001020104010201c12a020501f2701101040401ff03412c050102000004000a008ca4f7280c01db44";
const GROUPS: &str = "1301100000000000000001000000000000000138380000001600030100010101816102000102010001000181620204010\
                      20100010101816302040100010101dfff02010181780201010601ff0302000101000003020167010281ffffffffffffffff\
                      0300000000000000010000000000000001e803000000000000020000000000000001000000000000\
                      0002e8030000000000000200000000000000020000000000000000d00700000000000040c80205616c696365eb19fa23a2\
                      01000002000000000000000100000000000000010000000000000001000000000000000203626f62eb19fa23a2010000\
                      0100000000000000020000000000000000016801000100000a004f381f14a2b1dad5";

fn groups_payload() -> Vec<u8> {
    unhex(GROUPS)
}

#[test]
fn streams_are_dumped_and_digested_as_redis_does() {
    let recorded = [
        (ONE, "db20534e81d36b705394fcfc8a61996efb6e5a7c"),
        (DELETED, "dcc7f8919206f2858eee9e2a1a8040fb6564edea"),
        (EMPTY, "06bd01623de1d087bbd377851096317b1af476a2"),
        (NODES, "3afb4c6ddc850397cedb411d192aefcf402f9357"),
        (GROUPS, "7945b4c2f05f8fcd1fbc4a05b87fe8817fcc46fe"),
    ];
    for (payload, digest) in recorded {
        let value = restored(&unhex(payload)).unwrap_or_else(|error| panic!("{payload}: {error}"));
        assert_eq!(hex(&dump(&value.as_ref())), payload);
        assert_eq!(Digest::of_value(&value.as_ref(), false).to_hex(), digest);
        assert_eq!(value.as_ref().collection::<Stream>().map(|_| ()), Some(()));
        let ValueRef::Collection(collection) = value.as_ref() else { panic!("it is a stream") };
        assert_eq!(collection.encoding(), Encoding::Stream);
    }
}

#[test]
fn nodes_and_marks_are_those_of_redis() {
    let mut stream = Stream::new();
    add(&mut stream, 1, 1, &[(b"a", b"b")], 100);
    assert_eq!(hex(&dump(&Value::from(stream.clone()).as_ref())), ONE);
    add(&mut stream, 1, 2, &[(b"a", b"c")], 100);
    add(&mut stream, 2, 0, &[(b"x", b"1"), (b"y", b"2")], 100);
    assert!(stream.log_mut().delete(StreamId::new(1, 2)));
    assert_eq!(hex(&dump(&Value::from(stream).as_ref())), DELETED);
    let mut stream = Stream::new();
    for (ms, seq, value) in [(1, 1, "b"), (1, 2, "c"), (2, 0, "2"), (300, 5, "70000")] {
        add(&mut stream, ms, seq, &[(b"a", value.as_bytes())], 2);
    }
    assert_eq!(stream.log_mut().trim(Trim { keep: Keep::Last(3), whole_nodes: true, limit: 0 }), 0);
    assert_eq!(stream.log_mut().trim(Trim { keep: Keep::Last(3), whole_nodes: false, limit: 0 }), 1);
    assert_eq!(hex(&dump(&Value::from(stream).as_ref())), NODES);
}

/// The body of [`GROUPS`] in another version: without what came later, or with a second time of each consumer.
fn in_version(version: Version) -> Vec<u8> {
    let value = restored(&groups_payload()).expect("Redis wrote it");
    let stream = stream_in(&value);
    let mut out = Writer::new();
    out.length(stream.log().node_count() as u64);
    for (id, node) in stream.log().saved_nodes() {
        out.string(&id.to_bytes());
        out.string(&node.to_bytes());
    }
    out.length(stream.log().len());
    write_id(stream.log().counters().last_id, &mut out);
    if version > Version::First {
        write_id(StreamId::new(1, 1), &mut out);
        write_id(StreamId::MIN, &mut out);
        out.length(3);
    }
    out.length(stream.group_count() as u64);
    for (name, group) in stream.groups() {
        out.string(name);
        write_id(group.last_id, &mut out);
        if version > Version::First {
            out.length(group.entries_read as u64);
        }
        out.length(group.pending_count() as u64);
        for (id, pending) in group.pending_from(StreamId::MIN) {
            out.raw(&id.to_bytes());
            out.i64_le(pending.time);
            out.length(pending.deliveries);
        }
        out.length(group.consumer_count() as u64);
        for (name, consumer) in group.consumers() {
            out.string(name);
            out.i64_le(consumer.seen);
            if version == Version::Third {
                out.i64_le(consumer.seen - 5);
            }
            out.length(consumer.pending_count() as u64);
            consumer.pending_from(StreamId::MIN).for_each(|id| out.raw(&id.to_bytes()));
        }
    }
    out.into_vec()
}

#[test]
fn every_form_is_read() {
    let limits = PayloadLimits::default();
    let want = restored(&groups_payload()).expect("Redis wrote it");
    let third = read_whole(opcode::TYPE_STREAM_LISTPACKS_3, &in_version(Version::Third), &limits).expect("it is valid");
    assert_eq!(dump(&third.as_ref()), dump(&want.as_ref()));
    let (_, alice) = stream_in(&third).group(b"g").and_then(|group| group.consumer(b"alice")).expect("it is there");
    assert_eq!(alice.seen - alice.active, 5);
    let mut written = Writer::new();
    crate::store::payload::write(&third.as_ref(), Vintage::Redis72, &mut written);
    assert_eq!(written.into_vec(), in_version(Version::Third), "readers that know Redis 7.2 get both times");
    let first = read_whole(opcode::TYPE_STREAM_LISTPACKS, &in_version(Version::First), &limits).expect("it is valid");
    let stream = stream_in(&first);
    let want =
        Counters { last_id: StreamId::new(2, 0), first_id: StreamId::new(1, 1), added: 3, ..Counters::default() };
    assert_eq!(*stream.log().counters(), want);
    // What the first form does not say is found where it can be.
    assert_eq!(stream.group(b"h").map(|group| group.entries_read), Some(0));
    assert_eq!(stream.group(b"g").map(|group| group.entries_read), Some(-1));
    assert_eq!(stream.group(b"g").map(Group::pending_count), Some(3));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let read = |body: &[u8]| read_whole(opcode::TYPE_STREAM_LISTPACKS_2, body, &PayloadLimits::default()).map(|_| ());
    let whole = groups_payload();
    let body = &whole[1..whole.len() - 10];
    assert_eq!(read(body), Ok(()));
    let replaced = |from: &[u8], to: &[u8]| {
        let at = body.windows(from.len()).position(|part| part == from).expect("it is there");
        [&body[..at], to, &body[at + from.len()..]].concat()
    };
    let alice = [&b"\x05alice\xeb\x19\xfa\x23\xa2\x01\0\0"[..]].concat();
    let cases: &[(&[u8], &[u8], &str)] = &[
        (b"\xff\x03\x02\0\x01\x01", b"\xff\x02\x02\0\x01\x01", "stream length differs from its nodes"),
        (b"\xff\x03\x02\0\x01\x01", b"\xff\x03\x01\0\x01\x01", "stream has an entry behind its last id"),
        (b"\x01h\x01\0", b"\x01g\x01\0", "stream has a group twice"),
        (&[&alice[..], b"\x02"].concat(), &[b"\x03bob", &alice[6..], b"\x02"].concat(), "group has a consumer twice"),
        (b"\x05\x01\x10", b"\x05\x01\x0f", ""),
    ];
    for (from, to, rule) in cases.iter().filter(|case| !case.2.is_empty()) {
        assert_eq!(read(&replaced(from, to)), Err(Corrupt(rule).into()), "{rule}");
    }
    // Alice has an entry that is not pending, or bob's.
    let second = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x03bob";
    for id in [b"\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x02\x03bob", b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\x03bob"] {
        let rule = Corrupt("consumer has an entry that is not pending, or another's");
        assert_eq!(read(&replaced(second, id)), Err(rule.into()));
    }
    let taken = replaced(second, b"\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x03bob");
    assert!(matches!(read(&taken), Err(PayloadError::Corrupt(_))), "bob's entry is alice's");
    // Without bob's entry.
    let lost = replaced(b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x01h", b"\0\x01h");
    assert_eq!(read(&lost), Err(Corrupt("entry of a stream is pending for nobody").into()));
}

#[test]
fn nodes_out_of_shape_or_order_are_refused() {
    let node = |elements: &[i64]| {
        let mut pack = crate::store::encoding::listpack::Listpack::new();
        elements.iter().for_each(|element| pack.push_back_int(*element));
        pack.to_bytes()
    };
    let read = |nodes: &[(u64, Vec<u8>)], len: u64| {
        let mut out = Writer::new();
        out.length(nodes.len() as u64);
        for (ms, node) in nodes {
            out.string(&StreamId::new(*ms, 0).to_bytes());
            out.string(node);
        }
        [len, 9, 0, 1, 0, 0, 0, len, 0].into_iter().for_each(|number| out.length(number));
        read_whole(opcode::TYPE_STREAM_LISTPACKS_2, &out.into_vec(), &PayloadLimits::default()).map(|_| ())
    };
    let (whole, shape) = (&[1, 0, 1, 7, 0, 2, 0, 0, 8, 4][..], Err(Corrupt("stream node malformed").into()));
    assert_eq!(read(&[(1, node(whole))], 1), Ok(()));
    // The counts, the end of the master entry, its number of fields, the number of elements of the entry.
    for (at, value) in [(0, 2), (0, 0), (0, -1), (1, 1), (2, 2), (2, -1), (2, 1 << 40), (4, 1), (9, 5), (5, 0)] {
        let mut wrong = whole.to_vec();
        wrong[at] = value;
        assert_eq!(read(&[(1, node(&wrong))], 1), shape, "{wrong:?}");
    }
    assert_eq!(read(&[(1, node(&whole[..9]))], 1), shape);
    assert_eq!(read(&[(1, node(&whole[..5]))], 1), shape);
    assert_eq!(read(&[(1, node(&[0, 0, 1, 7, 0]))], 0), shape);
    // Below the node's id, and not behind the entry before.
    assert_eq!(read(&[(1, node(&[1, 0, 1, 7, 0, 2, -1, 0, 8, 4]))], 1), shape);
    assert_eq!(read(&[(1, node(&[2, 0, 1, 7, 0, 2, 1, 0, 8, 4, 2, 1, 0, 8, 4]))], 2), shape);
    // A deleted entry may have any id.
    assert_eq!(read(&[(1, node(&[1, 1, 1, 7, 0, 2, 1, 0, 8, 4, 3, 0, 0, 8, 4]))], 1), Ok(()));
    let order = Err(Corrupt("stream nodes are not in order").into());
    assert_eq!(read(&[(1, node(whole)), (2, node(whole))], 2), Ok(()));
    assert_eq!(read(&[(2, node(whole)), (1, node(whole))], 2), order);
    assert_eq!(read(&[(1, node(&[1, 0, 1, 7, 0, 2, 5, 0, 8, 4])), (2, node(whole))], 2), order);
}

/// Everything that commands do to a stream.
fn exercise(stream: &mut Stream) {
    let ids: Vec<StreamId> = stream.log().range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id).collect();
    assert_eq!(ids.len(), stream.len());
    assert!(ids.is_sorted() && stream.log().range_back(StreamId::MIN, StreamId::MAX).count() == ids.len());
    let names: Vec<Vec<u8>> = stream.groups().map(|(name, _)| name.to_vec()).collect();
    for name in names {
        stream.edit_group(&name, |group, log| {
            _ = group.lag(log);
            group.add_consumer(b"new", 1);
            let new = group.consumer(b"new").expect("it is there").0.clone();
            let ids: Vec<StreamId> = group.pending_from(StreamId::MIN).map(|(id, _)| id).collect();
            for id in &ids[..ids.len() / 2] {
                group.set_pending(*id, Pending { time: 1, deliveries: 1, owner: new.clone() });
            }
            group.deliver(log, Delivery { consumer: &new, count: 3, noack: false, now: 1 }, |_, _| ());
            let owned: usize = group.consumers().map(|(_, consumer)| consumer.pending_count()).sum();
            assert_eq!(owned, group.pending_count());
            assert!(ids.first().is_none_or(|id| group.acknowledge(*id)));
            let first = group.consumers().next().expect("there is one").0.clone();
            assert!(group.remove_consumer(&first).is_some());
        });
    }
    _ = stream.log_mut().add(None, &[(&b"f"[..], &b"v"[..])][..], &StreamLimits::default(), 1);
    for id in ids.iter().step_by(2) {
        assert!(stream.log_mut().delete(*id));
    }
    stream.log_mut().deleted();
    _ = stream.log().radix_tree_nodes();
    let half = stream.log().len() / 2;
    stream.log_mut().trim(Trim { keep: Keep::Last(half), whole_nodes: false, limit: 0 });
    assert_eq!(stream.log().len(), half);
    stream.log_mut().trim(Trim { keep: Keep::From(StreamId::MAX), whole_nodes: false, limit: 0 });
    assert!(stream.len() <= 1);
}

proptest! {
    #[test]
    fn damaged_bytes_are_refused_or_give_a_stream_that_survives(
        from in 0..5usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut payload = unhex([ONE, DELETED, EMPTY, NODES, GROUPS][from]);
        for (at, byte) in damage {
            let at = at.index(payload.len() - 10);
            payload[at] = byte;
        }
        if let Ok(value) = restore(&payload, &PayloadLimits::default(), false) {
            let again = dump(&value.as_ref());
            prop_assert_eq!(dump(&restored(&again).expect("what is dumped can be restored").as_ref()), again);
            if let Some(stream) = value.as_ref().collection::<Stream>() {
                exercise(&mut stream.clone());
            }
        }
    }
}
