//! Answers the requests of subscribers.

use std::sync::{Arc, Weak};

use tickcast_wire::{Digest, Reply, ReplyStatus, Request, RequestKind, TICK_BYTES, Tick};

use crate::image::{DEFAULT_MAX_INSTRUMENTS, Image};
use crate::store::{DEFAULT_STORE_TICKS, NotContiguous, RangeError, Store};

/// The bounds of a [`Responder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponderLimits {
    /// Ticks kept for retransmission. Default 1,048,576, which are 64 MiB.
    pub store_ticks: usize,
    /// Instruments in the image. Default 65,536. With more of them the image is not complete, and
    /// snapshot requests are answered Busy.
    pub max_instruments: usize,
    /// Ticks that one retransmit request may ask for. Default 65,536.
    pub ticks_per_request: u64,
    /// For how long a snapshot is used again for requests it satisfies, in ns. Default 50 ms.
    pub snapshot_reuse_ns: u64,
    /// Snapshots in memory at once; one more is answered Busy. Default 3.
    pub snapshots_alive: usize,
    /// The delay named in a Busy answer to a snapshot request, in ns. Default 100 ms.
    pub busy_retry_ns: u64,
}

impl Default for ResponderLimits {
    fn default() -> ResponderLimits {
        ResponderLimits {
            store_ticks: DEFAULT_STORE_TICKS,
            max_instruments: DEFAULT_MAX_INSTRUMENTS,
            ticks_per_request: 65_536,
            snapshot_reuse_ns: 50_000_000,
            snapshots_alive: 3,
            busy_retry_ns: 100_000_000,
        }
    }
}

/// The image at one seq, shared by all clients it is sent to.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    as_of: u64,
    digest: Digest,
    rows: Vec<Tick>,
}

impl Snapshot {
    /// The seq of the last tick that is part of it.
    #[must_use]
    pub const fn as_of(&self) -> u64 {
        self.as_of
    }

    /// The digest of all ticks up to that seq.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its rows, see [`Image::snapshot`].
    #[must_use]
    pub fn rows(&self) -> &[Tick] {
        &self.rows
    }
}

/// What to do about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// Send this reply, no ticks follow it.
    Refused(ReplyStatus, Reply),
    /// Send this reply, then `count` ticks of the store from `first_seq`.
    Retransmit {
        /// The reply.
        reply: Reply,
        /// The seq of the first tick that follows.
        first_seq: u64,
        /// How many follow.
        count: u64,
    },
    /// Send this reply, then the rows of the snapshot.
    Snapshot {
        /// The reply.
        reply: Reply,
        /// What follows.
        snapshot: Arc<Snapshot>,
    },
    /// Send this reply; the client is under flow control from now on.
    Joined {
        /// The reply.
        reply: Reply,
        /// The next seq that the client wants.
        next_seq: u64,
    },
    /// Send this reply, with the times by [`Reply::with_clock`].
    Clock {
        /// The reply.
        reply: Reply,
    },
    /// Send nothing; if the client has joined flow control, this is its position.
    Position {
        /// The next seq of this session that the client wants.
        next_seq: u64,
    },
}

/// The publisher's side of the recovery channel: the store, the image, and the rules by which
/// requests are answered from them.
///
/// A request for another channel is answered Malformed: it comes from a subscriber set up with the
/// wrong address, which no later answer would help.
///
/// The ticks stay where whoever published them laid them, in chunks `C` ([`Store`]): name each by
/// [`Responder::begin`], and what is in it by [`Responder::take_in`]. Then ask
/// [`Responder::respond`]. `now` is in ns of any clock that does not go back.
pub struct Responder<C> {
    session: u64,
    channel: u16,
    flow_window: Option<u64>,
    limits: ResponderLimits,
    store: Store<C>,
    image: Image,
    /// Of all ticks taken in.
    digest: Digest,
    latest: Option<(u64, Arc<Snapshot>)>,
    alive: Vec<Weak<Snapshot>>,
}

impl<C: AsRef<[Tick]>> Responder<C> {
    /// The responder of a session on a channel. `flow_window` is the window of flow control in
    /// ticks, `None` when it is off.
    #[must_use]
    pub fn new(
        session: u64,
        channel: u16,
        flow_window: Option<u64>,
        limits: ResponderLimits,
    ) -> Responder<C> {
        Responder {
            session,
            channel,
            flow_window,
            limits,
            store: Store::new(limits.store_ticks),
            image: Image::new(limits.max_instruments),
            digest: Digest::default(),
            latest: None,
            alive: Vec::new(),
        }
    }

