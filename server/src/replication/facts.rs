//! What a replica announces about itself before it asks for data.
//!
//! REPLCONF sends it on the connection on which PSYNC follows, so it is attached to that connection's session.

use crate::session::Session;

/// What a replica announces with REPLCONF before PSYNC.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplicaFacts {
    pub listening_port: i32,
    pub ip_address: String,
    pub capa_eof: bool,
    pub capa_psync2: bool,
    pub rdb_only: bool,
    pub rdb_filter_data: bool,
}

impl ReplicaFacts {
    /// What this connection has announced so far.
    pub(super) fn of(session: &mut Session) -> &mut Self {
        let attached = session.attached.get_or_insert_with(|| Box::<Self>::default());
        if !attached.is::<Self>() {
            *attached = Box::<Self>::default();
        }
        attached.downcast_mut().expect("it is one, or was just made one")
    }
}
