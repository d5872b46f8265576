//! Tests of links within the process: order, room, and how each end learns that the other closed.

use super::*;

fn packet(byte: u8, len: usize) -> Arc<[u8]> {
    vec![byte; len].into()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

async fn received(receiver: &mut Receiver) -> Vec<(u8, usize)> {
    let mut all = Vec::new();
    while let Some(packet) = receiver.receive().await {
        all.push((packet[0], packet.len()));
    }
    all
}

#[test]
fn packets_arrive_in_order_and_the_end_after_them() {
    run(async {
        let ((near, _near_in), (far, mut far_in)) = pair();
        assert_eq!(near.send(packet(1, 10)), 0);
        assert_eq!(near.send(packet(2, 20)), 0);
        assert_eq!((near.held(), near.waiting(), far.held()), (30, 0, 0));
        drop(near);
        assert_eq!(received(&mut far_in).await, [(1, 10), (2, 20)]);
    });
}

#[test]
fn who_waits_for_a_packet_hears_of_it_and_of_the_end() {
    run(async {
        let ((near, near_in), (_far, mut far_in)) = pair();
        let reader = async { received(&mut far_in).await };
        let writer = async {
            for number in 1..=3 {
                tokio::task::yield_now().await;
                near.send(packet(number, 1));
            }
            tokio::task::yield_now().await;
            drop(near_in);
        };
        let (all, ()) = tokio::join!(reader, writer);
        assert_eq!(all, [(1, 1), (2, 1), (3, 1)]);
    });
}

#[test]
fn what_is_beyond_the_room_waits_and_is_lost_with_the_link() {
    run(async {
        let ((near, _near_in), (_far, mut far_in)) = pair();
        for number in 0..8 {
            near.send(packet(number, ROOM / 4));
        }
        assert_eq!((near.held(), near.waiting()), (2 * ROOM, ROOM));
        assert_eq!(far_in.receive().await.map(|packet| packet[0]), Some(0));
        assert_eq!(near.waiting(), ROOM * 3 / 4);
        drop(near);
        assert_eq!(received(&mut far_in).await.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    });
}

#[test]
fn an_end_that_is_dropped_reads_and_takes_nothing_more() {
    run(async {
        let ((near, near_in), (far, far_in)) = pair();
        near.send(packet(1, 5));
        far.send(packet(2, 5));
        // The task has ended, the registry still has the sending half.
        drop(far_in);
        assert_eq!(near.send(packet(1, 5)), 0);
        assert_eq!(near.held(), 0);
        let mut near_in = near_in;
        assert_eq!(received(&mut near_in).await, [(2, 5)]);
        assert_eq!(far.send(packet(3, 5)), 0);
        assert_eq!(received(&mut near_in).await, []);
    });
}

#[test]
fn an_idle_pipe_holds_no_room_for_packets() {
    run(async {
        let ((near, _near_in), (_far, mut far_in)) = pair();
        let room = |receiver: &Receiver| receiver.0.incoming().lock().packets.capacity();
        assert_eq!(room(&far_in), 0);
        for _ in 0..1000 {
            near.send(packet(1, 1));
        }
        for _ in 0..1000 {
            assert!(far_in.receive().await.is_some());
        }
        assert!(room(&far_in) <= KEPT_SLOTS);
    });
}
