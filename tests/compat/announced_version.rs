//! The version of Redis that a node says it is.

use integration::node::{Node, NodeSpec};
use integration::oracle::{Binary, slotd_is_stock};
use integration::program::run;
use integration::resp::Value;

/// What HELLO says.
fn told_by_hello(node: &Node) -> String {
    let reply = node.client().cmd("HELLO 2");
    let pair = reply.items().chunks(2).find(|pair| pair[0].text() == "version").map(|pair| pair[1].text());
    pair.expect("a version")
}

/// Everything that tells the version says this one.
#[track_caller]
fn check_version(node: &Node, version: &str) {
    assert_eq!(node.info("redis_version"), version);
    assert_eq!(told_by_hello(node), version);
    assert_eq!(node.cmd("LOLWUT VERSION 7").text(), format!("Redis ver. {version}\n"));
    assert!(node.cmd("SAVE").is_ok());
    let file = std::fs::read(node.dir().join("dump.rdb")).expect("it was saved");
    let wanted = [b"redis-ver".as_slice(), &[version.len() as u8], version.as_bytes()].concat();
    assert!(file.windows(wanted.len()).any(|part| part == wanted), "in the file");
}

#[test]
fn a_node_is_redis_7_2_4_unless_it_is_told_otherwise() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    check_version(&node, "7.2.4");
    assert!(node.log().contains("Redis version=7.2.4, "), "{}", node.log());
    let said = run(&Binary::Slotd.path(), &["--version"], node.dir());
    assert!(said.stdout.starts_with("Redis server v=7.2.4 sha="), "{}", said.stdout);
    let mut client = node.client();
    client.ok("CONFIG SET server-version-announced 7.4.0");
    check_version(&node, "7.4.0");
    for wrong in ["", "7", "7.2", "7.2.4.1", "7.2.x", "7..4", "-7.2.4", "7.2.4 ", "7.2.123456", "v7.2.4"] {
        let reply = client.call(&["CONFIG", "SET", "server-version-announced", wrong]);
        let text = "ERR CONFIG SET failed (possibly related to argument 'server-version-announced') - must be three \
                    numbers with points between them, such as 7.2.4";
        assert_eq!(reply, Value::Error(text.to_owned()), "{wrong:?}");
    }
    assert_eq!(client.cmd("CONFIG GET server-version-announced").items()[1].text(), "7.4.0");
    let node = NodeSpec::new(Binary::Slotd).with("server-version-announced", "7.0.15").start();
    check_version(&node, "7.0.15");
    assert!(node.log().contains("Redis version=7.0.15, "), "{}", node.log());
}

#[test]
fn client_list_shows_the_library_of_every_client() {
    if slotd_is_stock() {
        return;
    }
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    let end = |line: Value| line.text().trim_end().rsplit_once(" resp=").expect("fields").1.to_owned();
    assert_eq!(end(client.cmd("CLIENT INFO")), "2 lib-name= lib-ver=");
    client.ok("CLIENT SETINFO lib-name lib");
    client.ok("CLIENT SETINFO LIB-VER 1.0");
    assert_eq!(end(client.cmd("CLIENT INFO")), "2 lib-name=lib lib-ver=1.0");
}
