//! Where the ticks to publish come from.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use thiserror::Error;
use tickcast_net::{ThreadError, thread::spawn_named};
use tickcast_wire::Tick;

/// Why a source could not go on.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// What a source has for the send loop.
#[derive(Debug)]
pub enum Supply<'a> {
    /// The next ticks, at least one, in order.
    Ticks(&'a [Tick]),
    /// None now; more may come.
    NotYet,
    /// There will be no more.
    End,
}

/// A source of ticks, read by the send loop: neither method may block, allocate or lock.
pub trait Source: Send + 'static {
    /// The next ticks, which stay the next ones until they are taken.
    ///
    /// # Errors
    /// The reason why there will be no more.
    fn peek(&mut self) -> Result<Supply<'_>, SourceError>;

    /// Takes the first `count` of the ticks that [`Source::peek`] showed last.
    fn take(&mut self, count: usize);
}

/// Ticks in memory: a vector, a shared slice, a mapped file.
#[derive(Debug, Clone)]
pub struct InMemory<T> {
    ticks: T,
    taken: usize,
}

impl<T: AsRef<[Tick]> + Send + 'static> InMemory<T> {
    /// All of these ticks, from the first.
    pub const fn new(ticks: T) -> InMemory<T> {
        InMemory { ticks, taken: 0 }
    }
}

impl<T: AsRef<[Tick]> + Send + 'static> Source for InMemory<T> {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        Ok(match &self.ticks.as_ref()[self.taken..] {
            [] => Supply::End,
            ticks => Supply::Ticks(ticks),
        })
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
    }
}

/// Chunks that [`Prefetched`] reads ahead: of 1,023 ticks each, the longest in a `.ticks` file, 4 MiB.
const CHUNKS_AHEAD: usize = 64;

/// How long the reading thread sleeps when it is so far ahead.
const AHEAD_SLEEP: Duration = Duration::from_micros(200);

/// Why reading ahead ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the thread that reads the source ended without a result: it panicked")]
pub struct ReaderPanicked;

/// Ticks of an iterator over chunks, read ahead by a thread of their own (`tc-read`): so the send
/// loop neither waits for a file, nor pays for the checks of what is in it, nor allocates.
///
/// A chunk is whatever shows ticks: the rows of a mapped file where they lie, or a vector. It is
/// handed over as it is, and goes back to the reading thread to be dropped.
#[derive(Debug)]
pub struct Prefetched<C> {
    shared: Arc<Shared<C>>,
    chunk: Option<C>,
    taken: usize,
}

#[derive(Debug)]
struct Shared<C> {
    full: ArrayQueue<Delivery<C>>,
    used: ArrayQueue<C>,
    /// The reading thread is gone: what is in `full` now is all there will be.
    ended: AtomicBool,
    /// The source is no longer wanted.
    abandoned: AtomicBool,
}

#[derive(Debug)]
enum Delivery<C> {
    Chunk(C),
    End,
    Failed(SourceError),
}

impl<C: AsRef<[Tick]> + Send + 'static> Prefetched<C> {
    /// Starts to read `chunks` ahead. The first error ends them, after all chunks before it.
    ///
    /// # Errors
    /// [`ThreadError`] when the thread cannot be started.
    pub fn start<I, E>(chunks: I) -> Result<Prefetched<C>, ThreadError>
    where
        I: IntoIterator<Item = Result<C, E>> + Send + 'static,
        E: Into<SourceError>,
    {
        let shared = Arc::new(Shared {
            full: ArrayQueue::new(CHUNKS_AHEAD),
            // All that are in `full`, and one in the hands of each thread.
            used: ArrayQueue::new(CHUNKS_AHEAD + 2),
            ended: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        });
        let reader = EndOnDrop(Arc::clone(&shared));
        spawn_named("tc-read", None, move || reader.0.read(chunks))?;
        Ok(Prefetched {
            shared,
            chunk: None,
            taken: 0,
        })
    }
}

impl<C: AsRef<[Tick]> + Send + 'static> Prefetched<C> {
    /// Goes on to the next chunk.
    fn exchange(&mut self, next: C) {
        self.taken = 0;
        if let Some(used) = self.chunk.replace(next) {
            // There is room for every chunk there is.
            let _ = self.shared.used.push(used);
        }
    }

    fn rest(&self) -> &[Tick] {
        match &self.chunk {
            Some(chunk) => &chunk.as_ref()[self.taken..],
            None => &[],
        }
    }
}

impl<C: AsRef<[Tick]> + Send + 'static> Source for Prefetched<C> {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        // A loop, since a chunk may be empty.
        while self.rest().is_empty() {
            // Read before the queue: a thread that ended has put its last delivery there.
            let ended = self.shared.ended.load(Ordering::Acquire);
            match self.shared.full.pop() {
                Some(Delivery::Chunk(chunk)) => self.exchange(chunk),
                Some(Delivery::End) => {
                    // Kept, for whoever asks again.
                    let _ = self.shared.full.push(Delivery::End);
                    return Ok(Supply::End);
                }
                Some(Delivery::Failed(error)) => return Err(error),
                None if ended => return Err(Box::new(ReaderPanicked)),
                None => return Ok(Supply::NotYet),
            }
        }
        Ok(Supply::Ticks(self.rest()))
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
    }
}

impl<C> Drop for Prefetched<C> {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}

