//! A network namespace, which only root can make. The tests of the program have this file, too.

use std::io::{self, Write};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;

/// Namespaces made by this process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A network namespace, which is deleted when it is dropped.
pub struct Namespace(String);

impl Namespace {
    /// A new one with its loopback interface up; `None`, and a line that says why, when there can
    /// be none.
    pub fn new() -> Option<Namespace> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("tickcast-{}-{number}", std::process::id());
        if let Err(why) = ip(&["netns", "add", &name]) {
            skipped(&format!(
                "no network namespaces, which only root can make: {why}"
            ));
            return None;
        }
        let namespace = Namespace(name);
        namespace.ip(&["link", "set", "lo", "up"]);
        Some(namespace)
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    /// `ip` in this namespace, and what it says.
    pub fn ip(&self, arguments: &[&str]) -> String {
        let arguments = [&["-n", &self.0], arguments].concat();
        ip(&arguments).unwrap_or_else(|why| panic!("ip {}: {why}", arguments.join(" ")))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(why) = ip(&["netns", "delete", &self.0]) {
            println!("{} is left over: {why}", self.0);
        }
    }
}

pub fn ip(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Says that a test is skipped. Where everything must be there, which is for root with CI=true, that
/// is a failure.
pub fn skipped(why: &str) {
    let must_be_there = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(
        !(must_be_there && geteuid().is_root()),
        "with CI=true and as root nothing is skipped: {why}"
    );
    // Not by a macro: what those print is shown for failed tests only.
    let _ = writeln!(io::stderr(), "skipped: {why}");
}
