//! Two clocks of a test's own: whatever the network does, the true offset is in the interval.

use proptest::prelude::*;

use super::*;
use crate::{Figures, Percentile, StageFigures, View};

const START: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// The publisher's clock over time, which is that of the subscriber's clock here.
#[derive(Debug, Clone, Copy)]
struct Publisher {
    offset: i64,
    drift_ppm: i64,
    /// The clock is set forward or back then, by so much.
    step: (u64, i64),
}

impl Publisher {
    fn offset(&self, at: u64) -> i64 {
        let elapsed = i128::from(at - START);
        let step = if at >= self.step.0 { self.step.1 } else { 0 };
        self.offset + (elapsed * i128::from(self.drift_ppm) / 1_000_000) as i64 + step
    }

    fn shows(&self, at: u64) -> u64 {
        at.checked_add_signed(self.offset(at)).unwrap()
    }

    /// An exchange that begins then; the ways there and back and the time between.
    fn exchange(&self, at: u64, [there, between, back]: [u64; 3]) -> Exchange {
        Exchange {
            asked: at,
            received: self.shows(at + there),
            sent: self.shows(at + there + between),
            answered: at + there + between + back,
        }
    }
}

const NEVER: (u64, i64) = (u64::MAX, 0);

fn delays() -> impl Strategy<Value = [u64; 3]> {
    let way = || prop_oneof![5_000u64..50_000, 50_000u64..5_000_000];
    (way(), 0u64..100_000, way()).prop_map(|(there, between, back)| [there, between, back])
}

/// Rounds of exchanges, and how long after each the next begins.
fn rounds() -> impl Strategy<Value = Vec<(Vec<[u64; 3]>, u64)>> {
    let round = (
        proptest::collection::vec(delays(), 1..5),
        1_000_000..2 * SECOND,
    );
    proptest::collection::vec(round, 1..40)
}

/// Holds the exchanges of these rounds; gives the offset after them, the time, and the extremes of
/// the truth.
fn run(publisher: &Publisher, rounds: &[(Vec<[u64; 3]>, u64)]) -> (ClockOffset, u64, Interval) {
    let (mut offset, mut at) = (ClockOffset::default(), START);
    let first = publisher.offset(START);
    let mut truth = Interval {
        low: first,
        high: first,
    };
    for (delays, pause) in rounds {
        let exchanges: Vec<_> = delays
            .iter()
            .map(|delays| {
                let exchange = publisher.exchange(at, *delays);
                at = exchange.answered;
                exchange
            })
            .collect();
        offset.take(&exchanges);
        assert_inside(&offset, at, publisher.offset(at));
        at += pause;
        assert_inside(&offset, at, publisher.offset(at));
        let now = publisher.offset(at);
        truth = truth.or(Interval {
            low: now,
            high: now,
        });
    }
    (offset, at, truth)
}

#[track_caller]
fn assert_inside(offset: &ClockOffset, at: u64, truth: i64) {
    let known = offset.at(at).unwrap();
    assert!(
        known.low <= truth && truth <= known.high,
        "{truth} is not in {known:?}"
    );
}

proptest! {
    #[test]
    fn the_true_offset_is_always_inside(
        offset in -3_600_000_000_000i64..3_600_000_000_000,
        drift_ppm in -100i64..=100,
        rounds in rounds(),
    ) {
        let publisher = Publisher { offset, drift_ppm, step: NEVER };
        let (known, at, truth) = run(&publisher, &rounds);
        let clocks = known.clocks(at).unwrap();
        prop_assert_eq!(clocks.steps, 0);
        let unsure = clocks.uncertainty_ns as i64;
        prop_assert!(clocks.offset_ns - unsure <= truth.low);
        prop_assert!(clocks.offset_ns + unsure >= truth.high);
    }

    /// A step that is larger than any exchange takes is counted, once, and the truth is inside again
    /// with the next exchange.
    #[test]
    fn a_step_is_seen_and_then_the_truth_is_inside_again(
        drift_ppm in -100i64..=100,
        before in rounds(),
        after in rounds(),
        size in 50_000_000i64..3_600_000_000_000,
        back in any::<bool>(),
    ) {
        let size = if back { -size } else { size };
        let still = Publisher { offset: 5, drift_ppm, step: NEVER };
        let (mut known, at, _) = run(&still, &before);
        let stepped = Publisher { step: (at, size), ..still };
        let mut at = at;
        for (delays, pause) in &after {
            let exchanges: Vec<_> = delays.iter().map(|delays| {
                let exchange = stepped.exchange(at, *delays);
                at = exchange.answered;
                exchange
            }).collect();
            known.take(&exchanges);
            assert_inside(&known, at, stepped.offset(at));
            at += pause;
        }
        prop_assert_eq!(known.clocks(at).unwrap().steps, 1);
    }

    /// Whatever a server says, it does not panic and the interval has its ends in order.
    #[test]
    fn any_times_at_all(
        times in proptest::collection::vec(any::<[u64; 4]>(), 1..20),
        now in any::<u64>(),
    ) {
        let mut offset = ClockOffset::default();
        for [asked, received, sent, answered] in times {
            offset.take(&[Exchange { asked, received, sent, answered }]);
            if let Some(known) = offset.at(now) {
                prop_assert!(known.low <= known.high);
            }
        }
        if let Some(clocks) = offset.clocks(now) {
            prop_assert!(!clocks.statements().is_empty());
            let [low, high] = clocks.one_way(5);
            prop_assert!(low <= high);
        }
    }
}

