//! The other process: a publisher, or a bare sender.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tickcast_benches::bare::{BareReceiver, BareSender, send_flat_out, send_paced};
use tickcast_benches::feed::{self, Repeated, await_end, cores};
use tickcast_benches::market;
use tickcast_benches::role::{Role, await_line, say};
use tickcast_net::Idle;
use tickcast_net::thread::pin_current;
use tickcast_protocol::PACKET_BYTES;
use tickcast_publisher::{FlowControl, InMemory, Publisher, Source, Speed};
use tickcast_subscriber::Subscriber;
use tickcast_wire::Digest;

use crate::{Failure, overload};

/// Ticks in memory that are published again and again: 64 MB, more than caches hold.
const TICKS_IN_MEMORY: usize = 1_000_000;

/// Plays the role that the words name; false when they name none.
pub(crate) fn play(words: &[String]) -> Result<bool, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["publish", groups, speed, count, window, idle] => {
            let count = count.parse()?;
            let ticks = market(usize::try_from(count)?.min(TICKS_IN_MEMORY));
            let source = Repeated::new(ticks, count);
            publish(groups, speed.parse()?, window.parse()?, idle, source)?;
        }
        ["surge", groups] => {
            let source = InMemory::new(overload::ticks());
            publish(groups, Speed::Original(1.0), u64::MAX, "spin", source)?;
        }
        ["bare", groups, per_second, samples] => {
            let senders = open_bare(groups, None)?;
            send_paced(&senders, per_second.parse()?, samples.parse()?);
            say("sent")?;
        }
        ["flat out", groups, ms] => {
            let senders = open_bare(groups, Some(PACKET_BYTES))?;
            let duration = Duration::from_millis(ms.parse()?);
            send_flat_out(&senders, duration.as_nanos() as u64);
            say("sent")?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn publish(
    groups: &str,
    speed: Speed,
    window: u64,
    idle: &str,
    source: impl Source,
) -> Result<(), Failure> {
    let mut config = feed::publish(&parse(groups)?, speed)?;
    config.idle = idle.parse()?;
    let is_flat_out = matches!(speed, Speed::Max);
    config.send_core = cores()[0].filter(|_| is_flat_out || config.idle == Idle::Spin);
    if let Some(recovery) = &mut config.recovery {
        // The send loop has more to do than the receive thread.
        recovery.core = cores()[1].filter(|_| is_flat_out);
    }
    config.flow_control = Some(FlowControl {
        window,
        wait_for: 1,
    });
    let publisher = Publisher::start(config, source)?;
    let recovery = publisher.recovery_addr().ok_or("no recovery server")?;
    say(&recovery.to_string())?;
    await_line();
    publisher.stop();
    let summary = publisher.join()?;
    let digest = summary.digest.value();
    say(&format!(
        "{} {digest} {}",
        summary.published,
        summary.elapsed_ns()
    ))?;
    Ok(())
}

fn open_bare(groups: &str, segment: Option<usize>) -> Result<Vec<BareSender>, Failure> {
    if let [Some(core), _] = cores() {
        pin_current(core)?;
    }
    let open = |group| Ok(BareSender::open(group, segment)?);
    bare_groups(&parse(groups)?).into_iter().map(open).collect()
}

/// The groups as bare sockets want them.
fn bare_groups(groups: &[SocketAddr]) -> Vec<SocketAddrV4> {
    let is_v4 = |group: &SocketAddr| match group {
        SocketAddr::V4(group) => Some(*group),
        SocketAddr::V6(_) => None,
    };
    groups.iter().filter_map(is_v4).collect()
}

fn parse(groups: &str) -> Result<Vec<SocketAddr>, Failure> {
    groups.split(',').map(|group| Ok(group.parse()?)).collect()
}

/// Groups as [`play`] reads them.
pub(crate) fn words_of(groups: &[SocketAddr]) -> String {
    let words: Vec<String> = groups.iter().map(SocketAddr::to_string).collect();
    words.join(",")
}

/// Lets the other process send to bare sockets, and gives what `receive` gives, which runs on the
/// receiving core and is told whether all is sent.
pub(crate) fn beside_bare<T: Send>(
    words: &[&str],
    receive: impl FnOnce(&dyn Fn() -> bool) -> T + Send,
) -> Result<T, Failure> {
    let mut sender = Role::start(words)?;
    let is_all_sent = AtomicBool::new(false);
    let received = thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            if let [_, Some(core)] = cores() {
                pin_current(core).expect("a core of this process");
            }
            receive(&|| is_all_sent.load(Ordering::Relaxed))
        });
        let heard = sender.hear();
        is_all_sent.store(true, Ordering::Relaxed);
        let received = receiving.join().expect("the receiving thread");
        heard.map(|_| received)
    })?;
    Ok(received)
}

/// Bare sockets that receive from these groups.
pub(crate) fn open_bare_receivers(groups: &[SocketAddr]) -> Result<Vec<BareReceiver>, Failure> {
    let open = |group| Ok(BareReceiver::open(group)?);
    bare_groups(groups).into_iter().map(open).collect()
}

/// A publisher in the other process.
pub(crate) struct Publishing {
    role: Role,
    /// Its recovery server.
    pub(crate) recovery: SocketAddr,
}

/// What it published.
pub(crate) struct Published {
    pub(crate) ticks: u64,
    pub(crate) digest: Digest,
    pub(crate) seconds: f64,
}

impl Publishing {
    /// The first tick waits for a subscriber to join.
    pub(crate) fn start(words: &[&str]) -> Result<Publishing, Failure> {
        let mut role = Role::start(words)?;
        let recovery = role.hear()?.parse()?;
        Ok(Publishing { role, recovery })
    }

    /// Ends the session, if its source has not, and waits until the subscriber has all of it.
    pub(crate) fn finish(mut self, subscriber: &Subscriber) -> Result<Published, Failure> {
        self.role.tell("stop")?;
        let line = self.role.hear()?;
        await_end(subscriber)?;
        let mut numbers = line.split(' ').map(str::parse::<u64>);
        let mut number = || numbers.next().ok_or("a number is missing");
        Ok(Published {
            ticks: number()??,
            digest: Digest::from_value(number()??),
            seconds: number()?? as f64 / 1e9,
        })
    }
}
