//! The receive thread: lines A and B and recovered ticks in, queue and inline strategies out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use tickcast_latency::StallMeter;

use tickcast_net::{Datagrams, Idler, wait};
use tickcast_protocol::{Alarm, Arbiter, Checkpoint, Line, Loss, Provenance, Recovered, Sink};
use tickcast_queue::Producer;
use tickcast_wire::{PacketHeader, PreviousSession, Tick};
use zerocopy::FromBytes;

use crate::clock::{monotonic_ns, realtime_ns};
use crate::event::{Event, Incomplete, Origin, SessionStart, Stamps};
use crate::faults::FaultInjector;
use crate::inlet::Inlet;
use crate::mark::{Mark, Seal, What};
use crate::measuring::Receiving;
use crate::reader::TICKS_PER_MARK;
use crate::recovery::RecoveryLink;
use crate::sessions::Sessions;
use crate::stats::Stats;
use crate::strategy::Run;

/// How often the counters are passed on, ns.
const STATS_EVERY: u64 = 10_000_000;
/// How long a parked receive thread sleeps at most. A packet wakes it, an answer to a request does
/// not: with one under way it sleeps less.
const PARK: Duration = Duration::from_millis(5);
const PARK_HEALING: Duration = Duration::from_micros(100);

/// What [`Shared::end_line`] holds while a session runs.
pub(crate) const RUNNING: u64 = u64::MAX;

/// What the receive thread shares with the rest of the process.
pub(crate) struct Shared {
    pub(crate) stop: AtomicBool,
    /// The receive thread and the strategies are over, so that no position moves any more.
    pub(crate) at_rest: AtomicBool,
    pub(crate) stats: ArrayQueue<Stats>,
    pub(crate) alarms: ArrayQueue<Alarm>,
    /// The session and next seq put out, for flow control.
    pub(crate) session: AtomicU64,
    pub(crate) next_seq: AtomicU64,
    /// The line of the queue after the end of the session; [`RUNNING`] before that end.
    pub(crate) end_line: AtomicU64,
}

impl Shared {
    pub(crate) fn new(alarms: usize) -> Shared {
        Shared {
            stop: AtomicBool::new(false),
            at_rest: AtomicBool::new(false),
            stats: ArrayQueue::new(1),
            alarms: ArrayQueue::new(alarms),
            session: AtomicU64::new(0),
            next_seq: AtomicU64::new(0),
            end_line: AtomicU64::new(RUNNING),
        }
    }
}

/// One line, with what is done to it on purpose.
pub(crate) struct LineInput {
    pub(crate) line: Line,
    pub(crate) faults: FaultInjector,
}

/// The receive thread's state.
pub(crate) struct ReceiveLoop {
    pub(crate) inlets: Vec<Inlet>,
    pub(crate) lines: Vec<LineInput>,
    pub(crate) arbiter: Arbiter,
    pub(crate) output: Output,
    pub(crate) recovery: Option<RecoveryLink>,
    pub(crate) idler: Idler,
    pub(crate) meter: StallMeter,
    pub(crate) stats: Stats,
    pub(crate) stats_at: u64,
}

impl ReceiveLoop {
    /// Works until it is told to stop; gives the inline strategies back.
    pub(crate) fn run(mut self) -> Vec<Box<dyn Run>> {
        let shared = Arc::clone(&self.output.shared);
        while !shared.stop.load(Ordering::Relaxed) {
            let did_work = self.step();
            let (lines, arbiter, recovery) = (&self.lines, &self.arbiter, &self.recovery);
            let inlets = &self.inlets;
            self.idler.wait(did_work, || {
                park(inlets, patience(lines, arbiter, recovery.as_ref()));
            });
        }
        self.publish_stats(monotonic_ns());
        self.output.inline
    }

    /// One round: whatever waits is taken in, whatever is due is done.
    #[inline]
    pub(crate) fn step(&mut self) -> bool {
        let (mut did_work, before) = (false, self.output.next);
        for inlet in &mut self.inlets {
            let (lines, arbiter) = (&mut self.lines, &mut self.arbiter);
            let (output, stats) = (&mut self.output, &mut self.stats);
            did_work |= receive(inlet, lines, arbiter, output, &mut self.meter, stats);
        }
        for input in &mut self.lines {
            did_work |= release_held(input, &mut self.arbiter, &mut self.output);
        }
        let now = monotonic_ns();
        if did_work {
            self.meter.work();
        } else {
            self.meter.look(now, realtime_ns);
        }
        did_work |= self.take_recovered(now);
        self.arbiter.handle_time(now, &mut self.output);
        while let Some(request) = self.arbiter.poll_request(now) {
            let asked = self.recovery.as_mut().is_some_and(|link| link.ask(request));
            if !asked {
                let failed = Recovered::Failed { id: request.id() };
                self.arbiter.handle_recovered(failed, now, &mut self.output);
            }
        }
        self.output.poll_reports();
        self.output
            .shared
            .next_seq
            .store(self.arbiter.next_seq(), Ordering::Relaxed);
        if now >= self.stats_at {
            self.publish_stats(now);
            self.meter.work();
        }
        if did_work || self.output.next != before {
            self.meter.work();
        }
        did_work
    }

