//! A pull-style reader that is too slow on purpose: it is lapped, and told exactly what it lost.
//!
//! `cargo run --release -p tickcast-subscriber --example slow_reader`

mod feed;

use std::error::Error;
use std::time::Duration;

use tickcast_publisher::Speed;
use tickcast_subscriber::{Event, SubscriberBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    let (publisher, mut config) = feed::publish(100, 200_000, Speed::PerSecond(200_000))?;
    // A short queue, so that there is something to see within a second.
    config.queue_lines = 8_192;
    let mut builder = SubscriberBuilder::new(config);
    let mut reader = builder.reader();
    let subscriber = builder.start()?;

    let (mut delivered, mut lost) = (0, 0);
    loop {
        match reader.read() {
            Some(Event::Session(start)) => {
                println!(
                    "session {}, promised from seq {}",
                    start.session, start.first_seq
                );
            }
            Some(Event::Ticks(ticks, _origin)) => {
                delivered += ticks.len() as u64;
                // Now and then, this reader does something else for far too long.
                if delivered % 4_000 < ticks.len() as u64 {
                    std::thread::sleep(Duration::from_millis(60));
                }
            }
            Some(Event::Lost(loss)) => {
                lost += loss.count;
                let (first, end) = (loss.first_seq, loss.first_seq + loss.count);
                println!(
                    "lost {:>6} ticks: {first}..{end} ({:?})",
                    loss.count, loss.reason
                );
            }
            Some(Event::Incomplete(why)) => println!("the state may not be complete: {why:?}"),
            Some(Event::Snapshot { as_of }) => println!("a snapshot as of seq {as_of} follows"),
            Some(Event::Checkpoint(_)) => {}
            Some(Event::End { last_seq, .. }) => {
                println!("the session ended with seq {last_seq}");
                break;
            }
            None => std::thread::sleep(Duration::from_micros(200)),
        }
    }
    let lapped = reader.lapped();
    let _stopped = subscriber.stop();
    let published = publisher.published();
    println!("lapped {lapped} times");
    println!("{delivered} delivered + {lost} lost = {published} published");
    if delivered + lost != published {
        return Err("the promise is broken".into());
    }
    Ok(())
}
