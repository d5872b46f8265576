//! Tests of local links: which node is found at which address, the source address of a link, and refusal when no node
//! listens.

use std::net::{TcpListener, TcpStream};

use super::*;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

async fn reaches(buses: &LocalBuses, address: &str) -> bool {
    buses.connect(at(address), None).await.is_ok_and(|link| link.is_some())
}

#[test]
fn a_node_is_found_where_it_listens_and_nowhere_else() {
    run(async {
        let buses = Arc::new(LocalBuses::default());
        let _named = buses.listen(&[at("127.0.0.1:17000"), at("[::1]:17000")], 9);
        let _any = buses.listen(&[at("0.0.0.0:17001")], 9);
        for address in ["127.0.0.1:17000", "[::1]:17000", "127.0.0.1:17001", "127.0.0.9:17001"] {
            assert!(reaches(&buses, address).await, "{address}");
        }
        // Another address, another port, another family, another machine.
        for address in ["127.0.0.2:17000", "127.0.0.1:17002", "[::1]:17001", "198.51.100.1:17001"] {
            assert!(!reaches(&buses, address).await, "{address}");
        }
    });
}

#[test]
fn a_link_has_the_addresses_that_a_connection_would_have() {
    run(async {
        let tcp = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = tcp.local_addr().expect("bound").port();
        let buses = Arc::new(LocalBuses::default());
        let mut bus = buses.listen(&[tcp.local_addr().expect("bound")], 9);
        let source = |text: &str| text.parse::<IpAddr>().ok();
        for (to, from) in [("127.0.0.1", None), ("127.0.0.5", None), ("127.0.0.5", source("127.0.0.7"))] {
            let to = SocketAddr::new(to.parse().expect("an address"), port);
            let link = buses.connect(to, from).await.expect("there is a way");
            let (_, near) = link.expect("it listens");
            let call = bus.accept().await.expect("a call");
            let connected = |from: Option<IpAddr>| {
                let stream = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
                if let Some(from) = from {
                    stream.bind(&SocketAddr::new(from, 0).into())?;
                }
                stream.connect(&to.into())?;
                Ok::<TcpStream, io::Error>(stream.into())
            };
            let stream = connected(from).expect("it listens");
            let (accepted, peer) = tcp.accept().expect("a connection");
            assert_eq!(near, stream.local_addr().expect("connected").ip(), "{to} {from:?}");
            assert_eq!(call.from, peer.ip(), "{to} {from:?}");
            assert_eq!(call.to, accepted.local_addr().expect("connected").ip(), "{to} {from:?}");
        }
        let nowhere = buses.connect(at("127.0.0.1:1"), source("198.51.100.1")).await;
        assert!(nowhere.is_ok_and(|link| link.is_none()), "nobody listens there");
        let to = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        assert!(buses.connect(to, source("198.51.100.1")).await.is_err(), "that is not our address");
    });
}

#[test]
fn a_node_that_ended_is_not_found_and_who_was_not_accepted_yet_hears_the_end() {
    run(async {
        let buses = Arc::new(LocalBuses::default());
        let first = buses.listen(&[at("127.0.0.1:17000")], 9);
        let ((_sender, mut receiver), _) =
            buses.connect(at("127.0.0.1:17000"), None).await.expect("a way").expect("it listens");
        // The next life may begin before the last task of this one is gone.
        let mut second = buses.listen(&[at("127.0.0.1:17000")], 9);
        drop(first);
        assert_eq!(receiver.receive().await, None);
        assert!(reaches(&buses, "127.0.0.1:17000").await);
        assert!(second.accept().await.is_some());
        drop(second);
        assert!(!reaches(&buses, "127.0.0.1:17000").await);
        assert!(buses.listening.lock().is_empty());
    });
}

#[test]
fn links_beyond_the_backlog_wait_until_some_are_accepted() {
    run(async {
        let buses = Arc::new(LocalBuses::default());
        let mut bus = buses.listen(&[at("127.0.0.1:17000")], 2);
        assert!(reaches(&buses, "127.0.0.1:17000").await && reaches(&buses, "127.0.0.1:17000").await);
        let third = reaches(&buses, "127.0.0.1:17000");
        tokio::pin!(third);
        let moment = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, &mut third).await.is_err());
        assert!(bus.accept().await.is_some());
        assert!(third.await);
    });
}
