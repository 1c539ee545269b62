//! Three readers of one feed that are too slow on purpose, each with another overflow policy: what
//! each is given, and that every account adds up.
//!
//! `cargo run --release -p tickcast-subscriber --example slow_reader`

mod feed;

use std::error::Error;
use std::time::Duration;

use tickcast_publisher::Speed;
use tickcast_subscriber::{
    Event, OverflowPolicy, Provenance, ReaderConfig, SubscriberBuilder, TickReader,
};

/// What one reader was given.
#[derive(Debug, Default)]
struct Given {
    delivered: u64,
    /// Left out, because a later tick of the same instrument and kind took their place.
    conflated: u64,
    lost: u64,
    lapped: u64,
    refills: u64,
    /// The first things that it was told.
    told: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (publisher, mut config) = feed::publish(100, 200_000, Speed::PerSecond(200_000))?;
    // A short queue, so that there is something to see within a second.
    config.queue_lines = 8_192;
    let mut builder = SubscriberBuilder::new(config);
    let refilled = ReaderConfig {
        overflow: OverflowPolicy::DropOldest,
        refill: true,
    };
    let latest = OverflowPolicy::Latest { behind: 1_000 };
    let policies = [
        ("drop oldest", ReaderConfig::default()),
        ("drop oldest, refill", refilled),
        ("latest of each instrument", latest.into()),
    ];
    let readers = policies.map(|(name, policy)| {
        let reader = builder.reader_with(policy);
        (name, std::thread::spawn(move || read_slowly(reader)))
    });
    let subscriber = builder.start()?;
    let given = readers.map(|(name, reader)| (name, reader.join()));
    let _stopped = subscriber.stop();
    let published = publisher.published();
    for (name, given) in given {
        let given = given.map_err(|_| "a reader panicked")?;
        let (delivered, conflated, lost) = (given.delivered, given.conflated, given.lost);
        println!(
            "{name}: lapped {} times, refilled {}",
            given.lapped, given.refills
        );
        for told in &given.told {
            println!("  {told}");
        }
        println!(
            "  {delivered} delivered + {conflated} conflated + {lost} lost = {published} published"
        );
        if delivered + conflated + lost != published {
            return Err("the promise is broken".into());
        }
    }
    Ok(())
}

fn read_slowly(mut reader: TickReader) -> Given {
    let mut given = Given::default();
    loop {
        let told = match reader.read() {
            Some(Event::Ticks(ticks, origin)) => {
                // Rows of a snapshot are state, and not counted.
                if origin.provenance != Provenance::Snapshot {
                    let count = ticks.len() as u64;
                    given.delivered += count;
                    // Now and then, this reader does something else for far too long.
                    if given.delivered % 4_000 < count {
                        std::thread::sleep(Duration::from_millis(30));
                    }
                }
                continue;
            }
            Some(Event::Lost(loss)) => {
                given.lost += loss.count;
                let (first, last) = (loss.first_seq, loss.first_seq + loss.count - 1);
                format!("lost {first}..={last} ({:?})", loss.reason)
            }
            Some(Event::Conflated(range)) => {
                given.conflated += range.left_out;
                let (first, last) = (range.first_seq, range.first_seq + range.count - 1);
                let (left_out, trades) = (range.left_out, range.trades);
                format!("of {first}..={last}, {left_out} left out, {trades} of them trades")
            }
            Some(Event::Snapshot { as_of }) => format!("the state as of seq {as_of}"),
            Some(Event::Incomplete(why)) => format!("the state may not be complete: {why:?}"),
            Some(Event::Checkpoint(_)) => continue,
            Some(Event::Session(start)) => {
                format!("session from seq {}", start.first_seq)
            }
            Some(Event::End { .. }) => break,
            None => {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
        };
        if given.told.len() < 6 {
            given.told.push(told);
        }
    }
    (given.lapped, given.refills) = (reader.lapped(), reader.refills());
    given
}
