//! Every `--cluster` command once, with the clients of three versions: later clients ask more of a node.
//!
//! The clients of later versions are not on every machine. Those tests are ignored, so a plain run counts them as
//! ignored; `tests/run flows` runs them if the oracle script is there.

use std::fs;

use integration::cluster::{Cluster, ClusterSpec};
use integration::node::NodeSpec;
use integration::oracle::Binary;
use integration::redis_cli::{Cli, CliOutput, cluster_cli_of};
use integration::wait::{secs, wait_until};

struct Flows {
    cli: Cli,
    cluster: Cluster,
}

impl Flows {
    /// `create`.
    fn begin(cli: Cli) -> Self {
        let cluster = ClusterSpec::new(3, 1).start_nodes();
        let mut args = vec!["create".to_owned()];
        args.extend(cluster.nodes.iter().map(integration::node::Node::addr));
        args.extend(["--cluster-replicas".to_owned(), "1".to_owned()]);
        cluster_cli_of(cli, &args).expect_success().expect("[OK] All 16384 slots covered.");
        cluster.wait_stable();
        Self { cli, cluster }
    }

    fn run(&self, args: &[&str]) -> CliOutput {
        cluster_cli_of(self.cli, args)
    }

    fn seed(&self) -> String {
        self.cluster.nodes[0].addr()
    }

    #[track_caller]
    fn check(&self) {
        self.cluster.wait_stable();
        let check = self.run(&["check", &self.seed()]).expect_success();
        check.expect("[OK] All nodes agree about slots configuration.").expect("[OK] All 16384 slots covered.");
    }

