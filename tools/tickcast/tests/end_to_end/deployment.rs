//! Cores, priorities and memory as a user sets them: what is refused, what is said, what holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Signal, geteuid};
use tickcast_net::lock_limit;

use crate::feed::{Feed, folder, market};
use crate::namespaces::skipped;
use crate::program::{Program, run, tickcast};

/// The same command for a user who may have no priority and lock no memory.
fn unprivileged(command: &Command) -> Command {
    let mut wrapped = Command::new("prlimit");
    wrapped.args(["--rtprio=0", "--memlock=65536"]);
    if geteuid().is_root() {
        wrapped.args(["setpriv", "--inh-caps=-all", "--bounding-set=-all"]);
    }
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped
}

#[test]
fn whoever_may_not_is_told_what_to_do() {
    let folder = folder();
    let file = market(folder.path(), 1_000);
    let feed = Feed::on_loopback();
    // Sleeping, so that the machine needs no core to spare.
    let priority = |flag| [flag, "5", "--idle", "park"];
    for command in [
        feed.publish(&file, &priority("--send-priority")),
        feed.subscribe(&priority("--receive-priority")),
        feed.subscribe(&priority("--strategy-priority")),
        tickcast(
            &[
                &["demo", "--ticks", "1000"],
                &priority("--send-priority")[..],
            ]
            .concat(),
        ),
    ] {
        let ended = Program::start(unprivileged(&command)).finish().expect(1);
        assert_eq!(ended.out, [""; 0]);
        ended.explains(&["priority 5", "up to 0", "CAP_SYS_NICE", "LimitRTPRIO"]);
    }
    for command in [
        feed.publish(&file, &["--lock-memory"]),
        feed.subscribe(&["--lock-memory"]),
        tickcast(&["demo", "--ticks", "1000", "--lock-memory"]),
    ] {
        let ended = Program::start(unprivileged(&command)).finish().expect(1);
        assert_eq!(ended.out, [""; 0]);
        ended.explains(&["65536 bytes", "CAP_IPC_LOCK", "LimitMEMLOCK"]);
    }
    let machine = tickcast(&["machine", "--hiccups", "0s", "--json"]);
    let said = Program::start(unprivileged(&machine))
        .finish()
        .expect(0)
        .json();
    assert_eq!(said["lock_limit"], 65_536);
    let advice = said["advice"].to_string();
    for words in ["--send-priority", "65,536 bytes may be locked"] {
        assert!(advice.contains(words), "{advice}");
    }
}

#[test]
fn a_thread_that_would_never_run_is_refused_before_anything_starts() {
    for (arguments, words) in [
        (
            &["demo", "--receive-core", "0", "--strategy-core", "0"][..],
            &["tc-strategy-1 would never run", "core 0", "tc-receive"],
        ),
        (
            &["subscribe", "--receive-core", "0", "--strategy-core", "0"],
            &["tc-strategy would never run", "core 0", "tc-receive"],
        ),
    ] {
        let priority = ["--receive-priority", "5", "--idle", "spin"];
        let ended = run(&[arguments, &priority].concat()).expect(2);
        assert_eq!(ended.out, [""; 0]);
        ended.explains(words);
    }
    let serving = ["--send-core", "0", "--serve-core", "0"];
    let first = ["--send-priority", "5", "--idle", "yield"];
    run(&[&["publish", "f"], &serving[..], &first].concat())
        .expect(2)
        .explains(&["tc-serve would never run", "core 0", "tc-send"]);
}

#[test]
fn two_that_spin_on_one_core_are_warned_of() {
    let shared = ["--send-core", "0", "--receive-core", "0", "--idle", "spin"];
    let ended = run(&[
        &["demo", "--ticks", "1000", "--inline", "--json"],
        &shared[..],
    ]
    .concat());
    let result = ended.json();
    let notice = result["notices"][0].as_str().expect("a notice");
    assert!(notice.contains("both spin on core 0"), "{notice}");
    assert_eq!(result["threads"][0]["core"], 0);
    assert_eq!(result["threads"][1]["idle"], "spin");
    assert_eq!(result["buffers"].as_array().map(Vec::len), Some(4));
    assert_eq!(result["memory_locked"], false);
    ended.expect(0).explains(&["both spin on core 0"]);
}

