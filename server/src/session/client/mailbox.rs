//! What waits for a connection: replies and pushes, in the order in which they came.
//!
//! A push is kept as the bytes that were made for it, which its other receivers share. That costs a place in the list,
//! and a count with the bytes; for the short lines that a monitor is sent, more than the line. So once many pushes
//! wait, the short ones are copied behind each other into blocks, as Redis does it. Then what a client that does not
//! read keeps in memory is little more than its unread bytes, which are what its output limit counts.

use bytes::Bytes;

/// So many pushes wait for a client each on its own; then short ones are copied into blocks.
const PUSHES_APART_MAX: usize = 64;
/// A longer push waits on its own always, shared with its other receivers.
const PUSH_GATHERED_MAX: usize = 1024;
/// Bytes of a block of pushes (Redis: PROTO_REPLY_CHUNK_BYTES).
const PUSH_BLOCK_BYTES: usize = 16 * 1024;

const _: () = assert!(PUSH_GATHERED_MAX * 16 <= PUSH_BLOCK_BYTES, "a block ends with little unused room");

/// What is put into a connection's mailbox.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Bytes that are not the reply to a request: a published message, a push.
    Push(Bytes),
    /// Several of them.
    Pushes(Vec<u8>),
    /// The reply to the blocked command; ends the wait.
    Reply(Vec<u8>),
    /// The same, and the connection ends after it.
    LastReply(Vec<u8>),
    /// The blocked command is to be run again from the start (key ended, role changed, slot moved).
    Retry,
}

impl Mail {
    /// Bytes that are to be sent.
    pub(super) fn size(&self) -> usize {
        match self {
            Mail::Push(bytes) => bytes.len(),
            Mail::Pushes(bytes) | Mail::Reply(bytes) | Mail::LastReply(bytes) => bytes.len(),
            Mail::Retry => 0,
        }
    }
}

/// Adds mail.
pub(super) fn put(mailbox: &mut Vec<Mail>, mail: Mail) {
    let short = match &mail {
        Mail::Push(bytes) if bytes.len() <= PUSH_GATHERED_MAX && mailbox.len() >= PUSHES_APART_MAX => bytes,
        Mail::Push(_) | Mail::Pushes(_) | Mail::Reply(_) | Mail::LastReply(_) | Mail::Retry => {
            return mailbox.push(mail);
        }
    };
    match mailbox.last_mut() {
        Some(Mail::Pushes(block)) if block.len() + short.len() <= PUSH_BLOCK_BYTES => block.extend_from_slice(short),
        _ => {
            let mut block = Vec::with_capacity(PUSH_BLOCK_BYTES);
            block.extend_from_slice(short);
            mailbox.push(Mail::Pushes(block));
        }
    }
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
mod tests;
