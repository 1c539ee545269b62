//! The arbiter: packets of lines A and B and recovered ticks in, one stream in order out.

mod causes;
mod checkpoints;
mod config;
mod counters;
mod deadlines;
mod gaps;
mod heal;
mod line;
mod recent;
mod requests;
mod splice;
mod stream;
mod window;

#[cfg(test)]
mod tests;

use tickcast_wire::{Packet, PacketError, PacketKind, PreviousSession, Tick};

use self::causes::Jumps;
pub use self::causes::{Cause, CauseCounts};
use self::checkpoints::Checkpoints;
pub use self::config::{ArbiterConfig, Start};
pub use self::counters::{Counters, LineCounters};
use self::gaps::{Gap, Gaps};
use self::line::LineState;
use self::recent::{Copy as PacketCopy, Recent};
pub use self::requests::Recovered;
use self::requests::Requests;
use self::splice::Join;
pub use self::stream::{Alarm, Checkpoint, Line, Loss, LossReason, Provenance, Sink};
use self::window::Window;

/// A session may be this much ahead of the time at which its packet was sent (ns): a publisher
/// whose clock stepped back keeps its session numbers rising. More is damage: one day.
const SESSION_LEAD_MAX: u64 = 86_400_000_000_000;

/// So many packets of older sessions are no stragglers of a restart any more.
const STALE_ALARM: u64 = 1_000;

/// Makes one stream of lines A and B and of recovered ticks: every tick in order, exactly once,
/// byte for byte, or a notice of what is lost.
///
/// Call [`Arbiter::handle_datagram`] with whatever arrives on a line, [`Arbiter::handle_recovered`]
/// with whatever the recovery channel brings, and [`Arbiter::handle_time`] when
/// [`Arbiter::next_deadline`] has passed; after each, call [`Arbiter::poll_request`] until it gives
/// `None` and pass the requests on. `now` is in ns of any clock that never goes back. Memory is
/// taken at the start and bounded by [`ArbiterConfig::hold_ticks`].
pub struct Arbiter {
    config: ArbiterConfig,
    counters: Counters,
    /// The session followed; 0 before the first packet.
    session: u64,
    /// The next seq to deliver.
    next: u64,
    /// The seq after the highest that is known to exist.
    highest: u64,
    /// The seq after the last of the session, once its end was seen.
    end: Option<u64>,
    ended: bool,
    lines: [LineState; 2],
    jumps: [Jumps; 2],
    window: Window,
    gaps: Gaps,
    recent: Recent,
    checkpoints: Checkpoints,
    join: Join,
    requests: Requests,
    /// Packets of older sessions since this one started.
    stale: u64,
    /// A first seq far ahead that a second packet must confirm.
    unconfirmed: Option<u64>,
}

/// What became of ticks that were taken in; the rest were duplicates.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    /// Delivered or held for the first time.
    new: u64,
    /// Too far ahead to be held.
    overflow: u64,
}

impl Arbiter {
    /// An arbiter that has seen nothing yet.
    #[must_use]
    pub fn new(config: ArbiterConfig) -> Arbiter {
        let line = |configured| LineState {
            configured,
            ..LineState::default()
        };
        Arbiter {
            config,
            counters: Counters::default(),
            session: 0,
            next: 0,
            highest: 0,
            end: None,
            ended: false,
            lines: [line(true), line(config.line_b)],
            jumps: [Jumps::new(), Jumps::new()],
            window: Window::new(config.hold_ticks),
            gaps: Gaps::new(),
            recent: Recent::new(),
            checkpoints: Checkpoints::default(),
            join: Join::Done,
            requests: Requests::new(),
            stale: 0,
            unconfirmed: None,
        }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The session followed; 0 before the first packet.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// The next seq to be delivered or lost; 0 before the first packet.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.next
    }

    /// Ticks waiting for those before them.
    #[must_use]
    pub fn held(&self) -> usize {
        self.window.held()
    }

    /// Gaps that are open: ticks that are missing before ones that have come.
    #[must_use]
    pub fn open_gaps(&self) -> usize {
        self.gaps.len()
    }

