//! In the steady state the receive thread makes no system call but its receives; strace saw it.

mod support;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::{Checker, Feed, assert_kept, thread, wait_for_end};
use tickcast_net::Idle;
use tickcast_subscriber::{Origin, Strategy, SubscriberBuilder};
use tickcast_wire::Tick;

/// Set in the process that strace looks at.
const UNDER_STRACE: &str = "TICKCAST_UNDER_STRACE";
/// Files that are not there: asking for one leaves its name in the trace.
const BEGINS: &str = "the-steady-state-begins";
const ENDS: &str = "the-steady-state-ends";

const PACKETS: u64 = 2_000;
const TICKS_PER_PACKET: u64 = 21;
const FIRST_STEADY: u64 = 100 * TICKS_PER_PACKET;
const LAST_STEADY: u64 = (PACKETS - 100) * TICKS_PER_PACKET;

/// Marks the steady state in the trace of the receive thread, which calls it.
struct Mark;

impl Strategy for Mark {
    fn on_tick(&mut self, tick: &Tick, _origin: &Origin) {
        let name = match tick.seq() {
            FIRST_STEADY => BEGINS,
            LAST_STEADY => ENDS,
            _ => return,
        };
        assert!(!Path::new(name).exists());
    }
}

fn receive_a_session() {
    let mut feed = Feed::new();
    let mut config = feed.subscriber(None);
    config.idle = Idle::Spin;
    let mut builder = SubscriberBuilder::new(config);
    builder.attach_inline(Mark);
    let checker = builder
        .attach(Checker::default(), &thread("tc-checker"))
        .unwrap();
    let mut subscriber = builder.start().unwrap();
    for packet in 0..PACKETS {
        feed.publish(TICKS_PER_PACKET as u16);
        if packet % 100 == 0 {
            subscriber.request_latency();
            subscriber.stats();
        }
    }
    feed.end();
    wait_for_end(&mut subscriber);
    let outcome = subscriber.stop().take(&checker).unwrap();
    assert_kept(&outcome, PACKETS * TICKS_PER_PACKET);
}

/// Runs this test again, under strace, with a trace of each thread in a file of its own.
fn trace(folder: &Path) -> std::io::Result<Output> {
    let name = "the_receive_thread_only_receives";
    Command::new("strace")
        .args(["-ff", "-o"])
        .arg(folder.join("trace"))
        .arg(env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(UNDER_STRACE, "yes")
        .output()
}

/// How often each system call is in the part of a trace between the marks.
fn steady_calls(trace: &str) -> BTreeMap<&str, u64> {
    let mut calls = BTreeMap::new();
    let lines = trace.lines().skip_while(|line| !line.contains(BEGINS));
    for line in lines.skip(1).take_while(|line| !line.contains(ENDS)) {
        let call = line.split('(').next().unwrap_or(line);
        *calls.entry(call).or_insert(0) += 1;
    }
    calls
}

#[test]
fn the_receive_thread_only_receives() {
    if env::var_os(UNDER_STRACE).is_some() {
        return receive_a_session();
    }
    let folder = tempfile::tempdir().unwrap();
    let output = match trace(folder.path()) {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: strace cannot be run ({error}): apt-get install strace");
            assert!(env::var_os("CI").is_none(), "with CI set it must be there");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("ptrace") {
        eprintln!("skipped: strace may not look at processes here: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    let traces = fs::read_dir(folder.path()).unwrap();
    let traces = traces.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let receiving: Vec<String> = traces.filter(|trace| trace.contains(BEGINS)).collect();
    assert_eq!(receiving.len(), 1, "one thread has the marks");
    let calls = steady_calls(&receiving[0]);
    assert!(
        calls.get("recvmsg").is_some_and(|&count| count > 100),
        "{calls:?}"
    );
    assert_eq!(calls.len(), 1, "calls other than recvmsg: {calls:?}");
}

#[test]
fn other_calls_are_found() {
    let trace = format!(
        "futex(0x1)\nstatx(\"{BEGINS}\")\nrecvmsg(3)\ngetsockopt(3)\nrecvmsg(3)\nstatx(\"{ENDS}\")\nclose(3)"
    );
    let expected = BTreeMap::from([("recvmsg", 2), ("getsockopt", 1)]);
    assert_eq!(steady_calls(&trace), expected);
}