const MEASURING: [&str; 2] = ["tc-receive", "tc-strategy"];

/// What a thread has used so far.
#[derive(Clone, Copy, Debug)]
struct Used {
    page_faults: u64,
    /// Hundredths of a second.
    cpu: u64,
}

/// Page faults so far of the threads of a subscriber that measure, once they are past their start:
/// what that takes, such as the first memory of a thread, is fetched by faults of its own. They spin,
/// so that each has soon used many times the CPU of a start.
fn page_faults(subscriber: u32) -> [u64; 2] {
    for _ in 0..1_000 {
        let threads = threads(subscriber);
        let used = MEASURING.map(|name| threads.get(name).filter(|used| used.cpu >= 5));
        if let [Some(receive), Some(strategy)] = used {
            return [receive.page_faults, strategy.page_faults];
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("they do not run: {:?}", threads(subscriber));
}

/// What each thread of a process has used so far, by name.
fn threads(process: u32) -> BTreeMap<String, Used> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    let of = |thread: &Path| {
        let name = fs::read_to_string(thread.join("comm")).ok()?;
        let stat = fs::read_to_string(thread.join("stat")).ok()?;
        // Behind the name, which may hold anything, come fields 3 and on; 10 and 12 are faults, 14
        // and 15 times.
        let fields: Vec<u64> = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        let used = Used {
            page_faults: fields[10 - 3] + fields[12 - 3],
            cpu: fields[14 - 3] + fields[15 - 3],
        };
        Some((name.trim().to_owned(), used))
    };
    let paths = threads.map(|entry| entry.expect("a thread").path());
    paths.filter_map(|path| of(&path)).collect()
}

/// The memory that a process has locked, KiB.
fn locked_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let words = line.expect("locked memory").split_whitespace();
    words
        .take(1)
        .filter_map(|word| word.parse::<u64>().ok())
        .sum()
}

/// More ticks than the queue has lines: every page of it is used. The publisher waits for the
/// slowest, as a strategy that is held up for long misses what the queue has no room for.
#[test]
fn with_locked_memory_nothing_waits_for_a_page() {
    if lock_limit().is_some() {
        skipped("locking memory needs CAP_IPC_LOCK, or no limit");
        return;
    }
    let folder = folder();
    let file = market(folder.path(), 100_000);
    let feed = Feed::on_loopback();
    let pace = ["--speed", "200000/s", "--flow-control", "2"];
    let publishing = ["--window", "10000", "--lock-memory"];
    let publisher = feed.publisher(&file, &[&pace[..], &publishing].concat());
    let spinning = ["--idle", "spin", "--stay", "--flow-control"];
    let locked = ["--lock-memory", "--queue", "65536"];
    let subscriber = feed.subscriber(&[spinning.as_slice(), &locked].concat());
    let before = page_faults(subscriber.id());
    // Nothing is published before there are two.
    let second = feed.subscriber(&["--flow-control"]);
    second.finish().expect(0);
    let published = publisher.finish().expect(0).json();
    assert_eq!(published["memory_locked"], true);
    let after = page_faults(subscriber.id());
    // The queue alone has 4 MiB.
    let locked = locked_kib(subscriber.id());
    assert!(locked >= 4_096, "{locked} KiB");
    for (thread, name) in MEASURING.into_iter().enumerate() {
        let faults = after[thread] - before[thread];
        // A page that the kernel moves on its own account, for one; the queue has 1,024.
        assert!(faults < 16, "{name}: {faults} page faults");
    }
    subscriber.signal(Signal::INT);
    let received = subscriber.finish().expect(130).json();
    assert_eq!(received["memory_locked"], true);
    assert_eq!(received["delivered"], 100_000);
}
