//! By how much the publisher's clock differs, asked of servers whose clocks are off on purpose.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use support::{Feed, SESSION, refuse, serve};
use tickcast_latency::Clocks;
use tickcast_net::clock::realtime_ns;
use tickcast_subscriber::{StartError, Subscriber, SubscriberBuilder};
use tickcast_wire::{Reply, ReplyStatus, Request, RequestKind};
use zerocopy::IntoBytes;

/// Long enough for any machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

fn subscriber(server: SocketAddr) -> Subscriber {
    let mut config = Feed::new().subscriber(Some(server));
    config.clocks = true;
    SubscriberBuilder::new(config).start().unwrap()
}

/// What is known once it is as wanted.
fn clocks(subscriber: &Subscriber, wanted: impl Fn(&Clocks) -> bool) -> Clocks {
    let started = Instant::now();
    loop {
        match subscriber.clocks() {
            Some(clocks) if wanted(&clocks) => return clocks,
            clocks => assert!(started.elapsed() < PATIENCE, "{clocks:?}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The answer of a server whose clock is so much ahead.
fn answer(request: &Request, stream: &mut TcpStream, ahead: i64) -> bool {
    assert_eq!(request.check(), Ok(RequestKind::Clock));
    let now = || realtime_ns().checked_add_signed(ahead).unwrap();
    let received = now();
    let reply = Reply::new(request, SESSION, ReplyStatus::Ok, 0);
    let reply = reply.with_ticks(request.first_seq(), 0);
    let reply = reply.with_clock(received, now());
    stream.write_all(reply.as_bytes()).is_ok()
}

#[track_caller]
fn assert_inside(clocks: &Clocks, truth: i64) {
    let off = clocks.offset_ns.abs_diff(truth);
    assert!(off <= clocks.uncertainty_ns, "{truth} is not in {clocks:?}");
}

#[test]
fn the_same_clock_is_not_off() {
    let subscriber = subscriber(serve(|request, stream| answer(request, stream, 0)));
    let clocks = clocks(&subscriber, |clocks| clocks.exchanges >= 8);
    assert_inside(&clocks, 0);
    assert_eq!(clocks.steps, 0);
    let stopped = subscriber.stop();
    assert_inside(&stopped.clocks.unwrap(), 0);
    assert_eq!(stopped.failed_threads, 0);
}

#[test]
fn a_clock_that_is_an_hour_off_and_is_set_right() {
    const HOUR: i64 = 3_600_000_000_000;
    let mut asked = 0;
    let subscriber = subscriber(serve(move |request, stream| {
        asked += 1;
        answer(request, stream, if asked <= 8 { HOUR } else { 0 })
    }));
    let before = clocks(&subscriber, |clocks| clocks.exchanges >= 4);
    if before.exchanges <= 8 {
        assert_inside(&before, HOUR);
    }
    let after = clocks(&subscriber, |clocks| clocks.exchanges >= 12);
    assert_eq!(after.steps, 1);
    assert_inside(&after, HOUR);
    assert_inside(&after, 0);
}

#[test]
fn a_server_that_does_not_answer_so_is_asked_again() {
    let mut asked = 0;
    let subscriber = subscriber(serve(move |request, stream| {
        asked += 1;
        match asked {
            1 => refuse(request, stream, ReplyStatus::Busy, 9),
            2 => stream.write_all(&[0x5a; 64]).is_ok(),
            3 => false,
            _ => answer(request, stream, -5_000_000),
        }
    }));
    let clocks = clocks(&subscriber, |clocks| clocks.exchanges >= 4);
    assert_inside(&clocks, -5_000_000);
}

#[test]
fn without_a_server_nobody_can_be_asked() {
    let mut config = Feed::new().subscriber(None);
    config.clocks = true;
    let refused = SubscriberBuilder::new(config).start().err();
    assert!(matches!(refused, Some(StartError::ClocksWithoutRecovery)));
}
