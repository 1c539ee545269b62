//! The view on the terminal: a thread that draws the latest snapshot and looks for keys.

mod draw;
mod history;
mod panels;
mod screen;
mod theme;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tickcast_net::thread::spawn_named;

use self::draw::View;
use self::history::History;
use self::screen::Screen;
use self::theme::Theme;
use super::latest::Latest;
use super::log::KeepLog;
use crate::interrupt::Interrupt;

/// How often it looks for keys and for something new to show.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The view. When it is dropped the terminal is as before.
pub(super) struct Tui {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes the terminal. `interrupt` is asked to stop when a key says so.
    ///
    /// # Errors
    /// When the terminal cannot be taken.
    pub(super) fn start(latest: Arc<Latest>, interrupt: &Interrupt) -> anyhow::Result<Tui> {
        let screen = Screen::take().context("--tui: cannot draw on this terminal")?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut shown = Shown {
            screen,
            log: KeepLog::begin(),
            theme: Theme::from_environment(),
            history: History::default(),
            latest,
            paused: false,
        };
        let (stopped, interrupt) = (Arc::clone(&stop), interrupt.clone());
        let thread = spawn_named("tc-tui", None, move || {
            if let Err(error) = shown.run(&stopped, &interrupt) {
                // The terminal is gone, as when its window was closed.
                interrupt.ask();
                drop(shown);
                tracing::error!(%error, "the view ends");
            }
        })?;
        Ok(Tui {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was printed, and the terminal given back.
            let _ = thread.join();
        }
    }
}

/// What is on the screen. The fields are dropped in this order: the log is printed when the
/// terminal is as before.
struct Shown {
    screen: Screen,
    log: KeepLog,
    theme: Theme,
    history: History,
    latest: Arc<Latest>,
    paused: bool,
}

impl Shown {
    fn run(&mut self, stop: &AtomicBool, interrupt: &Interrupt) -> io::Result<()> {
        let mut drawn = self.latest.get();
        self.draw(&drawn)?;
        while !stop.load(Ordering::Relaxed) {
            let mut changed = false;
            if event::poll(LOOK_EVERY)? {
                match event::read()? {
                    Event::Key(key) if asks_to_end(key) => interrupt.ask(),
                    Event::Key(key) if key.code == KeyCode::Char(' ') && is_press(key) => {
                        self.paused = !self.paused;
                        changed = true;
                    }
                    Event::Resize(..) => changed = true,
                    _ => {}
                }
            }
            let latest = self.latest.get();
            if !self.paused && !Arc::ptr_eq(&latest, &drawn) {
                self.history.add(&latest);
                drawn = latest;
                changed = true;
            }
            if changed {
                self.draw(&drawn)?;
            }
        }
        Ok(())
    }

    fn draw(&mut self, snapshot: &super::snapshot::Snapshot) -> io::Result<()> {
        let view = View {
            snapshot,
            history: &self.history,
            log: &self.log.last(draw::LOG_LINES),
            theme: self.theme,
            paused: self.paused,
        };
        self.screen.draw(|frame| view.draw(frame))
    }
}

fn is_press(key: KeyEvent) -> bool {
    key.kind != KeyEventKind::Release
}

/// Ctrl-C comes as a key while the terminal is taken.
fn asks_to_end(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    is_press(key)
        && match key.code {
            KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
            KeyCode::Char('c') => control,
            _ => false,
        }
}

#[cfg(test)]
mod tests;
