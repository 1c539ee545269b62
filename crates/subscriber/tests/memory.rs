//! A subscriber of 10,000 instruments in its default configuration stays within 64 MiB.

mod support;

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;

use support::{Checker, Feed, SESSION, assert_kept, blocks, retransmit, serve, thread, tick};
use support::{wait_for, wait_for_end};
use tickcast_net::{Interface, ReceiveConfig};
use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder, SubscriberConfig};
use tickcast_wire::{BLOCK_ROWS, Flags, Quote, Reply, ReplyStatus, Request, RequestKind, Tick};
use zerocopy::IntoBytes;

const INSTRUMENTS: u64 = 10_000;
/// Four rows an instrument, as a publisher sends: definition, status, quote and trade.
const ROWS: u64 = 4 * INSTRUMENTS;
const MOST_KIB: u64 = 64 << 10;

/// The latest quote of every instrument.
#[derive(Default)]
struct Quotes(HashMap<u32, Quote>);

impl Strategy for Quotes {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        if let Some(quote) = tick.as_quote() {
            self.0.insert(tick.instrument(), *quote);
        }
    }
}

/// A snapshot of all instruments, made as it is sent.
fn snapshot(request: &Request, stream: &mut TcpStream, as_of: u64) -> bool {
    let header = Reply::new(request, SESSION, ReplyStatus::Ok, 0).with_ticks(as_of, ROWS);
    let row = |seq| tick(SESSION, seq).with_flags(Flags::SNAPSHOT);
    let first = as_of - ROWS + 1;
    let rows = |before: u64| {
        let end = (before + BLOCK_ROWS as u64).min(ROWS);
        (first + before..first + end)
            .map(row)
            .collect::<Vec<Tick>>()
    };
    let mut befores = (0..ROWS).step_by(BLOCK_ROWS);
    stream.write_all(header.as_bytes()).is_ok()
        && befores.all(|before| blocks(stream, &header, before, &rows(before)))
}

/// The most memory that this process has ever had resident, in KiB.
fn most_resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("VmHWM in kB").parse().unwrap()
}

#[test]
fn ten_thousand_instruments_take_at_most_64_mib() {
    let mut feed = Feed::new();
    feed.next = 1 + 5 * ROWS;
    let as_of = feed.next + 20;
    let server = serve(move |request, stream| match request.check() {
        Ok(RequestKind::Snapshot) => snapshot(request, stream, as_of),
        _ => retransmit(request, stream),
    });
    let interface = Interface::loopback().unwrap();
    let [a, b] = feed
        .groups()
        .map(|group| ReceiveConfig::new(group, interface.clone()));
    let mut config = SubscriberConfig::new(a);
    config.line_b = Some(b);
    config.recovery = Some(server);
    // Takes no memory: a thread that stands still for a while does not join without a snapshot.
    config.arbiter.recovery_deadline = 60_000_000_000;
    let mut builder = SubscriberBuilder::new(config);
    let quotes = builder
        .attach(Quotes::default(), &thread("tc-quotes"))
        .unwrap();
    let checker = builder.attach_inline(Checker::default());
    let mut subscriber = builder.start().unwrap();

    feed.publish(21);
    wait_for(&mut subscriber, "joined", |stats| {
        stats.counters.snapshots == 1
    });
    for round in 0..10_000 {
        match round % 50 {
            7 => feed.skip(21),
            _ => feed.publish(21),
        }
    }
    feed.end();
    wait_for_end(&mut subscriber);
    let most = most_resident_kib();
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&checker).unwrap();
    assert_kept(&outcome, feed.next - 1 - as_of);
    assert_eq!(outcome.strategy.rows, ROWS);
    assert_eq!(
        stopped.take(&quotes).unwrap().strategy.0.len() as u64,
        INSTRUMENTS
    );
    println!("{most} KiB resident at most");
    assert!(
        most <= MOST_KIB,
        "{most} KiB resident, at most {MOST_KIB} are allowed"
    );
}
