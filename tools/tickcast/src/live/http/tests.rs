use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use proptest::prelude::*;

use super::*;
use crate::live::pages::Has;

fn pages() -> Pages {
    let has = Has {
        metrics: true,
        page: true,
    };
    Pages::new(has, true, Arc::default())
}

fn server() -> Server {
    Server::start(([127, 0, 0, 1], 0).into(), pages()).unwrap()
}

/// Sends these bytes and gives the reply, whatever it is.
fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(bytes).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn status(reply: &str) -> &str {
    reply.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn pages_are_served_with_a_policy() {
    let reply = exchange(&server(), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(status(&reply), "200");
    assert!(reply.contains("Content-Security-Policy: default-src 'none'"));
    assert!(!reply.to_lowercase().contains("access-control-"));
    assert!(reply.ends_with("</html>\n"));
}

#[test]
fn what_is_no_request_gets_an_error() {
    let server = server();
    let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(2 * REQUEST));
    let fields = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(FIELDS + 1));
    for (bytes, expected) in [
        (
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
            "400",
        ),
        (b"GET / HTTP/9.9\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", "421"),
        (b"\r\n\r\n\0", "400"),
        (fields.as_bytes(), "431"),
    ] {
        assert_eq!(status(&exchange(&server, bytes)), expected, "{bytes:?}");
    }
    assert_eq!(answered(long.as_bytes()), "431");
}

/// The status of the reply, without a socket: one that is closed with bytes unread may take the
/// reply with it.
fn answered(bytes: &[u8]) -> String {
    let reply = answer(bytes, &mut pages()).unwrap();
    status(&String::from_utf8(reply.head).unwrap()).to_owned()
}

#[test]
fn slow_connections_give_way() {
    let server = server();
    let idle = || {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(b"GET / HT").unwrap();
        stream
    };
    let mut all: Vec<TcpStream> = (0..2 * CONNECTIONS).map(|_| idle()).collect();
    let reply = exchange(&server, b"GET /metrics HTTP/1.1\r\n\r\n");
    assert_eq!(status(&reply), "200");
    // The first one was closed for those that came later.
    assert!(matches!(all[0].read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn a_request_may_come_in_pieces_and_the_other_end_may_stop_sending() {
    let server = server();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    for piece in [
        &b"GET /metr"[..],
        b"ics HTTP/1.1\r\nHost: [::1]:80\r",
        b"\n\r\n",
    ] {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert_eq!(status(&reply), "200");
}

#[test]
fn a_server_ends_with_connections_open_and_its_address_is_free_again() {
    let first = server();
    let address = first.address();
    let _open = TcpStream::connect(address).unwrap();
    assert!(Server::start(address, pages()).is_err());
    drop(first);
    assert!(TcpStream::connect(address).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_answered_or_waited_for(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = answer(&bytes, &mut pages());
    }

    #[test]
    fn requests_that_are_nearly_right_are_answered(
        method in "[A-Z]{0,8}", path in "\\PC{0,40}", host in "\\PC{0,40}"
    ) {
        let request = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let _ = answer(request.as_bytes(), &mut pages());
    }
}
