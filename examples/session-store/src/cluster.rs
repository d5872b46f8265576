//! The cluster as the application sees it: a connection that is made when it is needed and made anew when it broke, the
//! shards, and a failover.
//!
//! The client library follows failovers and moved slots by itself and repeats what failed on the way. What it does not
//! do is to start without a cluster; hence the connection is made by the first request that needs one, and dropped
//! after an error that was not the server's word. So nothing has to be started again when a cluster comes back, not
//! even with other addresses: the names of the configuration are looked up anew.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo};
use redis::{RedisError, RedisResult, Value, cmd, from_redis_value};
use tokio::sync::Mutex as Turns;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::{Config, Node};

/// How long a browser waits for a page at most. An ordinary failover takes milliseconds; after a crash the shard is
/// away for longer, and whoever waits is told so.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long one node may take to connect or to answer.
const OF_ONE_NODE: Duration = Duration::from_millis(800);

/// How long a replica that was asked to take over may take.
const TAKEOVER: Duration = Duration::from_secs(10);

/// The cluster, connected or not.
pub(crate) struct Cluster {
    client: ClusterClient,
    password: Option<String>,
    open: Mutex<Open>,
    /// Whoever connects has this; nobody holds `open` while waiting for the cluster.
    connects: Turns<()>,
}

/// The connection that all requests share, and which one it is.
#[derive(Default)]
struct Open {
    connection: Option<ClusterConnection>,
    number: u64,
}

/// When a page that is asked for now has to be answered, whatever it needs of the cluster.
pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// The cluster did not do what it was asked for. The text is for people.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RedisError> for Unavailable {
    fn from(error: RedisError) -> Self {
        Self(error.to_string())
    }
}

/// A shard: its slots and its nodes, the primary first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) slots: Vec<(u16, u16)>,
    pub(crate) members: Vec<Member>,
}

/// A node of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) node: Node,
    pub(crate) is_primary: bool,
    pub(crate) is_online: bool,
    /// How much of the shard's writes it has.
    pub(crate) offset: i64,
}

impl Shard {
    pub(crate) fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }

    pub(crate) fn primary(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.is_primary)
    }

    /// The replica that can take over best.
    fn successor(&self) -> Option<&Member> {
        self.members.iter().filter(|member| !member.is_primary && member.is_online).max_by_key(|member| member.offset)
    }
}

/// A slot and all shards, in the order of their slots.
pub(crate) struct Place {
    pub(crate) slot: u16,
    pub(crate) shards: Vec<Shard>,
}

impl Place {
    /// The number of the slot's shard, counted from one, and the shard.
    pub(crate) fn shard(&self) -> Option<(usize, &Shard)> {
        self.shards.iter().enumerate().find(|(_, shard)| shard.has(self.slot)).map(|(at, shard)| (at + 1, shard))
    }
}

impl Cluster {
    pub(crate) fn new(config: &Config) -> RedisResult<Self> {
        let nodes = config.nodes.iter().map(|node| ConnectionAddr::Tcp(node.host.clone(), node.port));
        let mut builder = ClusterClient::builder(nodes)
            .connection_timeout(OF_ONE_NODE)
            .response_timeout(OF_ONE_NODE)
            .overall_response_timeout(Some(PATIENCE))
            .min_retry_wait(20)
            .max_retry_wait(300);
        if let Some(password) = &config.password {
            builder = builder.password(password);
        }
        Ok(Self {
            client: builder.build()?,
            password: config.password.clone(),
            open: Mutex::default(),
            connects: Turns::default(),
        })
    }