impl<C> Shared<C> {
    fn read<E: Into<SourceError>>(&self, chunks: impl IntoIterator<Item = Result<C, E>>) {
        for chunk in chunks {
            let (delivery, is_last) = match chunk {
                Ok(chunk) => (Delivery::Chunk(chunk), false),
                Err(error) => (Delivery::Failed(error.into()), true),
            };
            if !self.deliver(delivery) || is_last {
                return;
            }
        }
        self.deliver(Delivery::End);
    }

    /// Hands it over as soon as there is room; `false` when nobody wants it any more.
    fn deliver(&self, mut delivery: Delivery<C>) -> bool {
        while !self.abandoned.load(Ordering::Relaxed) {
            while let Some(used) = self.used.pop() {
                drop(used);
            }
            match self.full.push(delivery) {
                Ok(()) => return true,
                Err(back) => delivery = back,
            }
            std::thread::sleep(AHEAD_SLEEP);
        }
        false
    }
}

/// Says that the reading thread is gone, even if it panicked.
struct EndOnDrop<C>(Arc<Shared<C>>);

impl<C> Drop for EndOnDrop<C> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tickcast_wire::Clear;

    fn ticks(n: u64) -> impl Iterator<Item = Tick> + Send {
        (0..n).map(|i| Tick::new(Clear::default(), 1u16, 1, i))
    }

    /// Reads to the end, in steps of at most `step`.
    fn read(source: &mut impl Source, step: usize) -> (u64, Option<SourceError>) {
        let mut read = 0;
        loop {
            let count = match source.peek() {
                Ok(Supply::End) => return (read, None),
                Err(error) => return (read, Some(error)),
                Ok(Supply::NotYet) => {
                    std::thread::yield_now();
                    0
                }
                Ok(Supply::Ticks(ticks)) => {
                    let count = ticks.len().min(step);
                    for tick in &ticks[..count] {
                        assert_eq!(tick.ts_event(), read);
                        read += 1;
                    }
                    count
                }
            };
            source.take(count);
        }
    }

    #[test]
    fn all_of_memory_in_any_steps() {
        for step in [1, 7, 1000] {
            let mut source = InMemory::new(ticks(100).collect::<Vec<_>>());
            assert_eq!(read(&mut source, step).0, 100);
            assert!(matches!(source.peek(), Ok(Supply::End)));
        }
    }

    /// So many ticks in chunks of so many.
    fn chunks(n: u64, size: usize) -> Vec<Vec<Tick>> {
        let ticks: Vec<Tick> = ticks(n).collect();
        ticks.chunks(size).map(<[Tick]>::to_vec).collect()
    }

    #[test]
    fn all_of_an_iterator_of_chunks() {
        for (n, size) in [(0, 1), (1, 1), (5_000, 7), (200_001, 1_023)] {
            let chunks = chunks(n, size).into_iter().map(Ok::<_, io::Error>);
            let mut source = Prefetched::start(chunks).unwrap();
            let (read, error) = read(&mut source, 966);
            assert_eq!((read, error.is_none()), (n, true));
            assert!(matches!(source.peek(), Ok(Supply::End)));
        }
    }

    #[test]
    fn empty_chunks_are_no_end() {
        let chunks = [vec![], chunks(3, 3).remove(0), vec![], vec![]];
        let mut source = Prefetched::start(chunks.map(Ok::<_, io::Error>)).unwrap();
        assert_eq!(read(&mut source, 2).0, 3);
    }

    #[test]
    fn an_error_comes_after_all_ticks_before_it() {
        let failing = chunks(5_000, 100).into_iter().map(Ok);
        let failing = failing.chain([Err(io::Error::other("torn"))]);
        let mut source = Prefetched::start(failing).unwrap();
        let (read, error) = read(&mut source, 1000);
        assert_eq!((read, error.unwrap().to_string().as_str()), (5000, "torn"));
    }

    #[test]
    fn a_panic_is_an_error_not_an_endless_wait() {
        let panicking = chunks(10, 1).into_iter().map(|chunk| {
            assert!(
                chunk[0].ts_event() < 5,
                "the reader of this test fails here on purpose"
            );
            Ok::<_, io::Error>(chunk)
        });
        let mut source = Prefetched::start(panicking).unwrap();
        let (_, error) = read(&mut source, 1000);
        assert!(error.unwrap().is::<ReaderPanicked>());
    }

    /// A chunk is lent, not copied, is dropped in the reading thread, and no more are read than may
    /// be ahead.
    #[test]
    fn chunks_are_lent_and_go_back() {
        struct Lent(Vec<Tick>, std::sync::mpsc::Sender<std::thread::ThreadId>);
        impl AsRef<[Tick]> for Lent {
            fn as_ref(&self) -> &[Tick] {
                &self.0
            }
        }
        impl Drop for Lent {
            fn drop(&mut self) {
                let _ = self.1.send(std::thread::current().id());
            }
        }
        let (dropped, drops) = std::sync::mpsc::channel();
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let many = chunks(1_000, 1).into_iter().map(move |chunk| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(Lent(chunk, dropped.clone()))
        });
        let mut source = Prefetched::start(many).unwrap();
        while source.shared.full.len() < CHUNKS_AHEAD {
            std::thread::yield_now();
        }
        assert!(asked.load(Ordering::Relaxed) <= CHUNKS_AHEAD + 1);
        assert_eq!(read(&mut source, 1).0, 1_000);
        drop(source);
        let here = std::thread::current().id();
        let elsewhere = drops.iter().filter(|&thread| thread != here).count();
        assert!(elsewhere >= 1_000 - 2 * (CHUNKS_AHEAD + 2), "{elsewhere}");
    }
}
