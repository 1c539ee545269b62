//! Ticks and packets of the synthetic market.

use tickcast_protocol::{Batch, Sequencer};
use tickcast_tickfile::{Synthetic, SyntheticConfig};
use tickcast_wire::Tick;

/// The first ticks of the synthetic market.
#[must_use]
pub fn market(ticks: usize) -> Vec<Tick> {
    Synthetic::new(SyntheticConfig::default())
        .take(ticks)
        .collect()
}

/// So many packets of the synthetic market, of so many ticks each, as they would be sent.
#[must_use]
pub fn packets(count: usize, ticks_each: usize) -> Vec<Vec<u8>> {
    let mut sequencer = Sequencer::new(1, 0, None);
    let mut batch = Batch::new();
    let ticks = market(count * ticks_each);
    let pack = |ticks: &[Tick]| {
        sequencer.fill(ticks, |_| Some(1), &mut batch);
        batch.stamp(1);
        batch.bytes().to_vec()
    };
    ticks.chunks(ticks_each).map(pack).collect()
}
