//! One way: from the instant that a tick is due to the strategy's call, beside a bare datagram from
//! the instant that it is due to after its receive.

use hdrhistogram::Histogram;
use tickcast_benches::bare::{ONE_TICK, receive_paced};
use tickcast_benches::feed::{self, await_end, cores, idle};
use tickcast_benches::{Bound, Figure, cache_line_hops, last_cores, median, try_in_turns};
use tickcast_net::clock::realtime_ns;
use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder, ThreadConfig};
use tickcast_wire::Tick;

use crate::roles::{Publishing, beside_bare, open_bare_receivers, words_of};
use crate::{Effort, Failure, print_hiccups};

/// The rate that the bounds are for, and those that are shown beside it.
const PER_SECOND: u64 = 20_000;
const OTHER_RATES: [u64; 3] = [1_000, 100_000, 500_000];
/// Above it one datagram a send falls behind, and only says how far.
const MOST_BARE_PER_SECOND: u64 = 100_000;
/// Cache-line hops of a turn.
const HOPS: u64 = 100_000;

/// A way from the sender to the receiver.
#[derive(Clone, Copy)]
enum Way {
    /// Bare sockets, so many lines.
    Bare(usize),
    /// The feed with so many lines, its strategy called by the receive thread.
    Inline(usize),
    /// The feed with both lines, its strategy in a thread of its own.
    Queue,
    /// A cache line from core to core.
    Hop,
}

/// What a turn gave, in microseconds.
#[derive(Clone, Copy)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
}

impl Quantiles {
    fn of(latencies: &Histogram<u64>) -> Quantiles {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| latencies.value_at_quantile(q) as f64 / 1e3);
        Quantiles { p50, p90, p99 }
    }
}

pub(crate) fn at_the_rate_of_the_bound(effort: &Effort) -> Result<(), Failure> {
    println!(
        "\none way, from the instant it is due, packets of one tick and datagrams of {ONE_TICK} \
         bytes, {PER_SECOND}/s, {} turns of {} each",
        effort.turns, effort.samples
    );
    const WAYS: [Way; 6] = [
        Way::Bare(1),
        Way::Bare(2),
        Way::Inline(1),
        Way::Inline(2),
        Way::Queue,
        Way::Hop,
    ];
    let runs = turns(&WAYS, effort.turns, PER_SECOND, effort.samples)?;
    let [bare, bare_both, one, both, queue, hop] = &runs[..] else {
        return Err("a way is missing".into());
    };
    print_tails(&[
        ("bare socket", bare),
        ("bare sockets, both lines", bare_both),
        ("line A, inline", one),
        ("both lines, inline", both),
        ("both lines, by the queue", queue),
    ]);
    print_hiccups(effort);
    for (what, ours, name, floor) in [
        ("both lines", both, "bare socket", bare),
        ("both lines", both, "bare sockets, both lines", bare_both),
        ("line A only", one, "bare socket", bare),
    ] {
        print_beside(
            &format!("one way to an inline strategy, {what}, p50"),
            ours,
            name,
            floor,
            |it| it.p50,
            1.10,
        );
        print_beside(
            &format!("one way to an inline strategy, {what}, p90"),
            ours,
            name,
            floor,
            |it| it.p90,
            1.15,
        );
    }
    let more: Vec<f64> = queue
        .iter()
        .zip(both)
        .map(|(queue, inline)| (queue.p50 - inline.p50) * 1e3)
        .collect();
    Figure {
        what: "what the queue adds to one way, p50",
        ours: &more,
        unit: "ns",
        against: Some(("cache-line hop", &of(hop, |it| it.p50 * 1e3))),
        bound: Some(Bound::RatioAtMost(1.5)),
    }
    .print();
    if last_cores::<3>().is_none() {
        println!(
            "two cores for three busy threads: what the queue adds is mostly waiting for a core"
        );
    }
    Ok(())
}

pub(crate) fn at_other_rates(effort: &Effort) -> Result<(), Failure> {
    for per_second in OTHER_RATES {
        let samples = effort.samples.min(per_second * 2).max(per_second / 4);
        println!(
            "\none way at {per_second}/s, {} turns of {samples}",
            effort.rate_turns
        );
        let ways = [Way::Inline(2), Way::Bare(1)];
        let has_floor = per_second <= MOST_BARE_PER_SECOND;
        let ways = &ways[..1 + usize::from(has_floor)];
        let runs = turns(ways, effort.rate_turns, per_second, samples)?;
        let ours = &runs[0];
        print_tails(&[("both lines, inline", ours)]);
        let floor = runs.get(1).map(|floor| of(floor, |it| it.p50));
        Figure {
            what: &format!("one way to an inline strategy, both lines, {per_second}/s, p50"),
            ours: &of(ours, |it| it.p50),
            unit: "µs",
            against: floor.as_deref().map(|floor| ("bare socket", floor)),
            bound: None,
        }
        .print();
    }
    Ok(())
}