    fn take_recovered(&mut self, now: u64) -> bool {
        let Some(link) = &mut self.recovery else {
            return false;
        };
        let Some(chunk) = link.take() else {
            return false;
        };
        self.output.stamps = Stamps {
            read: realtime_ns(),
            ..Stamps::default()
        };
        self.output.taking = Provenance::Retransmit;
        self.arbiter
            .handle_recovered(chunk.recovered(), now, &mut self.output);
        link.give_back(chunk);
        true
    }

    pub(crate) fn publish_stats(&mut self, now: u64) {
        self.stats_at = now + STATS_EVERY;
        self.stats.counters = *self.arbiter.counters();
        self.stats.session = self.arbiter.session();
        self.stats.next_seq = self.arbiter.next_seq();
        self.stats.held = self.arbiter.held() as u64;
        self.stats.open_gaps = self.arbiter.open_gaps() as u64;
        self.stats.ended = self.output.shared.end_line.load(Ordering::Relaxed) != RUNNING;
        for input in &self.lines {
            self.stats.faults[input.line as usize] = input.faults.counters();
        }
        for inlet in &mut self.inlets {
            let line = self.lines[inlet.lines.start].line;
            self.stats.kernel_dropped[line as usize] = inlet.dropped();
        }
        if let Some(link) = &self.recovery {
            self.stats.recovery_connects = link.connects();
            self.stats.recovery_connect_failures = link.connect_failures();
        }
        self.output.shared.stats.force_push(self.stats);
    }
}

/// Takes in one receive call's worth; false if nothing was there.
#[inline]
fn receive(
    inlet: &mut Inlet,
    lines: &mut [LineInput],
    arbiter: &mut Arbiter,
    output: &mut Output,
    meter: &mut StallMeter,
    stats: &mut Stats,
) -> bool {
    let (own, dropped_before) = (inlet.lines.clone(), inlet.dropped);
    let (at, datagrams) = match inlet.receive() {
        Ok(Some(received)) => received,
        Ok(None) => return false,
        Err(_) => {
            stats.receive_errors[lines[own.start].line as usize] += 1;
            return false;
        }
    };
    let dropped = datagrams.dropped;
    if dropped > dropped_before {
        for input in &lines[own] {
            arbiter.handle_overflow(input.line);
        }
    }
    let input = &mut lines[at];
    take_in(
        input.line,
        &mut input.faults,
        &datagrams,
        arbiter,
        output,
        meter,
        stats,
    );
    inlet.dropped = dropped;
    true
}

/// Takes in what one receive call gave.
#[inline]
pub(crate) fn take_in(
    line: Line,
    faults: &mut FaultInjector,
    datagrams: &Datagrams<'_>,
    arbiter: &mut Arbiter,
    output: &mut Output,
    meter: &mut StallMeter,
    stats: &mut Stats,
) {
    let (read, now) = (realtime_ns(), monotonic_ns());
    meter.look(now, || read);
    meter.work();
    output.taking = provenance_of(line);
    stats.cut_off[line as usize] += u64::from(datagrams.truncated);
    let kernel = datagrams.ts_kernel.unwrap_or(0);
    if datagrams.bytes.is_empty() {
        arbiter.handle_datagram(line, &[], now, output);
    }
    let mut pass = |bytes: &[u8], stamps| {
        output.stamps = stamps;
        arbiter.handle_datagram(line, bytes, now, output);
    };
    for bytes in datagrams {
        let sent = PacketHeader::ref_from_prefix(bytes).map_or(0, |(header, _)| header.ts_sent());
        let stamps = Stamps {
            sent,
            kernel,
            read,
            push: 0,
            pop: 0,
        };
        if faults.is_active() {
            faults.take(bytes, stamps, now, &mut pass);
        } else {
            pass(bytes, stamps);
        }
    }
}

const fn provenance_of(line: Line) -> Provenance {
    match line {
        Line::A => Provenance::A,
        Line::B => Provenance::B,
    }
}

/// Takes in what was held back on purpose and is due; false if nothing was.
#[inline]
fn release_held(input: &mut LineInput, arbiter: &mut Arbiter, output: &mut Output) -> bool {
    if !input.faults.is_active() {
        return false;
    }
    let (line, now) = (input.line, monotonic_ns());
    output.taking = provenance_of(line);
    input.faults.release(now, &mut |bytes, stamps| {
        output.stamps = stamps;
        arbiter.handle_datagram(line, bytes, now, output);
    })
}

/// How long nothing but a packet can give the receive thread something to do.
fn patience(lines: &[LineInput], arbiter: &Arbiter, recovery: Option<&RecoveryLink>) -> Duration {
    if recovery.is_some_and(RecoveryLink::is_asked) {
        return PARK_HEALING;
    }
    let left = |at: u64| Duration::from_nanos(at.saturating_sub(monotonic_ns()));
    let held = lines.iter().filter_map(|input| input.faults.next_due());
    let due = arbiter.next_deadline().into_iter().chain(held).min();
    due.map_or(PARK, left).min(PARK)
}

