//! The order and the cost of subscriptions, and the end of those whose slot leaves.

use std::thread;

use super::*;

const LEAVES: &[u8] = b"leaves";
const STAYS: &[u8] = b"stays";

fn client(id: u64) -> Arc<ClientHandle> {
    ClientHandle::new(id, String::new(), String::new(), -1, 0)
}

fn received(client: &ClientHandle) -> Vec<String> {
    let mut pushes = Vec::new();
    client.take_pushes(|bytes| pushes.push(String::from_utf8_lossy(bytes).into_owned()));
    pushes
}

fn drop_slot(pubsub: &PubSub) {
    pubsub.drop_shard_slots(&|slot| slot == key_slot(LEAVES));
}

#[test]
fn the_subscribers_of_a_slot_that_leaves_are_told_once_and_keep_their_other_channels() {
    let (pubsub, both, one) = (PubSub::default(), client(1), client(2));
    both.stats.protocol.store(3, Ordering::Relaxed);
    pubsub.subscribe(&both, Kind::Shard, STAYS);
    pubsub.subscribe(&both, Kind::Channel, LEAVES);
    for client in [&both, &one] {
        pubsub.subscribe(client, Kind::Shard, LEAVES);
    }
    drop_slot(&pubsub);
    drop_slot(&pubsub);
    assert_eq!(received(&both), [">3\r\n$12\r\nsunsubscribe\r\n$6\r\nleaves\r\n:1\r\n"]);
    assert_eq!(received(&one), ["*3\r\n$12\r\nsunsubscribe\r\n$6\r\nleaves\r\n:0\r\n"]);
    assert_eq!(pubsub.channel_names(Kind::Shard), [STAYS.into()]);
    assert_eq!((both.subscription_count(), one.subscription_count()), (2, 0));
    assert!(pubsub.subscribe(&one, Kind::Shard, LEAVES), "the slot may come back");
    assert_eq!(pubsub.publish_shard(LEAVES, b"again", 0), 1);
}

#[test]
fn nobody_is_searched_for_in_the_list_of_a_channel_that_leaves() {
    let (pubsub, first, last) = (PubSub::default(), client(1), client(2));
    for client in [&first, &last] {
        pubsub.subscribe(client, Kind::Shard, LEAVES);
    }
    thread::scope(|scope| {
        let busy = last.subscriptions.lock();
        scope.spawn(|| drop_slot(&pubsub));
        while !first.has_mail() {
            thread::yield_now();
        }
        // A search for each of fifty thousand would take a billion comparisons, on the control thread.
        assert_eq!(pubsub.subscriber_count(Kind::Shard, LEAVES), 0, "the list was taken out as a whole");
        drop(busy);
    });
    assert_eq!((received(&first).len(), received(&last).len()), (1, 1));
}

#[test]
fn subscribers_get_a_message_in_the_order_in_which_they_came_whoever_has_left() {
    let (pubsub, clients) = (PubSub::default(), (0..9).map(client).collect::<Vec<_>>());
    let subscribe = |client: &Arc<ClientHandle>| pubsub.subscribe(client, Kind::Channel, STAYS);
    assert!(clients.iter().all(subscribe) && !subscribe(&clients[0]), "once each");
    for leaves in [0, 3, 4, 8, 1, 6] {
        assert!(pubsub.unsubscribe(&clients[leaves], Kind::Channel, STAYS));
        assert!(!pubsub.unsubscribe(&clients[leaves], Kind::Channel, STAYS), "it has left");
    }
    assert!(subscribe(&clients[3]), "it comes back, as the last");
    let ids = || -> Vec<u64> {
        pubsub.channels.get(STAYS).map_or(Vec::new(), |list| list.iter().map(|client| client.id).collect())
    };
    assert_eq!(ids(), [2, 5, 7, 3]);
    assert_eq!((pubsub.subscriber_count(Kind::Channel, STAYS), pubsub.publish(STAYS, b"x", 0)), (4, 4));
    clients.iter().for_each(|client| pubsub.forget(client));
    assert_eq!(pubsub.channel_count(Kind::Channel), 0);
}

/// Redis looks through the list of the channel for each client that leaves.
#[test]
fn who_leaves_a_channel_costs_the_same_however_many_subscribers_it_has() {
    for newest_first in [false, true] {
        let (mut list, one) = (Subscribers::default(), client(1));
        let count = 100_000;
        (0..count).for_each(|number| list.add(number, &one));
        let mut moved = 0;
        for number in 0..count {
            let before = list.places.len();
            list.remove(if newest_first { count - 1 - number } else { number });
            moved += if list.places.len() < before { before as u64 } else { 0 };
        }
        assert_eq!(list.len(), 0);
        assert!(moved <= 2 * count, "{moved} places were looked at or moved for {count} that left");
    }
}
