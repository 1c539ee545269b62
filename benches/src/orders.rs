//! What happens to orders on a trading day, made from a seed.

/// Instruments that orders are for.
const INSTRUMENTS: u64 = 1_000;
/// Orders that rest at most, and from when on others than new ones come.
const MOST_RESTING: usize = 100_000;
const LEAST_RESTING: usize = 1_000;

/// What happens to an order.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// It rests from now on.
    Add {
        /// It is to buy.
        is_bid: bool,
        /// How much.
        size: u32,
        /// In units of 0.0001.
        price: u32,
    },
    /// It is gone.
    Delete,
    /// Another takes its place.
    Replace {
        /// The reference of the other.
        by: u64,
        /// How much.
        size: u32,
        /// In units of 0.0001.
        price: u32,
    },
    /// One is executed.
    Execute,
}

/// An action, and the order that it is for.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The reference of the order.
    pub reference: u64,
    /// Its instrument, from 1.
    pub instrument: u16,
    /// What happens to it.
    pub action: Action,
}

/// A small generator of numbers (splitmix64), so that every run has the same ones.
#[derive(Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below the limit, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn size(&mut self) -> u32 {
        100 + self.below(900) as u32
    }

    fn price(&mut self) -> u32 {
        1_000_000 + self.below(50) as u32 * 100
    }
}

/// Orders added, replaced, executed and deleted in no learnable order, with up to 100,000 of them
/// resting, in the proportions of a trading day (adds 42 %, deletes 40 %, replaces 12 %, executions
/// 6 %).
#[must_use]
pub fn steps(count: u64) -> Vec<Step> {
    let mut numbers = Numbers(7);
    let mut resting: Vec<(u64, u16)> = Vec::new();
    let mut last = 0;
    let mut step = |_| {
        let choice = match resting.len() {
            ..LEAST_RESTING => 0,
            LEAST_RESTING..MOST_RESTING => numbers.below(100),
            MOST_RESTING.. => numbers.below(100).max(42),
        };
        if choice < 42 {
            last += 1;
            let instrument = 1 + numbers.below(INSTRUMENTS) as u16;
            resting.push((last, instrument));
            let action = Action::Add {
                is_bid: numbers.below(2) == 0,
                size: numbers.size(),
                price: numbers.price(),
            };
            return Step {
                reference: last,
                instrument,
                action,
            };
        }
        let at = numbers.below(resting.len() as u64) as usize;
        let (reference, instrument) = resting[at];
        let action = match choice {
            42..82 => {
                resting.swap_remove(at);
                Action::Delete
            }
            82..94 => {
                last += 1;
                resting[at].0 = last;
                Action::Replace {
                    by: last,
                    size: numbers.size(),
                    price: numbers.price(),
                }
            }
            _ => Action::Execute,
        };
        Step {
            reference,
            instrument,
            action,
        }
    };
    (0..count).map(&mut step).collect()
}
