//! `slotd doctor`: what a cluster would lose, what is wrong with it, and with `--fix` what can be cured safely.
//!
//! Every node is asked what it knows ([`collect`]), also those that were not named; from what they say a picture is
//! made ([`picture`]), and from that findings ([`findings`], [`checks`]) and a plan ([`mod@plan`]), which are pure
//! functions. [`fix`] follows the plan. Nodes that have just learned something do not agree for a moment, so a
//! disagreement is looked at again before it is reported. Nodes of other clusters are kept apart ([`strangers`]).
//! ```text
//! facts, hosts   what nodes say, and which of them share a host
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;

use super::node_list::NodeList;
use super::variables::Variables;
use super::wait::{WRONG_USAGE, nodes_to_ask};
use super::{Invocation, refusal};
use crate::base::clock::{Clock, SystemClock};
use collect::Asking;
use collect::Visit;
use findings::{Code, Finding};
use fix::Cure;
use hosts::{Label, check_labels, check_places};
use picture::Picture;
use plan::{Moves, plan};

mod checks;
mod collect;
mod facts;
mod findings;
mod fix;
mod forget;
mod hold;
mod hosts;
mod picture;
mod plan;
mod seats;
mod strangers;

/// How often nodes are asked until they agree, and the time between that.
const LOOKS: (usize, Duration) = (5, Duration::from_millis(500));
/// How long an examination may take before nobody is asked any more.
const EXAMINATION: Duration = Duration::from_secs(15);
/// The exit status if something was found.
const FINDINGS: u8 = 1;
/// The exit status if it cannot be found out.
const UNKNOWN: u8 = 2;

/// Examine a cluster: what it would lose with a host, and what is wrong with its nodes.
///
/// All nodes are asked that the named ones know. Ends with status 0 if nothing is found, 1 if something is, 2 if it
/// cannot be found out (no node answers, the password is wrong) or the command line is wrong, 3 if the outcome could
/// not be written.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "slotd doctor",
    no_binary_name = true,
    disable_version_flag = true,
    after_help = "Without --nodes: SLOTD_CLUSTER_NODES of the environment, else the node of this machine at SLOTD_PORT, 6379, or 7000\n\
                  with SLOTD_MODE=cluster. The password is taken as by slotd healthcheck: from REDISCLI_AUTH, SLOTD_PASSWORD or\n\
                  SLOTD_PASSWORD_FILE.\n\n\
                  Examples:\n  \
                  slotd doctor --nodes 10.0.0.1:7000\n  \
                  slotd doctor --nodes 10.0.0.1:7000 --ignore no-persistence,clock-skew --fix\n  \
                  slotd doctor --nodes 127.0.0.1:7000 --host vm1=127.0.0.1:7000,127.0.0.1:7003 --host vm2=127.0.0.1 --json"
)]
struct Flags {
    /// One node of the cluster or several, as host:port,host:port; port 6379 if none is said.
    #[arg(long, value_name = "NODES")]
    nodes: Option<NodeList>,
    /// Nodes that share a host, as NAME=WHO,WHO: addresses, host names, host:port or ids. Else nodes with one address,
    /// or one announced host name, do. May be repeated.
    #[arg(long = "host", value_name = "NAME=WHO")]
    hosts: Vec<Label>,
    /// Findings that are known and do not count.
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    ignore: Vec<Code>,
    /// Do what is safe, and say what: move roles and replicas so that losing a host costs as little as possible, and
    /// forget nodes that were replaced.
    #[arg(long)]
    fix: bool,
    /// Print one JSON object, also if it cannot be found out; what --fix does goes to standard error.
    #[arg(long)]
    json: bool,
    /// Longest wait for one thing that --fix does, in seconds. A replica that gets another primary copies all its data.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    timeout: u64,
}

/// What is examined, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doctor {
    asking: Asking,
    hosts: Vec<Label>,
    ignore: Vec<Code>,
    fix: bool,
    /// Print JSON.
    pub json: bool,
    patience: Duration,
}

pub(super) fn parse(
    arguments: &[OsString],
    variables: &Variables,
    password: Option<OsString>,
) -> Result<Invocation, String> {
    let flags = match Flags::try_parse_from(arguments) {
        Ok(flags) => flags,
        Err(error) => return refusal(&error, WRONG_USAGE),
    };
    if let Err(text) = check_labels(&flags.hosts) {
        return Ok(Invocation::Refused { text, status: WRONG_USAGE });
    }
    Ok(match nodes_to_ask(flags.nodes, variables) {
        Ok(nodes) => Invocation::Doctor(Doctor {
            asking: Asking { nodes, password, ..Asking::default() },
            hosts: flags.hosts,
            ignore: flags.ignore,
            fix: flags.fix,
            json: flags.json,
            patience: Duration::from_secs(flags.timeout),
        }),
        Err(text) => Invocation::Refused { text, status: WRONG_USAGE },
    })
}

/// What is printed instead of an outcome, if JSON is wanted.
pub(super) fn json_of(error: &str) -> String {
    format!("{}\n", json!({ "error": error.trim_end() }))
}

/// Whether these words ask for JSON, whatever else is wrong with them.
pub(super) fn wants_json(words: &[OsString]) -> bool {
    words.first().is_some_and(|word| word == "doctor") && words.iter().any(|word| word == "--json")
}

/// One examination.
struct Examined {
    picture: Picture,
    /// All findings, ignored ones too.
    findings: Vec<Finding>,
    cure: Cure,
}

