//! Aeron's ends: a client, and the media driver that its thread keeps going itself, or one that
//! both clients share and that has a thread of its own.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusteron_media_driver::bindings::aeron_system_counter_enum_t as Counter;
use rusteron_media_driver::bindings::aeron_threading_mode_enum as Threading;
use rusteron_media_driver::{
    Aeron, AeronContext, AeronDriver, AeronDriverContext, AeronExclusivePublication,
    AeronSubscription, Handlers,
};
use tempfile::TempDir;
use tickcast_peers::{Failure, Progress};

/// Most packets that a driver sends or receives by one system call.
pub const PACKETS_PER_CALL: u32 = 16;

const STREAM: i32 = 1_001;
/// How long the two ends have to find each other.
const CONNECT: Duration = Duration::from_secs(10);
/// Nearer to a due time than this, a sender that spins does nothing but look at the clock.
const NEAR_NS: u64 = 10_000;
/// Rounds of a thread's loop from one turn of the client's housekeeping to the next.
const HOUSEKEEPING_ROUNDS: u32 = 64;

/// A media driver, in a folder of its own, in memory where there is such a place.
pub struct Driver {
    driver: AeronDriver,
    folder: TempDir,
}

impl Driver {
    /// One with a thread of its own, which yields.
    pub fn shared() -> Result<Driver, Failure> {
        Driver::start(Threading::AERON_THREADING_MODE_SHARED)
    }

    fn start(threading: Threading) -> Result<Driver, Failure> {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let context = AeronDriverContext::new()?;
        context.set_dir(&c_string(&folder.path().join("aeron"))?)?;
        context.set_threading_mode(threading)?;
        context.set_shared_idle_strategy(c"yield")?;
        context.set_term_buffer_sparse_file(false)?;
        context.set_sender_io_vector_capacity(PACKETS_PER_CALL)?;
        context.set_receiver_io_vector_capacity(PACKETS_PER_CALL)?;
        let driver = AeronDriver::new(&context)?;
        driver.start(threading == Threading::AERON_THREADING_MODE_INVOKER)?;
        Ok(Driver { driver, folder })
    }

    /// Where its clients find it.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("aeron")
    }
}

/// The end of one thread. The client goes before the driver.
pub struct Node {
    client: Aeron,
    /// That of this thread alone; none when it is shared.
    driver: Option<Driver>,
    rounds: Cell<u32>,
}

impl Node {
    /// A client of the driver in this folder, or of one that this thread keeps going.
    pub fn start(shared: Option<&Path>) -> Result<Node, Failure> {
        let driver = match shared {
            Some(_) => None,
            None => Some(Driver::start(Threading::AERON_THREADING_MODE_INVOKER)?),
        };
        let dir = driver.as_ref().map(Driver::dir);
        let dir = shared.or(dir.as_deref()).ok_or("a client needs a driver")?;
        let context = AeronContext::new()?;
        context.set_dir(&c_string(dir)?)?;
        context.set_use_conductor_agent_invoker(true)?;
        let client = Aeron::new(&context)?;
        client.start()?;
        Ok(Node {
            client,
            driver,
            rounds: Cell::new(0),
        })
    }

    /// A publication with somebody who reads it.
    pub fn publication(&self, channel: &CStr) -> Result<AeronExclusivePublication, Failure> {
        let adding = self
            .client
            .async_add_exclusive_publication(channel, STREAM)?;
        let publication = self.wait_for(|| Ok(adding.poll()?))?;
        self.wait_for(|| Ok(publication.is_connected().then_some(())))?;
        Ok(publication)
    }

    pub fn subscription(&self, channel: &CStr) -> Result<AeronSubscription, Failure> {
        let none = (Handlers::NONE, Handlers::NONE);
        let adding = self
            .client
            .async_add_subscription(channel, STREAM, none.0, none.1)?;
        self.wait_for(|| Ok(adding.poll()?))
    }

    fn wait_for<T>(
        &self,
        mut look: impl FnMut() -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        while start.elapsed() < CONNECT {
            if let Some(found) = look()? {
                return Ok(found);
            }
            self.client.main_do_work()?;
            self.work()?;
        }
        Err("Aeron: the two ends did not find each other".into())
    }

    /// One round of what the driver has to do, and now and then of what the client has.
    pub fn work(&self) -> Result<(), Failure> {
        let rounds = self.rounds.get().wrapping_add(1);
        self.rounds.set(rounds);
        if let Some(driver) = &self.driver {
            driver.driver.main_do_work()?;
        }
        if rounds.is_multiple_of(HOUSEKEEPING_ROUNDS) {
            self.client.main_do_work()?;
        }
        Ok(())
    }

    /// What a sender does while there is time: it yields when the driver needs a core.
    pub fn idle(&self, left_ns: u64) -> Result<(), Failure> {
        if self.driver.is_none() {
            thread::yield_now();
            self.work()
        } else if left_ns > NEAR_NS {
            self.work()
        } else {
            std::hint::spin_loop();
            Ok(())
        }
    }

    /// Lets a driver with a thread of its own run.
    pub fn yield_to_driver(&self) {
        if self.driver.is_none() {
            thread::yield_now();
        }
    }

    /// Sends a message, whatever it takes.
    pub fn offer(
        &self,
        publication: &AeronExclusivePublication,
        message: &[u8],
    ) -> Result<(), Failure> {
        while !offered(publication, message)? {
            self.work()?;
            self.yield_to_driver();
        }
        self.work()
    }

    /// Says that all is sent and keeps the driver going until it has been received.
    pub fn finish(&self, progress: &Progress, sent: u64) -> Result<u64, Failure> {
        progress.sent_all(sent);
        while !progress.is_received() {
            self.work()?;
            self.yield_to_driver();
        }
        Ok(sent)
    }

    /// How often this end asked for something that was lost.
    pub fn requests_sent(&self) -> u64 {
        let counter = Counter::AERON_SYSTEM_COUNTER_NAK_MESSAGES_SENT as i32;
        *self.client.counters_reader().addr(counter) as u64
    }
}

/// Whether there was room for a message.
#[inline]
pub fn offered(publication: &AeronExclusivePublication, message: &[u8]) -> Result<bool, Failure> {
    match publication.offer(message) {
        Ok(_) => Ok(true),
        Err(error) if error.is_retryable() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn c_string(path: &Path) -> Result<CString, Failure> {
    Ok(CString::new(path.display().to_string())?)
}