fn turns(
    ways: &[Way],
    turns: usize,
    per_second: u64,
    samples: u64,
) -> Result<Vec<Vec<Quantiles>>, Failure> {
    try_in_turns(turns, ways.len(), |way| match ways[way] {
        Way::Bare(lines) => bare(lines, per_second, samples),
        Way::Inline(lines) => fed(lines, false, per_second, samples),
        Way::Queue => fed(2, true, per_second, samples),
        Way::Hop => {
            let us = cache_line_hops(HOPS).as_nanos() as f64 / HOPS as f64 / 1e3;
            Ok(Quantiles {
                p50: us,
                p90: us,
                p99: us,
            })
        }
    })
}

fn bare(lines: usize, per_second: u64, samples: u64) -> Result<Quantiles, Failure> {
    let groups = &feed::own_groups()[..lines];
    let mut receivers = open_bare_receivers(groups)?;
    let words = [
        words_of(groups),
        per_second.to_string(),
        samples.to_string(),
    ];
    let words = ["bare", &words[0], &words[1], &words[2]];
    let latencies = beside_bare(&words, |is_all_sent| {
        receive_paced(&mut receivers, is_all_sent)
    })?;
    Ok(Quantiles::of(&latencies))
}

/// Notes for each tick how long after it was due it was there.
struct Measure(Histogram<u64>);

impl Strategy for Measure {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        self.0
            .saturating_record(realtime_ns().saturating_sub(tick.ts_due()));
    }
}

fn fed(lines: usize, queue: bool, per_second: u64, samples: u64) -> Result<Quantiles, Failure> {
    let groups = &feed::own_groups()[..lines];
    let idle = idle(if queue { 3 } else { 2 });
    let publishing = Publishing::start(&[
        "publish",
        &words_of(groups),
        &format!("{per_second}/s"),
        &samples.to_string(),
        &u64::MAX.to_string(),
        &idle.to_string(),
    ])?;
    let mut config = feed::subscribe(groups, Some(publishing.recovery))?;
    config.idle = idle;
    config.core = cores()[1].filter(|_| !queue || last_cores::<3>().is_some());
    let mut builder = SubscriberBuilder::new(config);
    let measure = Measure(Histogram::new_with_bounds(1, 10_000_000_000, 3)?);
    let attached = if queue {
        let thread = ThreadConfig {
            name: "tc-measure".into(),
            core: last_cores::<3>().map(|cores| cores[0]),
            priority: None,
            idle,
            measured: false,
        };
        builder.attach(measure, &thread)?
    } else {
        builder.attach_inline(measure)
    };
    let subscriber = builder.start()?;
    await_end(&subscriber)?;
    publishing.finish(&subscriber)?;
    let mut stopped = subscriber.stop();
    let outcome = stopped.take(&attached).ok_or("the strategy is gone")?;
    if outcome.account.lost > 0 || outcome.account.delivered != samples {
        return Err(format!("not all of {samples} were delivered: {:?}", outcome.account).into());
    }
    Ok(Quantiles::of(&outcome.strategy.0))
}

fn of(runs: &[Quantiles], which: impl Fn(&Quantiles) -> f64) -> Vec<f64> {
    runs.iter().map(which).collect()
}

fn print_tails(ways: &[(&str, &Vec<Quantiles>)]) {
    println!("medians of turns, µs            p50     p90     p99");
    for (name, runs) in ways {
        let [p50, p90, p99] = [
            of(runs, |it| it.p50),
            of(runs, |it| it.p90),
            of(runs, |it| it.p99),
        ]
        .map(|values| median(&values));
        println!("{name:<26}{p50:>9.2}{p90:>8.2}{p99:>8.2}");
    }
}

fn print_beside(
    what: &str,
    ours: &[Quantiles],
    name: &str,
    floor: &[Quantiles],
    which: fn(&Quantiles) -> f64,
    most: f64,
) {
    Figure {
        what,
        ours: &of(ours, which),
        unit: "µs",
        against: Some((name, &of(floor, which))),
        bound: Some(Bound::RatioAtMost(most)),
    }
    .print();
}
