//! Random scripts and functions, in lock-step with the oracle.
//!
//! Programs ([`super::random_lua`]) around the random commands of [`super::random`] run as EVAL, EVALSHA, their
//! read-only forms and functions, in RESP2 and RESP3, in transactions and outside, between other random commands. Every
//! reply is compared byte for byte, and at the end the statistics of commands and errors and the data. A finding is
//! replayed by `RANDOM_FIRST=<seed> RANDOM_SEEDS=1`; it then deserves a script of its own in [`super::scripts`].

use integration::client::{Client, REPLY_LIMIT};
use integration::node::Node;
use integration::resp::{Value, parse};
use slotd::parts::Rng;

use super::random::{Command, Grammar, Played, begin, compare, conclusions, node_of_a_cluster, shown, spec};
use super::random_lua::{Program, Writer};

/// Steps of one seed; about half of them are scripts.
const STEPS: usize = 60;

/// One thing that a client does.
enum Step {
    Plain(Command),
    /// The program, and the words after it.
    Eval(&'static str, String, Command),
    /// The same by its digest.
    EvalSha(&'static str, String, Command),
    /// The library, how it is called, and the words after the function's name.
    Call(String, &'static str, Command),
}

fn steps(seed: u64, in_cluster: bool) -> Vec<Step> {
    let mut grammar = Grammar(Rng::new(seed));
    (0..STEPS)
        .map(|_| {
            if grammar.rarely(2) {
                return Step::Plain(plain(&mut grammar));
            }
            let one_slot = in_cluster && !grammar.rarely(3);
            let program = Writer::new(&mut grammar, one_slot).write();
            script(&mut grammar, program)
        })
        .collect()
}

fn plain(grammar: &mut Grammar) -> Command {
    let managing: [&[&str]; 7] = [
        &["SCRIPT", "FLUSH"],
        &["SCRIPT", "EXISTS", "x"],
        &["FUNCTION", "LIST", "WITHCODE"],
        &["FUNCTION", "DUMP"],
        &["FUNCTION", "DELETE", "l"],
        &["FUNCTION", "STATS"],
        &["FUNCTION", "FLUSH"],
    ];
    if grammar.rarely(6) {
        return vec![grammar.pick(&["MULTI", "EXEC"]).as_bytes().to_vec()];
    }
    if grammar.rarely(30) {
        return grammar.pick(&managing).iter().map(|word| word.as_bytes().to_vec()).collect();
    }
    grammar.command()
}

fn script(grammar: &mut Grammar, program: Program) -> Step {
    let Program { source, keys, args } = program;
    let count =
        if grammar.rarely(40) { grammar.pick(&["0", "1", "-1", "99", "x"]).to_owned() } else { keys.len().to_string() };
    let words: Command = std::iter::once(count.into_bytes()).chain(keys).chain(args).collect();
    let flags =
        ["", "flags=no-writes", "flags=no-writes,allow-stale", "flags=allow-cross-slot-keys", "flags=no-cluster"];
    let flag = grammar.pick(&flags);
    let first_line = if grammar.rarely(6) { format!("#!lua {flag}\n") } else { String::new() };
    match grammar.0.below(10) {
        0..=3 => Step::Eval("EVAL", first_line + &source, words),
        4 => Step::Eval("EVAL_RO", first_line + &source, words),
        5 | 6 => Step::EvalSha("EVALSHA", first_line + &source, words),
        7 if grammar.rarely(2) => Step::EvalSha("EVALSHA_RO", first_line + &source, words),
        kind => {
            let flags = grammar.pick(&["", "flags={'no-writes'},", "flags={'allow-cross-slot-keys'},", ""]);
            let library = format!(
                "#!lua name=l\nredis.register_function{{function_name='f',{flags}callback=function(KEYS,ARGV) {source}\nend}}"
            );
            Step::Call(library, if kind == 9 { "FCALL_RO" } else { "FCALL" }, words)
        }
    }
}

/// Words of a command, of which the first are text.
fn command(first: &[&str], rest: &Command) -> Command {
    first.iter().map(|word| word.as_bytes().to_vec()).chain(rest.iter().cloned()).collect()
}

fn exchange(client: &mut Client, words: &Command) -> Vec<u8> {
    client.send(words).expect("the server reads");
    client.frame(REPLY_LIMIT).unwrap_or_else(|silence| format!("{silence:?}").into_bytes())
}

/// Plays one seed's steps to an emptied server.
fn play(node: &Node, seed: u64, in_cluster: bool) -> Played {
    let mut client = begin(node, seed);
    // Beside the transactions of the other.
    let mut manager = node.client();
    for line in ["FUNCTION FLUSH", "SCRIPT FLUSH"] {
        manager.ok(line);
    }
    let mut played = Played::new();
    for step in steps(seed, in_cluster) {
        let (prepared, text, words) = match step {
            Step::Plain(words) => (None, String::new(), words),
            Step::Eval(name, source, rest) => {
                let words = command(&[name, &source], &rest);
                (None, source, words)
            }
            Step::EvalSha(name, source, rest) => {
                let load = exchange(&mut manager, &command(&["SCRIPT", "LOAD", &source], &Vec::new()));
                let digest = match parse(&load) {
                    Ok((Value::Bulk(digest), _)) => String::from_utf8_lossy(&digest).into_owned(),
                    _ => "none".to_owned(),
                };
                let words = command(&[name, &digest], &rest);
                (Some(load), source, words)
            }
            Step::Call(library, name, rest) => {
                let load = exchange(&mut manager, &command(&["FUNCTION", "LOAD", "REPLACE", &library], &Vec::new()));
                (Some(load), library, command(&[name, "f"], &rest))
            }
        };
        let words_shown = shown(&words[if text.is_empty() { 0 } else { 2 }..].to_vec());
        // The name of the command tells how replies are compared, so it stands in front.
        let name = String::from_utf8_lossy(&words[0]).into_owned();
        let what = if text.is_empty() { words_shown } else { format!("{name} with {words_shown} of\n{text}\n") };
        if let Some(load) = prepared {
            played.push((format!("load {what}"), load));
        }
        let reply = exchange(&mut client, &words);
        let is_lost = reply.first().is_none_or(u8::is_ascii_alphabetic);
        played.push((what, reply));
        if is_lost {
            // The rest cannot be compared.
            return played;
        }
    }
    let _ = client.cmd("DISCARD");
    let digest = client.cmd("DEBUG DIGEST").text();
    played.push(("the digest of all data".to_owned(), digest.into_bytes()));
    // In a cluster a script may begin again, and what it has called before is counted twice.
    let is_compared = |name: &str| !in_cluster || !name.starts_with("cmdstat_") && !name.starts_with("errorstat_");
    played.extend(conclusions(&mut client).into_iter().filter(|(name, _)| is_compared(name)));
    played
}

#[test]
fn random_scripts_on_a_lone_node() {
    compare(|binary| spec(binary).start(), |node, seed| play(node, seed, false));
}

#[test]
fn random_scripts_on_a_node_of_a_cluster() {
    compare(node_of_a_cluster, |node, seed| play(node, seed, true));
}
