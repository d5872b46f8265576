//! The identity of a data set's history: replication ids and offsets, and who may continue from where (PSYNC2).
//!
//! An offset is the number of bytes of the stream so far; it never decreases. A *position* here is the number of bytes
//! that a node has; on the wire PSYNC asks for the next byte, which is one more.
//!
//! Rules: a history may be continued if its id is known. A history that was continued under a new id after a promotion
//! is also known by its old id, up to the offset of the promotion. A node that begins an unrelated history takes a new
//! id and forgets the old one.

/// 40 hex digits.
pub(crate) type ReplId = [u8; 40];

/// Longer histories are not accepted from a primary, a file or a replica, so that sums with offsets never wrap.
pub(crate) const MAX_OFFSET: i64 = i64::MAX / 2;

/// The history of a node's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    pub id: ReplId,
    /// The former id of the history, and the position up to which the two are the same.
    pub former: Option<(ReplId, i64)>,
    pub offset: i64,
    /// A replica may have learned the id since the history was continued under it.
    pub told: bool,
}

/// Why a replica may not continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another history.
    Foreign,
    /// Known by the former id, but the replica has more than was shared. Holds the last byte that it might have asked
    /// for.
    BeyondFormer(i64),
    /// The bytes that the replica lacks are gone, or it claims bytes that were never sent.
    NotHeld,
}

impl History {
    /// A new history.
    pub(crate) fn new(id: ReplId) -> Self {
        Self { id, former: None, offset: 0, told: false }
    }

    /// Begins an unrelated history: the offset continues, so that it never decreases, but older histories cannot be
    /// continued.
    pub(crate) fn restart(&mut self, id: ReplId) {
        self.id = id;
        self.former = None;
    }

    /// To the peers of a cluster, offset 0 means that a replica has no data yet, and they hide it from clients. So a
    /// history that gets its first replica begins one byte later. No node has that byte, which does not matter, since
    /// no replica continues from before it. Redis leaves such replicas hidden until the first ping of the stream, for
    /// up to ten seconds.
    pub(crate) fn leave_zero(&mut self) {
        self.offset = self.offset.max(1);
    }

    /// Continues under a new id (promotion); the old one stays valid up to here.
    pub(crate) fn shift(&mut self, id: ReplId) {
        self.former = Some((self.id, self.offset));
        self.id = id;
        self.told = false;
    }

    /// Goes back to the former id if nothing was added since: a replica that was restarted, or promoted and demoted
    /// before it wrote, has exactly the data of the former id, and needs no full sync. Not once a replica knows the new
    /// id: that replica may be the next primary, and it has forgotten the former id.
    pub(crate) fn unshift(&mut self) {
        if let Some((id, shared)) = self.former
            && shared == self.offset
            && !self.told
        {
            self.id = id;
            self.former = None;
        }
    }

    /// Adopts the history of a primary after a full sync.
    pub(crate) fn adopt(&mut self, id: ReplId, offset: i64) {
        *self = Self { id, former: None, offset, told: false };
    }

    /// The primary continues under this id. Returns whether it is a new one.
    pub(crate) fn rename(&mut self, id: ReplId) -> bool {
        if self.id == id {
            return false;
        }
        self.shift(id);
        true
    }

    /// Whether a replica with the history `id` and `position` bytes of it may continue with ours.
    ///
    /// # Errors
    /// Why not. Whether the bytes are still held is not checked here.
    pub(crate) fn accepts(&self, id: &[u8], position: i64) -> Result<(), Refusal> {
        if id.eq_ignore_ascii_case(&self.id) {
            return Ok(());
        }
        match &self.former {
            Some((former, shared)) if id.eq_ignore_ascii_case(former) => {
                if position <= *shared {
                    Ok(())
                } else {
                    Err(Refusal::BeyondFormer(shared + 1))
                }
            }
            _ => Err(Refusal::Foreign),
        }
    }

    /// `master_replid2` as INFO prints it.
    pub(crate) fn former_id(&self) -> ReplId {
        self.former.map_or([b'0'; 40], |(id, _)| id)
    }

    /// `second_repl_offset` as INFO prints it.
    pub(crate) fn former_offset(&self) -> i64 {
        self.former.map_or(-1, |(_, shared)| shared + 1)
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
