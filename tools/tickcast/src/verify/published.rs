//! What was published, as the publisher's store has it.

use std::time::{Duration, Instant};

use anyhow::bail;
use tickcast_subscriber::{ConnectionError, StoreReader, Stored};
use tickcast_wire::{ReplyStatus, Tick};

use crate::interrupt::Interrupt;

/// A seq that no publisher reaches: who asks for it is told which is next.
const NEVER_REACHED: u64 = u64::MAX - 1;

/// The longest pause before a server is asked again, whatever it says.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a server may be too busy to answer.
const BUSY_PATIENCE: Duration = Duration::from_secs(60);

/// How often the connection may fail before there is an answer, and the pause after it: a store
/// that moves on breaks off the reply under way.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// Ticks come on the lines a moment before they are in the store.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// What is known of a seq.
pub enum Tell<'a> {
    /// The tick that was published.
    Tick(&'a Tick),
    /// The store has it no longer.
    NotKept,
    /// Nothing was published with this seq.
    NotPublished,
}

/// The store, and what was read of it last.
pub struct Published<'a> {
    store: StoreReader,
    interrupt: &'a Interrupt,
    session: u64,
    /// Ticks from this seq on.
    first_seq: u64,
    ticks: Vec<Tick>,
    /// The oldest seq that the store has, as far as it told.
    oldest: u64,
    /// The next seq to be published when the publisher was asked last.
    next: u64,
    /// Everything that can have been recorded is in the store since.
    is_settled: bool,
}

/// An answer of the publisher.
enum Answer {
    /// The ticks are there.
    Ticks,
    TooOld(u64),
    NotYet(u64),
    OtherSession(u64),
}

impl<'a> Published<'a> {
    /// What was published in the session that the publisher runs; it probably is `session`.
    ///
    /// # Errors
    /// When it cannot be asked, or somebody asks to stop.
    pub fn new(
        store: StoreReader,
        session: u64,
        interrupt: &'a Interrupt,
    ) -> anyhow::Result<Published<'a>> {
        let mut published = Published {
            store,
            interrupt,
            session,
            first_seq: 0,
            ticks: Vec::new(),
            oldest: 0,
            next: 0,
            is_settled: false,
        };
        if let Answer::OtherSession(current) = published.ask(NEVER_REACHED, 1)? {
            published.session = current;
        }
        published.refresh()?;
        Ok(published)
    }

    /// The session that the publisher runs.
    pub const fn session(&self) -> u64 {
        self.session
    }

    /// The next seq to be published when the publisher was asked last.
    pub const fn next_seq(&self) -> u64 {
        self.next
    }

    /// Asks for the next seq to be published.
    ///
    /// # Errors
    /// When it cannot be asked, or somebody asks to stop.
    pub fn refresh(&mut self) -> anyhow::Result<()> {
        match self.ask(NEVER_REACHED, 1)? {
            Answer::NotYet(next) => {
                self.next = next;
                Ok(())
            }
            answer => self.unexpected(&answer),
        }
    }

    /// What was published with this seq. Those up to `last` are going to be asked for next.
    ///
    /// # Errors
    /// When the publisher cannot be asked, or somebody asks to stop.
    pub fn tell(&mut self, seq: u64, last: u64) -> anyhow::Result<Tell<'_>> {
        if self.find(seq).is_none() && seq >= self.oldest {
            self.fetch(seq, last)?;
        }
        Ok(match self.find(seq) {
            Some(tick) => Tell::Tick(tick),
            None if seq < self.oldest => Tell::NotKept,
            None => Tell::NotPublished,
        })
    }

    fn find(&self, seq: u64) -> Option<&Tick> {
        let at = seq.checked_sub(self.first_seq)?;
        self.ticks.get(usize::try_from(at).ok()?)
    }

    /// Reads ticks from this seq on, if it was published and is still there.
    fn fetch(&mut self, seq: u64, last: u64) -> anyhow::Result<()> {
        self.settle(seq)?;
        if seq >= self.next {
            return Ok(());
        }
        let last = last.clamp(seq, self.next - 1);
        match self.ask(seq, last - seq + 1)? {
            Answer::Ticks => Ok(()),
            Answer::TooOld(oldest) if oldest > seq => {
                self.oldest = oldest;
                Ok(())
            }
            answer => self.unexpected(&answer),
        }
    }

    /// Waits a moment for a tick that was recorded and is not in the store yet.
    fn settle(&mut self, seq: u64) -> anyhow::Result<()> {
        let started = Instant::now();
        while seq >= self.next && !self.is_settled {
            self.is_settled = started.elapsed() >= STORE_PATIENCE;
            self.refresh()?;
            if seq >= self.next {
                self.pause(PAUSE)?;
            }
        }
        Ok(())
    }

    /// Asks until there is an answer.
    fn ask(&mut self, first_seq: u64, count: u64) -> anyhow::Result<Answer> {
        let (started, mut failures) = (Instant::now(), 0);
        loop {
            let pause = match self.store.read(self.session, first_seq, count) {
                Ok(Stored::Ticks(ticks)) => {
                    self.ticks.clear();
                    self.ticks.extend_from_slice(ticks);
                    self.first_seq = first_seq;
                    return Ok(Answer::Ticks);
                }
                Ok(Stored::TooOld { oldest }) => return Ok(Answer::TooOld(oldest)),
                Ok(Stored::NotYet { next }) => return Ok(Answer::NotYet(next)),
                Ok(Stored::OtherSession { current }) => return Ok(Answer::OtherSession(current)),
                Ok(Stored::Busy { wait }) if started.elapsed() < BUSY_PATIENCE => wait,
                Ok(Stored::Busy { .. }) => bail!("it is too busy; try again later"),
                Err(ConnectionError::Refused {
                    status: ReplyStatus::Busy,
                    detail,
                }) if started.elapsed() < BUSY_PATIENCE => Duration::from_nanos(detail),
                Err(error @ ConnectionError::Io(_)) => {
                    failures += 1;
                    if failures == TRIES {
                        return Err(error.into());
                    }
                    PAUSE
                }
                Err(error) => return Err(error.into()),
            };
            self.pause(pause.min(LONGEST_PAUSE))?;
        }
    }

    fn pause(&self, pause: Duration) -> anyhow::Result<()> {
        if self.interrupt.is_set() {
            bail!("stopped");
        }
        std::thread::sleep(pause);
        Ok(())
    }

    fn unexpected(&self, answer: &Answer) -> anyhow::Result<()> {
        match answer {
            Answer::OtherSession(current) => bail!(
                "the publisher ended session {} meanwhile and runs session {current}",
                self.session
            ),
            _ => bail!("the publisher contradicts itself about what it keeps"),
        }
    }
}
