//! A delay that is known, on real sockets: it appears in the right stage, and as often as it was
//! made. The strategy counts for itself which of its calls took so long: the machine adds some.

use std::time::{Duration, Instant};

use tickcast_latency::{Histograms, Stage};
use tickcast_net::clock::realtime_ns;
use tickcast_net::{Group, Interface, ReceiveConfig, SendConfig};
use tickcast_publisher::{FlowControl, InMemory, Publisher, PublisherConfig, Speed};
use tickcast_subscriber::{Origin, Start, Strategy, SubscriberBuilder, SubscriberConfig};
use tickcast_wire::{Quote, Tick, Venue};

const TICKS: u64 = 20_000;
const EVERY: u64 = 1_000;
const DELAY: Duration = Duration::from_micros(100);
const DELAY_NS: u64 = DELAY.as_nanos() as u64;

/// Takes its time with every 1,000th tick.
#[derive(Default)]
struct Slow {
    /// Ticks that were dealt with after [`DELAY`] or later.
    seen: u64,
}

impl Strategy for Slow {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], origin: &Origin) {
        for _ in ticks.iter().filter(|tick| tick.seq() % EVERY == 0) {
            let slow = Instant::now();
            while slow.elapsed() < DELAY {
                std::hint::spin_loop();
            }
        }
        if realtime_ns() - origin.stamps.pop >= DELAY_NS {
            self.seen += ticks.len() as u64;
        }
    }
}

#[test]
fn a_known_delay_appears_in_its_stage_as_often_as_it_was_made() {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let group: Group = format!("239.{}.{c}.{d}:14021", 64 + b % 64)
        .parse()
        .unwrap();
    let interface = Interface::loopback().unwrap();
    let mut publish = PublisherConfig::new(SendConfig::new(group, interface.clone()));
    publish.flow_control = Some(FlowControl {
        window: u64::MAX,
        wait_for: 1,
    });
    publish.speed = Speed::PerSecond(10_000);
    let quote = Tick::new(Quote::new(1, 2, 3, 4), Venue::SYNTHETIC, 1, 0);
    let ticks = vec![quote; TICKS as usize];
    let publisher = Publisher::start(publish, InMemory::new(ticks)).unwrap();

    let mut config = SubscriberConfig::new(ReceiveConfig::new(group, interface));
    config.recovery = publisher.recovery_addr();
    config.arbiter.start = Start::Seq(1);
    config.flow_control = true;
    config.time_strategies = true;
    let mut builder = SubscriberBuilder::new(config);
    let slow = builder.attach_inline(Slow::default());
    let mut subscriber = builder.start().unwrap();
    while !subscriber.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Whoever waits until nothing is awaited has all of it.
    let mut recorded = Histograms::new(&Stage::ALL);
    subscriber.request_latency();
    while subscriber.awaits_latency() {
        std::thread::sleep(Duration::from_millis(1));
    }
    subscriber.collect_latency(&mut recorded);
    let total = recorded.sum(Stage::Total).expect("samples");
    assert_eq!(total.histogram().len(), TICKS);
    let mut stopped = subscriber.stop();
    stopped.collect_latency(&mut recorded);
    let outcome = stopped.take(&slow).unwrap();
    assert_eq!(
        (outcome.account.delivered, outcome.account.lost),
        (TICKS, 0)
    );

    let seen = outcome.strategy.seen;
    assert!(seen >= TICKS / EVERY, "{seen}");
    let sum = recorded.sum(Stage::Strategy).expect("samples");
    let histogram = sum.histogram();
    let told = histogram.len() - histogram.count_between(0, DELAY_NS - 1);
    assert!(
        told.abs_diff(seen) <= seen.div_ceil(20),
        "the stage has {told}, the strategy {seen}"
    );
}
