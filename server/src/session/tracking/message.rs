//! The messages of client-side caching.
//!
//! With RESP3 it is a push: `invalidate`, and the keys, or null for all of them. A RESP2 client that receives
//! redirected invalidations, and is subscribed to anything, gets the same as if it had been published to
//! `__redis__:invalidate`. A message is encoded once per protocol.
//!
//! Redis: tracking.c, `sendTrackingMessage`. Null is encoded in the protocol of the tracking client, as in Redis,
//! except for a RESP2 receiver, which would not understand RESP3's null.

use bytes::Bytes;
use protocol::resp::reply::{Protocol, Reply};

use crate::session::client::{ClientHandle, ClientId};

/// The channel on which RESP2 clients receive the messages.
const CHANNEL: &str = "__redis__:invalidate";

/// What has become invalid.
pub(crate) struct Message<'a> {
    what: What<'a>,
    push: Option<Bytes>,
    published: Option<Bytes>,
}

enum What<'a> {
    Keys(Vec<&'a [u8]>),
    /// All keys; the tracking client speaks this protocol.
    Everything(Protocol),
}

impl<'a> Message<'a> {
    pub(crate) fn of_key(key: &'a [u8]) -> Self {
        Self::of_keys([key])
    }

    pub(crate) fn of_keys(keys: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { what: What::Keys(keys.into_iter().collect()), push: None, published: None }
    }

    /// The message for all keys; the tracking client speaks this protocol.
    pub(crate) fn everything(protocol: Protocol) -> Self {
        Self { what: What::Everything(protocol), push: None, published: None }
    }

    /// The push, if the client speaks RESP3.
    pub(crate) fn push_for(&mut self, client: &ClientHandle) -> Option<Bytes> {
        if client.protocol() != Protocol::Resp3 {
            return None;
        }
        if self.push.is_none() {
            self.push = Some(self.encoded(Protocol::Resp3, &["invalidate"]));
        }
        self.push.clone()
    }

    /// What a RESP2 client gets on behalf of another client, if it is subscribed to anything.
    pub(crate) fn published_for(&mut self, client: &ClientHandle) -> Option<Bytes> {
        if client.subscription_count() == 0 {
            return None;
        }
        if self.published.is_none() {
            self.published = Some(self.encoded(Protocol::Resp2, &["message", CHANNEL]));
        }
        self.published.clone()
    }

    fn encoded(&self, protocol: Protocol, head: &[&str]) -> Bytes {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, protocol);
        reply.push(head.len() + 1);
        head.iter().for_each(|word| reply.bulk_str(word));
        match &self.what {
            What::Keys(keys) => {
                reply.array(keys.len());
                keys.iter().for_each(|key| reply.bulk(key));
            }
            What::Everything(tracking) => {
                reply.set_protocol(if protocol == Protocol::Resp2 { protocol } else { *tracking });
                reply.null();
            }
        }
        out.into()
    }
}

/// Tells a RESP3 client that the client it redirected its invalidations to is gone.
pub(crate) fn redirection_broken(redirect: ClientId) -> Bytes {
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, Protocol::Resp3);
    reply.push(2);
    reply.bulk_str("tracking-redir-broken");
    reply.int(redirect as i64);
    out.into()
}
