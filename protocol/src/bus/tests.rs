//! Tests of the bus packets: round trips, hostile bytes, and packets captured from stock redis-server 7.0.15.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// Name and bytes of every captured packet.
fn captured() -> Vec<(&'static str, Vec<u8>)> {
    include_str!("testdata/redis-7.0.15.hex")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut tokens = line.split(' ');
            (tokens.next().unwrap(), tokens.flat_map(unpack).collect())
        })
        .collect()
}

/// `0a0b` is two bytes, `0a*7` seven times the same.
fn unpack(token: &str) -> Vec<u8> {
    let (hex, times) = token.split_once('*').map_or((token, 1), |(hex, times)| (hex, times.parse().unwrap()));
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    bytes.repeat(times)
}

fn captured_packet(name: &str) -> Packet {
    let all = captured();
    let (_, bytes) = all.iter().find(|(n, _)| *n == name).unwrap();
    decode(bytes).unwrap()
}

fn id(digit: &str) -> NodeId {
    digit.repeat(40).parse().unwrap()
}

fn header() -> Header {
    Header {
        sender: id("a"),
        ip: IpText::EMPTY,
        port: 7000,
        secondary_port: 0,
        bus_port: 17000,
        flags: NodeFlags::MYSELF | NodeFlags::MASTER,
        cluster_ok: true,
        current_epoch: 3,
        config_epoch: 2,
        offset: 99,
        slots: SlotBitmap::default(),
        replica_of: None,
        message_flags: MessageFlags::NONE,
    }
}

fn entry(digit: &str) -> GossipEntry {
    GossipEntry {
        id: id(digit),
        ping_sent: 1,
        pong_received: 2,
        ip: "::1".parse().unwrap(),
        port: 7001,
        bus_port: 17001,
        flags: NodeFlags::SLAVE,
        secondary_port: 0,
    }
}

fn ping(gossip: Vec<GossipEntry>, extensions: Vec<Extension>) -> Packet {
    Packet { header: header(), body: Body::Ping(PingBody { gossip, extensions }) }
}

#[test]
fn every_packet_of_stock_redis_survives_decode_and_encode_byte_for_byte() {
    let all = captured();
    assert_eq!(all.len(), 13);
    for (name, bytes) in all {
        assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())), "{name}");
        let packet = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(name.starts_with(packet.body.packet_type().name()), "{name} is not {packet:?}");
        assert_eq!(encode(&packet), bytes, "{name}");
    }
}

#[test]
fn fields_of_a_stock_ping_mean_what_they_should() {
    let Packet { header, body } = captured_packet("ping-replica");
    assert_eq!(header.flags, NodeFlags::MYSELF | NodeFlags::SLAVE);
    assert_eq!(header.replica_of.unwrap().as_str(), "3252fcf44a082a69e1d91c4fccd9cbf12b9f616e");
    assert_eq!((header.current_epoch, header.config_epoch), (8, 7));
    assert_eq!(header.bus_port, header.port + 10_000);
    assert!(header.ip.is_empty(), "not announced");
    let Body::Ping(ping) = body else { panic!("not a ping") };
    assert_eq!(ping.gossip.len(), 2);
    assert!(ping.gossip.iter().all(|entry| entry.ip.as_str() == "127.0.0.1"));
    assert!(ping.gossip.iter().all(|entry| entry.pong_received > 1_700_000_000));
}

#[test]
fn the_bodies_of_stock_packets_are_read() {
    let Body::Publish { channel, message } = captured_packet("publish").body else { panic!() };
    assert_eq!((channel.as_slice(), message.as_slice()), (&b"news"[..], "hello \u{e9}".as_bytes()));
    let Body::PublishShard { channel, message } = captured_packet("publishshard").body else { panic!() };
    assert_eq!((channel.as_slice(), message.as_slice()), (&b"foo{06S}"[..], &b"x"[..]));
    let Body::Update { config_epoch, slots, .. } = captured_packet("update").body else { panic!() };
    assert_eq!((config_epoch, slots.count()), (2, 5_000));
    let Body::Pong(pong) = captured_packet("pong-hostname").body else { panic!() };
    assert_eq!(pong.extensions, [Extension::Hostname("node-a.example".into())]);
    let Body::Fail { node } = captured_packet("fail").body else { panic!() };
    assert_eq!(node.as_str(), "9e9fdec827f51fc32ce7e861de404033c80c7a64");
}

