//! Directives about the cluster and its bus.

use super::{checks, replication};
use crate::config::directive::{boolean, choice, directives, int, memory, optional, text};

const INT_MAX: i64 = i32::MAX as i64;

directives! {
    first = replication::END;
    /// Whether this node is part of a cluster.
    CLUSTER_ENABLED = boolean("cluster-enabled", false).immutable();
    /// Name of the file that keeps the cluster's state; only the node writes it.
    CLUSTER_CONFIG_FILE = text("cluster-config-file", "nodes.conf").immutable();
    /// Milliseconds of silence after which a node counts as failing.
    CLUSTER_NODE_TIMEOUT = int("cluster-node-timeout", 0, i64::MAX, 15000);
    /// TCP port of the bus; 0 for the client port plus 10000.
    CLUSTER_PORT = int("cluster-port", 0, 65535, 0).immutable();
    /// Address that this node announces; without it, the one that others see.
    CLUSTER_ANNOUNCE_IP = optional("cluster-announce-ip").check_whole_text(checks::announced_address);
    /// Client port that this node announces; 0 for its real one.
    CLUSTER_ANNOUNCE_PORT = int("cluster-announce-port", 0, 65535, 0);
    /// TLS client port that this node announces; 0 for its real one.
    CLUSTER_ANNOUNCE_TLS_PORT = int("cluster-announce-tls-port", 0, 65535, 0);
    /// Bus port that this node announces; 0 for its real one.
    CLUSTER_ANNOUNCE_BUS_PORT = int("cluster-announce-bus-port", 0, 65535, 0);
    /// Host name that this node announces.
    CLUSTER_ANNOUNCE_HOSTNAME = optional("cluster-announce-hostname").check_text(checks::announced_host_name);
    /// Redis 7.2: name of this node for people, in logs.
    CLUSTER_ANNOUNCE_HUMAN_NODENAME =
        optional("cluster-announce-human-nodename").hidden().check_text(checks::announced_node_name);
    /// What redirections and CLUSTER SLOTS name a node by.
    CLUSTER_PREFERRED_ENDPOINT_TYPE =
        choice("cluster-preferred-endpoint-type", &[("ip", 0), ("hostname", 1), ("unknown-endpoint", 2)], 0);
    /// slotd: what a client is told of the nodes of this machine instead, by where it comes from: rules as
    /// `172.17.0.1=localhost`, `outside=unknown`, `10.0.0.0/8=used`, separated by commas, or `auto`.
    ANNOUNCE_CLIENT = text("announce-client", "").hidden().check_text(checks::audiences);
    /// Serve nothing unless every slot is served.
    CLUSTER_REQUIRE_FULL_COVERAGE = boolean("cluster-require-full-coverage", true);
    /// Serve reads while the cluster is down.
    CLUSTER_ALLOW_READS_WHEN_DOWN = boolean("cluster-allow-reads-when-down", false);
    /// Serve sharded pub/sub while the cluster is down.
    CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN = boolean("cluster-allow-pubsubshard-when-down", true);
    /// A replica that heard nothing of its primary for this many node timeouts does not stand for election; 0 always
    /// does.
    CLUSTER_REPLICA_VALIDITY_FACTOR =
        int("cluster-replica-validity-factor", 0, INT_MAX, 10).alias("cluster-slave-validity-factor");
    /// This replica never starts a failover by itself.
    CLUSTER_REPLICA_NO_FAILOVER = boolean("cluster-replica-no-failover", false).alias("cluster-slave-no-failover");
    /// Replicas move to primaries that have lost theirs.
    CLUSTER_ALLOW_REPLICA_MIGRATION = boolean("cluster-allow-replica-migration", true);
    /// Replicas that a primary keeps when one of them moves.
    CLUSTER_MIGRATION_BARRIER = int("cluster-migration-barrier", 0, INT_MAX, 1);
    /// slotd: nodes of the cluster by name, as `host:port,host:port`. A node without a link to one that it knows looks
    /// for it there, so a cluster finds itself again when addresses have changed, all of them at once included.
    CLUSTER_SEEDS = text("cluster-seeds", "").immutable().hidden();
    /// The most bytes that wait on a bus link before it is closed; 0 is unlimited.
    CLUSTER_LINK_SENDBUF_LIMIT = memory("cluster-link-sendbuf-limit", 0, u64::MAX, 0);
}
