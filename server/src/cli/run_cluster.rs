//! Running a whole cluster in this process, until a signal ends it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::console::Console;
use super::logs::{Held, log_of_cluster};
use super::run::{Call, PidFile, keep_pages_small, waiting_room};
use super::{ClusterArgs, Settled, title};
use crate::config::ids;
use crate::embedded;
use crate::logging::Level;
use crate::signals::Signals;

/// Moves to the beginning of the terminal's line and clears it.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Runs a whole cluster until a signal ends it.
pub(super) fn run_cluster(args: &ClusterArgs, call: &Call, began: Instant) -> Result<u8, String> {
    let Settled { directives, config } = args.settle()?;
    if let Some(status) = call.send_to_background(&config, None, true)? {
        return Ok(status);
    }
    keep_pages_small(&config);
    let console = &call.console;
    let held = Held::new(config.int(ids::LOGLEVEL) == Level::Warning as i64, console.err.clone());
    let log = log_of_cluster(&config, held.clone())?;
    if let Some(line) = args.environment.summary() {
        log.notice(format_args!("{line}"));
    }
    call.warn(&config, &log);
    held.hold();
    let pid_file = PidFile::create(&config, &log);
    let mut options = embedded::Options::new()
        .shards(usize::from(args.shards))
        .replicas(usize::from(args.replicas))
        .port(args.port)
        .directives(directives);
    if let Some(dir) = &args.dir {
        options = options.dir(dir);
    }
    let terminal = std::io::stderr().is_terminal();
    if terminal {
        let err = console.err.clone();
        options = options.on_progress(move |progress| err.put(format!("{CLEAR_LINE}{progress}")));
    }
    waiting_room().map_err(|error| format!("Starting the runtime: {error}"))?.block_on(async {
        let mut signals = Signals::new().map_err(|error| format!("Waiting for signals: {error}"))?;
        let mut starting = embedded::Cluster::start_async(options);
        let cluster = tokio::select! {
            cluster = &mut starting => {
                if terminal && began.elapsed() > Duration::from_secs(1) {
                    console.err.put(CLEAR_LINE);
                }
                cluster.map_err(|problem| {
                    held.show();
                    problem.to_string()
                })?
            }
            _ = signals.next() => {
                // Nothing is left behind when this is done; a second SIGINT ends the process at once.
                or_exit(&mut signals, move || drop(starting), || console.settle()).await;
                return Ok(0);
            }
        };
        let events = cluster.events();
        let first = cluster.nodes().first().map_or_else(String::new, |node| node.address.clone());
        // If the title cannot be written, there is none.
        let _ = title::set(&config, &format!("{} cluster", call.program.display()), &first);
        held.forget();
        if args.json {
            console.out.on_loss(|lines| format!("{{\"event\":\"dropped\",\"lines\":{lines}}}\n"));
        }
        console.out.put(ready_text(&cluster, args.json, began));
        call.serves()?;
        let status = watch_cluster(Arc::new(cluster), events, signals, args.json, &held, console).await;
        drop(pid_file);
        Ok(status)
    })
}

/// The description of the ready cluster.
fn ready_text(cluster: &embedded::Cluster, json: bool, began: Instant) -> String {
    let elapsed = began.elapsed().as_millis();
    let nodes = cluster.nodes();
    if json {
        let text = serde_json::json!({ "ready_ms": elapsed, "pid": std::process::id(), "nodes": nodes });
        return format!("{text}\n");
    }
    let mut text = String::new();
    for node in &nodes {
        let what = match &node.primary {
            Some(primary) => format!("replicates {}", &primary[..8]),
            None => format!("slots {}", node.slots.join(" ")),
        };
        text.push_str(&format!("{:7} {:21} {} {what}\n", node.role, node.address, &node.id[..8]));
    }
    let primaries = nodes.iter().filter(|node| node.primary.is_none()).count();
    text.push_str(&failover_note(primaries, nodes.len() - primaries).map_or_else(String::new, |note| note + "\n"));
    text.push_str(&format!("ready {elapsed} ms\n"));
    text
}

/// Why no replica will take over by itself, if none will: who tries out failovers would wait in vain.
fn failover_note(primaries: usize, replicas: usize) -> Option<String> {
    match (primaries, replicas) {
        (_, 0) => Some("note    no replicas: nobody takes over when a node is lost".to_owned()),
        (1 | 2, _) => Some(format!(
            "note    {primaries} of the 3 primaries that an election needs: when one is lost, its replica takes over only with \
             CLUSTER FAILOVER TAKEOVER"
        )),
        _ => None,
    }
}

/// Prints what happens to nodes, until a signal or the end of the last node ends the cluster. Returns the exit status.
async fn watch_cluster(
    cluster: Arc<embedded::Cluster>,
    mut events: embedded::Events,
    mut signals: Signals,
    json: bool,
    held: &Held,
    console: &Console,
) -> u8 {
    let mut status = 0;
    while !cluster.is_down() {
        tokio::select! {
            signal = signals.next() => {
                held.hold();
                let stopping = cluster.clone();
                let tidy = || {
                    cluster.remove_temporary();
                    console.settle();
                };
                let outcome = or_exit(&mut signals, move || stopping.shutdown(signal), tidy).await;
                if let Some(Err(problem)) = outcome {
                    held.show();
                    console.err.put(format!("{problem}\n"));
                    continue;
                }
                return status;
            }
            Some(event) = events.next() => status = status.max(take_event(&event, json, console)),
        }
    }
    // The last node may be down before its event arrives.
    cluster.settle();
    while let Some(event) = events.next_now() {
        status = status.max(take_event(&event, json, console));
    }
    if !json {
        console.out.put("all nodes are down\n");
    }
    status
}

/// Prints an event; returns the exit status that the process has because of it.
fn take_event(event: &embedded::Event, json: bool, console: &Console) -> u8 {
    let text = if json { serde_json::json!(event).to_string() } else { event.to_string() };
    console.out.put(format!("{text}\n"));
    match event.kind {
        embedded::EventKind::Ended { status } => u8::try_from(status).unwrap_or(1),
        _ => 0,
    }
}

/// Does something that takes a while. SIGINT meanwhile ends the process at once, as it ends a stock server that is
/// shutting down. `tidy` removes what would be left behind then.
async fn or_exit<T: Send + 'static>(
    signals: &mut Signals,
    act: impl FnOnce() -> T + Send + 'static,
    tidy: impl FnOnce(),
) -> Option<T> {
    tokio::select! {
        done = tokio::task::spawn_blocking(act) => done.ok(),
        () = signals.interrupted() => {
            tidy();
            std::process::exit(1)
        }
    }
}

#[cfg(test)]
#[path = "run_cluster_tests.rs"]
mod tests;
