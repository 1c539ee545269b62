use proptest::prelude::*;
use tickcast_latency::Histograms;
use tickcast_wire::{Definition, Quote, UNDEFINED_PRICE, Venue};

use super::*;
use crate::event::Stamps;
use crate::measuring::{Measuring, Wanted};

fn symbol(text: &str) -> Symbol {
    Symbol::new(text.as_bytes())
}

/// Two groups: AAA and BBB, and CCC.
fn two_groups() -> InstrumentGroups {
    let groups = [vec![symbol("BBB"), symbol("AAA")], vec![symbol("CCC")]];
    InstrumentGroups::new(&groups).unwrap()
}

fn define(instrument: u32, text: &str) -> Tick {
    let definition = Definition::new(symbol(text), UNDEFINED_PRICE, 1);
    Tick::new(definition, Venue::SYNTHETIC, instrument, 0).with_ts_due(1_000)
}

fn quote(instrument: u32) -> Tick {
    Tick::new(Quote::new(1, 2, 3, 4), Venue::SYNTHETIC, instrument, 0).with_ts_due(1_000)
}

fn origin(provenance: Provenance) -> Origin {
    Origin {
        session: 1,
        provenance,
        held: false,
        stamps: Stamps {
            sent: 2_000,
            kernel: 4_000,
            read: 8_000,
            push: 16_000,
            pop: 32_000,
        },
    }
}

/// What was measured of these batches, one after the other.
fn measured(groups: &InstrumentGroups, batches: &[(Vec<Tick>, Provenance)]) -> Histograms {
    let wanted = Wanted {
        groups: groups.clone(),
        ..Wanted::default()
    };
    let (mut measuring, mut reporter) = Measuring::new(&wanted, false);
    for (ticks, provenance) in batches {
        measuring.after(ticks, &origin(*provenance));
    }
    drop(measuring);
    let mut histograms = Histograms::new(&[]);
    reporter.collect(&mut histograms);
    histograms
}

fn counts(histograms: &Histograms, stage: Stage) -> Vec<u64> {
    let groups = histograms.groups(stage);
    groups.map(|group| group.histogram().len()).collect()
}

#[test]
fn a_tick_counts_for_the_group_its_instrument_was_last_defined_in() {
    let groups = two_groups();
    assert_eq!(groups.count(), 3);
    let ticks = vec![
        // Nobody knows it yet.
        quote(1),
        define(1, "AAA"),
        quote(1),
        define(2, "CCC"),
        quote(2),
        quote(3),
        // Another name, and the old one for another instrument.
        define(1, "ZZZ"),
        quote(1),
        define(3, "AAA"),
        quote(3),
        // The same again changes nothing.
        define(3, "AAA"),
        // A member moves to another instrument.
        define(4, "CCC"),
        quote(2),
    ];
    let histograms = measured(&groups, &[(ticks, Provenance::A)]);
    assert_eq!(counts(&histograms, Stage::Total), [5, 3, 5]);
    let undefined: Vec<_> = groups.undefined().collect();
    assert_eq!(undefined, [(0, symbol("BBB"))]);
}

/// A file that is replayed in turns defines its instruments once.
#[test]
fn what_one_subscriber_has_learnt_the_next_knows() {
    let groups = two_groups();
    measured(&groups, &[(vec![define(7, "BBB")], Provenance::A)]);
    let histograms = measured(&groups, &[(vec![quote(7)], Provenance::A)]);
    assert_eq!(counts(&histograms, Stage::Total), [1, 0, 0]);
}