#[test]
fn a_gossip_entry_with_a_damaged_id_or_address_is_dropped_and_its_neighbours_stay() {
    let mut bytes = encode(&ping(vec![entry("1"), entry("2"), entry("3"), entry("4")], vec![]));
    bytes[HEADER_LEN + GOSSIP_ENTRY_LEN] = b'G';
    let second_ip = HEADER_LEN + 2 * GOSSIP_ENTRY_LEN + 48;
    bytes[second_ip..second_ip + IP_TEXT_ROOM].fill(b'1');
    let Body::Ping(body) = decode(&bytes).unwrap().body else { panic!() };
    assert_eq!(body.gossip, [entry("1"), entry("4")]);
}

#[test]
fn an_unknown_extension_is_skipped_and_the_next_is_read() {
    let hostname = Extension::Hostname("h".into());
    let mut bytes = encode(&ping(vec![], vec![Extension::ShardId(id("1")), hostname.clone()]));
    bytes[HEADER_LEN + 5] = 77;
    let Body::Ping(body) = decode(&bytes).unwrap().body else { panic!() };
    assert_eq!(body.extensions, [hostname]);
}

#[test]
fn an_extension_whose_length_contradicts_the_packet_drops_the_packet() {
    let good = encode(&ping(vec![], vec![Extension::ShardId(id("1"))]));
    for len in [0_u32, 4, 7, 44, 56, 0xffff_fff8] {
        let mut bytes = good.clone();
        bytes[HEADER_LEN..HEADER_LEN + 4].copy_from_slice(&len.to_be_bytes());
        assert_eq!(decode(&bytes), Err(DecodeError::Length(PacketType::Ping)), "{len}");
    }
}

#[test]
fn extensions_count_only_with_the_flag_that_announces_them() {
    let mut bytes = encode(&ping(vec![], vec![Extension::ShardId(id("1"))]));
    assert_eq!(bytes[2253], MessageFlags::EXT_DATA.0);
    bytes[2253] = 0;
    assert_eq!(decode(&bytes), Err(DecodeError::Length(PacketType::Ping)));

    let mut says_it_understands = ping(vec![], vec![]);
    says_it_understands.header.message_flags = MessageFlags::EXT_DATA;
    let bytes = encode(&says_it_understands);
    assert_eq!(bytes.len(), HEADER_LEN);
    assert_eq!(decode(&bytes).unwrap(), says_it_understands);
}

#[test]
fn a_publish_whose_lengths_overflow_or_do_not_add_up_is_dropped() {
    let body = Body::Publish { channel: b"c".to_vec(), message: b"m".to_vec() };
    let good = encode(&Packet { header: header(), body });
    for (channel, message) in [(u32::MAX, 3), (1, 2), (1, 0), (u32::MAX, u32::MAX), (2, u32::MAX)] {
        let mut bytes = good.clone();
        bytes[HEADER_LEN..HEADER_LEN + 4].copy_from_slice(&channel.to_be_bytes());
        bytes[HEADER_LEN + 4..HEADER_LEN + 8].copy_from_slice(&message.to_be_bytes());
        assert_eq!(decode(&bytes), Err(DecodeError::Length(PacketType::Publish)), "{channel} {message}");
    }
}

#[test]
fn trailing_bytes_and_short_packets_are_dropped() {
    for kind in [Body::AuthAck, Body::Fail { node: id("b") }] {
        let mut bytes = encode(&Packet { header: header(), body: kind });
        bytes.push(0);
        let len = (bytes.len() as u32).to_be_bytes();
        bytes[4..8].copy_from_slice(&len);
        assert!(matches!(decode(&bytes), Err(DecodeError::Length(_))));
        assert_eq!(decode(&bytes[..100]), Err(DecodeError::Truncated));
    }
}

#[test]
fn malformed_names_of_the_sender_drop_the_packet() {
    let good = encode(&ping(vec![], vec![]));
    for (at, field) in [(40, "sender"), (2128, "slaveof"), (2168, "myip")] {
        let mut bytes = good.clone();
        bytes[at] = b'\n';
        assert_eq!(decode(&bytes), Err(DecodeError::BadField(field)));
    }
    let mut other_version = good.clone();
    other_version[9] = 2;
    assert_eq!(decode(&other_version), Err(DecodeError::Version(2)));
    let mut unknown = good;
    unknown[13] = 11;
    assert_eq!(decode(&unknown), Err(DecodeError::UnknownType(11)));
}

