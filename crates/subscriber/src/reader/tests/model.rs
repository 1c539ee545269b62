//! The receive thread's output on one side, a strategy that believes all it is told on the other,
//! and what was published to compare with.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tickcast_protocol::{Alarm, Cause, Checkpoint, Image, Loss, LossReason, Provenance, Sink};
use tickcast_queue::{Ring, ring};
use tickcast_wire::{
    Clear, Definition, Digest, PreviousSession, Quote, Side, Status, Symbol, Tick, Trade,
    TradeBreak, TradingState,
};

use super::super::{Common, Progress, Source, TickReader};
use crate::event::{Conflated, Event, Incomplete, SessionStart, Stamps};
use crate::image::{ImageKeeper, LocalImage};
use crate::mark::Seal;
use crate::measuring::Receiving;
use crate::overflow::ReaderConfig;
use crate::receive::{Output, Shared};
use crate::sessions::Sessions;

/// The shortest ring in which half a ring always holds a mark.
const LINES: usize = 256;

/// Tick `seq` of a session: of five instruments and all kinds, and now and then one that carries
/// the code of a mark, as a hostile one might.
pub fn published(session: u64, seq: u64) -> Tick {
    let mixed = (seq ^ session << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let (instrument, id, at) = ((mixed % 5) as u32, mixed % 3, seq * 11);
    let tick = match mixed / 8 % 16 {
        0 => Tick::new(
            Definition::new(Symbol::new(b"X"), 1, seq as u32),
            1_u16,
            instrument,
            at,
        ),
        1 => {
            let status = Status::new(TradingState::Trading, b'T', *b"    ");
            Tick::new(status, 1_u16, instrument, at)
        }
        2..5 => Tick::new(
            Trade::new(1, seq, id, Side::Buy, [0; 7]),
            1_u16,
            instrument,
            at,
        ),
        5 => Tick::new(TradeBreak::new(1, 2, id), 1_u16, instrument, at),
        6 => Tick::new(Clear::default(), 1_u16, instrument, at),
        _ => {
            let quote = Quote::new(session as i64, seq * 3, seq as i64, seq ^ session);
            Tick::new(quote, 1_u16, instrument, at)
        }
    };
    let mut words = tick.with_seq(seq).to_words();
    if mixed.is_multiple_of(7) {
        words[0] = words[0] & !0xff | (0x80 + seq % 7);
    }
    Tick::from_words(words)
}

/// The publisher's state after seq `as_of` of a session.
pub fn truth(session: u64, as_of: u64) -> Vec<Tick> {
    let mut image = Image::new(10);
    for seq in 1..=as_of {
        image.apply(&published(session, seq));
    }
    image.snapshot()
}

/// A session as it was put out.
#[derive(Debug)]
pub struct Written {
    pub start: SessionStart,
    pub end: u64,
    losses: Vec<Loss>,
}

/// The receive thread's side, and what it has put out.
pub struct Writer {
    pub output: Output,
    ring: Ring,
    common: Common,
    pub written: Vec<Written>,
}

impl Writer {
    pub fn new() -> Writer {
        Writer::with_queue(LINES)
    }

    pub fn with_queue(lines: usize) -> Writer {
        let (producer, ring) = ring(lines);
        let common = Common {
            seal: Seal::new(),
            sessions: Arc::new(Sessions::new()),
            shared: Arc::new(Shared::new(1)),
            image: Some(Arc::new(LocalImage::new(10))),
        };
        let output = Output {
            producer: Some(producer),
            seal: common.seal,
            inline: Vec::new(),
            sessions: Arc::clone(&common.sessions),
            shared: Arc::clone(&common.shared),
            measuring: Receiving::new().0,
            stamps: Stamps::default(),
            taking: Provenance::A,
            session: 0,
            session_number: 0,
            next: 0,
        };
        Writer {
            output,
            ring,
            common,
            written: Vec::new(),
        }
    }

    pub fn reader(&self) -> (TickReader, Arc<Progress>) {
        self.reader_with(ReaderConfig::default())
    }

    pub fn reader_with(&self, config: impl Into<ReaderConfig>) -> (TickReader, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        let (seat, source) = Source::waiting();
        seat.send(self.ring.reader()).unwrap();
        let common = self.common.clone();
        let reader = TickReader::new(source, config.into(), common, Arc::clone(&progress));
        (reader, progress)
    }

    /// What keeps the local image; a test makes its steps.
    pub fn keeper(&self) -> ImageKeeper {
        ImageKeeper::new(self.reader().0, self.image())
    }

    pub fn image(&self) -> Arc<LocalImage> {
        Arc::clone(self.common.image.as_ref().unwrap())
    }

    pub fn session(&mut self, first_seq: u64) {
        let previous = self.written.last().map(|w| PreviousSession {
            session: w.start.session,
            last_seq: w.end - 1,
            digest: Digest::from_value(w.end),
        });
        let session = 1_000 + self.written.len() as u64;
        self.output.session(session, first_seq, previous);
        let start = SessionStart {
            session,
            first_seq,
            previous,
        };
        self.written.push(Written {
            start,
            end: first_seq,
            losses: Vec::new(),
        });
        self.publish_position();
    }

    pub fn current(&mut self) -> &mut Written {
        if self.written.is_empty() {
            self.session(1);
        }
        self.written.last_mut().unwrap()
    }

    pub fn ticks(&mut self, count: u64) {
        let written = self.current();
        let (session, first) = (written.start.session, written.end);
        written.end += count;
        let ticks: Vec<Tick> = (first..first + count)
            .map(|seq| published(session, seq))
            .collect();
        self.output.ticks(&ticks, Provenance::A, false);
        self.publish_position();
    }

    pub fn lost(&mut self, count: u64) {
        let written = self.current();
        let loss = Loss {
            session: written.start.session,
            first_seq: written.end,
            count,
            reason: LossReason::NoRecovery,
            cause: Cause::BothLines,
        };
        written.end += count;
        written.losses.push(loss);
        self.output.lost(&loss);
        self.publish_position();
    }

    /// All rows of a snapshot, or only the first so many.
    pub fn snapshot(&mut self, rows: usize) {
        let (session, as_of) = (self.current().start.session, self.current().end - 1);
        let state = truth(session, as_of);
        self.output.snapshot(as_of);
        self.output
            .ticks(&state[..rows.min(state.len())], Provenance::Snapshot, false);
        if rows < state.len() {
            let first_seq = as_of + 1;
            self.output
                .alarm(Alarm::JoinedWithoutSnapshot { first_seq });
        }
    }

    pub fn checkpoint(&mut self) {
        let written = self.current();
        let checkpoint = Checkpoint {
            session: written.start.session,
            next_seq: written.end,
            digest: Digest::from_value(written.end * 3),
        };
        self.output.checkpoint(&checkpoint);
    }

    pub fn end(&mut self) {
        let (session, last_seq) = (self.current().start.session, self.current().end - 1);
        self.output.end_of_session(session, last_seq);
    }

    /// As the receive thread does at the end of each round.
    fn publish_position(&self) {
        let next = self.output.next;
        self.common.shared.next_seq.store(next, Ordering::Relaxed);
    }
}

/// What a reader was given, as long as it makes sense by itself.
#[derive(Default)]
pub struct Seen {
    /// Each session with the notices, and the seq after what was delivered or lost.
    pub sessions: Vec<(SessionStart, Vec<Loss>, u64)>,
    pub delivered: u64,
    pub lost: u64,
    pub conflated: u64,
    pub lapped_notices: u64,
    pub incomplete: Vec<Incomplete>,
    /// The seqs that snapshots were as of.
    pub snapshots: Vec<u64>,
    pub ranges: Vec<Conflated>,
    pub ends: Vec<(u64, u64)>,
    /// What it knows of all instruments; `None` once it was told that it may not know all.
    state: Option<Image>,
    /// It has begun a snapshot, and perhaps not seen all of it.
    in_snapshot: bool,
    /// Ticks that are still to come of what was conflated, and the seq after them.
    to_come: (u64, u64),
}

impl Seen {
    /// Takes in one event; false if there was none.
    pub fn read(&mut self, reader: &mut TickReader) -> bool {
        let Some(event) = reader.read() else {
            return false;
        };
        assert!(
            self.to_come.0 == 0 || matches!(event, Event::Ticks(..)),
            "{event:?} within a conflation"
        );
        let of_snapshot =
            matches!(event, Event::Ticks(_, origin) if origin.provenance == Provenance::Snapshot);
        match event {
            Event::Session(start) => {
                self.sessions.push((start, Vec::new(), start.first_seq));
                self.state = (start.first_seq == 1).then(|| Image::new(10));
            }
            Event::Ticks(ticks, origin) => self.ticks(ticks, origin.session, origin.provenance),
            Event::Lost(loss) => self.lose(loss),
            Event::Incomplete(why) => {
                self.incomplete.push(why);
                self.state = None;
            }
            Event::Conflated(conflated) => {
                let (start, _, next) = self.sessions.last_mut().expect("a session first");
                assert_eq!(
                    (conflated.session, conflated.first_seq),
                    (start.session, *next)
                );
                self.to_come = (
                    conflated.count - conflated.left_out,
                    *next + conflated.count,
                );
                self.conflated += conflated.left_out;
                self.ranges.push(conflated);
            }
            Event::Snapshot { as_of } => {
                let (_, _, next) = self.sessions.last().expect("a session first");
                assert_eq!(as_of + 1, *next, "a snapshot that does not join on");
                self.snapshots.push(as_of);
                self.state = Some(Image::new(10));
            }
            Event::Checkpoint(checkpoint) => {
                let (start, _, next) = self.sessions.last().expect("a session first");
                let expected = Checkpoint {
                    session: start.session,
                    next_seq: *next,
                    digest: Digest::from_value(next * 3),
                };
                assert_eq!(checkpoint, expected, "a checkpoint out of place");
            }
            Event::End { session, last_seq } => {
                let (start, _, next) = self.sessions.last().expect("a session first");
                assert_eq!((session, last_seq + 1), (start.session, *next));
                self.ends.push((session, last_seq));
            }
        }
        self.in_snapshot = of_snapshot || matches!(event, Event::Snapshot { .. });
        true
    }

    fn ticks(&mut self, ticks: &[Tick], session: u64, from: Provenance) {
        if let Some(state) = &mut self.state {
            ticks.iter().for_each(|tick| state.apply(tick));
        }
        if from == Provenance::Snapshot {
            return;
        }
        let (start, _, next) = self.sessions.last_mut().expect("a session first");
        assert_eq!(session, start.session);
        self.delivered += ticks.len() as u64;
        for tick in ticks {
            let seq = tick.seq();
            assert_eq!(*tick, published(session, seq), "torn");
            if from == Provenance::Conflated {
                assert!((*next..self.to_come.1).contains(&seq), "out of order");
                self.to_come.0 -= 1;
            } else {
                assert_eq!(seq, *next, "out of order");
            }
            *next = seq + 1;
        }
        if from == Provenance::Conflated && self.to_come.0 == 0 {
            *next = self.to_come.1;
        }
    }

    fn lose(&mut self, loss: Loss) {
        self.lapped_notices += u64::from(loss.reason == LossReason::Lapped);
        let (start, losses, next) = self.sessions.last_mut().expect("a session first");
        assert_eq!((loss.session, loss.first_seq), (start.session, *next));
        assert!(loss.count > 0, "a loss of nothing");
        *next += loss.count;
        self.lost += loss.count;
        losses.push(loss);
        self.state = None;
    }

    /// If it was told nothing else, it knows what the publisher knows.
    pub fn check_state(&self) {
        if self.in_snapshot || self.to_come.0 > 0 {
            return;
        }
        if let (Some(state), Some((start, _, next))) = (&self.state, self.sessions.last()) {
            assert_eq!(state.snapshot(), truth(start.session, next - 1));
        }
    }

    /// Whether it knows the whole state.
    pub const fn knows_all(&self) -> bool {
        self.state.is_some()
    }

    /// Delivered, conflated and lost is exactly what was promised, session by session.
    pub fn check(&self, written: &[Written]) {
        assert_eq!(self.sessions.len(), written.len(), "every session is told");
        let mut promised = 0;
        for ((start, losses, next), written) in self.sessions.iter().zip(written) {
            assert_eq!(*start, written.start);
            assert_eq!(*next, written.end, "session {}", start.session);
            for loss in losses
                .iter()
                .filter(|loss| loss.reason != LossReason::Lapped)
            {
                assert!(written.losses.contains(loss), "invented {loss:?}");
            }
            promised += written.end - written.start.first_seq;
        }
        assert_eq!(self.delivered + self.conflated + self.lost, promised);
        self.check_state();
    }
}