#[cold]
fn park(inlets: &[Inlet], patience: Duration) {
    // Whatever is wrong with a socket shows, and is counted, at its next receive.
    if wait(inlets, Some(patience)).is_err() {
        std::thread::sleep(patience);
    }
}

/// Where the arbiter's output goes: into the queue, and to the inline strategies.
pub(crate) struct Output {
    /// `None` when every strategy is inline.
    pub(crate) producer: Option<Producer>,
    /// What tells its marks from ticks.
    pub(crate) seal: Seal,
    pub(crate) inline: Vec<Box<dyn Run>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) measuring: Receiving,
    /// Stamps of what is being taken in, and what brought it.
    pub(crate) stamps: Stamps,
    pub(crate) taking: Provenance,
    pub(crate) session: u64,
    /// Which session of this subscriber it is: 1, 2, …; 0 before the first.
    pub(crate) session_number: u32,
    /// The next seq of the stream.
    pub(crate) next: u64,
}

impl Output {
    #[inline]
    fn put(&mut self, what: What, ticks: &[Tick]) {
        let Some(producer) = &mut self.producer else {
            return;
        };
        let mark = Mark {
            session: self.session,
            session_number: self.session_number,
            position: self.next,
            what,
        };
        producer.publish(
            &mark.to_line(self.seal),
            ticks.iter().map(|tick| tick.to_words()),
        );
    }

    fn call_inline(&mut self, event: Event<'_>) {
        for strategy in &mut self.inline {
            strategy.handle(event);
        }
    }

    pub(crate) fn poll_reports(&mut self) {
        self.measuring.poll_report();
        for strategy in &mut self.inline {
            strategy.poll_report();
        }
    }
}

impl Sink for Output {
    fn session(&mut self, session: u64, first_seq: u64, previous: Option<PreviousSession>) {
        if self.session_number > 0 {
            self.sessions.end(self.session_number, self.next);
        }
        self.session_number += 1;
        self.session = session;
        self.next = first_seq;
        self.sessions
            .start(self.session_number, session, first_seq, previous);
        self.shared.end_line.store(RUNNING, Ordering::Relaxed);
        self.shared.next_seq.store(first_seq, Ordering::Relaxed);
        self.shared.session.store(session, Ordering::Relaxed);
        let start = SessionStart {
            session,
            first_seq,
            previous,
        };
        self.put(What::Session(start), &[]);
        self.call_inline(Event::Session(start));
    }

    #[inline]
    fn ticks(&mut self, ticks: &[Tick], provenance: Provenance, held: bool) {
        let on_line = matches!(provenance, Provenance::A | Provenance::B);
        let waited = held || !on_line;
        let push = realtime_ns();
        let known = if waited {
            Stamps::default()
        } else {
            self.stamps
        };
        let stamps = Stamps {
            push,
            pop: push,
            ..known
        };
        let origin = Origin {
            session: self.session,
            provenance,
            held: waited,
            stamps,
        };
        for batch in ticks.chunks(TICKS_PER_MARK) {
            self.put(
                What::Ticks {
                    count: batch.len() as u32,
                    origin,
                },
                batch,
            );
            if provenance != Provenance::Snapshot {
                self.next += batch.len() as u64;
            }
        }
        if !self.inline.is_empty() {
            self.call_inline(Event::Ticks(ticks, origin));
        }
        // Strategies need not wait for that.
        if !waited {
            self.measuring.passed_on(ticks, provenance, stamps);
        }
    }

    fn lost(&mut self, loss: &Loss) {
        self.put(What::Lost(*loss), &[]);
        self.next = loss.first_seq + loss.count;
        self.call_inline(Event::Lost(*loss));
    }

    fn snapshot(&mut self, as_of: u64) {
        self.put(What::Snapshot { as_of }, &[]);
        self.call_inline(Event::Snapshot { as_of });
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) {
        let digest = checkpoint.digest;
        self.put(What::Checkpoint { digest }, &[]);
        self.call_inline(Event::Checkpoint(*checkpoint));
    }

    fn end_of_session(&mut self, session: u64, last_seq: u64) {
        self.put(What::End { last_seq }, &[]);
        self.call_inline(Event::End { session, last_seq });
        let end_line = self.producer.as_ref().map_or(0, Producer::position);
        self.shared.end_line.store(end_line, Ordering::Relaxed);
    }

    fn healed(&mut self, ns: u64) {
        self.measuring.healed(self.taking, ns);
    }

    fn alarm(&mut self, alarm: Alarm) {
        if let Alarm::JoinedWithoutSnapshot { first_seq } = alarm {
            self.put(What::NoSnapshot, &[]);
            let why = Incomplete::JoinedWithoutSnapshot { first_seq };
            self.call_inline(Event::Incomplete(why));
        }
        // A full queue of alarms that nobody reads keeps the newest; the counters have them all.
        self.shared.alarms.force_push(alarm);
    }
}