#[test]
fn a_stream_is_cut_by_length_and_given_up_on_a_bad_signature() {
    let bytes = encode(&ping(vec![entry("1")], vec![]));
    assert_eq!(frame_len(b""), Ok(None));
    assert_eq!(frame_len(&bytes[..7]), Ok(None));
    assert_eq!(frame_len(&bytes[..8]), Ok(Some(bytes.len())));
    assert_eq!(frame_len(b"RX"), Err(BadFrame));
    assert_eq!(frame_len(b"RCmb\0\0\x08\xcf"), Err(BadFrame), "2255 bytes");
    assert_eq!(frame_len(b"RCmb\0\0\x08\xd0"), Ok(Some(HEADER_LEN)));
    assert_eq!(frame_len(b"RCmb\xff\xff\xff\xff"), Err(BadFrame));
}

#[test]
fn a_message_that_no_packet_can_carry_encodes_to_nothing() {
    let too_many = vec![entry("1"); 65_536];
    assert_eq!(encode(&ping(too_many, vec![])), b"");
}

#[test]
fn flags_print_as_cluster_nodes_does() {
    assert_eq!(NodeFlags::NONE.to_string(), "noflags");
    assert_eq!(NodeFlags::MIGRATE_TO.to_string(), "noflags");
    let flags = NodeFlags::SLAVE | NodeFlags::MYSELF | NodeFlags::NOFAILOVER | NodeFlags::MIGRATE_TO;
    assert_eq!(flags.to_string(), "myself,slave,nofailover");
    assert_eq!((NodeFlags::MASTER | NodeFlags::FAIL | NodeFlags::PFAIL).to_string(), "master,fail?,fail");
}

#[test]
fn ids_and_addresses_take_only_what_may_be_printed() {
    assert_eq!(NodeId::from_random([0xa5; 20]).as_str(), "a5".repeat(20));
    for bad in ["", &"a".repeat(39), &"a".repeat(41), &"A".repeat(40), &"g".repeat(40)] {
        assert!(bad.parse::<NodeId>().is_err(), "{bad}");
    }
    for good in ["", "127.0.0.1", "fe80::1%eth0", "node-1.example", &"1".repeat(45)] {
        assert_eq!(good.parse::<IpText>().unwrap().as_str(), good);
    }
    for bad in ["a b", "a,b", "a@b", "a\n", &"1".repeat(46)] {
        assert!(bad.parse::<IpText>().is_err(), "{bad}");
    }
}

prop_compose! {
    fn any_id()(random in any::<[u8; 20]>()) -> NodeId { NodeId::from_random(random) }
}

prop_compose! {
    fn any_ip()(text in "[a-z0-9.:%_-]{0,45}") -> IpText { text.parse().unwrap() }
}

prop_compose! {
    fn any_slots()(bytes in any::<[u8; 32]>(), at in 0_usize..2016) -> SlotBitmap {
        let mut slots = [0; 2048];
        slots[at..at + 32].copy_from_slice(&bytes);
        SlotBitmap::from_bytes(slots)
    }
}

prop_compose! {
    fn any_header()(
        (sender, ip, replica_of, slots) in (any_id(), any_ip(), option::of(any_id()), any_slots()),
        (port, secondary_port, bus_port, flags) in any::<(u16, u16, u16, u16)>(),
        (cluster_ok, current_epoch, config_epoch, offset) in any::<(bool, u64, u64, u64)>(),
        message_flags in 0_u8..4,
    ) -> Header {
        Header {
            sender, ip, replica_of, slots, port, secondary_port, bus_port, flags: NodeFlags(flags), cluster_ok,
            current_epoch, config_epoch, offset, message_flags: MessageFlags(message_flags),
        }
    }
}

prop_compose! {
    fn any_entry()(
        (id, ip) in (any_id(), any_ip()),
        (ping_sent, pong_received, port, bus_port, flags, secondary_port) in any::<(u32, u32, u16, u16, u16, u16)>(),
    ) -> GossipEntry {
        GossipEntry { id, ping_sent, pong_received, ip, port, bus_port, flags: NodeFlags(flags), secondary_port }
    }
}

