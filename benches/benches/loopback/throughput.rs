//! As fast as it goes without a loss: full packets, both lines received, every tick checked and
//! delivered to one strategy; the publisher waits for it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tickcast_benches::bare::{first_word, receive_until_quiet};
use tickcast_benches::feed::{self, WINDOW, cores, idle};
use tickcast_benches::{Bound, Figure, median, ns_each};
use tickcast_latency::{Provenance, Stage, stages};
use tickcast_protocol::PACKET_BYTES;
use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder};
use tickcast_wire::{Digest, TICKS_PER_PACKET, Tick};

use crate::roles::{Publishing, beside_bare, open_bare_receivers, words_of};
use crate::{Effort, Failure, print_hiccups};

/// Runs of bare sockets before and after ours.
const BARE_RUNS: usize = 5;
/// What a thread records for a packet: publish, network, kernel, handle and total.
const RECORDS_PER_PACKET: u64 = 5;
const RECORDS: u64 = 10_000_000;

pub(crate) fn flat_out(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\nflat out for {} s, packets of {TICKS_PER_PACKET} ticks, {PACKET_BYTES} bytes, both lines \
         received, the publisher at most {WINDOW} ticks ahead",
        effort.seconds
    );
    let mut bare = Vec::new();
    for _ in 0..BARE_RUNS {
        bare.push(bare_flat_out(effort.flat_out)?);
    }
    let rates = ours(effort)?;
    for _ in 0..BARE_RUNS {
        bare.push(bare_flat_out(effort.flat_out)?);
    }
    print_hiccups(effort);
    Figure {
        what: "checked and delivered, none lost",
        ours: &rates,
        unit: "M ticks/s",
        against: None,
        bound: Some(Bound::AtLeast(50.0)),
    }
    .print();
    Figure {
        what: "checked and delivered, beside packets that nobody looks into",
        ours: &[median(&rates)],
        unit: "M ticks/s",
        against: Some(("bare sockets, both lines", &[median(&bare)])),
        bound: None,
    }
    .print();
    let record = record_ns() * RECORDS_PER_PACKET as f64 / TICKS_PER_PACKET as f64;
    Figure {
        what: "of the time of a tick, recording its latency",
        ours: &[100.0 * record * median(&rates) / 1e3],
        unit: "%",
        against: None,
        bound: Some(Bound::AtMost(1.0)),
    }
    .print();
    Ok(())
}

/// Checks the seq of every tick, and takes the digest of all.
#[derive(Default)]
struct Check {
    latest: u64,
    out_of_order: u64,
    digest: Digest,
}

impl Strategy for Check {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        self.on_ticks(std::slice::from_ref(tick), origin);
    }

    fn on_ticks(&mut self, ticks: &[Tick], _origin: &Origin) {
        for tick in ticks {
            self.out_of_order += u64::from(tick.seq() != self.latest + 1);
            self.latest = tick.seq();
        }
        self.digest.update_all(ticks);
    }
}

/// Million ticks a second, second by second.
fn ours(effort: &Effort) -> Result<Vec<f64>, Failure> {
    let groups = feed::own_groups();
    let publishing = Publishing::start(&[
        "publish",
        &words_of(&groups),
        "max",
        &u64::MAX.to_string(),
        &WINDOW.to_string(),
        &idle(2).to_string(),
    ])?;
    let mut config = feed::subscribe_flat_out(&groups, Some(publishing.recovery))?;
    config.core = cores()[1];
    config.idle = idle(2);
    let mut builder = SubscriberBuilder::new(config);
    let attached = builder.attach_inline(Check::default());
    let mut subscriber = builder.start()?;
    let (mut rates, mut before, mut looked) = (Vec::new(), 0, Instant::now());
    for _ in 0..effort.seconds {
        sleep(Duration::from_secs(1));
        let (next, now) = (subscriber.stats().next_seq, Instant::now());
        let seconds = now.duration_since(looked).as_secs_f64();
        rates.push((next - before) as f64 / seconds / 1e6);
        (before, looked) = (next, now);
    }
    let published = publishing.finish(&subscriber)?;
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&attached).ok_or("the strategy is gone")?;
    let (check, account) = (outcome.strategy, outcome.account);
    println!(
        "{} ticks in {:.1} s: {} delivered, {} lost, {} out of order, digests {}; {} datagrams \
         dropped by the kernel, {} ticks retransmitted",
        published.ticks,
        published.seconds,
        account.delivered,
        account.lost,
        check.out_of_order,
        if check.digest == published.digest {
            "equal"
        } else {
            "DIFFER"
        },
        stopped.stats.kernel_dropped.iter().sum::<u64>(),
        stopped.stats.counters.retransmitted,
    );
    let is_whole = account.delivered == published.ticks && check.digest == published.digest;
    if !is_whole || check.out_of_order > 0 {
        return Err("what was delivered is not what was published".into());
    }
    Ok(rates)
}

/// Million ticks a second, had the packets been looked into: what bare sockets carry on both lines.
fn bare_flat_out(duration: Duration) -> Result<f64, Failure> {
    let groups = feed::own_groups();
    let mut receivers = open_bare_receivers(&groups)?;
    let ms = duration.as_millis().to_string();
    let packets = beside_bare(&["flat out", &words_of(&groups), &ms], |is_all_sent| {
        let (mut packets, mut sum) = (0_u64, 0);
        receive_until_quiet(&mut receivers, is_all_sent, |packet| {
            packets += 1;
            sum ^= first_word(packet);
        });
        std::hint::black_box(sum);
        packets
    })?;
    let ticks = packets / groups.len() as u64 * TICKS_PER_PACKET as u64;
    Ok(ticks as f64 / duration.as_secs_f64() / 1e6)
}

/// What it takes to record one latency, as it is recorded of a packet.
fn record_ns() -> f64 {
    let (mut recorder, _reporter) = stages(&[Stage::Total]);
    ns_each(RECORDS, || {
        for sample in 0..RECORDS {
            // Differences as of a feed that is kept full, in an order of no use to a predictor.
            let scattered = sample.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 46;
            recorder.record(
                (Stage::Total, Provenance::A),
                1_000,
                1_000 + scattered,
                TICKS_PER_PACKET as u64,
            );
        }
    })
}
