//! The order of mail, and the memory of pushes that nobody reads.

use super::*;

/// Bytes that the mail takes, as far as it is counted here: places in the list, and the bytes with their room.
fn memory(mailbox: &Vec<Mail>) -> usize {
    let each = mailbox.iter().map(|mail| match mail {
        Mail::Push(bytes) => bytes.len(),
        Mail::Pushes(bytes) | Mail::Reply(bytes) | Mail::LastReply(bytes) => bytes.capacity(),
        Mail::Retry => 0,
    });
    mailbox.capacity() * size_of::<Mail>() + each.sum::<usize>()
}

#[test]
fn short_pushes_that_nobody_reads_take_little_more_than_their_bytes() {
    for len in [20, 100, PUSH_GATHERED_MAX, PUSH_GATHERED_MAX + 1] {
        let (mut mailbox, mut sent) = (Vec::new(), Vec::new());
        for round in 0..4_000_000 / len {
            let push = vec![b'a' + (round % 26) as u8; len];
            sent.extend_from_slice(&push);
            put(&mut mailbox, Mail::Push(push.into()));
        }
        assert!(memory(&mailbox) < sent.len() * 23 / 20, "{} for {} in pushes of {len}", memory(&mailbox), sent.len());
        assert_eq!(mailbox.iter().map(Mail::size).sum::<usize>(), sent.len());
        let mut read = Vec::new();
        for mail in mailbox {
            match mail {
                Mail::Push(bytes) => read.extend_from_slice(&bytes),
                Mail::Pushes(bytes) => read.extend_from_slice(&bytes),
                other => panic!("{other:?}"),
            }
        }
        assert!(read == sent, "in pushes of {len}");
    }
}

#[test]
fn mail_keeps_its_order_when_pushes_are_gathered() {
    let mut mailbox = Vec::new();
    let mut wanted = Vec::new();
    for round in 0..PUSHES_APART_MAX * 4 {
        put(&mut mailbox, Mail::Push(Bytes::from(format!("p{round} "))));
        wanted.extend_from_slice(format!("p{round} ").as_bytes());
        if round % 50 == 0 {
            put(&mut mailbox, Mail::Reply(b"reply ".to_vec()));
            wanted.extend_from_slice(b"reply ");
        }
    }
    let mut read = Vec::new();
    for mail in &mailbox {
        match mail {
            Mail::Push(bytes) => read.extend_from_slice(bytes),
            Mail::Pushes(bytes) | Mail::Reply(bytes) | Mail::LastReply(bytes) => read.extend_from_slice(bytes),
            Mail::Retry => {}
        }
    }
    assert_eq!(String::from_utf8_lossy(&read), String::from_utf8_lossy(&wanted));
}
