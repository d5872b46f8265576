//! MOVED, ASK, TRYAGAIN, CROSSSLOT and CLUSTERDOWN: when each is sent, and with which text.

use integration::client::Client;
use integration::cluster::{Cluster, ClusterSpec};
use integration::oracle::slotd_is_stock;
use integration::resp::key_slot;
use integration::wait::{secs, wait_until};

/// The index of the owner of a key, and of some other primary.
fn owner_and_other(cluster: &Cluster, key: &str) -> (usize, usize) {
    let owner = cluster.owner_of(key_slot(key.as_bytes()));
    (owner, (owner + 1) % 3)
}

#[test]
fn keys_of_another_node_are_moved() {
    let cluster = ClusterSpec::new(3, 1).create();
    let (owner, other) = owner_and_other(&cluster, "foo");
    let moved = format!("MOVED 12182 127.0.0.1:{}", cluster.nodes[owner].port());
    let mut client = cluster.connect(other);
    for command in [
        "GET foo",
        "SET foo bar",
        "MSET foo 1 {foo}2 2",
        "BLPOP foo 0",
        "SSUBSCRIBE foo",
        "SPUBLISH foo x",
        "WATCH foo",
    ] {
        assert_eq!(client.cmd(command).text(), moved, "{command}");
    }
    client.ok("MULTI");
    assert_eq!(client.cmd("GET foo").text(), moved);
    assert_eq!(client.cmd("EXEC").text(), "EXECABORT Transaction discarded because of previous errors.");
    // A replica redirects to its own primary until READONLY, and then serves reads only.
    let replica = cluster.replicas_of(owner)[0];
    let mut client = cluster.connect(replica);
    assert_eq!(client.cmd("GET foo").text(), moved);
    client.ok("READONLY");
    assert!(!client.cmd("GET foo").is_error());
    assert_eq!(client.cmd("SET foo bar").text(), moved);
    client.ok("READWRITE");
    assert_eq!(client.cmd("GET foo").text(), moved);
}

#[test]
fn keys_of_several_slots_are_refused() {
    let cluster = ClusterSpec::new(3, 0).create();
    let mut client = cluster.connect(0);
    let crossslot = "CROSSSLOT Keys in request don't hash to the same slot";
    for command in
        ["MGET a b", "DEL a b", "MSET a 1 b 2", "RENAME a b", "LMOVE a b LEFT LEFT", "BLPOP a b 0", "LMPOP 2 a b LEFT"]
    {
        assert_eq!(client.cmd(command).text(), crossslot, "{command}");
    }
    let key = (0..)
        .map(|i| format!("k{i}"))
        .find(|k| cluster.owner_of(key_slot(k.as_bytes())) == 0)
        .expect("node 0 owns some");
    client.ok("MULTI");
    assert_eq!(client.cmd(&format!("GET {key}")).text(), "QUEUED");
    client.cmd(&format!("GET {{{key}}}2"));
    client.cmd("DISCARD");
    assert_eq!(client.cmd(&format!("MGET {key} {{{key}}}x {{{key}}}y")).items().len(), 3);
    assert_eq!(client.cmd("SELECT 1").text(), "ERR SELECT is not allowed in cluster mode");
    client.ok("SELECT 0");
    assert_eq!(client.cmd(&format!("MOVE {key} 1")).text(), "ERR MOVE is not allowed in cluster mode");
    assert_eq!(client.cmd("SWAPDB 0 1").text(), "ERR SWAPDB is not allowed in cluster mode");
    assert_eq!(client.cmd("REPLICAOF 127.0.0.1 1").text(), "ERR REPLICAOF not allowed in cluster mode.");
    let copy = client.cmd(&format!("COPY {key} {{{key}}}2 DB 1"));
    assert!(copy.is_error(), "{copy:?}");
}