#[test]
fn every_stage_takes_what_it_takes() {
    let groups = two_groups();
    // The state tells what instruments there are, and is no event.
    let snapshot = (vec![define(1, "AAA"), quote(1)], Provenance::Snapshot);
    let ticks = (vec![quote(1), quote(1), quote(2)], Provenance::B);
    let histograms = measured(&groups, &[snapshot, ticks]);
    for (stage, ns) in [
        (Stage::Publish, 1_000),
        (Stage::Network, 2_000),
        (Stage::Kernel, 4_000),
        (Stage::Handle, 8_000),
        (Stage::Queue, 16_000),
        (Stage::Service, 30_000),
        (Stage::Total, 31_000),
    ] {
        let at = histograms.groups(stage);
        let at: Vec<u64> = at.map(|group| group.histogram().count_at(ns)).collect();
        assert_eq!(at, [2, 0, 1], "{stage}");
        assert_eq!(counts(&histograms, stage), [2, 0, 1], "{stage}");
    }
    assert_eq!(counts(&histograms, Stage::Strategy), [0, 0, 0]);
    assert_eq!(histograms.groups(Stage::Heal).count(), 0);
}

/// The thread that measures allocates nothing: there is room for every member from the start.
#[test]
fn what_is_known_never_outgrows_its_room() {
    let groups = two_groups();
    let mut meter = GroupMeter::new(&groups).unwrap();
    let room = meter.known.capacity();
    for round in 0..1_000 {
        for name in ["AAA", "BBB", "CCC", "ZZZ"] {
            meter.take_definition(&define(round * 7 % 5, name));
        }
        assert!(meter.known.len() <= 3);
    }
    assert_eq!(meter.known.capacity(), room);
}

#[test]
fn groups_are_checked() {
    let one = |text| vec![symbol(text)];
    let error = InstrumentGroups::new(&[one("AAA"), one("AAA")]).unwrap_err();
    let twice = symbol("AAA");
    assert_eq!(error, GroupsError::Twice { symbol: twice });
    let many: Vec<_> = ["A", "B", "C", "D", "E", "F"].map(one).into();
    assert_eq!(InstrumentGroups::new(&many[..5]).unwrap().count(), 6);
    let error = InstrumentGroups::new(&many).unwrap_err();
    assert_eq!(error, GroupsError::TooManyGroups { groups: 6 });
    let symbols = MAX_GROUP_SYMBOLS + 1;
    let error = InstrumentGroups::new(&[vec![symbol("AAA"); symbols]]).unwrap_err();
    assert_eq!(error, GroupsError::TooManySymbols { symbols });
    assert_eq!(InstrumentGroups::new(&[]).unwrap().count(), 0);
}

fn any_tick() -> impl Strategy<Value = Tick> {
    let names = prop::sample::select(vec!["AAA", "BBB", "CCC", "ZZZ"]);
    prop_oneof![
        3 => (0..6u32).prop_map(quote),
        1 => (0..6u32, names).prop_map(|(instrument, name)| define(instrument, name)),
    ]
}

proptest! {
    /// Whatever is defined when: the groups are what a map says, and together all ticks.
    #[test]
    fn groups_add_up(batches in prop::collection::vec(prop::collection::vec(any_tick(), 1..20), 1..10)) {
        let mut by_instrument = std::collections::HashMap::<u32, Symbol>::new();
        let mut expected = [0; 3];
        for tick in batches.iter().flatten() {
            if let Some(definition) = tick.as_definition() {
                by_instrument.retain(|_, symbol| *symbol != definition.symbol);
                by_instrument.insert(tick.instrument(), definition.symbol);
            }
            let symbol = by_instrument.get(&tick.instrument()).map(ToString::to_string);
            expected[match symbol.as_deref() {
                Some("AAA" | "BBB") => 0,
                Some("CCC") => 1,
                _ => 2,
            }] += 1;
        }
        let batches: Vec<_> = batches.into_iter().map(|ticks| (ticks, Provenance::A)).collect();
        let histograms = measured(&two_groups(), &batches);
        for stage in [Stage::Publish, Stage::Queue, Stage::Total] {
            prop_assert_eq!(counts(&histograms, stage), expected);
        }
        let all = histograms.sum(Stage::Total).unwrap().histogram().len();
        prop_assert_eq!(all, expected.iter().sum::<u64>());
    }
}
