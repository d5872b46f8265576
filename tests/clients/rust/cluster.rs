//! One `slotd cluster` on free ports for each test; `SLOTD_BIN` names the binary.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use redis::ProtocolVersion;
use redis::cluster::{ClusterClient, ClusterConnection};
use redis::cluster_read_routing::RandomReplicaStrategy;

/// A reply may take so long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster that ends with its test.
pub struct Cluster {
    process: Child,
    port: u16,
}

impl Cluster {
    /// Starts three primaries with a replica each.
    pub fn start() -> Self {
        let binary = env::var_os("SLOTD_BIN").expect("SLOTD_BIN names the binary");
        let mut command = Command::new(binary);
        command.args(["cluster", "--port", "0", "--json"]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("slotd starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("slotd writes a line");
        let port = line.split_once("\"port\":").and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
        Self { process, port: port.expect("slotd cluster is ready") }
    }

    /// A connection of the cluster client.
    pub fn connect(&self, protocol: ProtocolVersion) -> ClusterConnection {
        let builder = ClusterClient::builder([format!("redis://127.0.0.1:{}", self.port)]);
        let client = builder.use_protocol(protocol).response_timeout(PATIENCE).build();
        client.and_then(|client| client.get_connection()).expect("the client connects")
    }

    /// The same, which reads from replicas.
    pub fn connect_to_replicas(&self) -> ClusterConnection {
        let builder = ClusterClient::builder([format!("redis://127.0.0.1:{}", self.port)]);
        let client = builder.read_routing_strategy(RandomReplicaStrategy).response_timeout(PATIENCE).build();
        client.and_then(|client| client.get_connection()).expect("the client connects")
    }

    /// Ends the cluster as a user would, and checks that it ends well.
    pub fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        assert_eq!(self.process.wait().expect("it is our child").code(), Some(0));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // After a failed test.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Runs a test in RESP2 and RESP3, each with a cluster of its own.
pub fn in_both(test: impl Fn(&Cluster, ProtocolVersion)) {
    for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
        let cluster = Cluster::start();
        test(&cluster, protocol);
        cluster.stop();
    }
}

/// Runs `wait` on a connection of its own, and `act` a little later, when it waits; returns what `wait` did.
pub fn while_waiting<R: Send>(
    mut waiting: ClusterConnection,
    wait: impl FnOnce(&mut ClusterConnection) -> R + Send,
    act: impl FnOnce(),
) -> R {
    thread::scope(|scope| {
        let waiting = scope.spawn(move || wait(&mut waiting));
        // It is answered whether it waits by then or not.
        thread::sleep(Duration::from_millis(100));
        act();
        waiting.join().expect("the wait ends")
    })
}