    /// Memory taken for what is held, missing, asked for and compared, in bytes: from the start to
    /// the end the same.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.window.memory_bytes()
            + self.gaps.memory_bytes()
            + self.requests.memory_bytes()
            + self.recent.memory_bytes()
    }

    /// Takes in a datagram that arrived on a line.
    #[inline]
    pub fn handle_datagram(&mut self, line: Line, bytes: &[u8], now: u64, sink: &mut impl Sink) {
        self.counters.lines[line as usize].datagrams += 1;
        match Packet::parse(bytes) {
            Ok(packet) => self.handle_packet(line, &packet, now, sink),
            Err(error) => {
                self.counters.lines[line as usize].refuse(error);
                // Another application's datagram stands in nobody's place.
                self.jumps[line as usize].refused |= !matches!(error, PacketError::Foreign { .. });
            }
        }
    }

    fn handle_packet(&mut self, line: Line, packet: &Packet<'_>, now: u64, sink: &mut impl Sink) {
        if !self.is_of_session(line, packet, now, sink) || !self.is_believable(line, packet) {
            return;
        }
        let header = packet.header();
        let counters = &mut self.counters.lines[line as usize];
        if packet.kind() == PacketKind::Data {
            counters.ticks += u64::from(header.count());
        } else {
            counters.heartbeats += 1;
        }
        self.note_jump(line, header.first_seq());
        let state = &mut self.lines[line as usize];
        state.pass(header.next_seq(), now);
        if state.down {
            state.down = false;
            sink.alarm(Alarm::LineUp(line));
        }
        match packet.kind() {
            PacketKind::Data => self.handle_data(line, packet, now, sink),
            PacketKind::Heartbeat => {
                self.expect(header.first_seq(), now);
                self.note_checkpoint(header, sink);
            }
            PacketKind::EndOfSession => {
                self.expect(header.first_seq(), now);
                self.note_end(header);
            }
        }
        self.finish_session(sink);
    }

    fn handle_data(&mut self, line: Line, packet: &Packet<'_>, now: u64, sink: &mut impl Sink) {
        let (first_seq, ticks) = (packet.header().first_seq(), packet.ticks());
        match self.recent.compare(packet, now) {
            PacketCopy::First => {}
            PacketCopy::Same { later_ns } => {
                let counters = &mut self.counters.lines[line as usize];
                counters.later_packets += 1;
                counters.later_ns += later_ns;
            }
            PacketCopy::Differs => {
                self.counters.lines[line as usize].differing += 1;
                sink.alarm(Alarm::DuplicateDiffers { line, first_seq });
                return;
            }
        }
        if self.checkpoints.is_due(first_seq) {
            self.note_checkpoint(packet.header(), sink);
        }
        let Taken { new, overflow } = self.accept(first_seq, ticks, line.into(), now, sink);
        let counters = &mut self.counters.lines[line as usize];
        counters.won += new;
        counters.overflow += overflow;
        counters.duplicates += ticks.len() as u64 - new - overflow;
        if overflow == ticks.len() as u64 {
            // Nothing of it was taken: another copy is not to be measured by it.
            self.recent.forget(first_seq);
        }
    }

    /// Whether the packet belongs to the session followed; a newer session is switched to.
    #[inline]
    fn is_of_session(
        &mut self,
        line: Line,
        packet: &Packet<'_>,
        now: u64,
        sink: &mut impl Sink,
    ) -> bool {
        let header = packet.header();
        let counters = &mut self.counters.lines[line as usize];
        if header.channel() != self.config.channel {
            counters.other_channel += 1;
            return false;
        }
        if header.session() == self.session {
            return true;
        }
        if header.session() < self.session && !planted!(OlderSessionFollowed) {
            counters.stale_session += 1;
            self.stale += 1;
            if self.stale == STALE_ALARM {
                let session = header.session();
                sink.alarm(Alarm::OlderSession { session });
            }
            return false;
        }
        let latest = header.ts_sent().saturating_add(SESSION_LEAD_MAX);
        if header.session() > latest && !planted!(FutureSessionFollowed) {
            counters.future_session += 1;
            return false;
        }
        self.start_session(packet, now, sink);
        true
    }

    /// A packet far beyond all others is believed when a second one confirms it, so that one
    /// damaged number cannot make a subscriber give up everything up to it.
    #[inline]
    fn is_believable(&mut self, line: Line, packet: &Packet<'_>) -> bool {
        let first_seq = packet.header().first_seq();
        let reach = self.window.len() as u64;
        if first_seq <= self.highest.saturating_add(reach) || planted!(WildSeqBelieved) {
            return true;
        }
        let confirmed = self
            .unconfirmed
            .is_some_and(|claim| first_seq >= claim && first_seq - claim <= reach);
        if confirmed && !planted!(FarSeqNeverBelieved) {
            self.unconfirmed = None;
            return true;
        }
        self.unconfirmed = Some(first_seq);
        self.counters.lines[line as usize].unconfirmed += 1;
        false
    }

    fn start_session(&mut self, packet: &Packet<'_>, now: u64, sink: &mut impl Sink) {
        let header = packet.header();
        let is_first = self.session == 0;
        if !is_first {
            self.abandon_session(header.previous(), sink);
        }
        self.counters.sessions += 1;
        self.session = header.session();
        self.end = None;
        self.ended = false;
        self.stale = 0;
        self.unconfirmed = None;
        self.recent.clear();
        self.checkpoints = Checkpoints::default();
        self.gaps.clear();
        if !planted!(AnswersKeptOverSessions) {
            self.requests.forget();
        }
        for state in &mut self.lines {
            *state = LineState {
                configured: state.configured,
                last_at: now,
                ..*state
            };
            state.position = 0;
            state.lagging = false;
        }
        for jumps in &mut self.jumps {
            jumps.clear();
        }
        // After a restart the whole new session is wanted, whatever the start was.
        let start = if is_first {
            self.config.start
        } else {
            Start::Seq(1)
        };
        let first = match start {
            Start::Seq(seq) => seq.max(1),
            Start::Live => header.first_seq(),
        };
        self.next = first;
        self.highest = first.max(header.first_seq());
        if self.highest > self.next {
            self.gaps.push(Gap::new(self.next, self.highest, now));
        }
        self.join = if start == Start::Live && first > 1 && self.config.recovery {
            Join::wanted(first - 1, header.previous(), now)
        } else {
            sink.session(self.session, first, header.previous());
            Join::Done
        };
    }

    /// Ends the session followed, because another has begun: what was held is delivered, what is
    /// missing is lost by notice, up to the last seq if the publisher names it.
    fn abandon_session(&mut self, previous: Option<PreviousSession>, sink: &mut impl Sink) {
        if let Some(PreviousSession {
            session, last_seq, ..
        }) = previous
            && session == self.session
            && last_seq >= self.highest
        {
            let end = last_seq + 1 - u64::from(planted!(PreviousOneShort));
            self.gaps.push(Gap::new(self.highest, end, 0));
            self.highest = end;
        }
        // Who was told of the session is owed the rest of it, even while a snapshot is awaited.
        if let Join::Wanted(splice) = self.join
            && splice.is_begun
        {
            sink.alarm(Alarm::JoinedWithoutSnapshot {
                first_seq: self.next,
            });
        }
        if planted!(HeldDroppedAtSessionChange) {
            self.window.forget(self.next, self.highest);
        }
        if self.join.was_told() {
            for gap in self.gaps.iter_mut() {
                gap.given_up.get_or_insert(LossReason::SessionChange);
            }
            self.drain(sink);
            if let Some(previous) = previous {
                self.reach_previous(&previous, sink);
            }
        }
        self.window.forget(self.next, self.highest);
    }

    /// Takes in that everything before `next_seq` exists.
    fn expect(&mut self, next_seq: u64, now: u64) {
        if next_seq > self.highest {
            self.gaps.push(Gap::new(self.highest, next_seq, now));
            self.highest = next_seq;
        }
    }

    /// Takes in ticks from anywhere: delivers them if it is their turn, otherwise holds them.
    #[inline]
    fn accept(
        &mut self,
        first_seq: u64,
        ticks: &[Tick],
        from: Provenance,
        now: u64,
        sink: &mut impl Sink,
    ) -> Taken {
        let end = first_seq + ticks.len() as u64;
        if end <= self.next {
            if planted!(LatePacketMovesBack) {
                self.next = first_seq;
            }
            if planted!(DuplicateDelivered) && end == self.next {
                sink.ticks(ticks, from, false);
            }
            return Taken::default();
        }
        // What was delivered or lost already is not wanted again.
        let skip = self.next.saturating_sub(first_seq);
        let skip = skip.saturating_sub(u64::from(planted!(OverlapOneShort)));
        let (first_seq, ticks) = (first_seq + skip, &ticks[skip as usize..]);
        if first_seq == self.next && self.join.is_done() {
            self.deliver(ticks, end, from, now, sink)
        } else {
            self.hold(first_seq, ticks, from, now, sink)
        }
    }

    #[inline]
    fn deliver(
        &mut self,
        ticks: &[Tick],
        end: u64,
        from: Provenance,
        now: u64,
        sink: &mut impl Sink,
    ) -> Taken {
        self.checkpoints
            .put_out(ticks, self.next, (from, false), sink);
        if from == Provenance::Retransmit {
            self.count_recovered(self.next, end);
        }
        let known = self.window.forget(self.next, end);
        self.counters.delivered += ticks.len() as u64;
        if !self.gaps.is_empty() {
            self.note_healed(self.next, end, now, sink);
            self.gaps.fill(self.next, end);
        }
        self.next = end;
        self.highest = self.highest.max(end);
        if !self.window.is_empty() || !self.gaps.is_empty() {
            self.drain(sink);
        }
        Taken {
            new: (ticks.len() - known) as u64,
            overflow: 0,
        }
    }

    fn hold(
        &mut self,
        first_seq: u64,
        ticks: &[Tick],
        from: Provenance,
        now: u64,
        sink: &mut impl Sink,
    ) -> Taken {
        let limit = self.next.saturating_add(self.window.len() as u64);
        let limit = limit + u64::from(planted!(WindowOneLong));
        let room = limit.saturating_sub(first_seq).min(ticks.len() as u64);
        let (fits, overflow) = ticks.split_at(room as usize);
        if from == Provenance::Retransmit {
            self.count_recovered(first_seq, first_seq + room);
        }
        let held = fits
            .iter()
            .filter(|tick| self.window.hold(tick, from))
            .count() as u64;
        if let Provenance::A | Provenance::B = from {
            let counters = &mut self.counters.lines[usize::from(from == Provenance::B)];
            counters.held += held;
        }
        let fits_end = first_seq + room;
        self.expect(first_seq, now);
        self.note_healed(first_seq, fits_end, now, sink);
        self.gaps
            .fill(first_seq, fits_end + u64::from(planted!(GapFilledOneMore)));
        self.highest = self.highest.max(fits_end);
        self.expect(first_seq + ticks.len() as u64, now);
        Taken {
            new: held,
            overflow: overflow.len() as u64,
        }
    }

    /// Delivers what is held and due, and the notices whose turn has come.
    fn drain(&mut self, sink: &mut impl Sink) {
        loop {
            if let Some(gap) = self.gaps.first()
                && gap.first == self.next
            {
                let Some(reason) = gap.given_up else { return };
                let end = gap.end;
                if planted!(DrainNeverEnds) {
                    continue;
                }
                self.gaps.fill(self.next, end);
                self.lose(end, reason, sink);
                continue;
            }
            let Some((run, from)) = self.window.run(self.next) else {
                return;
            };
            let end = self.next + run.len() as u64;
            self.checkpoints.put_out(run, self.next, (from, true), sink);
            if !planted!(HeldNotCounted) {
                self.counters.delivered += run.len() as u64;
            }
            self.window
                .forget(self.next, end - u64::from(planted!(SlotNotForgotten)));
            // A full list of gaps keeps some ticks that have come: none may stay behind.
            self.gaps.fill(self.next, end);
            self.next = end;
        }
    }

    /// Gives notice that everything before `end` that was not delivered never will be: a notice
    /// for each range with one cause.
    fn lose(&mut self, end: u64, reason: LossReason, sink: &mut impl Sink) {
        self.checkpoints.skip_to(end);
        while self.next < end {
            let first_seq = self.next;
            let held = self.window.held_until(first_seq, end);
            let (cause, until) = if held > first_seq {
                (Cause::Superseded, held)
            } else {
                let (cause, until) = self.cause_of(first_seq);
                (cause, self.window.missing_until(first_seq, until.min(end)))
            };
            let count = until - first_seq;
            self.window.forget(first_seq, until);
            self.counters.lost += count;
            self.counters.losses += 1;
            self.counters.lost_by_cause.add(cause, count);
            self.next = until;
            let loss = Loss {
                session: self.session,
                first_seq,
                count: count + u64::from(planted!(LossOneLong)) - u64::from(planted!(LossOneShort)),
                reason,
                cause,
            };
            sink.lost(&loss);
            if planted!(LossToldTwice) {
                sink.lost(&loss);
            }
        }
    }

    fn finish_session(&mut self, sink: &mut impl Sink) {
        let early = u64::from(planted!(EndOneEarly));
        if self.end.is_some_and(|end| self.next + early >= end)
            && !self.ended
            && self.join.is_done()
        {
            self.ended = true;
            // A damaged heartbeat may have claimed more than there was.
            self.window.forget(self.next, self.highest);
            self.forget_claims(self.next);
            self.reach_end(sink);
            sink.end_of_session(self.session, self.next - 1);
        }
    }

    fn note_healed(&mut self, first: u64, end: u64, now: u64, sink: &mut impl Sink) {
        let counters = &mut self.counters;
        for gap in self
            .gaps
            .iter()
            .filter(|gap| first <= gap.first && gap.end <= end)
        {
            if gap.declared.is_some() {
                let took = now.saturating_sub(gap.since);
                counters.heal_ns_max = counters.heal_ns_max.max(took);
                sink.healed(took);
            }
        }
    }
}
