//! The send loop, thread `tc-send`: schedule, packets, both lines, heartbeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tickcast_latency::StallMeter;
use tickcast_net::clock::{monotonic_ns, realtime_ns, sleep_until_realtime};
use tickcast_net::{Idle, Idler};
use tickcast_protocol::{Batch, Heartbeat, Sequencer, TICKS_PER_BATCH};

use crate::config::PublisherConfig;
use crate::counters::{Counter, Counters};
use crate::flow::Positions;
use crate::handover::Outbox;
use crate::lines::Lines;
use crate::publisher::Summary;
use crate::source::{Source, SourceError, Supply};
use crate::speed::Schedule;

/// Sleeping wakes late by up to about this, so what is nearer is waited for awake.
const SLEEP_MARGIN_NS: u64 = 200_000;

/// The longest sleep: how late a request to stop may be noticed.
const LONGEST_SLEEP_NS: u64 = 10_000_000;

/// The pause of a parked loop that waits for others, not for a time.
const PARK: Duration = Duration::from_micros(50);

/// The pause after the first end of session; it doubles with every repetition, up to the longest.
const FIRST_END_PAUSE_NS: u64 = 10_000_000;

/// The longest pause between two ends of session, as between heartbeats: whoever comes back from
/// where the network could not be reached soon hears of it.
const LONGEST_END_PAUSE_NS: u64 = 1_000_000_000;

/// What the send loop is made of.
pub(crate) struct SendLoop<S> {
    pub(crate) source: S,
    pub(crate) config: PublisherConfig,
    pub(crate) sequencer: Sequencer,
    pub(crate) lines: Lines,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) positions: Arc<Positions>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) meter: StallMeter,
}

/// What changes while the loop runs.
struct Running {
    batch: Batch,
    heartbeat: Heartbeat,
    idler: Idler,
    first_sent: u64,
    last_sent: u64,
}