#[test]
fn a_slot_on_its_way_asks_and_asks_to_try_again() {
    let cluster = ClusterSpec::new(3, 0).create();
    let (from, to) = owner_and_other(&cluster, "foo");
    let (from_port, to_port) = (cluster.nodes[from].port(), cluster.nodes[to].port());
    let (mut source, mut target) = (cluster.connect(from), cluster.connect(to));
    source.ok("SET foo here");
    target.ok(&format!("CLUSTER SETSLOT 12182 IMPORTING {}", cluster.id(from)));
    source.ok(&format!("CLUSTER SETSLOT 12182 MIGRATING {}", cluster.id(to)));
    let (ask, moved) = (format!("ASK 12182 127.0.0.1:{to_port}"), format!("MOVED 12182 127.0.0.1:{from_port}"));
    let try_again = "TRYAGAIN Multiple keys request during rehashing of slot";
    // Existing keys are served here; missing ones are elsewhere.
    assert_eq!(source.cmd("GET foo").text(), "here");
    assert_eq!(source.cmd("GET {foo}gone").text(), ask);
    assert_eq!(source.cmd("SET {foo}new v").text(), ask);
    assert_eq!(source.cmd("MGET foo {foo}gone").text(), try_again);
    assert_eq!(source.cmd("MGET {foo}gone {foo}gone2").text(), ask);
    // A transaction is checked command by command, and as a whole.
    source.ok("MULTI");
    assert_eq!(source.cmd("GET foo").text(), "QUEUED");
    assert_eq!(source.cmd("GET {foo}gone").text(), ask);
    assert_eq!(source.cmd("EXEC").text(), "EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(source.cmd("WATCH {foo}gone").text(), ask);
    source.ok("MULTI");
    assert_eq!(source.cmd("GET foo").text(), "QUEUED");
    // The key leaves between the two commands: EXEC must not create it here again.
    let mut mover = cluster.connect(from);
    assert!(mover.cmd(&format!("MIGRATE 127.0.0.1 {to_port} foo 0 5000")).is_ok());
    assert_eq!(source.cmd("EXEC").text(), ask);
    assert_eq!(source.cmd("EXEC").text(), "ERR EXEC without MULTI");
    target.ok("ASKING");
    assert_eq!(target.cmd("GETDEL foo").text(), "here");
    target.ok("CLUSTER SETSLOT 12182 STABLE");
    source.ok("CLUSTER SETSLOT 12182 STABLE");
    source.ok("SET foo here");
    target.ok(&format!("CLUSTER SETSLOT 12182 IMPORTING {}", cluster.id(from)));
    source.ok(&format!("CLUSTER SETSLOT 12182 MIGRATING {}", cluster.id(to)));
    // The importing node serves only after ASKING, and only once.
    assert_eq!(target.cmd("GET {foo}gone").text(), moved);
    target.ok("ASKING");
    target.ok("SET {foo}new v");
    assert_eq!(target.cmd("GET {foo}new").text(), moved);
    target.ok("ASKING");
    assert_eq!(target.cmd("MGET {foo}new {foo}gone").text(), try_again);
    for refused in ["NO-SUCH-COMMAND", "GET", "EXEC", "MGET a b"] {
        target.ok("ASKING");
        assert!(target.cmd(refused).is_error(), "{refused}");
        assert_eq!(target.cmd("GET {foo}new").text(), moved, "ASKING is spent by what is refused, too: {refused}");
    }
    // A transaction keeps ASKING to its end.
    target.ok("ASKING");
    target.ok("MULTI");
    assert_eq!(target.cmd("GET {foo}new").text(), "QUEUED");
    assert_eq!(target.cmd("EXEC").items()[0].text(), "v");
    assert_eq!(target.cmd("GET {foo}new").text(), moved);
    // MIGRATE moves the key, and from then on the source redirects with ASK, too.
    let migrate = source.cmd(&format!("MIGRATE 127.0.0.1 {to_port} foo 0 5000"));
    assert!(migrate.is_ok(), "{migrate:?}");
    assert_eq!(source.cmd("GET foo").text(), ask);
    assert_eq!(source.cmd(&format!("MIGRATE 127.0.0.1 {to_port} foo 0 5000")).text(), "NOKEY");
    target.ok("ASKING");
    assert_eq!(target.cmd("GET foo").text(), "here");
    let open = cluster.myself(from).open_slots;
    assert_eq!(open, [format!("[12182->-{}]", cluster.id(to))]);
    assert_eq!(cluster.myself(to).open_slots, [format!("[12182-<-{}]", cluster.id(from))]);
    for node in [to, from] {
        assert!(cluster.nodes[node].cmd(&format!("CLUSTER SETSLOT 12182 NODE {}", cluster.id(to))).is_ok());
    }
    assert_eq!(target.cmd("GET foo").text(), "here");
    assert_eq!(source.cmd("GET foo").text(), format!("MOVED 12182 127.0.0.1:{to_port}"));
    cluster.wait_stable();
}

/// Commands that wait for `foo`, each of another kind. The stream has a group, so it moves with its slot.
const WAITING: [&str; 5] = [
    "BLPOP foo 0",
    "BZPOPMIN foo 0",
    "XREAD BLOCK 0 STREAMS foo $",
    "XREADGROUP GROUP g a BLOCK 0 STREAMS foo >",
    "XREADGROUP GROUP g b NOACK BLOCK 0 STREAMS foo >",
];

#[test]
fn a_client_blocked_on_a_slot_that_leaves_is_redirected_once() {
    let cluster = ClusterSpec::new(3, 0).create();
    let (from, to) = owner_and_other(&cluster, "foo");
    for line in WAITING {
        if line.starts_with('X') {
            assert!(cluster.nodes[from].cmd("XGROUP CREATE foo g $ MKSTREAM").is_ok());
        }
        let mut blocked = cluster.connect(from);
        blocked.send(&line.split(' ').collect::<Vec<_>>()).expect("sent");
        wait_until("the client to block", secs(5), || cluster.nodes[from].info("blocked_clients") == "1");
        let [from_id, to_id] = [from, to].map(|node| cluster.id(node));
        let set = |node: usize, words: &str| {
            assert!(cluster.nodes[node].cmd(&format!("CLUSTER SETSLOT 12182 {words}")).is_ok(), "{line}");
        };
        set(to, &format!("IMPORTING {from_id}"));
        set(from, &format!("MIGRATING {to_id}"));
        if line.starts_with('X') {
            let port = cluster.nodes[to].port();
            assert!(cluster.nodes[from].cmd(&format!("MIGRATE 127.0.0.1 {port} foo 0 5000")).is_ok(), "{line}");
        }
        [to, from].iter().for_each(|node| set(*node, &format!("NODE {to_id}")));
        let reply = blocked.reply(secs(10)).expect("a reply");
        // A reader of a group notices that its key has gone, which comes before the slot goes.
        let place = format!("12182 127.0.0.1:{}", cluster.nodes[to].port());
        let expected = match (line.starts_with("XREADGROUP"), slotd_is_stock()) {
            (false, _) => format!("MOVED {place}"),
            (true, false) => format!("ASK {place}"),
            (true, true) => "UNBLOCKED the stream key no longer exists".to_owned(),
        };
        assert_eq!(reply.text(), expected, "{line}");
        // One reply and no more: the next one is that of the next command.
        assert_eq!(blocked.cmd("PING").text(), "PONG", "{line}");
        wait_until("nobody to be blocked", secs(5), || cluster.nodes[from].info("blocked_clients") == "0");
        cluster.nodes[to].cmd("DEL foo");
        // As a migration, since that raises the epoch: a ping that still claims the slot for the other is out of date.
        set(from, &format!("IMPORTING {to_id}"));
        set(to, &format!("MIGRATING {from_id}"));
        [from, to].iter().for_each(|node| set(*node, &format!("NODE {from_id}")));
    }
}

#[test]
fn uncovered_slots_are_down() {
    let cluster = ClusterSpec::new(3, 0).create();
    let node = &cluster.nodes[0];
    let mut client = node.client();
    let slot = 100;
    assert_eq!(cluster.owner_of(slot), 0);
    let key = (0..).map(|i| format!("k{i}")).find(|k| key_slot(k.as_bytes()) == slot).expect("some key has this slot");
    client.ok("CLUSTER DELSLOTS 100");
    wait_until("the state to change", secs(10), || node.cmd("CLUSTER INFO").text().contains("cluster_state:fail"));
    // While the state is fail all commands are refused; a slot without owner has its own text.
    assert_eq!(client.cmd(&format!("GET {key}")).text(), "CLUSTERDOWN Hash slot not served");
    assert_eq!(client.cmd("GET foo").text(), "CLUSTERDOWN The cluster is down");
    client.ok("CONFIG SET cluster-require-full-coverage no");
    wait_until("the state to change", secs(10), || node.cmd("CLUSTER INFO").text().contains("cluster_state:ok"));
    assert_eq!(client.cmd(&format!("GET {key}")).text(), "CLUSTERDOWN Hash slot not served");
    // The first key decides; the slots of others are compared with its slot.
    assert_eq!(client.cmd(&format!("MSET {key} 1 foo 2")).text(), "CLUSTERDOWN Hash slot not served");
    let crossslot = "CROSSSLOT Keys in request don't hash to the same slot";
    assert_eq!(client.cmd(&format!("MSET foo 1 {key} 2")).text(), crossslot);
    client.ok("CLUSTER ADDSLOTS 100");
    assert!(!client.cmd(&format!("GET {key}")).is_error());
}

/// Endpoints follow the preferred endpoint type, in redirections and in CLUSTER SLOTS.
#[test]
fn redirections_name_the_preferred_endpoint() {
    let cluster = ClusterSpec::new(3, 0).create();
    let (owner, other) = owner_and_other(&cluster, "foo");
    let port = cluster.nodes[owner].port();
    assert!(cluster.nodes[owner].cmd("CONFIG SET cluster-announce-hostname owner.example.com").is_ok());
    let mut client = cluster.connect(other);
    wait_until("the hostname to spread", secs(20), || {
        client.cmd("CLUSTER NODES").text().contains(",owner.example.com")
    });
    assert_eq!(client.cmd("GET foo").text(), format!("MOVED 12182 127.0.0.1:{port}"));
    client.ok("CONFIG SET cluster-preferred-endpoint-type hostname");
    assert_eq!(client.cmd("GET foo").text(), format!("MOVED 12182 owner.example.com:{port}"));
    client.ok("CONFIG SET cluster-preferred-endpoint-type unknown-endpoint");
    assert_eq!(client.cmd("GET foo").text(), format!("MOVED 12182 :{port}"));
}

/// With `announce-client` a client is told the nodes of this machine in a way that is right for it, in redirections,
/// CLUSTER SLOTS and CLUSTER SHARDS; CLUSTER NODES shows what is announced.
#[test]
fn a_client_is_told_what_announce_client_says_for_it() {
    if slotd_is_stock() {
        return;
    }
    let cluster = ClusterSpec::new(3, 0).create();
    let (owner, other) = owner_and_other(&cluster, "foo");
    let port = cluster.nodes[owner].port();
    let mut client = cluster.connect(other);
    let moved = |client: &mut Client| client.cmd("GET foo").text();
    client.ok("CONFIG SET cluster-preferred-endpoint-type hostname");
    assert_eq!(moved(&mut client), format!("MOVED 12182 ?:{port}"));
    client.ok("CONFIG SET announce-client auto");
    assert_eq!(moved(&mut client), format!("MOVED 12182 127.0.0.1:{port}"), "the address that the client uses");
    client.ok("CONFIG SET announce-client 10.0.0.0/8=a,127.0.0.0/8=localhost,auto");
    assert_eq!(moved(&mut client), format!("MOVED 12182 localhost:{port}"), "the first rule that fits");
    for command in ["CLUSTER SLOTS", "CLUSTER SHARDS"] {
        let told = format!("{:?}", client.cmd(command));
        assert_eq!(told.matches("localhost").count(), 3, "{told}");
    }
    assert!(!client.cmd("CLUSTER NODES").text().contains("localhost"));
    client.ok("CONFIG SET announce-client 127.0.0.1=unknown");
    assert_eq!(moved(&mut client), format!("MOVED 12182 :{port}"));
    client.ok("CONFIG SET announce-client 10.0.0.0/8=a,outside=b,router=c");
    assert_eq!(moved(&mut client), format!("MOVED 12182 ?:{port}"), "no rule fits");
    let refused = client.cmd("CONFIG SET announce-client outside").text();
    assert!(refused.contains("announce-client must be 'auto' or rules WHO=WHAT"), "{refused}");
}
