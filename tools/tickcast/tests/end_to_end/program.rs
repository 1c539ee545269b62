//! Running the program: start it, wait for what it says, stop it, look at what it left.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before a test fails. Far longer than it should.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// What one wait takes of that at most: a machine that stood still has not tried anybody's patience.
const SLICE: Duration = Duration::from_millis(100);

/// One of the two streams that a program writes to.
#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// A running program, which is killed when it is dropped.
pub struct Program {
    what: String,
    /// What is left for it to end, where it is asked again and again whether it has.
    patience: Duration,
    child: Child,
    lines: Receiver<(Stream, String)>,
    out: Said,
    err: Said,
}

/// What came on one stream. Two streams have no order between them: each is looked through by
/// itself, so that a line of one is never missed while waiting for a line of the other.
#[derive(Default)]
struct Said {
    lines: Vec<String>,
    /// The lines before this one were waited for, or came before one that was.
    looked_at: usize,
}

impl Said {
    /// The first line from `from` on that fits; `from` moves to behind what was looked at.
    fn find(&mut self, from: &mut usize, mut fits: impl FnMut(&str) -> bool) -> Option<String> {
        let found = self.lines[*from..].iter().position(|line| fits(line));
        *from = found.map_or(self.lines.len(), |at| *from + at + 1);
        found?;
        self.looked_at = *from;
        Some(self.lines[*from - 1].clone())
    }
}

/// A program that came to its end.
pub struct Ended {
    what: String,
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    pub out: Vec<String>,
    pub err: Vec<String>,
}

/// `tickcast` with these arguments.
pub fn tickcast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickcast"));
    command.args(arguments);
    command
}

/// Runs `tickcast` to its end.
pub fn run(arguments: &[&str]) -> Ended {
    Program::start(tickcast(arguments)).finish()
}

/// Runs `tickcast` with `--json`, which must end well, and gives its result.
pub fn json(arguments: &[&str]) -> Value {
    run(&[arguments, &["--json"]].concat()).expect(0).json()
}

impl Program {
    pub fn start(mut command: Command) -> Program {
        let what = format!("{command:?}");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{what}: {e}"));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("stdout");
        let stderr = child.stderr.take().expect("stderr");
        read_lines(stdout, sender.clone(), Stream::Out);
        read_lines(stderr, sender, Stream::Err);
        Program {
            what,
            patience: PATIENCE,
            child,
            lines,
            out: Said::default(),
            err: Said::default(),
        }
    }

    /// The number of its process.
    #[allow(dead_code, reason = "the attack on the recovery server asks for it")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that fits: the next one on stdout or the next one on stderr.
    pub fn wait_for(&mut self, wanted: &str, fits: impl FnMut(&str) -> bool) -> String {
        let found = self.find(PATIENCE, fits);
        found.unwrap_or_else(|why| self.fail(&format!("no {wanted}: {why:?}")))
    }

    /// Waits until it has said all of these, in whatever order.
    pub fn wait_until_it_says_all(&mut self, words: &[String]) {
        let mut missing = words.to_vec();
        self.wait_for(&format!("{words:?}"), |line| {
            missing.retain(|words| !line.contains(words));
            missing.is_empty()
        });
    }

    /// Whether it says `words` within so long; it may end meanwhile.
    pub fn says_within(&mut self, patience: Duration, words: &str) -> bool {
        self.find(patience, |line| line.contains(words)).is_ok()
    }

    fn find(
        &mut self,
        mut patience: Duration,
        mut fits: impl FnMut(&str) -> bool,
    ) -> Result<String, RecvTimeoutError> {
        let (mut out, mut err) = (self.out.looked_at, self.err.looked_at);
        loop {
            let found = self.out.find(&mut out, &mut fits);
            if let Some(line) = found.or_else(|| self.err.find(&mut err, &mut fits)) {
                return Ok(line);
            }
            self.next_line(&mut patience)?;
        }
    }

    /// Waits until it says `words`.
    pub fn wait_until_it_says(&mut self, words: &str) -> String {
        self.wait_for(&format!("{words:?}"), |line| line.contains(words))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|e| panic!("{}: {e}", self.what));
    }

    /// Kills it, and gives what it had said until then.
    pub fn kill(mut self) -> Ended {
        self.child.kill().expect("SIGKILL");
        self.end()
    }

    /// Whether it has ended so much later; a failure when all of these pauses are too much.
    pub fn has_ended_after(&mut self, pause: Duration) -> bool {
        let Some(left) = self.patience.checked_sub(pause) else {
            self.fail("it does not end");
        };
        self.patience = left;
        std::thread::sleep(pause);
        self.child.try_wait().expect("its status").is_some()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Ended {
        self.end()
    }

    fn end(&mut self) -> Ended {
        let mut patience = PATIENCE;
        loop {
            match self.next_line(&mut patience) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.fail("it does not end"),
            }
        }
        Ended {
            what: self.what.clone(),
            code: self.wait().code(),
            out: std::mem::take(&mut self.out.lines),
            err: std::mem::take(&mut self.err.lines),
        }
    }

    fn wait(&mut self) -> ExitStatus {
        const PAUSE: Duration = Duration::from_millis(2);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status;
            }
            std::thread::sleep(PAUSE);
        }
        self.fail("it closed its outputs and does not end")
    }

    /// Takes the next line, or gives up when the patience is at its end.
    fn next_line(&mut self, patience: &mut Duration) -> Result<(), RecvTimeoutError> {
        loop {
            let (slice, since) = (SLICE.min(*patience), Instant::now());
            let received = self.lines.recv_timeout(slice);
            *patience -= since.elapsed().min(slice);
            match received {
                Ok((Stream::Out, line)) => self.out.lines.push(line),
                Ok((Stream::Err, line)) => self.err.lines.push(line),
                Err(RecvTimeoutError::Timeout) if !patience.is_zero() => continue,
                Err(why) => return Err(why),
            }
            return Ok(());
        }
    }

    fn fail(&self, why: &str) -> ! {
        let (out, err) = (tail(&self.out.lines), tail(&self.err.lines));
        panic!("{}: {why}\nstdout: {out}\nstderr: {err}", self.what);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Checks the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ended {
        let (out, err) = (tail(&self.out), tail(&self.err));
        let what = &self.what;
        assert_eq!(
            self.code,
            Some(code),
            "{what}\nstdout: {out}\nstderr: {err}"
        );
        self
    }

    /// The object on the last line of stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        let last = self
            .out
            .last()
            .unwrap_or_else(|| panic!("{}: empty stdout, stderr: {}", self.what, tail(&self.err)));
        serde_json::from_str(last).unwrap_or_else(|e| panic!("{}: {e}: {last}", self.what))
    }

    /// Checks that stderr says all of `words`.
    #[track_caller]
    pub fn explains(self, words: &[&str]) -> Ended {
        let said = self.err.join("\n");
        for word in words {
            assert!(
                said.contains(word),
                "{}: not a word of {word:?}: {said}",
                self.what
            );
        }
        self
    }
}

fn read_lines(from: impl Read + Send + 'static, to: Sender<(Stream, String)>, stream: Stream) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send((stream, line)).is_err() {
                return;
            }
        }
    });
}

/// The last lines, enough to see what went wrong.
fn tail(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// A count in a result.
#[track_caller]
pub fn count(result: &Value, field: &str) -> u64 {
    result[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} is not a count in {result}"))
}
