//! Which instrument is next: very unequal shares, in constant time.

use rand_xoshiro::rand_core::Rng;

/// An alias table: every slot is taken by its own instrument up to its threshold, by its alias
/// above.
pub(super) struct Activity {
    slots: Vec<Slot>,
}

#[derive(Clone, Copy)]
struct Slot {
    threshold: u32,
    alias: u32,
}

impl Activity {
    /// The instrument of rank `k` gets a share of `k^(-27/32)`; ranks are dealt out at random.
    pub(super) fn new(count: u32, random: &mut impl Rng) -> Activity {
        let mut weights: Vec<f64> = (1..=count).map(weight).collect();
        shuffle(&mut weights, random);
        let total: f64 = weights.iter().sum();
        let mean = total / f64::from(count);
        let mut shares: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
        Activity {
            slots: alias(&mut shares),
        }
    }

    /// The index of the instrument that this roll picks.
    #[inline]
    pub(super) fn pick(&self, roll: u64) -> usize {
        let slot = (((roll & 0xffff_ffff) * self.slots.len() as u64) >> 32) as usize;
        let Slot { threshold, alias } = self.slots[slot];
        if ((roll >> 32) as u32) < threshold {
            slot
        } else {
            alias as usize
        }
    }
}

/// `rank^(-27/32)` by square roots alone, which are the same on every machine.
fn weight(rank: u32) -> f64 {
    let half = f64::from(rank).sqrt();
    let quarter = half.sqrt();
    let sixteenth = quarter.sqrt().sqrt();
    let thirty_second = sixteenth.sqrt();
    1.0 / (half * quarter * sixteenth * thirty_second)
}

fn shuffle(weights: &mut [f64], random: &mut impl Rng) {
    for last in (1..weights.len()).rev() {
        let other = ((random.next_u64() >> 32) * (last as u64 + 1)) >> 32;
        weights.swap(last, other as usize);
    }
}

/// Vose's method: slots with a share below 1 are filled up from those above.
fn alias(shares: &mut [f64]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = (0..shares.len() as u32)
        .map(|own| Slot {
            threshold: u32::MAX,
            alias: own,
        })
        .collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..shares.len()).partition(|&slot| shares[slot] < 1.0);
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        slots[poor] = Slot {
            threshold: (shares[poor] * f64::from(u32::MAX)) as u32,
            alias: rich as u32,
        };
        shares[rich] -= 1.0 - shares[poor];
        if shares[rich] < 1.0 {
            large.pop();
            small.push(rich);
        }
    }
    slots
}
