//! Ctrl-C and SIGTERM.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::TERM_SIGNALS;
use signal_hook::iterator::Signals;
use tickcast_net::thread::spawn_named;

/// Signals so close together are one request: `timeout` and shells send one to a process and again
/// to its group.
const ONE_REQUEST: Duration = Duration::from_secs(1);

/// Whether somebody asked the program to stop. The first request only sets this, so that a command
/// can end cleanly; a second one, at least a second later, ends the program at once, with exit
/// code 130.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the operating system refuses the signal handlers or the thread that waits for them.
    pub fn watch() -> io::Result<Interrupt> {
        let asked = Arc::new(AtomicBool::new(false));
        let interrupt = Interrupt(Arc::clone(&asked));
        let signals = Signals::new(TERM_SIGNALS)?;
        spawn_named("tc-signals", None, move || wait(signals, &asked)).map_err(io::Error::other)?;
        Ok(interrupt)
    }

    /// Asks for a stop, as the first Ctrl-C does.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn wait(mut signals: Signals, asked: &AtomicBool) {
    let mut first: Option<Instant> = None;
    for _ in signals.forever() {
        asked.store(true, Ordering::Relaxed);
        if first.get_or_insert_with(Instant::now).elapsed() >= ONE_REQUEST {
            std::process::exit(130);
        }
    }
}