fn any_extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        "[a-zA-Z0-9.-]{1,255}".prop_map(Extension::Hostname),
        "[a-zA-Z0-9._/-]{1,255}".prop_map(Extension::HumanNodename),
        (any_id(), any::<u64>()).prop_map(|(id, ttl_seconds)| Extension::ForgottenNode { id, ttl_seconds }),
        any_id().prop_map(Extension::ShardId),
    ]
}

fn any_body() -> impl Strategy<Value = Body> {
    let ping = || {
        (vec(any_entry(), 0..6), vec(any_extension(), 0..4))
            .prop_map(|(gossip, extensions)| PingBody { gossip, extensions })
    };
    let blob = || vec(any::<u8>(), 0..200);
    prop_oneof![
        ping().prop_map(Body::Ping),
        ping().prop_map(Body::Pong),
        ping().prop_map(Body::Meet),
        any_id().prop_map(|node| Body::Fail { node }),
        (blob(), blob()).prop_map(|(channel, message)| Body::Publish { channel, message }),
        (blob(), blob()).prop_map(|(channel, message)| Body::PublishShard { channel, message }),
        Just(Body::AuthRequest),
        Just(Body::AuthAck),
        Just(Body::MfStart),
        (any_id(), any::<u64>(), any_slots()).prop_map(|(node, config_epoch, slots)| Body::Update {
            node,
            config_epoch,
            slots: Box::new(slots)
        }),
        (any::<u64>(), any::<u8>(), blob()).prop_map(|(module_id, kind, payload)| Body::Module {
            module_id,
            kind,
            payload
        }),
    ]
}

prop_compose! {
    fn any_packet()(header in any_header(), body in any_body()) -> Packet {
        let mut packet = Packet { header, body };
        if let Body::Ping(body) | Body::Pong(body) | Body::Meet(body) = &packet.body
            && !body.extensions.is_empty()
        {
            packet.header.message_flags = packet.header.message_flags.with(MessageFlags::EXT_DATA);
        }
        packet
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn decode_undoes_encode(packet in any_packet()) {
        let bytes = encode(&packet);
        prop_assert_eq!(frame_len(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(decode(&bytes), Ok(packet));
    }

    /// The address in a packet ends at its first NUL (Redis leaves old bytes after it). If the part before is not
    /// valid, the packet is dropped when it is the sender's address, and only the entry when it is that of a third
    /// node.
    #[test]
    fn no_address_that_is_taken_has_a_byte_that_no_address_has(
        start in "[0-9a-z.:%_-]{0,20}", rest in vec(prop_oneof![Just(0_u8), any::<u8>()], IP_TEXT_ROOM),
    ) {
        let mut field = start.into_bytes();
        field.extend(rest);
        field.truncate(IP_TEXT_ROOM);
        let end = field.iter().position(|byte| *byte == 0);
        let text = end.and_then(|end| str::from_utf8(&field[..end]).ok());
        let allowed = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_%".contains(&byte));
        let clean = text.filter(allowed);
        let mut bytes = encode(&ping(vec![entry("1"), entry("2")], vec![]));
        bytes[2168..2168 + IP_TEXT_ROOM].copy_from_slice(&field);
        let sender = decode(&bytes).map(|packet| packet.header.ip.as_str().to_owned());
        prop_assert_eq!(sender, clean.map(str::to_owned).ok_or(DecodeError::BadField("myip")));
        let mut bytes = encode(&ping(vec![entry("1"), entry("2")], vec![]));
        bytes[HEADER_LEN + 48..HEADER_LEN + 48 + IP_TEXT_ROOM].copy_from_slice(&field);
        let Ok(Packet { body: Body::Ping(body), .. }) = decode(&bytes) else { panic!("a PING") };
        let mut expected: Vec<&str> = clean.into_iter().collect();
        expected.push("::1");
        prop_assert_eq!(body.gossip.iter().map(|entry| entry.ip.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn no_bytes_can_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..2600)) {
        let _ = (decode(&bytes), frame_len(&bytes));
    }

    /// Random bytes seldom get past the signature; damage to a good packet reaches every branch.
    #[test]
    fn no_damage_to_a_packet_can_make_the_decoder_panic(
        packet in any_packet(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        header_damage in vec((0_usize..HEADER_LEN, any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&packet);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for (at, byte) in header_damage {
            bytes[at] = byte;
        }
        let _ = decode(&bytes);
        let _ = decode(&bytes[..cut.index(bytes.len())]);
    }
}
