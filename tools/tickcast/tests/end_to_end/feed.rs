//! A feed of a test's own: groups and ports that nobody else uses, and where its two ends run.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::program::{Program, run, tickcast};

/// Feeds made by this process.
static FEEDS: AtomicU32 = AtomicU32::new(0);

/// Where an end of the feed runs.
#[derive(Clone, Default)]
pub struct Host {
    /// The network namespace; the one of the test if there is none.
    pub namespace: Option<String>,
    /// The interface; the loopback interface if there is none.
    pub interface: Option<&'static str>,
    /// The interface of line B, if it is another one.
    pub interface_b: Option<&'static str>,
}

/// Lines A and B, and the recovery server.
#[derive(Clone)]
pub struct Feed {
    pub line_a: String,
    pub line_b: String,
    pub recovery: String,
    pub publisher: Host,
    pub subscriber: Host,
}

impl Feed {
    /// On the loopback interface.
    pub fn on_loopback() -> Feed {
        let number = number();
        let [_, b, c, d] = number.to_be_bytes();
        // Demos of other processes use 239.192.0.0 and above.
        let group = |line: u8| Ipv4Addr::new(239, (b & 0x3f) | line << 6, c, d);
        Feed {
            line_a: format!("{}:15001", group(0)),
            line_b: format!("{}:15002", group(1)),
            recovery: free_address(number).to_string(),
            publisher: Host::default(),
            subscriber: Host::default(),
        }
    }

    /// `tickcast publish` of this file, with what else is asked for.
    pub fn publish(&self, file: &Path, more: &[&str]) -> Command {
        let mut command = self.publisher.tickcast(&["publish"]);
        command.arg(file).args(self.addresses()).args(more);
        command
    }

    /// `tickcast subscribe`, with what else is asked for.
    pub fn subscribe(&self, more: &[&str]) -> Command {
        let mut command = self.subscriber.tickcast(&["subscribe"]);
        command.args(self.addresses()).args(more);
        command
    }

    /// `tickcast latency --subscribe`, with what else is asked for, once it says so.
    pub fn latency(&self, more: &[&str], says: &str) -> Program {
        let mut command = self.subscriber.tickcast(&["latency", "--subscribe"]);
        command.args(self.addresses()).args(more).args(TELLING);
        let mut latency = Program::start(command);
        latency.wait_until_it_says(says);
        latency
    }

    /// A publisher that gives a JSON result, once it is there.
    pub fn publisher(&self, file: &Path, more: &[&str]) -> Program {
        let mut publisher = Program::start(self.publish(file, &[more, TELLING].concat()));
        publisher.wait_until_it_says("publishing");
        publisher
    }

    /// A subscriber that gives a JSON result, once it is there.
    pub fn subscriber(&self, more: &[&str]) -> Program {
        let mut subscriber = Program::start(self.subscribe(&[more, TELLING].concat()));
        subscriber.wait_until_it_says("subscribed");
        subscriber
    }

    fn addresses(&self) -> [&str; 6] {
        [
            "--line-a",
            &self.line_a,
            "--line-b",
            &self.line_b,
            "--recovery",
            &self.recovery,
        ]
    }
}

/// A subscriber that prints every tick, and gives none up for being late: machines may be slow.
pub const PRINT: &[&str] = &["--strategy", "print", "--recovery-deadline", "60s"];

/// The same from the first tick.
pub const PRINT_ALL: &[&str] = &[
    "--from",
    "start",
    "--strategy",
    "print",
    "--recovery-deadline",
    "60s",
    // After a pause all of it comes at once, faster than it is printed.
    "--overflow",
    "lossless=500000",
];

/// The log tells when they have started.
pub const TELLING: &[&str] = &["--json", "--log", "info"];

impl Host {
    /// `tickcast` there, with these arguments.
    pub fn tickcast(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.namespace {
            None => tickcast(arguments),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_tickcast")]);
                command.args(arguments);
                command
            }
        };
        if let Some(interface) = self.interface {
            command.args(["--interface", interface]);
        }
        if let Some(interface) = self.interface_b {
            command.args(["--interface-b", interface]);
        }
        command
    }
}

/// Feeds that a process may make: a group holds this much of a number, and of the process 14 bits.
const MOST_FEEDS: u32 = 1 << 8;

/// A number that no other feed has, in this process or in another.
fn number() -> u32 {
    let feed = FEEDS.fetch_add(1, Ordering::Relaxed);
    assert!(feed < MOST_FEEDS, "feeds would share groups");
    std::process::id() * MOST_FEEDS + feed
}

/// An address that nobody listens at, below the ports that the system gives out by itself.
pub fn free_address(number: u32) -> SocketAddr {
    let ports = (0..1_000).map(|at| 10_000 + ((number + at * MOST_FEEDS) % 20_000) as u16);
    ports
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}

/// Makes a market of so many ticks in `folder`.
pub fn market(folder: &Path, ticks: u64) -> std::path::PathBuf {
    let path = folder.join("market.ticks");
    let text = path.to_str().expect("UTF-8 path");
    let ticks = ticks.to_string();
    run(&["generate", text, "--ticks", &ticks, "--instruments", "100"]).expect(0);
    path
}

/// A folder for the files of a test.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}
