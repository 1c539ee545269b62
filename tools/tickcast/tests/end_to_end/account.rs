//! Keeps account of what `subscribe --strategy print` says, tick by tick: the promise, checked
//! from outside.

/// What was said of one session.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    pub session: u64,
    /// The first seq that is delivered or lost.
    pub first_seq: u64,
    /// The seq that the snapshot is as of, if there was one.
    pub as_of: Option<u64>,
    /// Rows of the snapshot.
    pub rows: u64,
    pub delivered: u64,
    pub lost: u64,
    /// Whether its end was said.
    pub ended: bool,
}

impl Session {
    /// The seq after the last one that is accounted for.
    pub fn next_seq(&self) -> u64 {
        self.first_seq + self.delivered + self.lost
    }
}

/// The seq of a line that shows a tick.
pub fn seq(line: &str) -> Option<u64> {
    line.split_whitespace().next()?.parse().ok()
}

/// The sessions, each tick of which must be delivered or named as lost, in order, exactly once.
#[track_caller]
pub fn sessions(lines: &[String]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for line in lines.iter().filter(|line| !line.starts_with('{')) {
        if let Some(rest) = line.strip_prefix("session ") {
            sessions.push(session(rest));
            continue;
        }
        let session = sessions.last_mut().expect("a session before its ticks");
        if let Some(rest) = line.strip_prefix("end of session ") {
            let end = format!("{} with seq {}", session.session, session.next_seq() - 1);
            assert_eq!(rest, end);
            session.ended = true;
        } else if line.starts_with("the state may not be complete: ") {
            // It says nothing of ticks.
        } else if let Some(as_of) = line.strip_prefix("snapshot as of seq ") {
            session.as_of = Some(as_of.parse().expect("a seq"));
        } else if let Some(range) = line.strip_prefix("lost ") {
            let (first, last) = range.split_once("..=").expect("a range");
            let last = last.split(':').next().expect("a last seq");
            let (first, last): (u64, u64) =
                (first.parse().expect("seq"), last.parse().expect("seq"));
            assert_eq!(first, session.next_seq(), "{line}");
            session.lost += last + 1 - first;
        } else {
            let seq = seq(line).unwrap_or_else(|| panic!("neither tick nor notice: {line}"));
            let of_snapshot = session.as_of.is_some_and(|as_of| seq <= as_of);
            assert_eq!(line.contains(" snapshot "), of_snapshot, "{line}");
            if of_snapshot {
                session.rows += 1;
            } else {
                assert_eq!(seq, session.next_seq(), "{line}");
                session.delivered += 1;
            }
        }
    }
    sessions
}

/// `SESSION from seq SEQ`, and perhaps more.
fn session(text: &str) -> Session {
    let mut words = text.split([' ', ',']);
    let session = words.next().and_then(|word| word.parse().ok());
    let first_seq = words.nth(2).and_then(|word| word.parse().ok());
    Session {
        session: session.expect("a session"),
        first_seq: first_seq.expect("a first seq"),
        as_of: None,
        rows: 0,
        delivered: 0,
        lost: 0,
        ended: false,
    }
}
