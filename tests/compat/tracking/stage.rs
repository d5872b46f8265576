//! Plays a script of tracking clients to a server and records everything that arrives on every connection.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use integration::client::Client;
use integration::node::{Node, NodeSpec};
use integration::oracle::Binary;
use integration::resp::{encode, split_line};
use integration::wait::{secs, wait_until};

/// A command that changes nothing, not even CLIENT CACHING, and gets a reply in every mode outside MULTI.
const MARK: &str = "CLIENT ID mark";
const MARKED: &[u8] = b"-ERR wrong number of arguments for 'client|id' command\r\n";

struct Stage<'a> {
    node: &'a Node,
    clients: BTreeMap<String, Client>,
    ids: BTreeMap<String, String>,
    in_multi: Option<String>,
    /// The last reply contained an id.
    told_id: bool,
    heard: String,
}

impl<'a> Stage<'a> {
    fn new(node: &'a Node) -> Self {
        Self {
            node,
            clients: BTreeMap::new(),
            ids: BTreeMap::new(),
            in_multi: None,
            told_id: false,
            heard: String::new(),
        }
    }

    fn client(&mut self, name: &str) -> &mut Client {
        let node = self.node;
        let ids = &mut self.ids;
        self.clients.entry(name.to_owned()).or_insert_with(|| {
            let mut client = node.client();
            let protocol = name.chars().last().expect("a name");
            assert!(!client.cmd(&format!("HELLO {protocol}")).is_error());
            ids.insert(name.to_owned(), client.cmd("CLIENT ID").text());
            client
        })
    }

    fn line(&mut self, line: &str) {
        if let Some(ms) = line.strip_prefix("!sleep ") {
            thread::sleep(Duration::from_millis(ms.parse().expect("milliseconds")));
            return self.listen("");
        }
        let (name, command) = line.split_once(' ').expect("a name and a command");
        let _ = writeln!(self.heard, "-- {line}");
        if command == "!close" {
            let id = self.ids[name].clone();
            self.clients.remove(name);
            let node = self.node;
            wait_until("the server noticed it", secs(10), || {
                !node.cmd("CLIENT LIST").text().contains(&format!("id={id} "))
            });
            return;
        }
        let commands = command.strip_prefix("!pipeline ").map_or(vec![command], |all| all.split("; ").collect());
        // A connection that is named for the first time is opened before its id is used.
        self.client(name);
        let ids = self.ids.clone();
        let id = |word: &Vec<u8>| ids.get(std::str::from_utf8(word).ok()?.strip_prefix('$')?).cloned();
        let words = |command: &&str| -> Vec<Vec<u8>> {
            split_line(command).into_iter().map(|word| id(&word).map_or(word, String::into_bytes)).collect()
        };
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(&words(command))).collect();
        self.client(name).send_raw(&bytes).expect("sent");
        match commands[0] {
            "MULTI" => self.in_multi = Some(name.to_owned()),
            "EXEC" | "DISCARD" => self.in_multi = None,
            _ => {}
        }
        self.told_id = ["CLIENT GETREDIR", "HELLO 2", "HELLO 3"].contains(&commands[0]);
        for _ in &commands {
            let frame = self.client(name).frame(secs(10)).expect("a reply");
            self.write(name, &frame);
        }
        self.listen(name);
    }

    /// Records what else has arrived, first on the connection that sent the last command.
    fn listen(&mut self, speaker: &str) {
        let mut names = vec![speaker.to_owned()];
        names.extend(self.clients.keys().filter(|name| *name != speaker).cloned());
        names.retain(|name| !name.is_empty() && self.in_multi.as_ref() != Some(name));
        for name in &names {
            let client = self.clients.get_mut(name).expect("it is connected");
            client.send(&split_line(MARK)).expect("sent");
            let frames: Vec<Vec<u8>> =
                std::iter::from_fn(|| Some(client.frame(secs(10)).expect("a reply")).filter(|frame| frame != MARKED))
                    .collect();
            frames.iter().for_each(|frame| self.write(name, frame));
        }
    }

    /// Ids differ from server to server; they are replaced by names where a message contains one.
    fn write(&mut self, name: &str, frame: &[u8]) {
        // HELLO tells the version, of which slotd announces another.
        let mut text = frame.escape_ascii().to_string().replace(r"$5\r\n7.2.4\r\n", r"$6\r\n7.0.15\r\n");
        if self.told_id || text.contains("redir") {
            for (other, id) in &self.ids {
                text = text.replace(&format!(":{id}\\r\\n"), &format!(":${other}\\r\\n"));
                text = text.replace(&format!("redir={id} "), &format!("redir=${other} "));
            }
        }
        if let Some((_, line)) = text.split_once("flags=").filter(|_| text.contains(" laddr=")) {
            let fields = line.split(' ').filter(|field| !field.contains('=') || field.starts_with("redir="));
            text = fields.collect::<Vec<_>>().join(" ");
        }
        let _ = writeln!(self.heard, "{name}: {text}");
    }
}

fn perform(binary: Binary, script: &str) -> Vec<String> {
    let node = NodeSpec::new(binary).with("enable-debug-command", "yes").start();
    let mut heard = Vec::new();
    for scene in script.split("== ").filter(|scene| !scene.trim().is_empty()) {
        let mut stage = Stage::new(&node);
        let (title, lines) = scene.split_once('\n').expect("a title");
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.for_each(|line| stage.line(line));
        heard.push(format!("== {title}\n{}", stage.heard));
        drop(stage);
        let mut admin = node.admin();
        wait_until("its clients are gone", secs(10), || admin.cmd("CLIENT LIST").text().lines().count() == 1);
        for line in ["FLUSHALL", "CONFIG SET tracking-table-max-keys 1000000", "DEBUG SET-ACTIVE-EXPIRE 1"] {
            assert!(!admin.cmd(line).is_error());
        }
    }
    heard
}

/// Plays the scenes to both servers and compares everything that arrives on all connections.
#[track_caller]
pub(super) fn check(script: &str) {
    let (stock, slotd) = thread::scope(|scope| {
        let stock = scope.spawn(|| perform(Binary::Stock, script));
        let slotd = scope.spawn(|| perform(Binary::Slotd, script));
        (stock.join().expect("the oracle plays"), slotd.join().expect("slotd plays"))
    });
    for (stock, slotd) in stock.iter().zip(&slotd) {
        let same = stock.lines().zip(slotd.lines()).take_while(|(stock, slotd)| stock == slotd).count();
        let part = |all: &str| all.lines().skip(same.saturating_sub(6)).take(12).collect::<Vec<_>>().join("\n");
        let title = stock.lines().next().unwrap_or_default();
        assert!(stock == slotd, "{title}\nredis:\n{}\n\nslotd:\n{}", part(stock), part(slotd));
    }
}

/// The script in both protocols: `a` stands for a connection of it.
pub(super) fn in_both_protocols(script: &str) -> String {
    [2, 3].map(|own| script.replace("\na ", &format!("\na{own} ")).replace("$a\n", &format!("$a{own}\n"))).concat()
}
