//! What a replica announces about itself before it asks for data.
//!
//! REPLCONF sends it on the connection on which PSYNC follows, so it is attached to that connection's session.

use protocol::rdb::opcode;

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
    /// It wants functions all the same.
    pub rdb_filter_functions: bool,
    /// It names a version from 7.2 on. Valkey does so since 8.0, slotd always; Redis never says.
    pub knows_7_2: bool,
}

impl ReplicaFacts {
    /// Notes the version that a replica names.
    pub(super) fn set_version(&mut self, version: &[u8]) {
        let text = String::from_utf8_lossy(version);
        let mut numbers = text.split('.').map(|number| number.parse::<u32>().ok());
        let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
        self.knows_7_2 = major.zip(minor).is_some_and(|version| version >= (7, 2));
    }

    /// The newest version of an RDB file that the replica is known to read, hashes whose fields expire aside.
    pub(super) fn readable(&self) -> u16 {
        if self.knows_7_2 { opcode::VERSION_7_2 } else { opcode::VERSION }
    }

    /// What this connection has announced so far.
    pub(super) fn of(session: &mut Session) -> &mut Self {
        let attached = session.attached.get_or_insert_with(|| Box::<Self>::default());
        if !attached.is::<Self>() {
            *attached = Box::<Self>::default();
        }
        attached.downcast_mut().expect("it is one, or was just made one")
    }
}
