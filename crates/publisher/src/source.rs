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

/// Ticks in a chunk of [`Prefetched`]: four full batches.
const CHUNK_TICKS: usize = 3_864;

/// Chunks of [`Prefetched`]: 62 thousand ticks, 4 MiB.
const CHUNKS: usize = 16;

/// How long the reading thread sleeps when every chunk is full.
const FULL_SLEEP: Duration = Duration::from_micros(200);

/// Why reading ahead ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the thread that reads the source ended without a result: it panicked")]
pub struct ReaderPanicked;

/// Ticks of an iterator, read ahead by a thread of their own (`tc-read`) into preallocated chunks,
/// so that the send loop neither waits for a file nor allocates.
#[derive(Debug)]
pub struct Prefetched {
    shared: Arc<Shared>,
    chunk: Vec<Tick>,
    taken: usize,
}

#[derive(Debug)]
struct Shared {
    full: ArrayQueue<Delivery>,
    empty: ArrayQueue<Vec<Tick>>,
    /// The reading thread is gone: what is in `full` now is all there will be.
    ended: AtomicBool,
    /// The source is no longer wanted.
    abandoned: AtomicBool,
}

#[derive(Debug)]
enum Delivery {
    Chunk(Vec<Tick>),
    End,
    Failed(SourceError),
}

impl Prefetched {
    /// Starts to read `ticks` ahead. The first error ends them, after all ticks before it.
    ///
    /// # Errors
    /// [`ThreadError`] when the thread cannot be started.
    pub fn start<I, E>(ticks: I) -> Result<Prefetched, ThreadError>
    where
        I: IntoIterator<Item = Result<Tick, E>> + Send + 'static,
        E: Into<SourceError>,
    {
        // One place more than chunks, for the end.
        let shared = Arc::new(Shared {
            full: ArrayQueue::new(CHUNKS + 1),
            empty: ArrayQueue::new(CHUNKS + 1),
            ended: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        });
        for _ in 0..CHUNKS {
            // There is room for all of them.
            let _ = shared.empty.push(Vec::with_capacity(CHUNK_TICKS));
        }
        let reader = EndOnDrop(Arc::clone(&shared));
        spawn_named("tc-read", None, move || reader.0.read(ticks))?;
        Ok(Prefetched {
            shared,
            chunk: Vec::with_capacity(CHUNK_TICKS),
            taken: 0,
        })
    }
}

impl Source for Prefetched {
    fn peek(&mut self) -> Result<Supply<'_>, SourceError> {
        if self.taken == self.chunk.len() {
            // Read before the queue: a thread that ended has put its last delivery there.
            let ended = self.shared.ended.load(Ordering::Acquire);
            match self.shared.full.pop() {
                Some(Delivery::Chunk(chunk)) => {
                    let used = std::mem::replace(&mut self.chunk, chunk);
                    self.taken = 0;
                    // There is room for every chunk there is.
                    let _ = self.shared.empty.push(used);
                }
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
        Ok(Supply::Ticks(&self.chunk[self.taken..]))
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
    }
}

impl Drop for Prefetched {
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn read<E: Into<SourceError>>(&self, ticks: impl IntoIterator<Item = Result<Tick, E>>) {
        let mut ticks = ticks.into_iter();
        let mut end = None;
        while end.is_none() {
            let Some(mut chunk) = self.empty_chunk() else {
                return;
            };
            while chunk.len() < CHUNK_TICKS && end.is_none() {
                match ticks.next() {
                    Some(Ok(tick)) => chunk.push(tick),
                    Some(Err(error)) => end = Some(Delivery::Failed(error.into())),
                    None => end = Some(Delivery::End),
                }
            }
            // There is room for every chunk there is and the end.
            if !chunk.is_empty() {
                let _ = self.full.push(Delivery::Chunk(chunk));
            }
        }
        if let Some(end) = end {
            let _ = self.full.push(end);
        }
    }

    /// An empty chunk, as soon as there is one; `None` when nobody wants more ticks.
    fn empty_chunk(&self) -> Option<Vec<Tick>> {
        while !self.abandoned.load(Ordering::Relaxed) {
            if let Some(mut chunk) = self.empty.pop() {
                chunk.clear();
                return Some(chunk);
            }
            std::thread::sleep(FULL_SLEEP);
        }
        None
    }
}

/// Says that the reading thread is gone, even if it panicked.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
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

    #[test]
    fn all_of_an_iterator_through_many_chunks() {
        for n in [0, 1, CHUNK_TICKS as u64, 200_001] {
            let mut source = Prefetched::start(ticks(n).map(Ok::<_, io::Error>)).unwrap();
            let (read, error) = read(&mut source, 966);
            assert_eq!((read, error.is_none()), (n, true));
            assert!(matches!(source.peek(), Ok(Supply::End)));
        }
    }

    #[test]
    fn an_error_comes_after_all_ticks_before_it() {
        let failing = ticks(5000).map(Ok).chain([Err(io::Error::other("torn"))]);
        let mut source = Prefetched::start(failing).unwrap();
        let (read, error) = read(&mut source, 1000);
        assert_eq!((read, error.unwrap().to_string().as_str()), (5000, "torn"));
    }

    #[test]
    fn a_panic_is_an_error_not_an_endless_wait() {
        let panicking = ticks(10).map(|tick| {
            assert!(
                tick.ts_event() < 5,
                "the reader of this test fails here on purpose"
            );
            Ok::<_, io::Error>(tick)
        });
        let mut source = Prefetched::start(panicking).unwrap();
        let (_, error) = read(&mut source, 1000);
        assert!(error.unwrap().is::<ReaderPanicked>());
    }
}
