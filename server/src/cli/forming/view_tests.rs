//! Lines of CLUSTER NODES.

use super::*;

const TEXT: &str = "\
07c37dfeb235213a872192d90877d0cd55635b91 172.30.77.11:6379@16379,node1 myself,master - 0 0 1 connected 0-5460 7000 [93->-292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f]
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 ::1:30002@31002 slave 07c37dfeb235213a872192d90877d0cd55635b91 0 1426238316232 2 disconnected
aaaa2db8d677e59ec4a4cefb06858cf2a1a89fa1 172.30.77.13:6379@16379 handshake - 0 0 0 connected
nonsense
";

#[test]
fn lines_of_cluster_nodes_are_read() {
    let view = View { known: read_nodes(TEXT), ..View::default() };
    assert_eq!(view.id(), "07c37dfeb235213a872192d90877d0cd55635b91");
    assert_eq!(view.known.len(), 3);
    let (own, replica) = (&view.known[0], &view.known[1]);
    assert_eq!((own.address.as_str(), own.bus_port, own.epoch), ("172.30.77.11:6379", 16379, 1));
    assert_eq!(own.slots, [(0, 5460), (7000, 7000)]);
    assert_eq!((replica.address.as_str(), replica.connected), ("::1:30002", false));
    assert_eq!(replica.primary.as_deref(), Some(view.id()));
    assert_eq!(view.members().count(), 2, "a handshake has no id yet");
    assert!(!view.covered());
    assert!(View { known: read_nodes(&TEXT.replace("0-5460 7000", "0-16383")), ..View::default() }.covered());
}
