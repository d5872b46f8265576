//! Which ends of a connection the handle tells of.

use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};

use socket2::SockRef;

use super::*;

fn connection() -> (TcpStream, SocketHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (served, _) = listener.accept().expect("the client came");
    (client, SocketHandle::of(served).expect("a descriptor is left"))
}

#[test]
fn a_client_has_left_when_it_closed_or_reset_the_connection_or_sends_no_more() {
    let ways: [fn(TcpStream) -> Option<TcpStream>; 3] = [
        |client| {
            drop(client);
            None
        },
        |client| {
            SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).expect("a socket has this option");
            drop(client);
            None
        },
        |client| {
            client.shutdown(Shutdown::Write).expect("it is open");
            Some(client)
        },
    ];
    for leave in ways {
        let (mut client, handle) = connection();
        assert!(!handle.is_left());
        client.write_all(b"unread").expect("it is open");
        assert!(!handle.is_left(), "unread bytes say nothing");
        let _rest = leave(client);
        assert!(handle.is_left());
    }
}
