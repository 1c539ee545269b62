//! The state of all instruments after a seq, by the plainest means: what a snapshot must hold.

use std::collections::BTreeMap;

use tickcast_wire::{Body, Flags, Kind, Tick};

/// The rows that a snapshot as of `as_of` has: by instrument, then kind. `ticks[n]` has seq `n + 1`.
pub(crate) fn state_at(ticks: &[Tick], as_of: u64) -> Vec<Tick> {
    let mut rows: BTreeMap<(u32, u8), Tick> = BTreeMap::new();
    for tick in &ticks[..as_of as usize] {
        let instrument = tick.instrument();
        let trade = (instrument, Kind::Trade as u8);
        match tick.body() {
            Body::Unknown(..) => {}
            Body::TradeBreak(broken) => {
                let last = rows.get(&trade).and_then(Tick::as_trade);
                if last.is_some_and(|last| last.trade_id == broken.trade_id) {
                    rows.remove(&trade);
                }
            }
            Body::Clear(_) => {
                rows.remove(&(instrument, Kind::Quote as u8));
                rows.remove(&trade);
            }
            _ => {
                rows.insert((instrument, tick.kind_code()), *tick);
            }
        }
    }
    let flagged = rows
        .into_values()
        .map(|tick| tick.with_flags(Flags::SNAPSHOT));
    flagged.collect()
}