    /// The next published ticks come in this chunk.
    pub fn begin(&mut self, chunk: C) {
        self.store.begin(chunk);
    }

    /// Takes in what the latest chunk has in its first `rows` rows that was not taken in yet, and
    /// gives how many ticks that is. `digest` is that of all ticks with them.
    ///
    /// # Errors
    /// [`NotContiguous`] when they do not continue the stream; then nothing was taken in.
    pub fn take_in(&mut self, rows: usize, digest: Digest) -> Result<usize, NotContiguous> {
        let ticks = self.store.add(rows)?;
        self.image.apply_all(ticks);
        // A chunk that has none yet knows no digest.
        if !ticks.is_empty() {
            self.digest = digest;
        }
        Ok(ticks.len())
    }

    /// The ticks kept for retransmission.
    #[must_use]
    pub const fn store(&self) -> &Store<C> {
        &self.store
    }

    /// The latest state of every instrument.
    #[must_use]
    pub const fn image(&self) -> &Image {
        &self.image
    }

    /// The session.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// The most bytes of ticks that the reply to a request can have.
    #[must_use]
    pub fn most_bytes(&self, request: &Request) -> u64 {
        let ticks = match request.check() {
            Ok(RequestKind::Retransmit) => request.count().min(self.limits.ticks_per_request),
            Ok(RequestKind::Snapshot) => self.image.most_rows() as u64,
            _ => 0,
        };
        ticks * TICK_BYTES as u64
    }

    /// Decides what to do about a request.
    #[must_use]
    pub fn respond(&mut self, request: &Request, now: u64) -> Response {
        let Ok(kind) = request.check() else {
            return self.refuse(request, ReplyStatus::Malformed, 0);
        };
        if request.channel() != self.channel {
            return self.refuse(request, ReplyStatus::Malformed, 0);
        }
        match kind {
            RequestKind::Retransmit => self.retransmit(request),
            RequestKind::Snapshot => self.snapshot(request, now),
            RequestKind::FlowJoin => self.join(request),
            RequestKind::Position => self.position(request),
            RequestKind::Clock => Response::Clock {
                reply: self.ok(request, 0).with_ticks(request.first_seq(), 0),
            },
            // Who holds the secret looks at tokens before; here none has any business.
            RequestKind::Token => self.refuse(request, ReplyStatus::Malformed, 0),
        }
    }

    /// Refuses a request for a reason of the caller's, such as Busy after `detail` ns.
    #[must_use]
    pub fn refuse(&self, request: &Request, status: ReplyStatus, detail: u64) -> Response {
        Response::Refused(status, Reply::new(request, self.session, status, detail))
    }

    fn retransmit(&self, request: &Request) -> Response {
        let (first_seq, count) = (request.first_seq(), request.count());
        if request.session() != self.session && !planted!(ServesOtherSessions) {
            return self.refuse(request, ReplyStatus::OtherSession, self.session);
        }
        if count > self.limits.ticks_per_request {
            let most = self.limits.ticks_per_request;
            return self.refuse(request, ReplyStatus::TooLarge, most);
        }
        match self.store.range(first_seq, count) {
            Ok(_) => Response::Retransmit {
                reply: self.ok(request, 0).with_ticks(first_seq, count),
                first_seq,
                count,
            },
            Err(RangeError::TooOld { oldest }) => self.refuse(request, ReplyStatus::TooOld, oldest),
            Err(RangeError::NotYet { next }) => self.refuse(request, ReplyStatus::NotYet, next),
        }
    }

    fn snapshot(&mut self, request: &Request, now: u64) -> Response {
        if self.is_other_session(request) {
            return self.refuse(request, ReplyStatus::OtherSession, self.session);
        }
        if request.first_seq() > self.image.as_of() {
            let next = self.store.next_seq();
            return self.refuse(request, ReplyStatus::NotYet, next);
        }
        // An image that lacks instruments would be a silent hole: it is never served.
        if !self.image.is_complete() {
            return self.refuse(request, ReplyStatus::Busy, self.limits.busy_retry_ns);
        }
        let Some(snapshot) = self.shared_snapshot(request.first_seq(), now) else {
            return self.refuse(request, ReplyStatus::Busy, self.limits.busy_retry_ns);
        };
        let count = snapshot.rows.len() as u64;
        let reply = self.ok(request, 0).with_ticks(snapshot.as_of, count);
        Response::Snapshot {
            reply: reply.with_digest(snapshot.digest),
            snapshot,
        }
    }

