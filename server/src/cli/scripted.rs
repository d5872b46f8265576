//! Nodes for tests that answer each command by a function.

use std::io::{Read, Write};
use std::net::TcpListener;

/// A socket for a node, and its port.
pub(super) fn socket() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

/// Lets a node answer at a socket.
pub(super) fn serve(listener: TcpListener, answer: impl Fn(&str) -> String + Send + 'static) {
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut input = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut input) {
                let words = String::from_utf8_lossy(&input[..read]).into_owned();
                if stream.write_all(answer(&words).as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
}

/// A node that answers each command by what it is; its port.
pub(super) fn node(answer: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let (listener, port) = socket();
    serve(listener, answer);
    port
}

pub(super) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
