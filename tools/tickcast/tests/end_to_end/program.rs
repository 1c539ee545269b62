//! Running the program: start it, wait for what it says, stop it, look at what it left.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take before a test fails. Far longer than it should.
pub const PATIENCE: Duration = Duration::from_secs(40);

enum Line {
    Out(String),
    Err(String),
}

/// A running program, which is killed when it is dropped.
pub struct Program {
    what: String,
    started: Instant,
    child: Child,
    lines: Receiver<Line>,
    out: Vec<String>,
    err: Vec<String>,
}

/// A program that came to its end.
pub struct Ended {
    what: String,
    code: Option<i32>,
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
        read_lines(stdout, sender.clone(), Line::Out);
        read_lines(stderr, sender, Line::Err);
        Program {
            what,
            started: Instant::now(),
            child,
            lines,
            out: Vec::new(),
            err: Vec::new(),
        }
    }

    /// Waits for the next line, on stdout or stderr, that fits.
    pub fn wait_for(&mut self, wanted: &str, fits: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next_line(deadline) {
                Ok(line) if fits(&line) => return line,
                Ok(_) => {}
                Err(why) => self.fail(&format!("no {wanted}: {why:?}")),
            }
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

    /// Whether it has ended; a failure when it should have long ago.
    pub fn has_ended(&mut self) -> bool {
        if self.started.elapsed() > PATIENCE {
            self.fail("it does not end");
        }
        self.child.try_wait().expect("its status").is_some()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Ended {
        self.end()
    }

    fn end(&mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next_line(deadline) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.fail("it does not end"),
            }
        }
        Ended {
            what: self.what.clone(),
            code: self.wait(deadline).code(),
            out: std::mem::take(&mut self.out),
            err: std::mem::take(&mut self.err),
        }
    }

    fn wait(&mut self, deadline: Instant) -> ExitStatus {
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.fail("it closed its outputs and does not end")
    }

    fn next_line(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let patience = deadline.saturating_duration_since(Instant::now());
        Ok(match self.lines.recv_timeout(patience)? {
            Line::Out(line) => {
                self.out.push(line.clone());
                line
            }
            Line::Err(line) => {
                self.err.push(line.clone());
                line
            }
        })
    }

    fn fail(&self, why: &str) -> ! {
        let (out, err) = (tail(&self.out), tail(&self.err));
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

fn read_lines(from: impl Read + Send + 'static, to: Sender<Line>, kind: fn(String) -> Line) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(kind(line)).is_err() {
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
