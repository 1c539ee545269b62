//! More than can be carried, for a moment: calm, a surge, calm again. What is delivered stays in
//! order, what is lost is named and adds up, and latency is soon back where it was.

use tickcast_benches::feed::{self, await_end, cores, idle};
use tickcast_benches::{Bound, Figure, in_turns, median, spin_until};
use tickcast_net::clock::{monotonic_ns, realtime_ns};
use tickcast_subscriber::{
    ArbiterConfig, Loss, Origin, Provenance, Strategy, SubscriberBuilder, ThreadConfig,
};
use tickcast_wire::{Quote, Tick, Venue};

use crate::roles::{Publishing, words_of};
use crate::{Effort, Failure, print_hiccups};

/// Ticks before and after the surge, and how far apart they are due.
const CALM_TICKS: usize = 40_000;
const CALM_EVERY_NS: u64 = 50_000;
/// Ticks of the surge: four million a second for half a second.
const SURGE_TICKS: usize = 2_000_000;
const SURGE_EVERY_NS: u64 = 250;
/// What the strategy takes for a tick: it can carry a quarter of the surge.
const STRATEGY_NS: u64 = 1_000;
/// A receive buffer of a line that the surge fills at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Ticks are looked at by windows of so much due time.
const WINDOW_NS: u64 = 5_000_000;
/// So many windows in a row that are as before mean that it is as before.
const WINDOWS: usize = 4;
/// As before: at most so many times the median of the calm before the surge.
const NORMAL: f64 = 2.0;

const FIRST_OF_SURGE: u64 = 1 + CALM_TICKS as u64;
const FIRST_AFTER: u64 = FIRST_OF_SURGE + SURGE_TICKS as u64;

/// The ticks of the publisher, due by their event times.
pub(crate) fn ticks() -> Vec<Tick> {
    let mut at = 0;
    let tick = |seq| {
        let surges = (FIRST_OF_SURGE..FIRST_AFTER).contains(&seq);
        at += if surges {
            SURGE_EVERY_NS
        } else {
            CALM_EVERY_NS
        };
        Tick::new(Quote::new(1, 2, 3, 4), Venue::SYNTHETIC, 1, at)
    };
    (1..FIRST_AFTER + CALM_TICKS as u64).map(tick).collect()
}

/// Who is slow, and what becomes of what it misses.
#[derive(Clone, Copy)]
enum Way {
    /// The receive thread, which calls the strategy; gaps are given up as soon as this, ns.
    Inline(u64),
    /// A strategy with a thread of its own behind the queue: it is lapped.
    Queue,
}

pub(crate) fn surges(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\na surge of {SURGE_TICKS} ticks at {}/s between calm at {}/s; the strategy takes \
         {STRATEGY_NS} ns a tick, receive buffers of {BUFFER_BYTES} bytes",
        1_000_000_000 / SURGE_EVERY_NS,
        1_000_000_000 / CALM_EVERY_NS
    );
    let unhurried = ArbiterConfig::default().recovery_deadline;
    let ways = [
        ("inline, gaps given up after 50 ms", Way::Inline(50_000_000)),
        (
            "inline, gaps given up as by default",
            Way::Inline(unhurried),
        ),
        ("behind the queue, lapped", Way::Queue),
    ];
    let runs = in_turns(effort.surges, ways.len(), |way| {
        println!("{}:", ways[way].0);
        surge(ways[way].1)
    });
    print_hiccups(effort);
    for ((name, _), runs) in ways.into_iter().zip(runs) {
        Figure {
            what: &format!("a surge, then back to normal: {name}"),
            ours: &runs.into_iter().collect::<Result<Vec<f64>, _>>()?,
            unit: "ms",
            against: None,
            bound: Some(Bound::AtMost(100.0)),
        }
        .print();
    }
    Ok(())
}

/// A slow strategy that notes when each tick was due and how late it came, ns.
struct Slow {
    next: u64,
    out_of_order: u64,
    lost: u64,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    seq: u64,
    due: u64,
    late: u64,
}