    /// The latest snapshot if it is young and recent enough, otherwise a new one; `None` when too
    /// many are still being sent.
    fn shared_snapshot(&mut self, at_least: u64, now: u64) -> Option<Arc<Snapshot>> {
        if let Some((made, snapshot)) = self.latest.take() {
            let young = now.saturating_sub(made) < self.limits.snapshot_reuse_ns;
            let as_now = snapshot.as_of == self.image.as_of();
            let is_recent = snapshot.as_of >= at_least || planted!(StaleSnapshotServed);
            if is_recent && (young || as_now) {
                self.latest = Some((made, Arc::clone(&snapshot)));
                return Some(snapshot);
            }
        }
        self.alive.retain(|snapshot| snapshot.strong_count() > 0);
        let most = self.limits.snapshots_alive;
        if self.alive.len() >= most && !planted!(SnapshotsUnbounded) {
            return None;
        }
        let snapshot = Arc::new(Snapshot {
            as_of: self.image.as_of(),
            digest: self.digest,
            rows: self.image.snapshot(),
        });
        self.alive.push(Arc::downgrade(&snapshot));
        self.latest = Some((now, Arc::clone(&snapshot)));
        Some(snapshot)
    }

    fn join(&self, request: &Request) -> Response {
        let Some(window) = self.flow_window else {
            return self.refuse(request, ReplyStatus::FlowControlOff, 0);
        };
        if self.is_other_session(request) {
            return self.refuse(request, ReplyStatus::OtherSession, self.session);
        }
        Response::Joined {
            reply: self.ok(request, window),
            next_seq: request.first_seq(),
        }
    }

    /// Of a client that still follows another session nothing has come of this one.
    const fn position(&self, request: &Request) -> Response {
        let next_seq = if self.is_other_session(request) {
            1
        } else {
            request.first_seq()
        };
        Response::Position { next_seq }
    }

    /// Whether it names a session, and not this one.
    const fn is_other_session(&self, request: &Request) -> bool {
        request.session() != 0 && request.session() != self.session
    }

