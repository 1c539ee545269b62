//! What the terminal shows of a fixed snapshot, at several sizes.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::draw::View;
use super::history::History;
use super::theme::Theme;
use super::*;
use crate::live::sample;
use crate::live::snapshot::Snapshot;

fn terminal(snapshot: &Snapshot, colours: bool, size: (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let mut history = History::default();
    for _ in 0..3 {
        history.add(snapshot);
    }
    let log = ["WARN line B is silent: no packet, no heartbeat".to_owned()];
    let view = View {
        snapshot,
        history: &history,
        log: &log,
        theme: Theme { colours },
        paused: false,
    };
    terminal.draw(|frame| view.draw(frame)).unwrap();
    terminal
}

#[test]
fn it_is_whole_on_80_by_24() {
    insta::assert_snapshot!(terminal(&sample::snapshot(), true, (80, 24)).backend());
}

#[test]
fn it_is_readable_on_60_by_20() {
    insta::assert_snapshot!(terminal(&sample::snapshot(), true, (60, 20)).backend());
}

#[test]
fn it_fills_132_by_50() {
    insta::assert_snapshot!(terminal(&sample::snapshot(), true, (132, 50)).backend());
}

#[test]
fn before_the_first_second_it_says_so() {
    let shown = terminal(&Snapshot::default(), true, (80, 24))
        .backend()
        .to_string();
    assert!(shown.contains("nothing heard yet") && shown.contains("waiting for the first second"));
}

#[test]
fn no_size_is_too_small() {
    let snapshot = sample::snapshot();
    for width in [0, 1, 7, 40, 300] {
        for height in 0..40 {
            terminal(&snapshot, true, (width, height));
        }
    }
}

#[test]
fn without_colours_there_are_none() {
    let colours = |colours| {
        let terminal = terminal(&sample::snapshot(), colours, (80, 24));
        let cells = terminal.backend().buffer().content();
        cells
            .iter()
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    assert_eq!(colours(false), 0);
    assert!(colours(true) > 0);
}

#[test]
fn the_keys_that_end_it() {
    let key = |code, modifiers| asks_to_end(KeyEvent::new(code, modifiers));
    assert!(key(KeyCode::Char('q'), KeyModifiers::NONE));
    assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE));
    assert!(!key(KeyCode::Char(' '), KeyModifiers::NONE));
}