impl Strategy for Slow {
    fn on_tick(&mut self, tick: &Tick, origin: &Origin) {
        // State, not part of the stream.
        if origin.provenance == Provenance::Snapshot {
            return;
        }
        let (now, begin) = (realtime_ns(), monotonic_ns());
        self.out_of_order += u64::from(tick.seq() != self.next);
        self.next = tick.seq() + 1;
        self.seen.push(Seen {
            seq: tick.seq(),
            due: tick.ts_due(),
            late: now.saturating_sub(tick.ts_due()),
        });
        spin_until(|| monotonic_ns() - begin >= STRATEGY_NS);
    }

    fn on_gap(&mut self, loss: &Loss) {
        self.out_of_order += u64::from(loss.first_seq != self.next);
        self.next = loss.first_seq + loss.count;
        self.lost += loss.count;
    }
}

/// Milliseconds from the end of the surge until all is as before.
fn surge(way: Way) -> Result<f64, Failure> {
    let groups = feed::own_groups();
    let publishing = Publishing::start(&["surge", &words_of(&groups)])?;
    let mut config = feed::subscribe(&groups, Some(publishing.recovery))?;
    feed::set_receive_buffers(&mut config, BUFFER_BYTES);
    if let Way::Inline(deadline) = way {
        config.arbiter.recovery_deadline = deadline;
        config.core = cores()[1];
        config.idle = idle(2);
    }
    let mut builder = SubscriberBuilder::new(config);
    let slow = Slow {
        next: 1,
        out_of_order: 0,
        lost: 0,
        seen: Vec::with_capacity(2 * CALM_TICKS + SURGE_TICKS),
    };
    let attached = match way {
        Way::Inline(_) => builder.attach_inline(slow),
        Way::Queue => {
            let thread = ThreadConfig {
                name: "tc-slow".into(),
                core: None,
                priority: None,
                idle: idle(3),
                measured: false,
            };
            builder.attach(slow, &thread)?
        }
    };
    let subscriber = builder.start()?;
    await_end(&subscriber)?;
    let published = publishing.finish(&subscriber)?;
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&attached).ok_or("the strategy is gone")?;
    let slow = outcome.strategy;
    let delivered = slow.seen.len() as u64;
    let back = back_to_normal(&slow.seen);
    println!(
        "  {delivered} delivered + {} lost = {} published, {} out of order, {} retransmitted; back after {}",
        slow.lost,
        published.ticks,
        slow.out_of_order,
        stopped.stats.counters.retransmitted,
        back.map_or("more than the calm".into(), |ms| format!("{ms:.0} ms")),
    );
    if delivered + slow.lost != published.ticks || slow.out_of_order > 0 {
        return Err(
            "what was delivered and what was named as lost is not what was published".into(),
        );
    }
    Ok(back.unwrap_or(f64::INFINITY))
}

/// From when the load fell to the first of [`WINDOWS`] windows in a row that are whole and as late as
/// before it rose, ms; `None` when there are none.
fn back_to_normal(seen: &[Seen]) -> Option<f64> {
    let is_before = |it: &&Seen| it.seq < FIRST_OF_SURGE;
    let before: Vec<f64> = seen
        .iter()
        .filter(is_before)
        .map(|it| it.late as f64)
        .collect();
    let normal = NORMAL * median(&before);
    let after: Vec<Seen> = seen
        .iter()
        .filter(|it| it.seq >= FIRST_AFTER)
        .copied()
        .collect();
    // Calm ticks are due one after the other from there, lost or not.
    let first = after.first()?;
    let fell = first.due - (first.seq - FIRST_AFTER) * CALM_EVERY_NS;
    let mut in_a_row = 0;
    for window in 0..CALM_TICKS as u64 * CALM_EVERY_NS / WINDOW_NS {
        let begins = fell + window * WINDOW_NS;
        let inside = |it: &&Seen| (begins..begins + WINDOW_NS).contains(&it.due);
        let late: Vec<f64> = after
            .iter()
            .filter(inside)
            .map(|it| it.late as f64)
            .collect();
        let is_whole = late.len() as u64 == WINDOW_NS / CALM_EVERY_NS;
        in_a_row = if is_whole && median(&late) <= normal {
            in_a_row + 1
        } else {
            0
        };
        if in_a_row == WINDOWS {
            let first = window + 1 - WINDOWS as u64;
            return Some((first * WINDOW_NS) as f64 / 1e6);
        }
    }
    None
}