    fn ok(&self, request: &Request, detail: u64) -> Reply {
        Reply::new(request, self.session, ReplyStatus::Ok, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickcast_wire::Quote;
    use zerocopy::FromBytes;

    const SESSION: u64 = 77;
    const CHANNEL: u16 = 3;

    fn limits() -> ResponderLimits {
        ResponderLimits {
            store_ticks: 8,
            max_instruments: 3,
            ticks_per_request: 5,
            snapshot_reuse_ns: 50,
            snapshots_alive: 2,
            busy_retry_ns: 9,
        }
    }

    /// A responder after `n` ticks of three instruments in turn.
    fn responder(n: u64) -> Responder<Vec<Tick>> {
        let mut responder = Responder::new(SESSION, CHANNEL, None, limits());
        publish(&mut responder, n);
        responder
    }

    fn publish(responder: &mut Responder<Vec<Tick>>, n: u64) {
        for _ in 0..n {
            let seq = responder.store().next_seq();
            let tick = Tick::new(Quote::new(1, 2, 3, 4), 1u16, (seq % 3) as u32, seq);
            let mut digest = responder.digest;
            digest.update(&tick.with_seq(seq));
            responder.begin(vec![tick.with_seq(seq)]);
            assert_eq!(responder.take_in(1, digest), Ok(1));
        }
    }

    fn ask(kind: RequestKind, session: u64, first_seq: u64, count: u64) -> Request {
        Request::new(kind, session, CHANNEL, first_seq, count, 42)
    }

    fn retransmit(first_seq: u64, count: u64) -> Request {
        ask(RequestKind::Retransmit, SESSION, first_seq, count)
    }

    /// Status and detail of a refusal; its reply must pass the client's check.
    fn refusal(
        responder: &mut Responder<Vec<Tick>>,
        request: &Request,
        now: u64,
    ) -> (ReplyStatus, u64) {
        match responder.respond(request, now) {
            Response::Refused(status, reply) => {
                assert_eq!(reply.check(request), Ok(status));
                assert_eq!(reply.session(), SESSION);
                (status, reply.detail())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_retransmit_status() {
        let mut served = responder(10);
        for (first, count) in [(3, 1), (3, 5), (10, 1), (6, 5)] {
            let request = retransmit(first, count);
            let Response::Retransmit {
                reply,
                first_seq,
                count,
            } = served.respond(&request, 0)
            else {
                panic!("{request:?} was not served");
            };
            assert_eq!(reply.check(&request), Ok(ReplyStatus::Ok));
            assert_eq!((first_seq, count), (request.first_seq(), request.count()));
        }
        let cases = [
            (retransmit(2, 1), (ReplyStatus::TooOld, 3)),
            (retransmit(2, 5), (ReplyStatus::TooOld, 3)),
            (retransmit(10, 2), (ReplyStatus::NotYet, 11)),
            (retransmit(11, 1), (ReplyStatus::NotYet, 11)),
            (retransmit(1 << 60, 1), (ReplyStatus::NotYet, 11)),
            (retransmit(1, 6), (ReplyStatus::TooLarge, 5)),
            (retransmit(1, 1 << 60), (ReplyStatus::TooLarge, 5)),
            (
                ask(RequestKind::Retransmit, 76, 3, 1),
                (ReplyStatus::OtherSession, SESSION),
            ),
            (
                ask(RequestKind::Retransmit, 0, 3, 1),
                (ReplyStatus::OtherSession, SESSION),
            ),
            (retransmit(0, 1), (ReplyStatus::Malformed, 0)),
            (retransmit(1, 0), (ReplyStatus::Malformed, 0)),
            (retransmit(u64::MAX, 1), (ReplyStatus::Malformed, 0)),
        ];
        for (request, expected) in cases {
            assert_eq!(refusal(&mut served, &request, 0), expected, "{request:?}");
        }
    }

    #[test]
    fn nothing_is_there_before_the_first_tick() {
        let mut empty = responder(0);
        assert_eq!(
            refusal(&mut empty, &retransmit(1, 1), 0),
            (ReplyStatus::NotYet, 1)
        );
        let snapshot = |first_seq| ask(RequestKind::Snapshot, 0, first_seq, 0);
        assert_eq!(
            refusal(&mut empty, &snapshot(1), 0),
            (ReplyStatus::NotYet, 1)
        );
        let Response::Snapshot { reply, snapshot } = empty.respond(&snapshot(0), 0) else {
            panic!("an empty snapshot is as of seq 0");
        };
        assert_eq!(
            (reply.first_seq(), reply.count(), snapshot.rows().len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn garbage_and_other_channels_are_malformed() {
        let mut responder = responder(10);
        let garbage = Request::read_from_bytes(&[0x5a; 64]).unwrap();
        let Response::Refused(status, _) = responder.respond(&garbage, 0) else {
            panic!("garbage was served");
        };
        assert_eq!(status, ReplyStatus::Malformed);
        let other = Request::new(RequestKind::Snapshot, SESSION, CHANNEL + 1, 1, 0, 42);
        assert_eq!(
            refusal(&mut responder, &other, 0),
            (ReplyStatus::Malformed, 0)
        );
    }

    fn snapshot(
        responder: &mut Responder<Vec<Tick>>,
        at_least: u64,
        now: u64,
    ) -> Option<Arc<Snapshot>> {
        let request = ask(RequestKind::Snapshot, SESSION, at_least, 0);
        match responder.respond(&request, now) {
            Response::Snapshot { reply, snapshot } => {
                assert_eq!(reply.check(&request), Ok(ReplyStatus::Ok));
                assert_eq!(reply.first_seq(), snapshot.as_of());
                assert_eq!(reply.count(), snapshot.rows().len() as u64);
                Some(snapshot)
            }
            Response::Refused(ReplyStatus::Busy, reply) => {
                assert_eq!(reply.detail(), 9);
                None
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_young_snapshot_is_shared_and_few_are_alive() {
        let mut responder = responder(10);
        let first = snapshot(&mut responder, 4, 1000).unwrap();
        assert_eq!((first.as_of(), first.rows().len()), (10, 3));
        publish(&mut responder, 1);
        let same = snapshot(&mut responder, 10, 1049).unwrap();
        assert!(Arc::ptr_eq(&first, &same));
        let newer = snapshot(&mut responder, 11, 1049).unwrap();
        assert_eq!(newer.as_of(), 11);
        let unchanged = snapshot(&mut responder, 11, 9999).unwrap();
        assert!(Arc::ptr_eq(&newer, &unchanged), "nothing happened since");

        publish(&mut responder, 1);
        assert_eq!(
            snapshot(&mut responder, 1, 20_000),
            None,
            "two are being sent"
        );
        drop((first, same));
        let third = snapshot(&mut responder, 1, 20_000).unwrap();
        assert_eq!(third.as_of(), 12);
    }

    #[test]
    fn a_chunk_without_ticks_changes_no_digest() {
        let mut responder = responder(4);
        let before = snapshot(&mut responder, 4, 0).unwrap().digest();
        assert_ne!(before, Digest::default());
        responder.begin(Vec::new());
        assert_eq!(responder.take_in(0, Digest::default()), Ok(0));
        responder.latest = None;
        assert_eq!(snapshot(&mut responder, 4, 0).unwrap().digest(), before);
    }

    #[test]
    fn snapshot_of_another_session_or_too_early_is_refused() {
        let mut responder = responder(10);
        let other = ask(RequestKind::Snapshot, 76, 1, 0);
        let expected = (ReplyStatus::OtherSession, SESSION);
        assert_eq!(refusal(&mut responder, &other, 0), expected);
        let early = ask(RequestKind::Snapshot, SESSION, 11, 0);
        assert_eq!(
            refusal(&mut responder, &early, 0),
            (ReplyStatus::NotYet, 11)
        );
    }

    #[test]
    fn an_incomplete_image_is_not_served() {
        let mut responder = responder(3);
        let tick = Tick::new(Quote::new(1, 2, 3, 4), 1u16, 99, 0).with_seq(4);
        responder.begin(vec![tick]);
        assert_eq!(responder.take_in(1, Digest::default()), Ok(1));
        assert_eq!(responder.image().refused(), 1);
        assert_eq!(snapshot(&mut responder, 1, 0), None);
    }

    #[test]
    fn flow_control_only_when_it_is_on() {
        let join = ask(RequestKind::FlowJoin, 0, 5, 0);
        let expected = (ReplyStatus::FlowControlOff, 0);
        assert_eq!(refusal(&mut responder(10), &join, 0), expected);

        let mut with_flow = Responder::<Vec<Tick>>::new(SESSION, CHANNEL, Some(1234), limits());
        let Response::Joined { reply, next_seq } = with_flow.respond(&join, 0) else {
            panic!("refused");
        };
        assert_eq!(reply.check(&join), Ok(ReplyStatus::Ok));
        assert_eq!((reply.detail(), next_seq), (1234, 5));
        let other = ask(RequestKind::FlowJoin, 5, 5, 0);
        assert_eq!(
            refusal(&mut with_flow, &other, 0).0,
            ReplyStatus::OtherSession
        );
        let position = ask(RequestKind::Position, 0, 6, 0);
        assert_eq!(
            with_flow.respond(&position, 0),
            Response::Position { next_seq: 6 }
        );
        // Whoever hears an older publisher first is not ahead of this one by what that has sent.
        let elsewhere = ask(RequestKind::Position, SESSION - 1, 5_000, 0);
        assert_eq!(
            with_flow.respond(&elsewhere, 0),
            Response::Position { next_seq: 1 }
        );
    }

    #[test]
    fn a_clock_is_served_before_the_first_tick_and_in_every_session() {
        for session in [0, SESSION, 76] {
            let request = ask(RequestKind::Clock, session, 1_234, 0);
            let Response::Clock { reply } = responder(0).respond(&request, 0) else {
                panic!("refused");
            };
            let reply = reply.with_clock(5, 6);
            assert_eq!(reply.check(&request), Ok(ReplyStatus::Ok));
            assert_eq!((reply.first_seq(), reply.clock()), (1_234, (5, 6)));
        }
        let other = Request::for_clock(CHANNEL + 1, 1_234, 42);
        assert_eq!(
            refusal(&mut responder(0), &other, 0),
            (ReplyStatus::Malformed, 0)
        );
    }

    #[test]
    fn a_hole_in_what_was_published_is_refused() {
        let mut responder = responder(3);
        let tick = Tick::new(Quote::new(1, 2, 3, 4), 1u16, 1, 0).with_seq(5);
        responder.begin(vec![tick]);
        let error = responder.take_in(1, Digest::default()).unwrap_err();
        assert_eq!(
            error,
            NotContiguous {
                expected: 4,
                found: 5
            }
        );
        assert_eq!(responder.image().as_of(), 3);
    }
}
