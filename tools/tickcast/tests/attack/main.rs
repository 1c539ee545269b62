//! The recovery server under attack: many hostile connections of all kinds at once, while
//! subscribers that mean well are healed.

#[path = "../end_to_end/certificates.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod certificates;
#[path = "../end_to_end/feed.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod feed;
mod hostile;
#[path = "../end_to_end/program.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod program;

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use feed::{Feed, folder, market};
use hostile::{Attack, Kind};
use program::{PATIENCE, Program, count};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

/// Hostile connections at once.
const CONNECTIONS: usize = 10_000;

/// Places that the server has for them and for everybody else.
const PLACES: usize = 8_000;

/// What a client may cost the server.
const CLIENT_BYTES: u64 = 64 * 1024;

/// How long the attack goes on once all have connected.
const ATTACK: Duration = Duration::from_secs(3);

/// One attack at a time: each would be the other's disturbance.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Lets this process have so many files open.
fn may_open(files: u64) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= files);
    if enough(current) {
        return true;
    }
    let raised = Rlimit {
        current: Some(files),
        maximum: maximum.map(|most| most.max(files)),
    };
    setrlimit(Resource::Nofile, raised).is_ok()
}

/// Bytes of memory that a process has now, or had at most, by the kernel's word for it.
fn memory(process: u32, word: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with(word));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes
        .and_then(|text| text.parse::<u64>().ok())
        .expect(word)
        * 1024
}

/// How many files, which connections are too, a process has open.
fn open_files(process: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{process}/fd"));
    files.expect("its files").count()
}

/// Ends the publisher and both subscribers: nobody has lost anything, and what lines A and B both
/// lost was healed. Gives the publisher's result.
fn assert_all_healed(publisher: Program, subscribers: [Program; 2]) -> serde_json::Value {
    publisher.signal(Signal::INT);
    let published = publisher.finish().expect(130).json();
    for subscriber in subscribers {
        let result = subscriber.finish().expect(0).json();
        assert_eq!(count(&result, "lost"), 0, "{result}");
        assert!(count(&result, "retransmitted") > 0, "{result}");
        assert_eq!(
            count(&result, "next_seq"),
            count(&published, "published") + 1
        );
    }
    published["counters"].clone()
}

/// Both lines lose a fifth of all packets, so that something is missing all the time.
const LOSSY: &[&str] = &[
    "--drop-a",
    "20%",
    "--drop-b",
    "20%",
    "--recovery-deadline",
    "60s",
];

#[test]
fn ten_thousand_hostile_connections_hurt_nobody() {
    let _alone = ONE_AT_A_TIME.lock();
    if !may_open(CONNECTIONS as u64 + 500) {
        eprintln!("skipped: this machine allows no {CONNECTIONS} open files");
        return;
    }
    let (folder, feed) = (folder(), Feed::on_loopback());
    let file = market(folder.path(), 400_000);
    let places = PLACES.to_string();
    let options = [
        "--speed",
        "4000/s",
        "--linger",
        "2s",
        "--max-clients",
        &places,
        "--client-patience",
        "6s",
        "--client-idle",
        "6s",
    ];
    let publisher = feed.publisher(&file, &options);
    let before = memory(publisher.id(), "VmRSS:");
    let early = feed.subscriber(LOSSY);

    let server = feed.recovery.parse().expect("an address");
    let mut attack = Attack::new(server, CONNECTIONS, Kind::ALL);
    let (deadline, mut since, mut late) = (Instant::now() + 3 * PATIENCE, None, None);
    while since.is_none_or(|since: Instant| since.elapsed() < ATTACK) {
        assert!(Instant::now() < deadline, "they do not take all places");
        attack.go_on();
        let is_full = open_files(publisher.id()) >= PLACES;
        if since.is_none() && is_full && attack.have_all_connected() {
            since = Some(Instant::now());
            late = Some(feed.subscriber(LOSSY));
        }
    }
    let per_client = (memory(publisher.id(), "VmHWM:") - before) / PLACES as u64;
    eprintln!("{per_client} bytes of memory a client");
    assert!(per_client <= CLIENT_BYTES, "{per_client} bytes a client");

    // They stay as they are and do nothing more: the deadlines free their places.
    while !attack.are_all_closed() {
        assert!(
            Instant::now() < deadline + PATIENCE,
            "some keep their places"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let late = late.expect("it has started");
    let counters = assert_all_healed(publisher, [early, late]);
    let counter = |name: &str| count(&counters, name);
    eprintln!("{counters}");
    assert!(counter("accepted") >= CONNECTIONS as u64);
    assert!(counter("refused_clients") + counter("made_room") > 0);
    assert!(counter("header_timeouts") > 0 && counter("write_stalls") > 0);
    assert!(counter("malformed") > 0 && counter("too_large") > 0);
}

#[test]
fn clients_over_tls_cost_no_more() {
    const CLIENTS: usize = 500;
    let _alone = ONE_AT_A_TIME.lock();
    if !may_open(CLIENTS as u64 + 500) {
        eprintln!("skipped: this machine allows no {CLIENTS} open files");
        return;
    }
    let (folder, feed) = (folder(), Feed::on_loopback());
    let file = market(folder.path(), 400_000);
    let files = certificates::Files::new(folder.path(), "127.0.0.1");
    let options = [
        &["--speed", "4000/s", "--linger", "2s"][..],
        &files.server(),
    ]
    .concat();
    let publisher = feed.publisher(&file, &options);
    let lossy = [LOSSY, &files.client()].concat();
    let early = feed.subscriber(&lossy);
    let before = memory(publisher.id(), "VmRSS:");

    let server = feed.recovery.parse().expect("an address");
    let mut attack = Attack::over_tls(server, CLIENTS, files.authority());
    let deadline = Instant::now() + 3 * PATIENCE;
    while !attack.have_all_connected() {
        assert!(Instant::now() < deadline, "they cannot all connect");
        attack.go_on();
    }
    let late = feed.subscriber(&lossy);
    let began = Instant::now();
    while began.elapsed() < ATTACK {
        attack.go_on();
    }
    let per_client = (memory(publisher.id(), "VmHWM:") - before) / CLIENTS as u64;
    eprintln!("{per_client} bytes of memory a client over TLS");
    assert!(per_client <= CLIENT_BYTES, "{per_client} bytes a client");
    drop(attack);
    assert_all_healed(publisher, [early, late]);
}
