//! A round as it is played: who is started, killed, and started again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::Place;
use super::plan::{Act, Plan, Whom};
use super::truth::{PACE, Truth};
use crate::feed::{TELLING, folder, text};
use crate::program::{Ended, Program};

/// How long a subscriber that came late may take to hear of a session, if it does at all.
const A_MOMENT: Duration = Duration::from_millis(300);

/// What is left after a round.
pub struct Remains {
    _folder: TempDir,
    pub publishers: Vec<Published>,
    pub followers: Vec<Followed>,
}

/// What is left of a publisher.
pub struct Published {
    pub ended: Ended,
    pub killed: Option<Signal>,
    /// What its state file said after its end.
    pub state: Option<Value>,
}

/// What is left of a subscriber or recorder.
pub struct Followed {
    pub ended: Ended,
    pub killed: Signal,
    pub recording: Option<PathBuf>,
    /// It was there for the whole last session.
    pub saw_the_last: bool,
}

/// A publisher, subscriber or recorder that runs.
struct Running {
    whom: Whom,
    program: Program,
    recording: Option<PathBuf>,
    /// Publishers that had been started when it was known to listen.
    listens_since: Option<usize>,
    killed: Option<Signal>,
}

struct Round<'a> {
    plan: &'a Plan,
    place: &'a Place,
    truth: &'a Truth,
    folder: TempDir,
    publishers_started: usize,
    recordings: usize,
    running: Vec<Running>,
    published: Vec<Published>,
    followed: Vec<Followed>,
}

/// Plays a round.
pub fn play(plan: &Plan, place: &Place, truth: &Truth) -> Remains {
    if let Some(networks) = &place.networks {
        networks.lose(plan.lose).expect("nft, which was there");
    }
    let mut round = Round {
        plan,
        place,
        truth,
        folder: folder(),
        publishers_started: 0,
        recordings: 0,
        running: Vec::new(),
        published: Vec::new(),
        followed: Vec::new(),
    };
    round.start(Whom::Subscriber);
    round.start(Whom::Recorder);
    if plan.in_order {
        round.wait_until_they_listen();
    }
    round.start(Whom::Publisher);
    if plan.in_order {
        let publisher = &mut round.running.last_mut().expect("it").program;
        publisher.wait_until_it_says("publishing");
    }
    let start = Instant::now();
    for act in &plan.acts {
        std::thread::sleep(act.at.saturating_sub(start.elapsed()));
        round.act(*act);
    }
    round.settle();
    Remains {
        _folder: round.folder,
        publishers: round.published,
        followers: round.followed,
    }
}

impl Round<'_> {
    fn state_file(&self) -> PathBuf {
        self.folder.path().join("feed.state")
    }

    fn start(&mut self, whom: Whom) {
        let mut recording = None;
        let command = match whom {
            Whom::Publisher => {
                self.publishers_started += 1;
                let state = self.state_file();
                let pace = ["--speed", PACE, "--linger", "300ms", "--idle", "park"];
                let more = [&pace[..], &["--state", text(&state)], TELLING].concat();
                self.place.feed.publish(&self.truth.market, &more)
            }
            Whom::Subscriber => self.follow(&[]),
            Whom::Recorder => {
                self.recordings += 1;
                let name = format!("recording-{}.ticks", self.recordings);
                let path = self.folder.path().join(name);
                let command = self.follow(&["--record", text(&path)]);
                recording = Some(path);
                command
            }
        };
        self.running.push(Running {
            whom,
            program: Program::start(command),
            recording,
            listens_since: None,
            killed: None,
        });
    }

    fn follow(&self, more: &[&str]) -> std::process::Command {
        let is_first = self.publishers_started == 0;
        let from = if is_first || self.plan.from_start {
            "start"
        } else {
            "live"
        };
        let print = [
            "--from",
            from,
            "--strategy",
            "print",
            "--stay",
            "--idle",
            "park",
        ];
        let mut command = self.place.feed.subscribe(&[&print, more, TELLING].concat());
        if self.place.networks.is_none() {
            let [a, b] = self.plan.lose.map(|per_cent| format!("{per_cent}%"));
            let seed = self.plan.seed.to_string();
            command.args(["--drop-a", &a, "--drop-b", &b, "--seed", &seed]);
        }
        command
    }

    fn wait_until_they_listen(&mut self) {
        for follower in &mut self.running {
            follower.program.wait_until_it_says("subscribed");
            follower.listens_since = Some(self.publishers_started);
        }
    }

    fn act(&mut self, act: Act) {
        let runs = |running: &Running| running.whom == act.whom && running.killed.is_none();
        let Some(at) = self.running.iter().position(runs) else {
            return;
        };
        let signal = if act.hard { Signal::KILL } else { Signal::TERM };
        self.running[at].program.signal(signal);
        self.running[at].killed = Some(signal);
        if act.again {
            let killed = self.running.remove(at);
            self.bury(killed);
            self.start(act.whom);
        }
    }

    /// Takes what is left of one that was killed or ends by itself.
    fn bury(&mut self, running: Running) {
        let ended = running.program.finish();
        match (running.whom, running.killed) {
            (Whom::Publisher, killed) => self.published.push(Published {
                ended,
                killed,
                state: state(&self.state_file()),
            }),
            (_, killed) => self.followed.push(Followed {
                ended,
                killed: killed.expect("a follower stays until it is killed"),
                recording: running.recording,
                saw_the_last: false,
            }),
        }
    }

    /// The publisher comes to its end, then the others are told to end, which they do when they
    /// have seen all there is to see.
    fn settle(&mut self) {
        let (publishers, followers): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running| running.whom == Whom::Publisher);
        for publisher in publishers {
            self.bury(publisher);
        }
        let last = self.published.last().expect("a publisher");
        let last_session = last
            .ended
            .code
            .is_some()
            .then(|| last.ended.json()["session"].clone());
        for mut follower in followers {
            if follower.killed.is_some() {
                self.bury(follower);
                continue;
            }
            let mut saw_the_last = false;
            if let Some(session) = &last_session {
                let program = &mut follower.program;
                let was_there = follower.listens_since < Some(self.publishers_started)
                    && follower.listens_since.is_some();
                // One that hears of the session at all hears of its end.
                if was_there || program.says_within(A_MOMENT, &format!("session {session} from")) {
                    program.wait_until_it_says(&format!("end of session {session} "));
                    saw_the_last = true;
                }
            }
            follower.program.signal(Signal::TERM);
            follower.killed = Some(Signal::TERM);
            self.bury(follower);
            self.followed.last_mut().expect("it").saw_the_last = saw_the_last;
        }
    }
}

/// What the state file says, if there is one; whoever was killed when, it is whole.
fn state(path: &Path) -> Option<Value> {
    let text = std::fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).expect("a whole state file"))
}
