//! The HTML. Every value that was not written here goes through [`Text`], which leaves no mark-up in it.
//!
//! Pages work without scripts and without colour: what the bar of slots shows stands in words beside it.

use std::fmt;
use std::time::Duration;

use crate::cluster::{Place, Shard};
use crate::config::Node;
use crate::sessions::Session;

pub(crate) const STYLE: &str = include_str!("style.css");
pub(crate) const ICON: &str = include_str!("icon.svg");

/// Text of others, fit for an element and for an attribute in double quotes.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

fn frame(title: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
{body}</main>
<footer>Sessions are kept in a <strong>slotd</strong> cluster. This page holds none.</footer>
</body>
</html>
"#,
        title = Text(title)
    )
}

/// The form to sign in, with what was wrong before.
pub(crate) fn login(name: &str, said: Option<&str>) -> String {
    frame("Sign in", &form(name, said))
}

/// The form again, because the cluster is away. What was typed is still there.
pub(crate) fn login_away(name: &str, nodes: &[Node], error: &str) -> String {
    let said = "The session store does not answer, so you are not signed in. Try again in a moment.";
    frame("Sign in", &(form(name, Some(said)) + &hint(nodes, error)))
}

fn form(name: &str, said: Option<&str>) -> String {
    let (said, refers) = match said {
        Some(said) => {
            (format!("<p class=\"note\" id=\"said\" role=\"alert\">{}</p>\n", Text(said)), " aria-describedby=\"said\"")
        }
        None => (String::new(), ""),
    };
    format!(
        r#"<h1>Sign in</h1>
{said}<form method="post" action="/login">
<label for="name">Your name</label>
<input id="name" name="name" value="{name}" required maxlength="64" autocomplete="username" autofocus{refers}>
<button>Sign in</button>
</form>
<p class="quiet">Any name will do, and there is no password.</p>
"#,
        name = Text(name)
    )
}

/// Who is signed in, where the session is, and the button.
pub(crate) fn session(session: &Session, key: &str, place: &Place, ttl: Duration) -> String {
    let (number, shard) = match place.shard() {
        Some((number, shard)) => (number, Some(shard)),
        None => (0, None),
    };
    let held_by = shard.and_then(Shard::primary).map_or_else(|| "no node".to_owned(), |member| member.node.address());
    let copies: Vec<String> = shard.map_or_else(Vec::new, |shard| {
        shard.members.iter().filter(|m| !m.is_primary && m.is_online).map(|m| m.node.address()).collect()
    });
    let copies = if copies.is_empty() { "no replica is online".to_owned() } else { copies.join(", ") };
    let moved = match &session.moved {
        Some((from, to)) if session.failovers > 0 => format!(
            "<p class=\"note good\" role=\"status\">Lived through {}: the last went from <b>{}</b> to <b>{}</b>.</p>\n",
            counted(session.failovers, "failover"),
            Text(from),
            Text(to)
        ),
        _ => String::new(),
    };
    let body = format!(
        r#"<h1>Hello, {name}</h1>
<p class="lead">Visit <b id="visits">{visits}</b>. You signed in {age} ago; without another visit the session ends in {ttl}.</p>
{moved}<section aria-labelledby="place">
<h2 id="place">Where your session is</h2>
{bar}<dl>
<div><dt>Key</dt><dd><code>{key}</code></dd></div>
<div><dt>Slot</dt><dd id="slot">{slot}</dd></div>
<div><dt>Shard</dt><dd id="shard">{number} of {shards}</dd></div>
<div><dt>Held by</dt><dd id="node">{held_by}</dd></div>
<div><dt>Copied to</dt><dd id="copies">{copies}</dd></div>
</dl>
</section>
<form method="post" action="/failover">
<button>Fail this shard over</button>
<p class="quiet">The replica becomes the primary. You stay signed in.</p>
</form>
<section aria-labelledby="shards">
<h2 id="shards">The cluster</h2>
{table}</section>
<form method="post" action="/logout"><button class="plain">Sign out</button></form>
"#,
        name = Text(&session.name),
        visits = session.visits,
        age = lasting(session.age),
        ttl = lasting(ttl),
        bar = bar(place),
        key = Text(key),
        slot = place.slot,
        shards = place.shards.len(),
        held_by = Text(&held_by),
        copies = Text(&copies),
        table = table(place),
    );
    frame("Your session", &body)
}