impl Examined {
    fn new(picture: Picture) -> Self {
        let steps = plan(&picture.placement().0, Moves::All);
        let mut findings = checks::of_nodes(&picture);
        findings.extend(findings::of_places(&picture, &steps));
        findings.sort_by_key(|finding| finding.code);
        let cure = Cure::of(&picture, &findings, &steps, SystemClock::new().now_ms());
        Self { picture, findings, cure }
    }
}

impl Doctor {
    /// Examines, and cures if that was asked for; `tell` gets a line for each thing that is done. Returns what to print
    /// and the exit status.
    ///
    /// # Errors
    /// Why it cannot be found out, with the exit status.
    pub(crate) fn run(&self, mut tell: impl FnMut(String)) -> Result<(String, u8), (String, u8)> {
        let unknown = |reason| (reason, UNKNOWN);
        let mut examined = self.examine(&self.asking).map_err(unknown)?;
        check_places(&examined.picture.places, &self.hosts).map_err(unknown)?;
        let mut done = Vec::new();
        if self.fix && !examined.cure.actions.is_empty() {
            let answered = examined.picture.facts.reports.iter().map(|report| report.address.clone());
            let asking = Asking { known: answered.collect(), ..self.asking.clone() };
            let failed = self.cure(&asking, &examined, &mut done, &mut tell).err();
            examined = self.examine(&asking).map_err(unknown)?;
            examined.cure.refused.extend(failed);
        }
        let status = if self.counted(&examined).is_empty() { 0 } else { FINDINGS };
        let text = if self.json { self.as_json(&examined, &done) } else { self.as_text(&examined) };
        Ok((text, status))
    }

    fn examine(&self, asking: &Asking) -> Result<Examined, String> {
        let mut visit = Visit::new(Instant::now() + EXAMINATION);
        let (mut looks, mut earlier) = (0, BTreeMap::new());
        loop {
            looks += 1;
            let mut facts = asking.look(&mut visit)?;
            asking.look_for_twins(&mut facts, &mut visit);
            facts.earlier = earlier;
            let picture = Picture::new(facts, &self.hosts);
            let examined = Examined::new(picture);
            let passes =
                |finding: &Finding| matches!(finding.code, Code::Disagreement | Code::Stranger | Code::ReplicaBehind);
            if looks >= LOOKS.0 || !visit.has_time_after(LOOKS.1) || !examined.findings.iter().any(passes) {
                return Ok(examined);
            }
            earlier = examined.picture.facts.offsets();
            std::thread::sleep(LOOKS.1);
        }
    }

    /// Does what can be done, one action after the other.
    fn cure(
        &self,
        asking: &Asking,
        examined: &Examined,
        done: &mut Vec<String>,
        tell: &mut impl FnMut(String),
    ) -> Result<(), String> {
        for action in &examined.cure.actions {
            let began = Instant::now();
            tell(format!("{} ...", action.text));
            asking.act(action, &examined.picture, self.patience).map_err(|reason| {
                let text = format!("{}: {reason}", action.text);
                tell(format!("  {reason}; nothing further is done"));
                text
            })?;
            tell(format!("  done after {:.1} s", began.elapsed().as_secs_f64()));
            done.push(action.text.clone());
        }
        Ok(())
    }

    /// The findings that count.
    fn counted<'a>(&self, examined: &'a Examined) -> Vec<&'a Finding> {
        examined.findings.iter().filter(|finding| !self.ignore.contains(&finding.code)).collect()
    }

    fn as_text(&self, examined: &Examined) -> String {
        let (picture, findings) = (&examined.picture, self.counted(examined));
        let count = |many: usize, what: &str| format!("{many} {what}{}", if many == 1 { "" } else { "s" });
        let mut text = format!(
            "{} in {} on {}: {}\n",
            count(picture.members.len(), "node"),
            count(picture.primaries().count(), "shard"),
            count(picture.known_hosts().count(), "host"),
            if findings.is_empty() { "nothing found".to_owned() } else { count(findings.len(), "finding") }
        );
        for Finding { code, what, nodes, advice } in findings {
            text.push_str(&format!("\n{}: {what}\n", code.name()));
            if !nodes.is_empty() {
                text.push_str(&format!("  where: {}\n", nodes.join(", ")));
            }
            text.push_str(&format!("  do: {advice}\n"));
        }
        let cure = &examined.cure;
        if !cure.actions.is_empty() && !self.fix {
            text.push_str("\n--fix would do this:\n");
            cure.actions.iter().for_each(|action| text.push_str(&format!("  {}\n", action.text)));
        }
        cure.refused.iter().for_each(|why| text.push_str(&format!("\n--fix: {why}\n")));
        text
    }

    fn as_json(&self, examined: &Examined, done: &[String]) -> String {
        let (picture, findings) = (&examined.picture, self.counted(examined));
        let nodes: Vec<serde_json::Value> = picture
            .members
            .iter()
            .map(|member| {
                json!({
                    "id": member.id.to_string(),
                    "address": member.name,
                    "host": picture.host(member),
                    "primary": member.primary.map(|id| id.to_string()),
                    "slots": member.slots.count(),
                    "answers": member.answers,
                })
            })
            .collect();
        let plan: Vec<&str> = examined.cure.actions.iter().map(|action| action.text.as_str()).collect();
        let text = json!({
            "healthy": findings.is_empty(),
            "hosts": picture.hosts,
            "nodes": nodes,
            "findings": findings,
            "plan": plan,
            "done": done,
            "refused": examined.cure.refused,
        });
        format!("{text}\n")
    }
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
