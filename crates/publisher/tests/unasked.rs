//! Nothing is ever sent by UDP to an address that asked for it: no request can be turned against
//! somebody else.

mod support;

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use tickcast_publisher::Publisher;
use tickcast_wire::{Request, RequestKind};
use zerocopy::IntoBytes;

use support::{CHANNEL, SESSION, ThenSilence, config, line, ticks};

/// Heartbeats that are waited for, so that an answer would have had its time.
const BEATS: usize = 8;

#[test]
fn requests_by_udp_get_no_answer() {
    let (group, line_a) = line([239, 255, 83, 1]);
    let publisher = Publisher::start(config(line_a), ThenSilence::new(ticks(1_000))).unwrap();
    let recovery = publisher.recovery_addr().unwrap();
    let mut packet = [0; 65_536];
    let (_, source) = group.recv_from(&mut packet).unwrap();

    let asking = UdpSocket::bind("127.0.0.1:0").unwrap();
    asking
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = |kind| Request::new(kind, SESSION, CHANNEL, 1, 1_000, 1);
    let kinds = [RequestKind::Retransmit, RequestKind::Snapshot];
    // To where its packets come from, which is a UDP socket of the publisher.
    for kind in kinds {
        asking.send_to(request(kind).as_bytes(), source).unwrap();
    }
    for _ in 0..1_000 / 21 + BEATS {
        group.recv_from(&mut packet).unwrap();
    }
    asking.set_nonblocking(true).unwrap();
    let answer = asking.recv_from(&mut packet).unwrap_err();
    assert_eq!(answer.kind(), ErrorKind::WouldBlock);

    // To the port of the recovery server: by UDP, nobody is there.
    asking.set_nonblocking(false).unwrap();
    asking.connect(recovery).unwrap();
    asking
        .send(request(RequestKind::Snapshot).as_bytes())
        .unwrap();
    let refused = asking.recv(&mut packet).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    publisher.stop();
    publisher.join().unwrap();
}
