//! What the receive thread and the threads of strategies measure: how long ticks took to them, and
//! whether their core was their own meanwhile.

use tickcast_latency::{
    Recorder, Reporter, Stage, StallBoard, StallMeter, Way, stages, stages_and_groups,
};
use tickcast_net::Idle;

use tickcast_protocol::Provenance;
use tickcast_wire::Tick;

use crate::clock::realtime_ns;
use crate::event::{Event, Origin, Stamps};
use crate::groups::{GroupMeter, InstrumentGroups};

/// Empty rounds of a strategy's thread from one look at the clock to the next: together they take
/// a fraction of a microsecond.
const ROUNDS_PER_LOOK: u32 = 16;

/// What is measured beside the stages of every strategy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Stalls of the process's threads, so that ticks that met one are told apart.
    pub(crate) stalls: Option<StallBoard>,
    /// How long strategies take.
    pub(crate) strategies: bool,
    /// Every stage of the ticks of some instruments.
    pub(crate) groups: InstrumentGroups,
}

impl Wanted {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::Queue, Stage::Service, Stage::Total];
        stages.extend(self.strategies.then_some(Stage::Strategy));
        stages.extend(self.stalls.is_some().then_some(Stage::Stalled));
        stages
    }

    /// The meter of a thread; it sees nothing unless the thread spins, as gaps of one that yields
    /// or sleeps are its own doing.
    pub(crate) fn meter(&self, thread: &str, core: Option<usize>, idle: Idle) -> StallMeter {
        let board = self.stalls.as_ref().filter(|_| idle == Idle::Spin);
        board.map_or_else(StallMeter::off, |board| board.meter(thread, core))
    }
}

/// The stages that the receive thread records.
const RECEIVE_STAGES: [Stage; 5] = [
    Stage::Publish,
    Stage::Network,
    Stage::Kernel,
    Stage::Handle,
    Stage::Heal,
];

/// Measures what the receive thread takes in.
pub(crate) struct Receiving {
    recorder: Recorder,
    /// The way up to here of the ticks that came last, and how many of those that have it in common
    /// are not recorded yet: at full speed all of a receive call.
    latest: Arrival,
    unrecorded: u64,
}

/// When ticks were due, were sent, came, and were read.
#[derive(Clone, Copy, Default, PartialEq)]
struct Arrival {
    of: tickcast_latency::Provenance,
    due: u64,
    sent: u64,
    kernel: u64,
    read: u64,
}

impl Receiving {
    pub(crate) fn new() -> (Receiving, Reporter) {
        let (recorder, reporter) = stages(&RECEIVE_STAGES);
        let receiving = Receiving {
            recorder,
            latest: Arrival::default(),
            unrecorded: 0,
        };
        (receiving, reporter)
    }

    /// These ticks came on a line, as a packet or a part of one, and were passed on.
    #[inline]
    pub(crate) fn passed_on(&mut self, ticks: &[Tick], provenance: Provenance, stamps: Stamps) {
        let (of, count) = (measured_as(provenance), ticks.len() as u64);
        self.recorder
            .record((Stage::Handle, of), stamps.read, stamps.push, count);
        let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else {
            return;
        };
        let arrival = Arrival {
            of,
            due: first.ts_due(),
            sent: stamps.sent,
            kernel: stamps.kernel,
            read: stamps.read,
        };
        if first.ts_due() == last.ts_due() {
            if arrival != self.latest {
                self.record_latest();
                self.latest = arrival;
            }
            self.unrecorded += count;
        } else {
            record_each_due(&mut self.recorder, (Stage::Publish, of), ticks, stamps.sent);
            record_arrival(&mut self.recorder, &arrival, count);
        }
    }

    #[inline]
    fn record_latest(&mut self) {
        let count = std::mem::take(&mut self.unrecorded);
        if count > 0 {
            let Arrival { of, due, sent, .. } = self.latest;
            self.recorder.record((Stage::Publish, of), due, sent, count);
            record_arrival(&mut self.recorder, &self.latest, count);
        }
    }

    /// A gap was open for so long.
    pub(crate) fn healed(&mut self, by: Provenance, ns: u64) {
        self.recorder
            .record((Stage::Heal, measured_as(by)), 0, ns, 1);
    }

    /// Lets the reporter have what was counted if it asked for it.
    #[inline]
    pub(crate) fn poll_report(&mut self) {
        self.record_latest();
        self.recorder.poll_swap();
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.record_latest();
    }
}

#[inline]
fn record_arrival(recorder: &mut Recorder, arrival: &Arrival, count: u64) {
    let Arrival {
        of,
        sent,
        kernel,
        read,
        ..
    } = *arrival;
    if kernel != 0 {
        recorder.record((Stage::Network, of), sent, kernel, count);
        recorder.record((Stage::Kernel, of), kernel, read, count);
    }
}

/// Measures what one strategy is given.
pub(crate) struct Measuring {
    recorder: Recorder,
    wanted: Wanted,
    groups: Option<GroupMeter>,
    /// An inline strategy takes nothing out of a queue.
    inline: bool,
}

impl Measuring {
    pub(crate) fn new(wanted: &Wanted, inline: bool) -> (Measuring, Reporter) {
        let groups = wanted.groups.count();
        let (recorder, reporter) = stages_and_groups(&wanted.stages(), groups);
        let measuring = Measuring {
            recorder,
            wanted: wanted.clone(),
            groups: GroupMeter::new(&wanted.groups),
            inline,
        };
        (measuring, reporter)
    }