/// Rounds of one exchange with the same way there and back, a quarter of a second apart.
fn steady(publisher: &Publisher, rounds: u64) -> ClockOffset {
    let mut offset = ClockOffset::default();
    for round in 0..rounds {
        let at = START + round * SECOND / 4;
        offset.take(&[publisher.exchange(at, [20_000, 1_000, 20_000])]);
    }
    offset
}

#[test]
fn drift_is_the_slope() {
    let publisher = Publisher {
        offset: 1_000_000,
        drift_ppm: 20,
        step: NEVER,
    };
    let end = START + 10 * SECOND;
    let drift = steady(&publisher, 40).clocks(end).unwrap().drift_ppb;
    let drift = drift.unwrap();
    assert!((drift - 20_000.0).abs() < 200.0, "{drift}");
    let few = steady(&publisher, 7).clocks(end).unwrap();
    assert_eq!(few.drift_ppb, None);
}

#[test]
fn the_subscribers_clock_is_set_too() {
    let publisher = Publisher {
        offset: 0,
        drift_ppm: 0,
        step: NEVER,
    };
    for by in [-(SECOND as i64), 5 * SECOND as i64] {
        let mut offset = steady(&publisher, 4);
        // The same publisher, seen from a clock that was set.
        let later = publisher.exchange(START + 2 * SECOND, [20_000, 1_000, 20_000]);
        let seen = |at: u64| at.checked_add_signed(by).unwrap();
        let later = Exchange {
            asked: seen(later.asked),
            answered: seen(later.answered),
            ..later
        };
        offset.take(&[later]);
        assert_eq!(offset.steps, 1, "{by}");
        assert_inside(&offset, later.answered, -by);
    }
}

#[test]
fn one_exchange_is_an_interval_as_wide_as_it_took() {
    let mut offset = ClockOffset::default();
    assert_eq!(offset.at(START), None);
    assert_eq!(offset.clocks(START), None);
    let exchange = Exchange {
        asked: START,
        received: START + 1_030,
        sent: START + 1_040,
        answered: START + 50,
    };
    offset.take(&[exchange]);
    let clocks = offset.clocks(START + 50).unwrap();
    // From 990 to 1,030, and 1 ns for the drift.
    assert_eq!((clocks.offset_ns, clocks.uncertainty_ns), (1_010, 21));
    assert_eq!((clocks.exchanges, clocks.steps), (1, 0));
    // 2,000 ns by the two clocks were 3,010 ns, give or take.
    assert_eq!(clocks.one_way(2_000), [2_989, 3_031]);
}

#[test]
fn an_exchange_that_contradicts_itself_is_a_step() {
    let mut offset = ClockOffset::default();
    offset.take(&[Exchange {
        asked: START + 10,
        received: START,
        sent: START,
        answered: START,
    }]);
    assert_eq!((offset.steps, offset.at(START)), (1, None));
}

/// Of a run between two hosts the percentiles that stamps of both make lie in an interval.
#[test]
fn one_way_percentiles_lie_between_two_values() {
    let percentile = |ns| Percentile {
        ns,
        ..Percentile::default()
    };
    let figures = || Figures {
        percentiles: vec![
            percentile(Some(30_000)),
            percentile(Some(500)),
            percentile(None),
        ],
        ..Figures::default()
    };
    let stage = |stage: Stage| StageFigures {
        stage: stage.name().into(),
        parts: vec![figures()],
        groups: vec![figures()],
    };
    let stages = [
        Stage::Publish,
        Stage::Network,
        Stage::Kernel,
        Stage::Service,
        Stage::Total,
    ];
    let view = View {
        figures: figures(),
        ..View::default()
    };
    let measured = Run {
        stages: stages.map(stage).into(),
        views: vec![view],
        ..Run::default()
    };
    let clocks = Clocks {
        offset_ns: -1_500,
        uncertainty_ns: 21_000,
        ..Clocks::default()
    };
    let between = |figures: &Figures| -> Vec<Option<[u64; 2]>> {
        let percentiles = figures.percentiles.iter();
        percentiles.map(|it| it.between_ns).collect()
    };
    let mut run = measured.clone();
    clocks.clone().bound(&mut run);
    let known = [Some([7_500, 49_500]), Some([0, 20_000]), None];
    for stage in &run.stages {
        let is_one_way = ["network", "service", "total"].contains(&stage.stage.as_str());
        let expected = if is_one_way { known } else { [None; 3] };
        assert_eq!(between(&stage.parts[0]), expected, "{}", stage.stage);
        assert_eq!(between(&stage.groups[0]), expected, "{}", stage.stage);
    }
    assert_eq!(between(&run.views[0].figures), known);
    assert_eq!(run.clocks, Some(clocks.clone()));
    // After a step nobody knows.
    let mut run = measured;
    Clocks { steps: 1, ..clocks }.bound(&mut run);
    assert_eq!(between(&run.views[0].figures), [None; 3]);
}

#[test]
fn statements_say_what_is_wrong() {
    let good = Clocks {
        offset_ns: -1_500,
        uncertainty_ns: 21_000,
        exchanges: 8,
        ..Clocks::default()
    };
    let said = good.statements();
    assert_eq!(
        said,
        [
            "the publisher's clock was 1.5 µs behind this host's, ± 21.0 µs, by 8 exchanges: a \
             figure from one host to the other is right only after adding -1.5 µs ± 21.0 µs"
        ]
    );
    let bad = Clocks {
        offset_ns: 3_200_000_000,
        steps: 2,
        ..good
    };
    let said = bad.statements();
    assert!(said[1].contains("2 times"), "{said:?}");
    assert!(said[2].contains("disagree by 3.2 s"), "{said:?}");
}