impl<S: Source> SendLoop<S> {
    /// Publishes the whole source, or what comes before a request to stop, then ends the session.
    /// The second result is the error with which the source ended.
    pub(crate) fn run(mut self) -> (Summary, Option<SourceError>) {
        let mut running = Running {
            batch: Batch::new(),
            heartbeat: Heartbeat::new(monotonic_ns()),
            idler: Idler::new(self.config.idle),
            first_sent: 0,
            last_sent: 0,
        };
        self.wait_for_subscribers(&mut running);
        let mut schedule = Schedule::new(self.config.speed, realtime_ns());
        let error = self.publish(&mut running, &mut schedule).err();
        self.end_session();
        let summary = Summary {
            session: self.sequencer.session(),
            published: self.sequencer.next_seq() - 1,
            digest: self.sequencer.digest(),
            first_sent_ns: running.first_sent,
            last_sent_ns: running.last_sent,
        };
        (summary, error)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn wait_for_subscribers(&self, running: &mut Running) {
        let wait_for = self.config.flow_control.map_or(0, |flow| flow.wait_for);
        while self.positions.joined() < wait_for && !self.is_stopped() {
            self.beat(running);
            running.idler.wait(false, || std::thread::sleep(PARK));
        }
    }

    fn publish(
        &mut self,
        running: &mut Running,
        schedule: &mut Schedule,
    ) -> Result<(), SourceError> {
        while !self.is_stopped() {
            let allowance = self.allowance();
            let ticks = match self.source.peek()? {
                Supply::End => break,
                Supply::NotYet => &[],
                Supply::Ticks(ticks) => &ticks[..ticks.len().min(allowance)],
            };
            let now = realtime_ns();
            self.meter.look(now, || now);
            let (sequencer, batch) = (&mut self.sequencer, &mut running.batch);
            let count = if schedule.is_always_due() {
                // Without a look at each tick.
                sequencer.fill(ticks, |_| Some(now), batch)
            } else {
                sequencer.fill(ticks, |tick| schedule.take(tick, now), batch)
            };
            if count > 0 {
                self.meter.work();
                self.source.take(count);
                self.send_batch(running);
                running.idler.wait(true, || ());
                continue;
            }
            let due = ticks.first().map(|next| schedule.due(next, now));
            if self.beat(running) {
                self.meter.work();
            }
            match due {
                Some(due) => wait_until(due, running, self.config.idle),
                None => running.idler.wait(false, || std::thread::sleep(PARK)),
            }
        }
        Ok(())
    }

    /// How many ticks may leave now, for the store's and the subscribers' sake; at most a batch.
    fn allowance(&mut self) -> usize {
        let mut allowance = TICKS_PER_BATCH;
        if let Some(outbox) = &mut self.outbox
            && !outbox.has_room()
        {
            self.counters.add(Counter::StoreWaits, 1);
            return 0;
        }
        if let Some(flow) = self.config.flow_control {
            let next_seq = self.sequencer.next_seq();
            let allowed = self.positions.allowance(next_seq, flow.window);
            if allowed == 0 {
                self.counters.add(Counter::FlowWaits, 1);
            }
            allowance = usize::try_from(allowed).unwrap_or(allowance).min(allowance);
        }
        allowance
    }

    fn send_batch(&mut self, running: &mut Running) {
        let ts_sent = realtime_ns();
        running.batch.stamp(ts_sent);
        self.lines.send(running.batch.bytes());
        if let Some(outbox) = &mut self.outbox {
            outbox.publish(&running.batch, self.sequencer.digest());
        }
        if running.first_sent == 0 {
            running.first_sent = ts_sent;
        }
        running.last_sent = ts_sent;
        running.heartbeat.handle_data(monotonic_ns());
        let counters = &self.counters;
        counters.add(Counter::Ticks, running.batch.tick_count() as u64);
        counters.add(Counter::Packets, running.batch.packet_count() as u64);
    }

    /// Sends a heartbeat if one is due; false if none was.
    fn beat(&self, running: &mut Running) -> bool {
        let is_due = running.heartbeat.poll(monotonic_ns());
        if is_due {
            let heartbeat = self.sequencer.heartbeat(realtime_ns());
            self.lines.send(&heartbeat.to_packet());
            self.counters.add(Counter::Heartbeats, 1);
        }
        is_due
    }

    /// Says that the session is over, again and again for the linger time, in which ticks can
    /// still be recovered; or until every subscriber under flow control has everything.
    fn end_session(&self) {
        self.positions.set_end(self.sequencer.next_seq());
        let wait_for = self.config.flow_control.map_or(0, |flow| flow.wait_for);
        let start = monotonic_ns();
        let linger = u64::try_from(self.config.linger.as_nanos()).unwrap_or(u64::MAX);
        let (mut next, mut pause) = (start, FIRST_END_PAUSE_NS);
        loop {
            let now = monotonic_ns();
            if now >= next {
                let end = self.sequencer.end_of_session(realtime_ns());
                self.lines.send(&end.to_packet());
                next = now.saturating_add(pause);
                pause = (pause * 2).min(LONGEST_END_PAUSE_NS);
            }
            let confirmed =
                self.config.flow_control.is_some() && self.positions.all_confirmed(wait_for);
            if confirmed || now - start >= linger {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Waits for a due time, or a little of it: far from it asleep, near it as the idle strategy says.
fn wait_until(due: u64, running: &mut Running, idle: Idle) {
    let now = realtime_ns();
    let heartbeat_in = running.heartbeat.due().saturating_sub(monotonic_ns());
    let wait = due.saturating_sub(now).min(heartbeat_in);
    if wait > SLEEP_MARGIN_NS && idle != Idle::Spin {
        sleep_until_realtime(now + (wait - SLEEP_MARGIN_NS).min(LONGEST_SLEEP_NS));
    } else {
        let park = Duration::from_nanos(wait);
        running.idler.wait(wait == 0, || std::thread::sleep(park));
    }
}
