//! What the live views do to the latency of the feed beside them: `tickcast subscribe` with a page
//! and metrics that are asked for every second, and without, in turns, over real sockets on loopback.
//!
//! `cargo build --release && cargo bench --bench live` takes about six minutes; with `--quick` or
//! `--test` a few seconds, and then the figure says nothing.

use std::env;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tickcast_benches::{Bound, Figure, is_instant, last_cores, try_in_turns};

type Failure = Box<dyn Error>;

/// The pace at which latency is measured, as in `docs/measuring.md`.
const PER_SECOND: u64 = 20_000;
/// How often somebody looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Both views.
const VIEWS: &[&str] = &["--web", "127.0.0.1:0", "--prometheus", "127.0.0.1:0"];

fn main() -> Result<(), Failure> {
    let Some(program) = program() else {
        println!("left out, as the program is not built: cargo build --release");
        return Ok(());
    };
    let (turns, seconds) = if is_instant() { (1, 1) } else { (24, 6) };
    let folder = tempfile::tempdir()?;
    let market = folder.path().join("market.ticks");
    generate(&program, &market, PER_SECOND * seconds)?;
    println!("live views beside a feed of {PER_SECOND}/s, {turns} turns of {seconds} s each");
    let runs = try_in_turns(turns, 2, |way| run(&program, &market, way == 1))?;
    for (at, what, bound) in [(0, "p50", Some(Bound::RatioAtMost(1.03))), (1, "p99", None)] {
        let of = |way: usize| runs[way].iter().map(|run| run[at]).collect::<Vec<f64>>();
        Figure {
            what: &format!("one way beside live views that are looked at, {what}"),
            ours: &of(1),
            unit: "µs",
            against: Some(("without them", &of(0))),
            bound,
        }
        .print();
    }
    Ok(())
}

/// The program beside this one, if it was built: a bench is in `target/release/deps`.
fn program() -> Option<PathBuf> {
    let bench = env::current_exe().ok()?;
    let program = bench.parent()?.parent()?.join("tickcast");
    program.is_file().then_some(program)
}

fn generate(program: &Path, market: &Path, ticks: u64) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.arg("generate").arg(market);
    command.args(["--ticks", &ticks.to_string()]);
    let status = command.stdout(Stdio::null()).status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| status.to_string().into())
}

/// p50 and p99 of the whole way in one run, µs.
fn run(program: &Path, market: &Path, views: bool) -> Result<[f64; 2], Failure> {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let lines = [
        "--line-a".to_owned(),
        format!("239.{}.{c}.{d}:18001", b & 0x3f),
        "--line-b".to_owned(),
        format!("239.{}.{c}.{d}:18002", b & 0x3f | 0x40),
        "--recovery".to_owned(),
        "127.0.0.1:18000".to_owned(),
    ];
    let (send_core, receive_core) = match last_cores::<2>() {
        Some([send, receive]) => (
            pinned("--send-core", send),
            pinned("--receive-core", receive),
        ),
        None => (Vec::new(), Vec::new()),
    };
    let mut publish = Command::new(program);
    publish
        .arg("publish")
        .arg(market)
        .args(&lines)
        .args(send_core);
    publish.args(["--speed", &format!("{PER_SECOND}/s"), "--flow-control", "1"]);
    let mut publisher = Killed(publish.stdout(Stdio::null()).spawn()?);

    let mut subscribe = Command::new(program);
    subscribe.arg("subscribe").args(&lines).args(receive_core);
    subscribe.args(["--from", "start", "--flow-control", "--inline"]);
    subscribe.args(["--json", "--log", "info"]);
    subscribe.args(if views { VIEWS } else { &[] });
    subscribe.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut subscriber = Killed(subscribe.spawn()?);
    let log = subscriber.0.stderr.take().ok_or("no stderr")?;
    let lookers = look(BufReader::new(log));
    let mut report = String::new();
    let out = subscriber.0.stdout.as_mut().ok_or("no stdout")?;
    out.read_to_string(&mut report)?;
    let looks = lookers.join().map_err(|_| "the one who looks panicked")?;
    let (subscribed, published) = (subscriber.0.wait()?, publisher.0.wait()?);
    if !subscribed.success() || !published.success() {
        return Err(format!("subscriber: {subscribed}, publisher: {published}").into());
    }
    if views && looks == 0 {
        return Err("nobody looked at the views".into());
    }
    let report: Value = serde_json::from_str(&report)?;
    let total = &report["latency_ns"]["total"];
    let us = |name: &str| total[name].as_f64().map(|ns| ns / 1e3);
    let figures = us("p50").zip(us("p99")).ok_or("too few samples")?;
    Ok([figures.0, figures.1])
}

fn pinned(flag: &str, core: usize) -> Vec<String> {
    vec![flag.to_owned(), core.to_string()]
}

/// A program that does not outlive the bench.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a log to its end, and meanwhile looks at every address in it once a second. Gives how often
/// it looked.
fn look(log: impl BufRead + Send + 'static) -> JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut lookers: Vec<(Sender<()>, JoinHandle<u64>)> = Vec::new();
        for line in log.lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("http://") {
                let (end, ended) = channel();
                let (host, path) = address.split_once('/').unwrap_or((address, ""));
                let path = if path.is_empty() {
                    "snapshot.json"
                } else {
                    path
                };
                let (host, path) = (host.to_owned(), path.to_owned());
                let looker = std::thread::spawn(move || {
                    let mut looks = 0;
                    loop {
                        looks += u64::from(get(&host, &path).is_ok());
                        if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                            return looks;
                        }
                    }
                });
                lookers.push((end, looker));
            }
        }
        let looks = lookers.into_iter().map(|(end, looker)| {
            drop(end);
            looker.join().unwrap_or(0)
        });
        looks.sum()
    })
}

fn get(host: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}