/// All slots from left to right, by shard, with a mark where the session's is.
fn bar(place: &Place) -> String {
    let mut rects = String::new();
    for (at, shard) in place.shards.iter().enumerate() {
        for (first, last) in &shard.slots {
            let width = u32::from(*last) + 1 - u32::from(*first);
            rects.push_str(&format!("<rect class=\"s{}\" x=\"{first}\" width=\"{width}\" height=\"900\"/>\n", at % 6));
        }
    }
    let number = place.shard().map_or(0, |(number, _)| number);
    format!(
        r#"<svg class="bar" viewBox="-100 -300 16584 1500" preserveAspectRatio="none" role="img" aria-label="Slots 0 to 16383 by shard; yours is {slot}, in shard {number}">
{rects}<rect class="mark" x="{x}" y="-300" width="90" height="1500"/>
</svg>
"#,
        slot = place.slot,
        x = i32::from(place.slot) - 45,
    )
}

fn table(place: &Place) -> String {
    let mut rows = String::new();
    for (at, shard) in place.shards.iter().enumerate() {
        let slots: Vec<String> = shard.slots.iter().map(|(first, last)| format!("{first}–{last}")).collect();
        let state = |is_online: bool| if is_online { "" } else { " <span class=\"bad\">away</span>" };
        let node = |is_primary: bool| {
            let nodes = shard.members.iter().filter(|member| member.is_primary == is_primary);
            let nodes: Vec<String> =
                nodes.map(|member| format!("{}{}", Text(&member.node.address()), state(member.is_online))).collect();
            if nodes.is_empty() { "none".to_owned() } else { nodes.join("<br>") }
        };
        let (class, yours) = if shard.has(place.slot) { (" class=\"yours\"", " (yours)") } else { ("", "") };
        rows.push_str(&format!(
            "<tr{class}><th scope=\"row\"><span class=\"dot s{}\"></span>{}{yours}</th><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            at % 6,
            at + 1,
            slots.join(", "),
            node(true),
            node(false),
        ));
    }
    format!(
        r#"<div class="wide"><table>
<thead><tr><th scope="col">Shard</th><th scope="col">Slots</th><th scope="col">Primary</th><th scope="col">Replicas</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
"#
    )
}

/// The cluster is away. The page comes back by itself.
pub(crate) fn away(nodes: &[Node], error: &str) -> String {
    let body = r#"<h1>One moment</h1>
<p class="note" role="alert">The session store does not answer. You need not sign in again; this page looks every two seconds.</p>
<p><a href="/">Look again now</a></p>
"#;
    frame("The session store does not answer", &(body.to_owned() + &hint(nodes, error)))
}

/// What whoever runs this has to know.
fn hint(nodes: &[Node], error: &str) -> String {
    let nodes: Vec<String> = nodes.iter().map(Node::address).collect();
    format!(
        r#"<h2>For whoever runs this</h2>
<p>The cluster said: <code id="error">{error}</code></p>
<p>A shard whose primary died is back when its replica has taken over, which takes as long as <code>cluster-node-timeout</code>
and a little more. If it takes longer, ask <code>slotd healthcheck --ready</code> on its nodes. This application was told
to look at <code>{nodes}</code> (<code>SESSION_NODES</code>).</p>
"#,
        error = Text(error),
        nodes = Text(&nodes.join(", ")),
    )
}

/// Something else that did not work.
pub(crate) fn problem(title: &str, text: &str) -> String {
    let body = format!(
        "<h1>{}</h1>\n<p class=\"note\" role=\"alert\">{}</p>\n<p><a href=\"/\">Back</a></p>\n",
        Text(title),
        Text(text)
    );
    frame(title, &body)
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A length of time in its largest unit.
fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => counted(seconds, "second"),
        seconds @ 120..7200 => counted(seconds / 60, "minute"),
        seconds => counted(seconds / 3600, "hour"),
    }
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
