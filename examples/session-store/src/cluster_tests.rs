//! What CLUSTER SHARDS says.

use super::*;

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn member(port: i64, role: &str, health: &str, offset: i64) -> Value {
    Value::Array(vec![
        text("id"),
        text("0123456789abcdef0123456789abcdef01234567"),
        text("port"),
        Value::Int(port),
        text("ip"),
        text("127.0.0.1"),
        text("endpoint"),
        text("?"),
        text("role"),
        text(role),
        text("replication-offset"),
        Value::Int(offset),
        text("health"),
        text(health),
    ])
}

fn shard(slots: &[i64], members: Vec<Value>) -> Value {
    let slots = slots.iter().copied().map(Value::Int).collect();
    Value::Array(vec![text("slots"), Value::Array(slots), text("nodes"), Value::Array(members)])
}

fn three_shards() -> Vec<Shard> {
    let second =
        shard(&[100, 199, 300, 16383], vec![member(7003, "replica", "online", 9), member(7001, "master", "online", 9)]);
    let members = vec![
        member(7000, "master", "online", 7),
        member(7004, "replica", "online", 5),
        member(7005, "replica", "online", 6),
        member(7006, "replica", "fail", 7),
    ];
    let first = shard(&[0, 99], members);
    let empty = shard(&[], vec![member(7002, "master", "online", 0)]);
    read_shards(Value::Array(vec![second, first, empty])).expect("it is well formed")
}

#[test]
fn shards_stand_in_order_of_their_slots_and_primaries_first() {
    let shards = three_shards();
    let primaries: Vec<String> = shards.iter().map(|shard| shard.members[0].node.address()).collect();
    assert_eq!(primaries, ["127.0.0.1:7000", "127.0.0.1:7001"]);
    assert!(shards.iter().all(|shard| shard.members[0].is_primary));
}

#[test]
fn a_slot_is_found_in_each_range_of_its_shard() {
    let number_of = |slot| Place { slot, shards: three_shards() }.shard().map(|(number, _)| number);
    assert_eq!([0, 99, 100, 199, 300, 16383].map(number_of), [1, 1, 2, 2, 2, 2].map(Some));
    assert_eq!([200, 299].map(number_of), [None, None]);
}

#[test]
fn the_replica_that_is_online_and_has_most_takes_over() {
    let shards = three_shards();
    assert_eq!(shards[0].successor().map(|member| member.node.port), Some(7005));
}

#[test]
fn a_reply_of_another_form_is_not_guessed_at() {
    assert_eq!(read_shards(text("OK")), None);
    assert_eq!(
        read_shards(Value::Array(vec![shard(&[0, 1], vec![Value::Array(vec![text("role"), text("master")])])])),
        None
    );
}

#[tokio::test]
async fn nodes_that_hang_keep_nobody_longer_than_a_page_may_take() {
    // It takes connections, and says nothing.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let node = Node { host: "127.0.0.1".to_owned(), port: hung.local_addr().expect("bound").port() };
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config = Config { nodes: vec![node], password: None, listen, ttl: Duration::from_secs(60), secure: false };
    let cluster = std::sync::Arc::new(Cluster::new(&config).expect("it connects later"));
    let began = Instant::now();
    let ask = |_| {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.place("session:1", deadline()).await.is_err() })
    };
    for asked in (0..60).map(ask).collect::<Vec<_>>() {
        assert!(asked.await.expect("it ends"));
    }
    assert!(began.elapsed() < PATIENCE + Duration::from_secs(1), "{:?}", began.elapsed());
}