    fn reshard_and_rebalance(&self) {
        let (from, to) = (self.cluster.id(0), self.cluster.id(1));
        let args = ["--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "300"];
        self.run(&[&["reshard", &self.seed()], &args[..]].concat()).expect_success();
        self.check();
        assert_eq!(self.cluster.myself(1).slot_count(), 5_462 + 300);
        self.run(&["rebalance", &self.seed()]).expect_success();
        self.check();
        assert!((0..3).all(|node| self.cluster.myself(node).slot_count().abs_diff(5_461) <= 2));
    }

    fn join_and_leave(&mut self) {
        let primary = self.cluster.add_empty_node(Binary::Slotd);
        let primary_at = self.cluster.nodes[primary].addr();
        self.run(&["add-node", &primary_at, &self.seed()]).expect_success().expect("[OK] New node added correctly.");
        self.check();
        let id = self.cluster.id(primary);
        let replica = self.cluster.add_empty_node(Binary::Slotd);
        let replica_at = self.cluster.nodes[replica].addr();
        let follow = ["add-node", &replica_at, &self.seed(), "--cluster-slave", "--cluster-master-id", &id];
        self.run(&follow).expect_success().expect("[OK] New node added correctly.");
        self.check();
        assert_eq!(self.cluster.replicas_of(primary), [replica]);
        let some = ["--cluster-from", "all", "--cluster-to", &id, "--cluster-slots", "150"];
        self.run(&[&["reshard", &self.seed()], &some[..]].concat()).expect_success();
        self.check();
        assert!(self.cluster.myself(primary).slot_count().abs_diff(150) <= 3);
        // A replica leaves first: it would follow the slots to another primary.
        let replica_id = self.cluster.id(replica);
        self.run(&["del-node", &self.seed(), &replica_id]).expect_success();
        self.run(&["rebalance", &self.seed(), "--cluster-weight", &format!("{id}=0")]).expect_success();
        self.run(&["del-node", &self.seed(), &id]).expect_success();
        wait_until("the others to forget them", secs(20), || (0..6).all(|node| self.cluster.view(node).len() == 6));
        for node in [primary, replica] {
            self.cluster.nodes[node].kill();
        }
        self.check();
    }

    /// An interrupted move, and slots without an owner.
    fn fix(&self) {
        let cluster = &self.cluster;
        let slot = 12_182;
        let from = cluster.owner_of(slot);
        let to = (from + 1) % 3;
        cluster.client().call(&["SET", "foo", "bar"]);
        cluster.client().call(&["SET", "{foo}2", "bar"]);
        for (node, state, other) in [(to, "IMPORTING", from), (from, "MIGRATING", to)] {
            let line = format!("CLUSTER SETSLOT {slot} {state} {}", cluster.id(other));
            assert!(cluster.nodes[node].cmd(&line).is_ok());
        }
        let port = cluster.nodes[to].port();
        assert!(cluster.nodes[from].cmd(&format!("MIGRATE 127.0.0.1 {port} foo 0 5000")).is_ok());
        self.run(&["fix", &self.seed()]).expect_success();
        self.check();
        assert!((0..3).all(|node| cluster.myself(node).open_slots.is_empty()));
        assert_eq!(cluster.client().call(&["MGET", "foo", "{foo}2"]).items().len(), 2);
        cluster.live().for_each(|node| drop(node.cmd("CLUSTER DELSLOTS 300 301")));
        wait_until("the hole to be seen", secs(10), || {
            cluster.live().all(|node| node.cmd("CLUSTER INFO").text().contains("cluster_state:fail"))
        });
        assert_ne!(self.run(&["check", &self.seed()]).code, 0);
        self.run(&["fix", &self.seed()]).expect_success();
        self.check();
    }

    fn import(&self) {
        let source = NodeSpec::new(Binary::Stock).start();
        for key in 0..50 {
            assert!(source.cmd(&format!("SET import:{key} {key}")).is_ok());
        }
        self.run(&["import", &self.seed(), "--cluster-from", &source.addr(), "--cluster-copy"]).expect_success();
        let mut client = self.cluster.client();
        for key in 0..50 {
            assert_eq!(client.call(&["GET", &format!("import:{key}")]).text(), key.to_string());
        }
        assert_eq!(source.cmd("DBSIZE").int(), 50, "it was asked for a copy");
    }

    fn small_ones(&self) {
        let info = self.run(&["info", &self.seed()]).expect_success();
        info.expect("keys in 3 ");
        let call = self.run(&["call", &self.seed(), "CLUSTER", "KEYSLOT", "foo"]).expect_success();
        assert_eq!(call.stdout.matches("12182").count(), 6, "{}", call.stdout);
        self.run(&["set-timeout", &self.seed(), "3000"]);
        for node in self.cluster.live() {
            assert_eq!(node.cmd("CONFIG GET cluster-node-timeout").items()[1].text(), "3000");
        }
        let place = self.cluster.nodes[0].dir().join("backup");
        fs::create_dir(&place).expect("a new directory");
        self.run(&["backup", &self.seed(), &place.display().to_string()]).expect_success();
        let files: Vec<String> = fs::read_dir(&place)
            .expect("it is there")
            .map(|file| file.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        assert_eq!(files.iter().filter(|file| file.ends_with(".rdb")).count(), 3, "{files:?}");
        assert!(files.iter().any(|file| file == "nodes.json"), "{files:?}");
    }
}

fn all_with(cli: Cli) {
    let mut flows = Flows::begin(cli);
    let written = flows.cluster.fill("flows", 300);
    flows.check();
    flows.reshard_and_rebalance();
    flows.join_and_leave();
    flows.fix();
    flows.import();
    flows.small_ones();
    flows.cluster.verify("flows", written);
}

#[test]
fn every_flow_works_with_the_stock_client() {
    all_with(Cli::Stock);
}

#[test]
#[ignore = "needs redis-cli 8: tests/run flows"]
fn every_flow_works_with_redis_cli_8() {
    all_with(Cli::Later("redis8-cli"));
}

#[test]
#[ignore = "needs valkey-cli 9: tests/run flows"]
fn every_flow_works_with_valkey_cli_9() {
    all_with(Cli::Later("valkey9-cli"));
}
