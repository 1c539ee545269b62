//! This program in another role, in a process of its own.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A process that runs this program in another role. It ends at the latest when this is dropped.
#[derive(Debug)]
pub struct Role {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Role {
    /// Starts the program with these words, the first of which `main` looks at.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(words: &[&str]) -> io::Result<Role> {
        let mut child = Command::new(env::current_exe()?)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Role {
            child,
            said: BufReader::new(said),
        })
    }

    /// Waits for the next line that it says, without its end.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when it is gone.
    pub fn hear(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.said.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Says a line to it, which [`await_line`] hears there.
    ///
    /// # Errors
    /// What the system says when it is gone.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        let input = self.child.stdin.as_mut();
        writeln!(input.ok_or(io::ErrorKind::BrokenPipe)?, "{line}")
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the other role: says a line.
///
/// # Errors
/// What the system says.
pub fn say(line: &str) -> io::Result<()> {
    println!("{line}");
    io::stdout().flush()
}

/// In the other role: waits for a line, or for the end of who started it.
pub fn await_line() {
    let mut line = String::new();
    // An end and an error both mean that there is nobody to wait for.
    let _ = io::stdin().read_line(&mut line);
}
