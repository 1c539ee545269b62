//! Slow strategies with each overflow policy, over real sockets: each account is exact, and nobody
//! else notices.

mod support;

use std::sync::mpsc;
use std::time::Duration;

use support::{Checker, Feed, assert_kept, thread, wait_for, wait_until};
use tickcast_subscriber::{
    Conflated, Incomplete, Loss, MAX_QUEUE_LINES, Origin, OverflowPolicy, Provenance, ReaderConfig,
    StartError, Strategy, SubscriberBuilder,
};
use tickcast_wire::Tick;

const PACKETS: u64 = 2_000;
const TICKS: u64 = PACKETS * 21;

/// Sleeps with the first tick until it is told to go on, and checks what it is given after that.
struct Slow {
    go_on: mpsc::Receiver<()>,
    next: u64,
    end_of_range: u64,
    /// What it knows of each instrument, by the seq of its quote.
    board: Vec<u64>,
    snapshots: Vec<u64>,
    incomplete: Vec<Incomplete>,
}

impl Slow {
    fn new() -> (mpsc::Sender<()>, Slow) {
        let (wake, go_on) = mpsc::channel();
        let slow = Slow {
            go_on,
            next: 1,
            end_of_range: 0,
            board: vec![0; 10_000],
            snapshots: Vec::new(),
            incomplete: Vec::new(),
        };
        (wake, slow)
    }
}

impl Strategy for Slow {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        // Once the other end is gone, this returns at once.
        let _ = self.go_on.recv();
        let seq = tick.seq();
        self.board[tick.instrument() as usize] = seq;
        match origin.provenance {
            Provenance::Snapshot => assert!(seq < self.next),
            Provenance::Conflated => assert!(seq < self.end_of_range),
            _ => {
                assert_eq!(seq, self.next.max(self.end_of_range), "out of order");
                self.next = seq + 1;
            }
        }
    }

    fn on_gap(&mut self, loss: &Loss) {
        assert_eq!(loss.first_seq, self.next.max(self.end_of_range));
        self.next = loss.first_seq + loss.count;
    }

    fn on_conflated(&mut self, conflated: &Conflated) {
        assert_eq!(conflated.first_seq, self.next.max(self.end_of_range));
        self.end_of_range = conflated.first_seq + conflated.count;
    }

    fn on_snapshot(&mut self, as_of: u64) {
        assert_eq!(as_of + 1, self.next.max(self.end_of_range));
        self.snapshots.push(as_of);
        self.board.fill(0);
    }

    fn on_incomplete(&mut self, why: &Incomplete) {
        self.incomplete.push(*why);
    }
}

/// What a strategy knows that was given every tick.
fn full_board() -> Vec<u64> {
    let mut board = vec![0; 10_000];
    (1..=TICKS).for_each(|seq| board[(seq % 10_000) as usize] = seq);
    board
}

