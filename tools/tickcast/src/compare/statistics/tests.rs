//! Made-up runs of which the truth is known.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

/// Turns of the default, which fit into two minutes.
const TURNS: usize = 50;
/// Percentiles that are compared at once: the further out, the noisier.
const NOISE: [f64; 3] = [1.0, 1.5, 4.0];
/// Windows of a run.
const WINDOWS: usize = 5;

/// A machine whose speed wanders and that now and then stands still.
struct Machine {
    random: Xoshiro256PlusPlus,
    level: f64,
}

impl Machine {
    fn new(seed: u64) -> Machine {
        Machine {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            level: 0.0,
        }
    }

    fn normal(&mut self) -> f64 {
        let (one, other): (f64, f64) = (self.random.random(), self.random.random());
        (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    /// Student's t with three degrees of freedom: a tail so long that it has no third moment.
    fn heavy(&mut self) -> f64 {
        let squares: f64 = (0..3).map(|_| self.normal().powi(2)).sum();
        self.normal() / (squares / 3.0).sqrt()
    }

    /// The figures of a run that takes `factor` times as long as it should: the median over
    /// windows, each of which is much like the one before.
    fn run(&mut self, factor: f64) -> [u64; 3] {
        let mut windows = [(); 3].map(|()| Vec::new());
        for _ in 0..WINDOWS {
            // The level forgets a tenth of itself with each window, and strays by 3.4 %.
            self.level = 0.9 * self.level + 0.015 * self.normal();
            let noise = self.heavy();
            for (values, scale) in windows.iter_mut().zip(NOISE) {
                values.push((self.level + 0.03 * scale * noise).exp());
            }
        }
        windows.map(|mut values| {
            values.sort_unstable_by(f64::total_cmp);
            (10_000.0 * factor * values[WINDOWS / 2]) as u64
        })
    }
}

/// A comparison of a setting with one that takes `factor` times as long: A B, B A, A B, …
fn compare(seed: u64, factor: f64) -> [Effect; 3] {
    let mut machine = Machine::new(seed);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        if turn % 2 == 0 {
            a.push(machine.run(1.0));
            b.push(machine.run(factor));
        } else {
            b.push(machine.run(factor));
            a.push(machine.run(1.0));
        }
    }
    std::array::from_fn(|figure| {
        let of = |runs: &[[u64; 3]]| -> Vec<u64> { runs.iter().map(|run| run[figure]).collect() };
        effect(&of(&a), &of(&b), NOISE.len()).expect("enough turns")
    })
}

/// The A/A control of real runs on a virtual machine, in `benches/results`, has quartiles of 0.97 to
/// 1.03 at best: what is made up is no quieter.
#[test]
fn the_machine_is_as_noisy_as_real_ones() {
    let mut machine = Machine::new(7);
    let runs: Vec<f64> = (0..1_001).map(|_| machine.run(1.0)[0] as f64).collect();
    let mut ratios: Vec<f64> = runs.windows(2).map(|pair| pair[1] / pair[0]).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let quartiles = [ratios[250], ratios[750]];
    assert!(quartiles[0] < 0.98 && quartiles[1] > 1.02, "{quartiles:?}");
}

#[test]
fn a_setting_differs_from_itself_in_few_of_a_hundred_trials() {
    let called = (0..100)
        .filter(|&seed| compare(seed, 1.0).iter().any(|effect| effect.differs))
        .count();
    assert!(called <= 5, "{called} of 100");
}

#[test]
fn three_per_cent_are_found() {
    let mut found = 0;
    for seed in 0..100 {
        let effect = compare(seed, 1.03)[0];
        found += usize::from(effect.differs && effect.ratio > 1.0);
    }
    assert!(found >= 90, "{found} of 100");
}

/// The interval holds the truth about as often as it says.
#[test]
fn intervals_hold_the_truth() {
    let held = (0..200)
        .flat_map(|seed| compare(1_000 + seed, 1.03))
        .filter(|effect| (effect.interval[0]..=effect.interval[1]).contains(&1.03))
        .count();
    assert!(held >= 570, "{held} of 600");
}

#[test]
fn too_few_turns_say_nothing() {
    assert_eq!(effect(&[100; 9], &[200; 9], 1), None);
    let twice = effect(&[100; 10], &[200; 10], 3).expect("enough turns");
    assert!(twice.differs);
    assert!((twice.ratio - 2.0).abs() < 1e-9);
    let same = effect(&[100; 10], &[100; 10], 3).expect("enough turns");
    assert!(!same.differs);
    assert!(same.detectable().abs() < 1e-9);
}

/// A difference beyond the interval that A alone shows too is none.
#[test]
fn what_the_control_shows_too_is_no_difference() {
    let mut machine = Machine::new(3);
    let a: Vec<u64> = (0..12).map(|_| machine.run(1.0)[2]).collect();
    let b: Vec<u64> = a.iter().map(|a| a + a / 20).collect();
    let effect = effect(&a, &b, 1).expect("enough turns");
    assert!(effect.interval[0] > 1.0, "{effect:?}");
    assert!(!effect.differs, "{effect:?}");
}

/// From the tables of Wilcoxon's signed-rank test: two-sided 5 % and 1 %.
#[test]
fn ranks_are_those_of_the_tables() {
    for (values, error, largest) in [
        (10, 0.05, 8),
        (10, 0.01, 3),
        (20, 0.05, 52),
        (30, 0.01, 109),
        (50, 0.05, 434),
    ] {
        assert_eq!(left_out(values, error / 2.0), largest, "{values} {error}");
    }
}
