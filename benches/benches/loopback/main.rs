//! The whole, over real multicast on loopback: a publisher in one process, a subscriber in another,
//! beside bare sockets that take the same way.
//!
//! `cargo bench --bench loopback` takes five minutes; with `--test` some seconds, and then the
//! figures say nothing. Give one of `latency`, `rates`, `throughput`, `overload` to run only that,
//! and `--seconds N` for a shorter throughput than the 60 s that its bound is for.
//!
//! The publisher, or the bare sender, has one core and the receive thread another, where there are
//! two. The recovery server runs, as in any feed. Loopback runs the kernel's receive path inside the
//! sender's system call, so there is no wire in these figures.

mod latency;
mod overload;
mod roles;
mod throughput;

use std::env;
use std::error::Error;
use std::thread;
use std::time::Duration;

use tickcast_benches::feed::cores;
use tickcast_benches::{hiccups, is_instant, machine, run_parts};
use tickcast_net::thread::pin_current;

type Failure = Box<dyn Error + Send + Sync>;

/// How much is measured.
struct Effort {
    turns: usize,
    samples: u64,
    rate_turns: usize,
    seconds: u64,
    flat_out: Duration,
    surges: usize,
    hiccups: Duration,
}

const FULL: Effort = Effort {
    turns: 20,
    samples: 8_000,
    rate_turns: 5,
    seconds: 60,
    flat_out: Duration::from_secs(1),
    surges: 5,
    hiccups: Duration::from_secs(2),
};
const INSTANT: Effort = Effort {
    turns: 1,
    samples: 500,
    rate_turns: 1,
    seconds: 1,
    flat_out: Duration::from_millis(50),
    surges: 1,
    hiccups: Duration::from_millis(10),
};

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if roles::play(&arguments)? {
        return Ok(());
    }
    let effort = Effort {
        seconds: match arguments.iter().position(|word| word == "--seconds") {
            Some(at) => arguments.get(at + 1).ok_or("--seconds N")?.parse()?,
            None if is_instant() => INSTANT.seconds,
            None => FULL.seconds,
        },
        ..if is_instant() { INSTANT } else { FULL }
    };
    println!("loopback: two processes, {}", machine());
    run_parts(
        &effort,
        &[
            ("latency", latency::at_the_rate_of_the_bound),
            ("rates", latency::at_other_rates),
            ("throughput", throughput::flat_out),
            ("overload", overload::surges),
        ],
    )
}

/// What the machine does to the core of the receive thread, for a tail to be read beside.
fn print_hiccups(effort: &Effort) {
    let looked = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            if let [_, Some(core)] = cores() {
                pin_current(core).expect("a core of this process");
            }
            hiccups(effort.hiccups)
        });
        looking.join().expect("a thread that looks at the clock")
    });
    println!("hiccups of the receive thread's core: {looked}");
}