    /// Does something with the connection, until the time at which somebody has to be answered.
    pub(crate) async fn run<T, F>(
        &self,
        until: Instant,
        work: impl FnOnce(ClusterConnection) -> F,
    ) -> Result<T, Unavailable>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let mut used = 0;
        let all = async {
            let (connection, number) = self.connection().await?;
            used = number;
            work(connection).await
        };
        let result = timeout_at(until, all).await;
        let is_fine = match &result {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => matches!(error.kind(), ErrorKind::Server(_)),
            Err(_) => false,
        };
        if !is_fine {
            // Unless somebody else has connected anew since.
            let mut open = self.open();
            if open.number == used {
                open.connection = None;
            }
        }
        match result {
            Ok(result) => Ok(result?),
            Err(_) => Err(Unavailable(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        }
    }

    /// The connection and its number; it is made if there is none. One request connects and the others wait for it,
    /// each for as long as its own deadline lets it.
    async fn connection(&self) -> RedisResult<(ClusterConnection, u64)> {
        let found = |open: &Open| open.connection.clone().map(|connection| (connection, open.number));
        if let Some(found) = found(&self.open()) {
            return Ok(found);
        }
        let _turn = self.connects.lock().await;
        if let Some(found) = found(&self.open()) {
            return Ok(found);
        }
        let connection = self.client.get_async_connection().await?;
        let mut open = self.open();
        open.number += 1;
        open.connection = Some(connection.clone());
        Ok((connection, open.number))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a key is, as its own shard sees it.
    pub(crate) async fn place(&self, key: &str, until: Instant) -> Result<Place, Unavailable> {
        let key = key.to_owned();
        let (slot, shards) = self
            .run(until, |mut connection| async move {
                let slot = connection.route_command(cmd("CLUSTER").arg("KEYSLOT").arg(&key).clone(), of(&key)).await?;
                let shards = connection.route_command(cmd("CLUSTER").arg("SHARDS").clone(), of(&key)).await?;
                Ok((from_redis_value(slot)?, shards))
            })
            .await?;
        let shards = read_shards(shards).ok_or_else(|| Unavailable("CLUSTER SHARDS was not understood".to_owned()))?;
        Ok(Place { slot, shards })
    }

    /// Waits until a replica of the key's shard has what was just written, and says whether one has it.
    pub(crate) async fn wait_for_a_copy(&self, key: &str, until: Instant) -> Result<bool, Unavailable> {
        let key = key.to_owned();
        self.run(until, |mut connection| async move {
            let copies = connection.route_command(cmd("WAIT").arg(1).arg(200).clone(), of(&key)).await?;
            Ok(from_redis_value::<u32>(copies)? > 0)
        })
        .await
    }

    pub(crate) async fn is_ok(&self) -> bool {
        let answer = self.run(deadline(), |mut connection| async move {
            let random = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
            let info = connection.route_command(cmd("CLUSTER").arg("INFO").clone(), random).await?;
            Ok(from_redis_value::<String>(info)?.contains("cluster_state:ok"))
        });
        answer.await.unwrap_or(false)
    }

    /// Makes a replica the primary of its shard, in order: the primary stops writes and hands over, and nothing is
    /// lost. Returns the old and the new one.
    pub(crate) async fn fail_over(&self, shard: &Shard) -> Result<(Node, Node), Unavailable> {
        let old = shard.primary().ok_or_else(|| Unavailable("the shard has no primary".to_owned()))?;
        let new = shard.successor().ok_or_else(|| Unavailable("no replica of the shard is online".to_owned()))?;
        let mut connection = self.connect_to(&new.node).await?;
        cmd("CLUSTER").arg("FAILOVER").exec_async(&mut connection).await?;
        let until = Instant::now() + TAKEOVER;
        loop {
            let role: Vec<Value> = cmd("ROLE").query_async(&mut connection).await?;
            let role = role.into_iter().next().map(from_redis_value::<String>).transpose();
            if role.map_err(RedisError::from)?.as_deref() == Some("master") {
                return Ok((old.node.clone(), new.node.clone()));
            }
            if Instant::now() > until {
                let text = format!("{} did not take over within {} seconds", new.node.address(), TAKEOVER.as_secs());
                return Err(Unavailable(text));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// A connection to one node, which the cluster's would choose by itself.
    async fn connect_to(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        let mut settings = RedisConnectionInfo::default();
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        let info = ConnectionAddr::Tcp(node.host.clone(), node.port).into_connection_info()?;
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(Some(OF_ONE_NODE)).set_response_timeout(Some(PATIENCE));
        Client::open(info.set_redis_settings(settings))?.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// The primary of a key's shard.
fn of(key: &str) -> RoutingInfo {
    RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master)))
}

/// The reply of CLUSTER SHARDS. None if it is something else.
fn read_shards(reply: Value) -> Option<Vec<Shard>> {
    let shards: Vec<HashMap<String, Value>> = from_redis_value(reply).ok()?;
    let mut shards = shards.into_iter().map(read_shard).collect::<Option<Vec<Shard>>>()?;
    // One without slots owns nothing that could be shown.
    shards.retain(|shard| !shard.slots.is_empty());
    shards.sort_by_key(|shard| shard.slots.first().copied());
    Some(shards)
}

fn read_shard(mut fields: HashMap<String, Value>) -> Option<Shard> {
    let slots: Vec<u16> = from_redis_value(fields.remove("slots")?).ok()?;
    let nodes: Vec<HashMap<String, Value>> = from_redis_value(fields.remove("nodes")?).ok()?;
    let mut members = nodes.into_iter().map(read_member).collect::<Option<Vec<Member>>>()?;
    members.sort_by_key(|member| !member.is_primary);
    Some(Shard { slots: slots.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), members })
}

fn read_member(mut fields: HashMap<String, Value>) -> Option<Member> {
    let mut text = |name: &str| fields.remove(name).and_then(|value| from_redis_value::<String>(value).ok());
    let (role, health, port) = (text("role")?, text("health")?, text("port")?.parse().ok()?);
    // A node that does not know its own name says nothing or a question mark.
    let host = text("endpoint").filter(|host| !matches!(host.as_str(), "" | "?")).or_else(|| text("ip"))?;
    let offset = text("replication-offset").and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Member { node: Node { host, port }, is_primary: role == "master", is_online: health == "online", offset })
}

#[cfg(test)]
#[path = "cluster_tests.rs"]
mod tests;
