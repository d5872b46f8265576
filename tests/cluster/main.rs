//! Clusters, formed and repaired by the stock `redis-cli --cluster`, broken by signals, and mixed with stock nodes.
//!
//! Each test forms a cluster of its own (ports and directories are leased), so tests are independent; nextest runs them
//! one at a time because a dozen servers at once are enough for two cores. With `SLOTD_BIN=/usr/bin/redis-server`
//! everything here passes on Redis.

mod admin;
mod announce;
mod awake;
mod bus_links;
mod by_list;
mod changes;
mod cluster_scan;
mod command_line;
mod create;
mod databases;
mod doctor;
mod every_type;
mod eviction;
mod failover;
mod fix;
mod flows;
mod formation;
mod handover;
mod hot_key;
mod late_copies;
mod local_links;
mod looping_script;
mod memory_of_nodes;
mod mixed;
mod one_process;
mod open_scripts;
mod partition;
mod pubsub;
mod redirects;
mod refused_start;
mod restart;
mod seeds;
mod shard_channels;
mod tools;
mod tracking;
mod unread_output;
mod watch;

use std::time::Duration;

use integration::wait::secs;

/// How long a failover may take: detection, election and the agreement of all nodes, on a busy machine.
const FAILOVER_LIMIT: Duration = secs(40);
