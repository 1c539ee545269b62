//! Where the log goes while a view has the terminal: into the view, and to stderr when it ends.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines that are kept.
const LINES: usize = 200;

/// The lines that a view keeps from the terminal; none while there is no such view.
static KEPT: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<VecDeque<String>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes one event of the log.
#[derive(Debug, Default)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut kept = kept();
        let Some(lines) = &mut *kept else {
            return io::stderr().write_all(bytes);
        };
        let text = String::from_utf8_lossy(bytes);
        for line in anstream::adapter::strip_str(&text).to_string().lines() {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(line.to_owned());
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Keeps the log from the terminal until it is dropped; then what is left of it is printed.
#[derive(Debug)]
pub(super) struct KeepLog(());

impl KeepLog {
    pub(super) fn begin() -> KeepLog {
        *kept() = Some(VecDeque::new());
        KeepLog(())
    }

    /// The last lines, the oldest first, at most so many.
    pub(super) fn last(&self, most: usize) -> Vec<String> {
        let kept = kept();
        let lines = kept.iter().flatten();
        let skip = kept.as_ref().map_or(0, VecDeque::len).saturating_sub(most);
        lines.skip(skip).cloned().collect()
    }
}

impl Drop for KeepLog {
    fn drop(&mut self) {
        let lines = kept().take();
        for line in lines.into_iter().flatten() {
            // Nobody can be told that stderr cannot be written to.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }
}
