//! Ports that tests lease stay free for the server they are meant for, whatever other threads start meanwhile.

use std::net::{Ipv4Addr, TcpListener};

use integration::ports::{lease, probe};

#[test]
fn a_probe_that_a_child_inherits_does_not_take_the_port() {
    let lease = lease();
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        // The copy in a child is the same socket, so one that is still open here stands for it.
        let _copy = probe(address, lease.port()).expect("leased");
        drop(TcpListener::bind((Ipv4Addr::LOCALHOST, lease.port())).expect("the server it is meant for listens"));
    }
}

#[test]
fn a_probe_sees_who_listens_whatever_the_address() {
    let lease = lease();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, lease.port())).expect("leased");
    let _taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, lease.bus_port())).expect("leased");
    assert!(probe(Ipv4Addr::LOCALHOST, lease.port()).is_err());
    assert!(
        probe(Ipv4Addr::LOCALHOST, lease.bus_port()).is_err()
            && probe(Ipv4Addr::UNSPECIFIED, lease.bus_port()).is_err()
    );
}
