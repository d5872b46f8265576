//! Which nodes share a host, and what the host is called.
//!
//! Nodes with one address are on one host, and so are nodes that announce one host name at several addresses. Where
//! this is wrong (nodes of several machines behind one address, pods that have an address each), `--host` says it:
//! `--host vm1=10.0.0.1,10.0.1.1 --host vm2=10.0.0.2:7000`.

use std::str::FromStr;

use crate::healthcheck::address_of;

/// How many nodes an error names.
const SHOWN: usize = 6;

/// `NAME=WHO,WHO...`: nodes that are on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) name: String,
    /// Addresses, host names, `host:port`, or ids.
    pub(super) who: Vec<String>,
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let said = text.split_once('=').map(|(name, who)| {
            let who: Vec<String> = who.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
            Self { name: name.to_owned(), who }
        });
        said.filter(|label| !label.name.is_empty() && !label.who.is_empty())
            .ok_or_else(|| format!("'{text}' names no host: write NAME=10.0.0.1,10.0.0.2:7000"))
    }
}

/// What is known of the place of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ip: String,
    pub(super) port: u16,
    /// What it announces; empty: nothing.
    pub(super) hostname: String,
    pub(super) id: String,
}

impl Place {
    fn is(&self, who: &str) -> bool {
        let at = |host: &str| {
            let bare = who.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
            let with_brackets = format!("[{host}]:{}", self.port);
            !host.is_empty() && (who == host || bare == Some(&self.port.to_string()) || who == with_brackets)
        };
        at(&self.ip) || at(&self.hostname) || self.id == who
    }
}

fn label_of<'l>(place: &Place, labels: &'l [Label]) -> Option<&'l Label> {
    labels.iter().find(|label| label.who.iter().any(|who| place.is(who)))
}

/// Refuses labels that contradict each other: the first would count, and whoever wrote the second would not know.
///
/// # Errors
/// A host or a node is given twice.
pub(super) fn check_labels(labels: &[Label]) -> Result<(), String> {
    for (at, label) in labels.iter().enumerate() {
        let before = &labels[..at];
        if before.iter().any(|other| other.name == label.name) {
            return Err(format!(
                "--host {} is given twice: name all its nodes in one, separated by commas",
                label.name
            ));
        }
        for (at, who) in label.who.iter().enumerate() {
            if let Some(other) = before.iter().find(|other| other.who.contains(who)) {
                return Err(format!("--host: {who} is said to be on {} and on {}", other.name, label.name));
            }
            if label.who[..at].contains(who) {
                return Err(format!("--host {}: {who} is named twice", label.name));
            }
        }
    }
    Ok(())
}

/// Refuses a label that names a node which is not there, or only nodes that labels before it name: whoever wrote it
/// means another placement than the one that would be judged.
///
/// # Errors
/// The first word that puts no node on its host.
pub(super) fn check_places(places: &[Place], labels: &[Label]) -> Result<(), String> {
    for label in labels {
        for who in &label.who {
            let mut fit = places.iter().filter(|place| place.is(who)).peekable();
            if fit.peek().is_none() {
                let known = places.iter().filter(|place| !place.ip.is_empty());
                let known: Vec<String> = known.map(|place| address_of(&place.ip, place.port)).collect();
                let (shown, more) = known.split_at(known.len().min(SHOWN));
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                return Err(format!(
                    "--host {}={who}: no node of the cluster is that. Its nodes are {}{more}; an address, an announced host \
                     name, host:port or a whole id names them",
                    label.name,
                    shown.join(", ")
                ));
            }
            let others: Vec<&Label> = fit.filter_map(|place| label_of(place, labels)).collect();
            if let Some(other) = others.first().filter(|_| others.iter().all(|other| other.name != label.name)) {
                return Err(format!(
                    "--host {}={who}: what that names is on {} already, by the --host before it",
                    label.name, other.name
                ));
            }
        }
    }
    Ok(())
}

/// The names of all hosts, and for each place the number of its host.
pub(super) fn hosts(places: &[Place], labels: &[Label]) -> (Vec<String>, Vec<usize>) {
    let labelled: Vec<Option<&Label>> = places.iter().map(|place| label_of(place, labels)).collect();
    let together = |at: usize, with: usize| match (labelled[at], labelled[with]) {
        (Some(one), Some(other)) => one.name == other.name,
        (None, None) => {
            let (one, other) = (&places[at], &places[with]);
            (!one.ip.is_empty() && one.ip == other.ip) || (!one.hostname.is_empty() && one.hostname == other.hostname)
        }
        _ => false,
    };
    // The first of those that are together, for each: over addresses and names in turns until nothing changes.
    let mut first: Vec<usize> = (0..places.len()).collect();
    loop {
        let mut changed = false;
        for one in 0..places.len() {
            for other in 0..one {
                if first[one] != first[other] && together(one, other) {
                    let (low, high) = (first[one].min(first[other]), first[one].max(first[other]));
                    first.iter_mut().filter(|number| **number == high).for_each(|number| *number = low);
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    let mut roots: Vec<usize> = first.clone();
    roots.sort_unstable();
    roots.dedup();
    let name = |root: &usize| {
        let place = &places[*root];
        let members = || (0..places.len()).filter(|at| first[*at] == *root).map(|at| &places[at]);
        let one_name = !place.hostname.is_empty() && members().all(|other| other.hostname == place.hostname);
        match labelled[*root] {
            Some(label) => label.name.clone(),
            None if one_name || place.ip.is_empty() => place.hostname.clone(),
            None => place.ip.clone(),
        }
    };
    let number = |root: &usize| roots.iter().position(|other| other == root).unwrap_or(0);
    (roots.iter().map(name).collect(), first.iter().map(number).collect())
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
