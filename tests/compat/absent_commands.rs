//! Commands that stock servers have and slotd lacks: the reply says that they exist, after the text that clients match.

use std::collections::BTreeSet;

use integration::client::Client;
use integration::node::NodeSpec;
use integration::oracle::{Binary, slotd_is_stock};

const NOTE: &str = "not supported by slotd yet";

/// Names of commands and `container|subcommand`, in lower case.
fn names(client: &mut Client) -> BTreeSet<String> {
    client.cmd("COMMAND LIST").items().iter().map(|name| name.text().to_lowercase()).collect()
}

#[test]
fn a_command_that_stock_has_and_slotd_lacks_is_said_to_be_missing_here() {
    if slotd_is_stock() {
        return;
    }
    let (stock, slotd) = (NodeSpec::new(Binary::Stock).start(), NodeSpec::new(Binary::Slotd).start());
    let (mut stock, mut client) = (stock.client(), slotd.client());
    let here = names(&mut client);
    let mut asked = 0;
    for name in names(&mut stock).difference(&here) {
        let words: Vec<&str> = name.split('|').collect();
        let reply = client.call(&words).text();
        let text = match words.as_slice() {
            [container, word] if here.contains(*container) => {
                let (container, name) = (container.to_uppercase(), word.to_uppercase());
                format!("ERR unknown subcommand '{word}'. Try {container} HELP. - {container} {name} is {NOTE}")
            }
            [command] => format!("ERR unknown command '{command}', with args beginning with: - {NOTE}"),
            [command, word] => format!("ERR unknown command '{command}', with args beginning with: '{word}' - {NOTE}"),
            _ => panic!("{name}"),
        };
        assert_eq!(reply, text, "{name}");
        asked += 1;
    }
    assert!(asked > 25, "{asked}");
    for name in ["JSON.GET", "FT.SEARCH", "vsim", "VADD", "COMMANDLOG"] {
        let reply = client.call(&[name, "a b", "c"]).text();
        let text = format!("ERR unknown command '{name}', with args beginning with: 'a b' 'c' - {NOTE}");
        assert_eq!(reply, text, "of later versions and of modules");
    }
}

#[test]
fn a_command_that_is_there_is_never_said_to_be_missing() {
    let node = NodeSpec::new(Binary::Slotd).start();
    let mut client = node.client();
    for name in names(&mut client) {
        // Without arguments these give an error, or the reply of a command that takes none.
        if !["shutdown", "quit", "sync", "psync", "debug", "reset", "monitor"].contains(&name.as_str()) {
            let words: Vec<&str> = name.split('|').collect();
            let mut client = node.client();
            let reply = client.call(&words);
            assert!(!format!("{reply:?}").contains(NOTE), "{name}: {reply:?}");
        }
    }
    // No server knows these: stock's text and nothing else (the scripts of this suite compare it byte for byte).
    assert_eq!(client.cmd("nosuch a").text(), "ERR unknown command 'nosuch', with args beginning with: 'a' ");
}
