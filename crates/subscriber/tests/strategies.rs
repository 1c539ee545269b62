//! Strategies that behave badly beside good ones, and what a subscriber refuses to start with.

mod support;

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use support::{
    Checker, Feed, assert_kept, refuse, serve, thread, unserved, wait_for, wait_for_end, wait_until,
};
use tickcast_subscriber::{
    Event, LossReason, Origin, StartError, Strategy, Subscriber, SubscriberBuilder, ThreadConfig,
};
use tickcast_wire::{ReplyStatus, Request, RequestKind, Tick};
use zerocopy::{FromZeros, IntoBytes};

const PACKETS: u64 = 2_000;
const TICKS: u64 = PACKETS * 21;

/// Sleeps with the first tick, until it is told to go on.
struct Sleeper(mpsc::Receiver<()>);

impl Strategy for Sleeper {
    fn on_tick(&mut self, _tick: &Tick, _origin: &Origin) {
        // Once the other end is gone, this returns at once.
        let _ = self.0.recv();
    }
}

/// Panics with this tick.
struct PanicsAt(u64);

impl Strategy for PanicsAt {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        assert!(tick.seq() < self.0, "tick {} is too much", tick.seq());
    }
}

#[test]
fn a_good_strategy_notices_nothing_of_bad_ones() {
    let mut feed = Feed::new();
    let mut config = feed.subscriber(None);
    config.queue_lines = 1_024;
    let mut builder = SubscriberBuilder::new(config);
    let (wake, sleep) = mpsc::channel();
    let sleeper = builder
        .attach(Sleeper(sleep), &thread("tc-sleeper"))
        .unwrap();
    let panics = builder.attach(PanicsAt(100), &thread("tc-panics")).unwrap();
    let mut never_reads = builder.reader();
    let inline = builder.attach_inline(Checker::default());
    let inline_panics = builder.attach_inline(PanicsAt(50));
    let inline_after = builder.attach_inline(Checker::default());
    let queued = builder
        .attach(Checker::default(), &thread("tc-good"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    let waiting = |subscriber: &Subscriber, name: &str| {
        let queues = subscriber.queues();
        let mut named = queues.into_iter().filter(|queue| queue.reader == name);
        named.next().map(|queue| queue.waiting > queue.capacity)
    };

    for packet in 0..PACKETS {
        feed.publish(21);
        if packet == 5 {
            // Its tick is out: it may not be lapped before it has read it.
            wait_until("the one that panics is gone", || {
                waiting(&subscriber, "tc-panics").is_none()
            });
        }
        // The good reader of the queue may not be lapped, so it is waited for now and then.
        if packet % 20 == 19 {
            let so_far = (packet + 1) * 21;
            wait_for(&mut subscriber, "received", |stats| stats.next_seq > so_far);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    feed.end();
    wait_for(&mut subscriber, "ended", |stats| stats.ended);
    assert!(!subscriber.has_ended(), "two have not read everything");
    // The readers that wait have more before them than the queue holds.
    assert_eq!(waiting(&subscriber, "tc-sleeper"), Some(true));
    assert_eq!(waiting(&subscriber, "reader"), Some(true));
    wait_until("the good one has read everything", || {
        waiting(&subscriber, "tc-good") == Some(false)
    });
    drop(wake);
    let mut stopped = subscriber.stop();
    assert_eq!(stopped.failed_threads, 0);

    for good in [&inline, &inline_after] {
        let outcome = stopped.take(good).unwrap();
        assert_kept(&outcome, TICKS);
        assert_eq!(outcome.account.lost, 0);
    }
    let outcome = stopped.take(&queued).unwrap();
    assert_kept(&outcome, TICKS);

    let outcome = stopped.take(&panics).unwrap();
    assert_eq!(outcome.panic.as_deref(), Some("tick 100 is too much"));
    let outcome = stopped.take(&inline_panics).unwrap();
    assert_eq!(outcome.panic.as_deref(), Some("tick 50 is too much"));
    assert!(outcome.account.delivered < 100, "it is not called again");

    let outcome = stopped.take(&sleeper).unwrap();
    assert_eq!(outcome.account.delivered + outcome.account.lost, TICKS);
    assert!(outcome.account.lost > 0, "it slept through most of it");

    let (mut delivered, mut lost) = (0, 0);
    while let Some(event) = never_reads.read() {
        match event {
            Event::Ticks(ticks, _) => delivered += ticks.len() as u64,
            Event::Lost(loss) => {
                assert_eq!(loss.reason, LossReason::Lapped);
                lost += loss.count;
            }
            _ => {}
        }
    }
    assert!(never_reads.is_closed());
    assert_eq!((delivered + lost, never_reads.lapped()), (TICKS, 1));
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Strategy for Dropped {
    fn on_tick(&mut self, _tick: &Tick, _origin: &Origin) {}
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn flow_control_that_is_refused_is_a_typed_error_and_nothing_runs() {
    let feed = Feed::new();
    let server = serve(|request, stream| refuse(request, stream, ReplyStatus::FlowControlOff, 0));
    let mut config = feed.subscriber(Some(server));
    config.flow_control = true;
    let mut builder = SubscriberBuilder::new(config);
    let dropped = Arc::new(AtomicBool::new(false));
    builder
        .attach(Dropped(Arc::clone(&dropped)), &thread("tc-dropped"))
        .unwrap();
    let Err(StartError::FlowControlRefused { server: by, status }) = builder.start() else {
        panic!("not refused");
    };
    assert_eq!((by, status), (server, ReplyStatus::FlowControlOff));
    wait_until("the strategy's thread over", || {
        dropped.load(Ordering::Relaxed)
    });
}

#[test]
fn flow_control_without_a_server_is_a_typed_error() {
    let feed = Feed::new();
    let mut config = feed.subscriber(None);
    config.flow_control = true;
    let outcome = SubscriberBuilder::new(config).start();
    assert!(matches!(
        outcome,
        Err(StartError::FlowControlWithoutRecovery)
    ));

    let (_port, address) = unserved();
    let mut config = feed.subscriber(Some(address));
    config.flow_control = true;
    let outcome = SubscriberBuilder::new(config).start();
    assert!(matches!(outcome, Err(StartError::FlowControl { server, .. }) if server == address));
}

#[test]
fn flow_control_waits_a_moment_for_the_publisher_to_be_there() {
    let feed = Feed::new();
    let (port, address) = unserved();
    let mut config = feed.subscriber(Some(address));
    config.flow_control = true;
    let starting = std::thread::spawn(move || SubscriberBuilder::new(config).start().err());
    std::thread::sleep(Duration::from_millis(50));
    drop(port);
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    // Whoever does not wait never comes.
    let accepted = loop {
        match listener.accept() {
            Err(_) if !starting.is_finished() => std::thread::sleep(Duration::from_millis(1)),
            accepted => break accepted,
        }
    };
    let (mut stream, _) = accepted.expect("a subscriber that waits");
    stream.set_nonblocking(false).unwrap();
    let mut request = Request::new_zeroed();
    stream.read_exact(request.as_mut_bytes()).unwrap();
    refuse(&request, &mut stream, ReplyStatus::FlowControlOff, 0);
    let error = starting.join().unwrap();
    assert!(
        matches!(error, Some(StartError::FlowControlRefused { .. })),
        "{error:?}"
    );
}

/// A subscriber is told to stop as soon as all is received, which is sooner than its position is
/// looked at, and sooner than its strategy has read it.
#[test]
fn under_flow_control_the_last_position_is_told() {
    let told = Arc::new(AtomicU64::new(0));
    let server = serve({
        let told = Arc::clone(&told);
        move |request, stream| match request.check() {
            Ok(RequestKind::FlowJoin) => refuse(request, stream, ReplyStatus::Ok, u64::MAX),
            Ok(RequestKind::Position) => {
                told.store(request.first_seq(), Ordering::Relaxed);
                true
            }
            _ => false,
        }
    });
    let mut feed = Feed::new();
    let mut config = feed.subscriber(Some(server));
    config.flow_control = true;
    let mut builder = SubscriberBuilder::new(config);
    let (wake, sleep) = mpsc::channel();
    builder
        .attach(Sleeper(sleep), &thread("tc-sleeper"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    feed.publish(10);
    wait_for(&mut subscriber, "10 delivered", |stats| {
        stats.counters.delivered == 10
    });
    let waking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(wake);
    });
    drop(subscriber.stop());
    waking.join().unwrap();
    wait_until("told that tick 11 is next", || {
        told.load(Ordering::Relaxed) == 11
    });
}

#[test]
fn a_core_that_is_not_there_is_a_typed_error() {
    let feed = Feed::new();
    let config = feed.subscriber(None);
    let mut builder = SubscriberBuilder::new(config.clone());
    let nowhere = ThreadConfig {
        core: Some(100_000),
        priority: None,
        ..thread("tc-nowhere")
    };
    let attached = builder.attach(Checker::default(), &nowhere);
    assert!(matches!(attached, Err(StartError::Thread(_))));

    let mut config = config;
    config.core = Some(100_000);
    let outcome = SubscriberBuilder::new(config).start();
    assert!(matches!(outcome, Err(StartError::Thread(_))));
}

#[test]
fn a_queue_that_is_too_short_is_made_longer() {
    let mut feed = Feed::new();
    let mut config = feed.subscriber(None);
    config.queue_lines = 1;
    let mut builder = SubscriberBuilder::new(config);
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    feed.publish(63);
    feed.publish(21);
    feed.end();
    wait_for_end(&mut subscriber);
    let outcome = subscriber.stop().take(&checker).unwrap();
    assert_kept(&outcome, 84);
}