    /// The strategy is about to be given these ticks. What can wait is recorded after that.
    #[inline]
    pub(crate) fn before(&mut self, ticks: &[Tick], origin: &Origin) {
        if let Some(board) = &self.wanted.stalls
            && origin.provenance != Provenance::Snapshot
        {
            let end = board.latest_end_ns();
            let met = ticks.iter().take_while(|tick| tick.ts_due() < end).count();
            let stalled = (Stage::Stalled, measured_as(origin.provenance));
            let pop = origin.stamps.pop;
            record_from_due(&mut self.recorder, stalled, &ticks[..met], pop);
        }
    }

    /// The strategy has dealt with them.
    #[inline]
    pub(crate) fn after(&mut self, ticks: &[Tick], origin: &Origin) {
        let (of, stamps) = (measured_as(origin.provenance), origin.stamps);
        let (pop, count) = (stamps.pop, ticks.len() as u64);
        // Before anything else takes time.
        let done = if self.wanted.strategies {
            realtime_ns()
        } else {
            0
        };
        record_from_due(&mut self.recorder, (Stage::Total, of), ticks, pop);
        if let Some(groups) = &mut self.groups {
            groups.record(&mut self.recorder, ticks, origin, done, self.inline);
        }
        // State is no event: it has an age, and that is all.
        if origin.provenance == Provenance::Snapshot {
            return;
        }
        // What was folded together came out of the queue bit by bit.
        if !self.inline && origin.provenance != Provenance::Conflated {
            let queue = (Stage::Queue, of);
            self.recorder.record(queue, stamps.push, pop, count);
        }
        if stamps.sent != 0 {
            let service = (Stage::Service, of);
            self.recorder.record(service, stamps.sent, pop, count);
        }
        if self.wanted.strategies {
            let strategy = (Stage::Strategy, of);
            self.recorder.record(strategy, pop, done, count);
        }
        // The first was due first.
        if let Some(first) = ticks.first()
            && self
                .recorder
                .is_among_slowest(pop.saturating_sub(first.ts_due()))
        {
            self.recorder.keep(&way(first, origin, done));
        }
    }

    /// Lets the reporter have what was counted if it asked for it.
    pub(crate) fn poll_report(&mut self) {
        self.recorder.poll_swap();
    }
}

#[cold]
fn way(tick: &Tick, origin: &Origin, done: u64) -> Way {
    let stamps = origin.stamps;
    Way {
        seq: tick.seq(),
        instrument: tick.instrument(),
        provenance: measured_as(origin.provenance),
        due: tick.ts_due(),
        sent: stamps.sent,
        kernel: stamps.kernel,
        read: stamps.read,
        push: stamps.push,
        pop: stamps.pop,
        done,
    }
}

/// Records a stage that starts when each tick was due. Ticks of a packet are often due at once: due
/// times never go back within it, so that its ends tell. What did not come as packets is in no such
/// order.
#[inline]
fn record_from_due(
    recorder: &mut Recorder,
    of: (Stage, tickcast_latency::Provenance),
    ticks: &[Tick],
    to: u64,
) {
    use tickcast_latency::Provenance::{A, B};
    let is_packet = matches!(of.1, A | B);
    let ends = ticks.first().zip(ticks.last());
    match ends.map(|(first, last)| (first.ts_due(), last.ts_due())) {
        Some((due, last)) if due == last && is_packet => {
            recorder.record(of, due, to, ticks.len() as u64);
        }
        _ => record_each_due(recorder, of, ticks, to),
    }
}

fn record_each_due(
    recorder: &mut Recorder,
    of: (Stage, tickcast_latency::Provenance),
    ticks: &[Tick],
    to: u64,
) {
    for run in ticks.chunk_by(|a, b| a.ts_due() == b.ts_due()) {
        recorder.record(of, run[0].ts_due(), to, run.len() as u64);
    }
}

/// The provenance in the words of crate `latency`, which knows no protocol.
const fn measured_as(provenance: Provenance) -> tickcast_latency::Provenance {
    match provenance {
        Provenance::A => tickcast_latency::Provenance::A,
        Provenance::B => tickcast_latency::Provenance::B,
        Provenance::Retransmit => tickcast_latency::Provenance::Retransmit,
        Provenance::Snapshot => tickcast_latency::Provenance::Snapshot,
        Provenance::Conflated => tickcast_latency::Provenance::Conflated,
    }
}

/// The looks of a strategy's thread at the clock: the stamps of what it takes, and a few when it
/// finds nothing.
pub(crate) struct Looks {
    meter: StallMeter,
    empty_rounds: u32,
}

impl Looks {
    pub(crate) fn new(meter: StallMeter) -> Looks {
        Looks {
            meter,
            empty_rounds: 0,
        }
    }

    /// What the thread found in this round.
    #[inline]
    pub(crate) fn see(&mut self, found: Option<&Event<'_>>) {
        if !self.meter.is_on() {
            return;
        }
        let Some(event) = found else {
            self.empty_rounds = self.empty_rounds.wrapping_add(1);
            if self.empty_rounds % ROUNDS_PER_LOOK == 1 {
                let now = realtime_ns();
                self.meter.look(now, || now);
            }
            return;
        };
        if let Event::Ticks(_, origin) = event {
            let pop = origin.stamps.pop;
            self.meter.look(pop, || pop);
        }
        self.meter.work();
        self.empty_rounds = 0;
    }
}

#[cfg(test)]
mod tests;
