//! The live views of a subscription: the page, the metrics, the terminal.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;

use crate::feed::{Feed, TELLING, folder, market};
use crate::program::{Program, count};

const TICKS: u64 = 50_000;

/// The body of a reply, which must be a good one.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a server");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("a request");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
    body.to_owned()
}

/// The address in a line such as `metrics: http://127.0.0.1:9501/metrics`.
fn address(line: &str) -> String {
    let (_, rest) = line.split_once("http://").expect("an address");
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// The values of all rows by what stands before them.
fn rows(metrics: &str) -> BTreeMap<&str, f64> {
    let rows = metrics.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let (name, value) = row.rsplit_once(' ').expect("a row");
        (name, value.parse().expect("a value"))
    })
    .collect()
}

/// The sum of the rows of a metric.
fn sum(rows: &BTreeMap<&str, f64>, metric: &str, label: &str) -> u64 {
    let ours = rows
        .iter()
        .filter(|(name, _)| name.split('{').next() == Some(metric) && name.contains(label));
    ours.map(|(_, value)| *value as u64).sum()
}

/// Asks until the figures say that everything was delivered, and that both lines are heard.
fn settled(address: &str) -> String {
    for _ in 0..400 {
        let metrics = get(address, "/metrics");
        let rows = rows(&metrics);
        let delivered = sum(&rows, "tickcast_delivered_ticks_total", "");
        let samples = sum(&rows, "tickcast_latency_seconds_count", "stage=\"total\"");
        let lines = sum(&rows, "tickcast_line_up", "");
        if delivered == TICKS && samples == TICKS && lines == 2 {
            return metrics;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!(
        "not everything was delivered by two lines: {}",
        get(address, "/metrics")
    );
}

/// A subscriber that stays, with these views, and a publisher that it gets everything from. Without flow control the
/// publisher does not know that all has arrived, and is heard as long as it lingers.
fn run(views: &[&str]) -> (Program, Program) {
    let folder = folder();
    let file = market(folder.path(), TICKS);
    let feed = Feed::on_loopback();
    let speed = ["--speed", "25000/s", "--linger", "1h"];
    let publisher = feed.publisher(&file, &speed);
    let from = ["--from", "start", "--stay", "--recovery-deadline", "60s"];
    let faults = ["--drop-a", "5%", "--drop-b", "5%"];
    let subscriber = feed.subscribe(&[&from[..], &faults, views, TELLING].concat());
    (publisher, Program::start(subscriber))
}

/// Metrics that are fields of `--json` as well, and do not move when all is delivered.
const SAME: &[(&str, &str)] = &[
    ("tickcast_delivered_ticks_total", "delivered"),
    ("tickcast_lost_ticks_total", "lost"),
    ("tickcast_line_duplicate_ticks_total", "duplicates"),
    ("tickcast_recovered_ticks_total", "retransmitted"),
    ("tickcast_gaps_total", "gaps"),
    ("tickcast_sessions_total", "sessions"),
    ("tickcast_next_seq", "next_seq"),
    ("tickcast_snapshots_total", "snapshots"),
    ("tickcast_snapshot_ticks_total", "snapshot_ticks"),
    ("tickcast_recovery_refusals_total", "recovery_refusals"),
    ("tickcast_recovery_failures_total", "recovery_failures"),
];

#[test]
fn metrics_are_those_of_the_report() {
    let (_publisher, mut subscriber) = run(&["--prometheus", "127.0.0.1:0"]);
    let address = address(&subscriber.wait_until_it_says("metrics: http://"));
    // Gaps are healed and samples collected: nothing moves any more.
    settled(&address);
    std::thread::sleep(Duration::from_secs(2));
    let metrics = settled(&address);
    subscriber.signal(Signal::INT);
    let report = subscriber.finish().expect(130).json();

    let rows = rows(&metrics);
    for (metric, field) in SAME {
        assert_eq!(sum(&rows, metric, ""), count(&report, field), "{metric}");
    }
    assert!(count(&report, "retransmitted") > 0, "{report}");
    for (cause, ticks) in report["causes"].as_object().expect("causes") {
        let label = format!("cause=\"{cause}\"");
        let shown = sum(&rows, "tickcast_recovered_ticks_total", &label)
            + sum(&rows, "tickcast_lost_ticks_total", &label);
        assert_eq!(Some(shown), ticks.as_u64(), "{cause}");
    }
    for (stage, figures) in report["latency_ns"].as_object().expect("stages") {
        let label = format!("stage=\"{stage}\"");
        let samples = sum(&rows, "tickcast_latency_seconds_count", &label);
        assert_eq!(Some(samples), figures["samples"].as_u64(), "{stage}");
    }
    assert_eq!(sum(&rows, "tickcast_proof_differs", ""), 0);
    assert_eq!(sum(&rows, "tickcast_proof_proven_seq", ""), TICKS);
    assert_eq!(sum(&rows, "tickcast_open_gaps", ""), 0);
}

#[test]
fn the_page_shows_what_is_delivered_and_both_views_may_have_one_address() {
    let (_publisher, mut subscriber) =
        run(&["--web", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"]);
    let page = address(&subscriber.wait_until_it_says("live page: http://"));
    let metrics = address(&subscriber.wait_until_it_says("metrics: http://"));
    settled(&metrics);
    let snapshot: Value = serde_json::from_str(&get(&page, "/snapshot.json")).expect("JSON");
    assert_eq!(snapshot["stream"]["delivered"], TICKS);
    assert_eq!(snapshot["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(snapshot["queues"][0]["reader"], "tc-strategy");
    assert!(get(&page, "/").contains("<script src=\"/page.js\">"));
    // Whatever else comes in, it goes on.
    for bytes in [&b"\0\xff\r\n\r\n"[..], b"GET / HTTP/1.1", b"\r\n"] {
        let mut stream = TcpStream::connect(&page).expect("a server");
        stream.write_all(bytes).expect("bytes");
    }
    get(&page, "/page.css");
    subscriber.signal(Signal::TERM);
    subscriber.finish().expect(130);
}

#[test]
fn an_address_that_is_taken_and_one_that_others_reach() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    let feed = Feed::on_loopback();
    Program::start(feed.subscribe(&["--web", &taken]))
        .finish()
        .expect(1)
        .explains(&["cannot listen at", &taken]);
    let mut open = Program::start(feed.subscribe(&["--web", "0.0.0.0:0"]));
    open.wait_until_it_says("there is no authentication");
    open.signal(Signal::INT);
    open.finish().expect(130);
}

#[test]
fn a_terminal_is_wanted() {
    let feed = Feed::on_loopback();
    Program::start(feed.subscribe(&["--tui"]))
        .finish()
        .expect(1)
        .explains(&["--tui", "stdout is none", "--web"]);
    for more in [&["--tui", "--json"][..], &["--tui", "--strategy", "print"]] {
        Program::start(feed.subscribe(more))
            .finish()
            .expect(2)
            .explains(&["--tui"]);
    }
}

/// Takes the terminal.
const TAKES: &str = "\x1b[?1049h";
/// Gives it back.
const GIVES_BACK: &str = "\x1b[?1049l";

/// How somebody ends the view.
enum End {
    Key(&'static [u8]),
    Signal(Signal),
}

#[test]
fn the_terminal_is_given_back() {
    for end in [End::Key(b"q"), End::Key(b"\x03"), End::Signal(Signal::TERM)] {
        let terminal = Terminal::new();
        let before = tcgetattr(&terminal.inner).expect("its modes");
        let mut command = Feed::on_loopback().subscribe(&["--tui", "--stay"]);
        let end_of = || terminal.inner.try_clone().expect("its other end");
        command.stdin(end_of()).stdout(end_of()).stderr(end_of());
        let mut program = command.spawn().expect("it starts");
        terminal.wait_until_it_shows(TAKES);
        terminal.wait_until_it_shows("nothing heard yet");
        match end {
            End::Key(key) => (&terminal.outer).write_all(key).expect("a key"),
            End::Signal(signal) => {
                kill_process(Pid::from_child(&program), signal).expect("a signal");
            }
        }
        let shown = terminal.wait_until_it_shows("delivered");
        assert_eq!(program.wait().expect("its end").code(), Some(130));
        // The totals are where everything was before.
        assert!(shown.find(GIVES_BACK).expect("the terminal") < shown.find("delivered").unwrap());
        let after = tcgetattr(&terminal.inner).expect("its modes");
        assert_eq!(after.local_modes, before.local_modes);
    }
}

/// Both ends of a terminal of 80 by 24.
struct Terminal {
    outer: File,
    inner: File,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn new() -> Terminal {
        let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&outer)
            .and_then(|()| unlockpt(&outer))
            .expect("a terminal");
        let name = ptsname(&outer, Vec::new()).expect("its name");
        let name = Path::new(OsStr::from_bytes(name.as_bytes()));
        let inner = File::options()
            .read(true)
            .write(true)
            .open(name)
            .expect("its other end");
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&outer, size).expect("its size");
        let (outer, shown) = (File::from(outer), Arc::<Mutex<String>>::default());
        let (mut from, to) = (outer.try_clone().expect("a copy"), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                to.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Terminal {
            outer,
            inner,
            shown,
        }
    }

    /// All that it was shown until then.
    fn wait_until_it_shows(&self, words: &str) -> String {
        for _ in 0..800 {
            let shown = self.shown.lock().unwrap().clone();
            if shown.contains(words) {
                return shown;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no {words:?}: {:?}", self.shown.lock().unwrap());
    }
}
