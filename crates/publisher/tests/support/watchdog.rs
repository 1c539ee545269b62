//! A test that waits for what never comes fails, instead of being waited for itself.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{process, thread};

use tickcast_publisher::{Counter, PublisherHandle};

/// Many times what the longest test takes from one wait to the next.
const PATIENCE: Duration = Duration::from_secs(120);

thread_local! {
    /// Watches over the test that this thread runs, until the thread ends.
    static WATCHDOG: Watchdog = Watchdog::start();
}

/// What the test waits for is told to a thread, which ends the process when it hears of nothing else
/// for too long: the test cannot fail by itself while it waits, and not even give up its publisher.
struct Watchdog(Sender<String>);

impl Watchdog {
    fn start() -> Watchdog {
        let (watched, waits) = mpsc::channel();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            let mut last = String::new();
            loop {
                match waits.recv_timeout(PATIENCE) {
                    Ok(what) => last = what,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        // Not by `eprintln`, which is kept until the test is over.
                        let line = format!("\n{test} hangs: it still waits for {last}\n");
                        let _ = io::stderr().write_all(line.as_bytes());
                        process::abort();
                    }
                }
            }
        });
        Watchdog(watched)
    }
}

/// Says what is waited for from now on.
pub fn waiting_for(what: impl Into<String>) {
    // The thread goes only with the process.
    let _ = WATCHDOG.with(|it| it.0.send(what.into()));
}

/// Waits until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    waiting_for(what);
    while !is_so() {
        thread::sleep(Duration::from_millis(1));
    }
    waiting_for(format!("what comes after {what}"));
}

/// Waits until the publisher has counted so many.
pub fn wait_for(publisher: &PublisherHandle, counter: Counter, least: u64) {
    let what = format!("{counter:?} to be {least}");
    wait_until(&what, || publisher.counters().get(counter) >= least);
}

/// Waits until the publisher has published so many ticks.
pub fn wait_until_published(publisher: &PublisherHandle, ticks: u64) {
    let what = format!("{ticks} ticks to be published");
    wait_until(&what, || publisher.published() >= ticks);
}
