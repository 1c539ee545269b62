//! As fast as it goes without a loss: full packets, both lines received, the seq of every tick checked,
//! all delivered to one strategy; the publisher waits for it.

use std::hint::black_box;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tickcast_benches::bare::{first_word, receive_until_quiet};
use tickcast_benches::feed::{self, WINDOW, cores, idle};
use tickcast_benches::{Bound, Figure, in_turns, median, ns_each, packets};
use tickcast_latency::{Provenance, Stage, stages};
use tickcast_protocol::{PACKET_BYTES, PACKETS_PER_BATCH};
use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder};
use tickcast_wire::{Digest, Packet, TICKS_PER_PACKET, Tick};

use crate::roles::{Publishing, beside_bare, open_bare_receivers, words_of};
use crate::{Effort, Failure, print_hiccups};

/// So long every byte is checked too, before the run that is measured.
const PROOF: Duration = Duration::from_secs(5);
/// Runs of bare sockets before and after ours.
const BARE_RUNS: usize = 5;
/// Packets that are recorded in a turn, and turns.
const RECORDED: usize = 4_096;
const RECORDING_TURNS: usize = 100;

pub(crate) fn flat_out(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\nflat out for {} s, packets of {TICKS_PER_PACKET} ticks, {PACKET_BYTES} bytes, both lines \
         received, the publisher at most {WINDOW} ticks ahead; {} s with digests before",
        effort.seconds,
        PROOF.as_secs().min(effort.seconds)
    );
    let mut bare = Vec::new();
    for _ in 0..BARE_RUNS {
        bare.push(bare_flat_out(effort.flat_out)?);
    }
    ours(Duration::from_secs(effort.seconds).min(PROOF), true)?;
    let rates = ours(Duration::from_secs(effort.seconds), false)?;
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
    let record = recording_ns() / TICKS_PER_PACKET as f64;
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

/// Checks the seq of every tick; for a proof it takes the digest of all, too.
#[derive(Default)]
struct Check {
    latest: u64,
    out_of_order: u64,
    digest: Option<Digest>,
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
        if let Some(digest) = &mut self.digest {
            digest.update_all(ticks);
        }
    }
}

/// Million ticks a second, second by second.
fn ours(duration: Duration, is_proof: bool) -> Result<Vec<f64>, Failure> {
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
    let attached = builder.attach_inline(Check {
        digest: is_proof.then(Digest::default),
        ..Check::default()
    });
    let mut subscriber = builder.start()?;
    let (mut rates, mut before, mut looked) = (Vec::new(), 0, Instant::now());
    for _ in 0..duration.as_secs() {
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
    let is_equal = check.digest.is_none_or(|digest| digest == published.digest);
    println!(
        "{} ticks in {:.1} s: {} delivered, {} lost, {} out of order, digests {}; {} datagrams \
         dropped by the kernel, {} ticks retransmitted",
        published.ticks,
        published.seconds,
        account.delivered,
        account.lost,
        check.out_of_order,
        match (is_proof, is_equal) {
            (false, _) => "not taken",
            (true, true) => "equal",
            (true, false) => "DIFFER",
        },
        stopped.stats.kernel_dropped.iter().sum::<u64>(),
        stopped.stats.counters.retransmitted,
    );
    if account.delivered != published.ticks || !is_equal || check.out_of_order > 0 {
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
        black_box(sum);
        packets
    })?;
    let ticks = packets / groups.len() as u64 * TICKS_PER_PACKET as u64;
    Ok(ticks as f64 / duration.as_secs_f64() / 1e6)
}

/// What recording adds to a packet of which both copies are looked into, as they are between two
/// records of the receive thread: every stage that it and an inline strategy record, with
/// differences as of a feed that is kept full, in batches that have their stamps in common and are
/// recorded at once as far as these go.
fn recording_ns() -> f64 {
    let packets = packets(RECORDED, TICKS_PER_PACKET);
    let receive = [Stage::Publish, Stage::Network, Stage::Kernel, Stage::Handle];
    let (mut receiving, _receiving) = stages(&receive);
    let (mut taking, _taking) = stages(&[Stage::Service, Stage::Total]);
    let count = TICKS_PER_PACKET as u64;
    let (mut latest, mut alike) = ((Provenance::A, [0; 4]), 0);
    let mut record = |of, stamps: &[u64; 4], push| {
        let [due, sent, kernel, read] = *stamps;
        receiving.record((Stage::Handle, of), read, push, count);
        if (of, [due, sent, kernel, read]) != latest {
            let (of, [due, sent, kernel, read]) = latest;
            receiving.record((Stage::Publish, of), due, sent, alike);
            receiving.record((Stage::Network, of), sent, kernel, alike);
            receiving.record((Stage::Kernel, of), kernel, read, alike);
            alike = 0;
        }
        latest = (of, [due, sent, kernel, read]);
        alike += count;
        taking.record((Stage::Total, of), due, push, count);
        taking.record((Stage::Service, of), sent, push, count);
        black_box(taking.is_among_slowest(push - due));
    };
    let mut state = 1_u64;
    let runs = in_turns(RECORDING_TURNS, 2, |way| {
        ns_each(RECORDED as u64, || {
            for batch in packets.chunks(PACKETS_PER_BATCH) {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                // Up to 16 µs to be built, 262 µs in the network, 4 ms in the kernel.
                let (build, network, kernel) = (state >> 50, state << 14 >> 46, state << 32 >> 42);
                let stamps = [0, build, build + network, build + network + kernel];
                let of = [Provenance::A, Provenance::B][(state >> 63) as usize];
                let mut push = stamps[3];
                for packet in batch {
                    for _line in 0..2 {
                        black_box(Packet::parse(black_box(packet)).expect("a valid packet"));
                    }
                    push += 1_000 + (state & 0x3f);
                    if way == 1 {
                        // They lie in memory, as with the receive thread.
                        record(of, black_box(&stamps), push);
                    }
                }
            }
        })
    });
    let added = runs[1].iter().zip(&runs[0]);
    let added: Vec<f64> = added.map(|(with, without)| with - without).collect();
    median(&added)
}