#[test]
fn each_has_its_policy_and_nobody_else_notices() {
    let mut feed = Feed::new();
    let mut config = feed.subscriber(None);
    config.queue_lines = 1_024;
    let mut builder = SubscriberBuilder::new(config);
    let good = builder
        .attach(Checker::default(), &thread("tc-good"))
        .unwrap();
    // The queue is as long as it asks for: all of it can wait.
    let lossless = OverflowPolicy::Lossless { ticks: TICKS / 2 };
    let refill = ReaderConfig {
        overflow: OverflowPolicy::DropOldest,
        refill: true,
    };
    let latest = OverflowPolicy::Latest { behind: 100 };
    let mut wakes = Vec::new();
    let mut attach = |config: ReaderConfig| {
        let (wake, slow) = Slow::new();
        wakes.push(wake);
        builder
            .attach_with(slow, &thread("tc-slow"), config)
            .unwrap()
    };
    let slow = [lossless.into(), refill, latest.into()].map(&mut attach);
    let mut subscriber = builder.start().unwrap();
    for packet in 0..PACKETS {
        feed.publish(21);
        if packet % 20 == 19 {
            let so_far = (packet + 1) * 21;
            wait_for(&mut subscriber, "received", |stats| stats.next_seq > so_far);
            wait_until("the image there", || {
                subscriber
                    .image_stats()
                    .is_some_and(|image| image.as_of >= so_far)
            });
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    feed.end();
    wait_for(&mut subscriber, "ended", |stats| stats.ended);
    drop(wakes);
    let mut stopped = subscriber.stop();
    assert_eq!(stopped.failed_threads, 0);
    let outcome = stopped.take(&good).unwrap();
    assert_kept(&outcome, TICKS);
    assert_eq!(outcome.account.lost, 0);

    let [lossless, refilled, latest] = slow.map(|slow| stopped.take(&slow).unwrap());
    for outcome in [&lossless, &refilled, &latest] {
        assert_eq!(outcome.panic, None);
        let account = outcome.account;
        let sum = account.delivered + account.conflated + account.lost;
        assert_eq!(sum, TICKS, "{account:?}");
        assert_eq!(outcome.strategy.board, full_board());
        assert_eq!(outcome.strategy.incomplete, []);
    }
    assert_eq!(
        lossless.account.delivered, TICKS,
        "the queue was long enough"
    );
    // The queue is long enough for all of them to sleep through nearly all of it, once declared.
    assert_eq!((refilled.account.lapped, refilled.account.lost), (0, 0));
    assert_eq!((latest.account.lost, latest.account.lapped), (0, 0));
    assert!(latest.account.conflated > 0, "{:?}", latest.account);
}

#[test]
fn who_is_lapped_is_refilled_without_any_network() {
    let mut feed = Feed::new();
    let mut config = feed.subscriber(None);
    config.queue_lines = 1_024;
    let mut builder = SubscriberBuilder::new(config);
    let refill = ReaderConfig {
        overflow: OverflowPolicy::DropOldest,
        refill: true,
    };
    let latest = OverflowPolicy::Latest { behind: 100 }.into();
    let mut wakes = Vec::new();
    let slow = [refill, latest].map(|config| {
        let (wake, slow) = Slow::new();
        wakes.push(wake);
        builder
            .attach_with(slow, &thread("tc-slow"), config)
            .unwrap()
    });
    let mut subscriber = builder.start().unwrap();
    for packet in 0..PACKETS {
        feed.publish(21);
        if packet % 20 == 19 {
            let so_far = (packet + 1) * 21;
            wait_until("the image there", || {
                subscriber
                    .image_stats()
                    .is_some_and(|image| image.as_of >= so_far)
            });
        }
    }
    feed.end();
    wait_for(&mut subscriber, "ended", |stats| stats.ended);
    drop(wakes);
    let mut stopped = subscriber.stop();
    assert_eq!(stopped.stats.recovery_connects, 0);
    for slow in slow {
        let outcome = stopped.take(&slow).unwrap();
        assert_eq!(outcome.panic, None);
        let (account, strategy) = (outcome.account, outcome.strategy);
        let sum = account.delivered + account.conflated + account.lost;
        assert_eq!(sum, TICKS, "{account:?}");
        assert!(account.lost > 0 && account.lapped > 0);
        assert_eq!(account.refills, account.lapped);
        assert_eq!(account.refills, strategy.snapshots.len() as u64);
        assert_eq!(strategy.board, full_board());
        assert_eq!(strategy.incomplete, []);
    }
}

#[test]
fn a_queue_that_would_be_too_long_is_a_typed_error() {
    let feed = Feed::new();
    let mut builder = SubscriberBuilder::new(feed.subscriber(None));
    let ticks = MAX_QUEUE_LINES as u64;
    let mut reader = builder.reader_with(OverflowPolicy::Lossless { ticks });
    let Err(StartError::QueueTooLong { wanted, most }) = builder.start() else {
        panic!("not refused");
    };
    assert_eq!((wanted, most), (2 * ticks + 64 + 256, MAX_QUEUE_LINES));
    assert!(reader.read().is_none() && reader.is_closed());
}
