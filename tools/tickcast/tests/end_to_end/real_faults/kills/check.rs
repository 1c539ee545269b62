//! What is left after a round, held against what was published.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use tickcast_wire::{Flags, Tick};

use super::round::{Followed, Published, Remains};
use super::truth::Truth;
use crate::account::{Session, seq, sessions};
use crate::feed::text;
use crate::program::{Ended, count, json};

/// The sessions of a round, and the last seq of those that came to their end.
type Sessions = BTreeMap<u64, Option<u64>>;

/// What was met in the rounds, by name: that there was some of each says that they are worth
/// something.
#[derive(Debug, Default)]
pub struct Met(BTreeMap<&'static str, u64>);

impl Met {
    fn count(&mut self, what: &'static str, how_often: usize) {
        *self.0.entry(what).or_default() += how_often as u64;
    }

    pub fn add(&mut self, more: Met) {
        for (what, count) in more.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// Whether there was some of each.
    pub fn is_worth_something(&self) -> bool {
        self.0.values().all(|count| *count > 0)
    }
}

/// Checks everything that must hold after a round.
pub fn holds(remains: &Remains, truth: &Truth) -> Met {
    let sessions = published(&remains.publishers, truth);
    let mut met = Met::default();
    for publisher in &remains.publishers {
        let is_killed = publisher.ended.code.is_none();
        met.count("publishers killed", usize::from(is_killed));
        met.count("publishers ended", usize::from(!is_killed));
    }
    for follower in &remains.followers {
        let followed = followed(follower, &sessions, truth);
        for session in &followed {
            let is_whole = session.ended && session.delivered == truth.last_seq();
            met.count("whole sessions", usize::from(is_whole));
            met.count("snapshots", usize::from(session.as_of.is_some()));
        }
        if let Some(recording) = &follower.recording {
            let rows = recorded(recording, follower, truth);
            let is_killed = follower.ended.code.is_none();
            met.count("recordings torn", usize::from(is_killed && rows > 0));
            met.count("recordings closed", usize::from(!is_killed));
        }
        if follower.saw_the_last {
            let last = followed.last().expect("the last session");
            let (session, last_seq) = sessions.last_key_value().expect("a session");
            assert_eq!((last.session, last.ended), (*session, true));
            assert_eq!(Some(last.next_seq() - 1), *last_seq);
        }
    }
    met
}

/// Each publisher has a later session than the one before, published the market or a part of it
/// from the first tick on, and left a state file that says so.
fn published(publishers: &[Published], truth: &Truth) -> Sessions {
    let mut sessions = Sessions::new();
    for Published {
        ended,
        killed,
        state,
    } in publishers
    {
        let known = sessions.last_key_value().map_or(0, |(session, _)| *session);
        let Some(state) = state else {
            assert!(killed.is_some(), "{:?}", ended.err);
            continue;
        };
        let session = count(state, "session");
        let Some(result) = result(ended, *killed) else {
            // It may have been killed before it wrote its state, which leaves that of the last one.
            assert!(session >= known);
            sessions
                .entry(session)
                .or_insert(state["last_seq"].as_u64());
            continue;
        };
        let last_seq = count(&result, "published");
        assert!(session > known);
        assert_eq!(result["session"], state["session"]);
        assert_eq!(state["last_seq"], last_seq);
        assert!(killed.is_some() || last_seq == truth.last_seq());
        assert_eq!(result["digest"], truth.digest(1, last_seq + 1));
        sessions.insert(session, Some(last_seq));
    }
    sessions
}

/// What a program said at its end, if it was let come to it.
fn result(ended: &Ended, killed: Option<Signal>) -> Option<Value> {
    let Some(code) = ended.code else {
        // By SIGTERM before it could catch it, too.
        assert!(killed.is_some());
        return None;
    };
    let expected: &[i32] = match killed {
        None => &[0],
        // It may have come to its end before.
        Some(_) => &[0, 3, 130],
    };
    assert!(expected.contains(&code), "{code}: {:?}", ended.err);
    Some(ended.json())
}

/// What was printed is without a hole, and is what was published; the result says the same.
fn followed(follower: &Followed, published: &Sessions, truth: &Truth) -> Vec<Session> {
    let out = &follower.ended.out;
    let followed = sessions(out);
    for (at, session) in followed.iter().enumerate() {
        let last_seq = published
            .get(&session.session)
            .expect("a session that was published");
        assert!(at == 0 || followed[at - 1].session < session.session);
        // A publisher that was killed says nothing; if it came to an end, then to that of the market.
        let last_seq = last_seq.unwrap_or(truth.last_seq());
        assert!(session.next_seq() - 1 <= last_seq);
        assert!(!session.ended || session.next_seq() - 1 == last_seq);
        if let Some(as_of) = session.as_of {
            let rows = truth.rows_as_of(as_of).len() as u64;
            // Only who was killed may have printed less.
            assert!(session.rows <= rows);
            assert!(session.rows == rows || session.delivered == 0 && !session.ended);
        }
    }
    let is_complete = followed.iter().all(|session| session.lost == 0);
    for line in out.iter().filter(|line| seq(line).is_some()) {
        // Without its definition an instrument has no name.
        if is_complete {
            truth.check_line(line);
        }
    }
    out.iter()
        .for_each(|line| names_the_last(line, published, truth));
    if let Some(result) = result(&follower.ended, Some(follower.killed)) {
        says_the_same(&result, &followed, truth);
        let code = if count(&result, "lost") > 0 { 3 } else { 130 };
        assert_eq!(follower.ended.code, Some(code));
    }
    followed
}

/// `session 2 from seq 1, after session 1, which ended with 5000` is true.
fn names_the_last(line: &str, published: &Sessions, truth: &Truth) {
    let Some((_, last)) = line.split_once(", after session ") else {
        return;
    };
    let mut numbers = last
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok());
    let (session, last_seq) = (numbers.next().expect("a session"), numbers.next());
    assert_eq!(published.get(&session), Some(&last_seq), "{line}");
    if let Some((_, digest)) = line.split_once(" and digest ") {
        let last_seq = last_seq.expect("a last seq");
        assert_eq!(digest, truth.digest(1, last_seq + 1), "{line}");
    }
}

fn says_the_same(result: &Value, followed: &[Session], truth: &Truth) {
    let sum = |of: fn(&Session) -> u64| followed.iter().map(of).sum::<u64>();
    assert_eq!(count(result, "delivered"), sum(|session| session.delivered));
    assert_eq!(count(result, "lost"), sum(|session| session.lost));
    assert_eq!(count(result, "snapshot_ticks"), sum(|session| session.rows));
    if let Some(last) = followed.last()
        && last.lost == 0
    {
        assert_eq!(result["session"], last.session);
        assert_eq!(
            result["digest"],
            truth.digest(last.first_seq, last.next_seq())
        );
    }
}

/// A recording holds what was published, in the order in which it was printed, byte for byte: all
/// of it after SIGTERM, and after SIGKILL what there is of it is true. Gives its rows.
fn recorded(path: &Path, recorder: &Followed, truth: &Truth) -> usize {
    let result = result(&recorder.ended, Some(recorder.killed));
    let Ok(mut reader) = tickcast_tickfile::open(path) else {
        // Killed before the header was written, or before there was a file.
        let length = path.metadata().map_or(0, |file| file.len());
        assert!(result.is_none() && length < 64, "{length}");
        return 0;
    };
    let rows: Vec<Tick> = reader.by_ref().map(|row| row.expect("a row")).collect();
    rows.iter().for_each(|row| truth.check_tick(row));
    let inspected = json(&["inspect", text(path)]);
    assert_eq!(count(&inspected, "ticks"), rows.len() as u64);
    let differs = &inspected["recording"]["proof"]["differs"];
    assert!(differs.is_null(), "{differs}");
    let recorded: Vec<(u64, bool)> = rows.iter().map(place_of).collect();
    let printed: Vec<(u64, bool)> = recorder
        .ended
        .out
        .iter()
        .filter_map(|line| place(line))
        .collect();
    if let Some(result) = result {
        assert!(reader.notice().is_none());
        assert_eq!(count(&result, "recorded"), rows.len() as u64);
        assert_eq!(recorded, printed);
    } else {
        // Two threads: either may have been ahead of the other.
        let both = recorded.len().min(printed.len());
        assert_eq!(recorded[..both], printed[..both]);
        for pair in recorded[both.saturating_sub(1)..].windows(2) {
            let [(before, was_row), (after, is_row)] = [pair[0], pair[1]];
            let is_ahead = after > before || after == 1;
            assert!(is_ahead || was_row || is_row, "{before}, {after}");
        }
    }
    rows.len()
}

/// The seq of a tick, and whether it is of a snapshot.
fn place_of(tick: &Tick) -> (u64, bool) {
    (tick.seq(), tick.flags().contains(Flags::SNAPSHOT))
}

fn place(line: &str) -> Option<(u64, bool)> {
    Some((seq(line)?, line.contains(" snapshot ")))
}
