//! One run of one queue: a hop, a stream, what the producer alone pays.

use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use disruptor::{BusySpin, Producer as _, build_single_producer};
use tickcast_peers::{Failure, on_two_cores};
use tickcast_queue::{Line, Reader, ring};

use crate::kinds::{CAPACITY, LINES_PER_PACKET, Packet, READ_LINES, Receiver, Sender};

/// One way of a ping-pong, ns a hop: a line there, its copy back.
pub fn hop<S: Sender, R: Receiver>(ends: fn() -> (S, R), hops: u64) -> Result<f64, Failure> {
    let ((mut there, mut from_there), (mut back, mut from_back)) = (ends(), ends());
    let near = move || {
        for trip in 1..=hops / 2 {
            assert!(there.send(&[trip; 8]), "a ping-pong never fills a queue");
            assert_eq!(next(&mut from_back)[6], trip);
        }
    };
    let far = move || {
        for _ in 0..hops / 2 {
            let line = next(&mut from_there);
            assert!(back.send(&line), "a ping-pong never fills a queue");
        }
    };
    let took = tickcast_benches::on_two_cores(near, far);
    Ok(took.as_nanos() as f64 / hops as f64)
}

fn next(receiver: &mut impl Receiver) -> Line {
    let mut came = Line::default();
    while receiver.receive(|line| came = *line) == 0 {
        hint::spin_loop();
    }
    came
}

/// How lines go in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    LineByLine,
    Packets,
}

/// A stream of lines from one core to the other, each looked at, ns a line.
pub fn stream<S: Sender, R: Receiver>(
    ends: fn() -> (S, R),
    lines: u64,
    way: Way,
) -> Result<f64, Failure> {
    let lines = lines / LINES_PER_PACKET as u64 * LINES_PER_PACKET as u64;
    let (mut sender, mut receiver) = ends();
    let send = move |_: &_| {
        let mut at = 0;
        while at < lines {
            match way {
                Way::LineByLine => {
                    wait_until(|| sender.send(&[at; 8]));
                    at += 1;
                }
                Way::Packets => {
                    let packet: Packet = std::array::from_fn(|line| [at + line as u64; 8]);
                    wait_until(|| sender.send_packet(&packet));
                    at += LINES_PER_PACKET as u64;
                }
            }
        }
        Ok(lines)
    };
    let (_, ns) = on_two_cores(send, move |_| {
        let (mut read, mut wrong) = (0, 0);
        let start = Instant::now();
        while read < lines {
            let look = |line: &Line| {
                wrong += u64::from(line[0] != read) | u64::from(line[6] != read);
                read += 1;
            };
            if receiver.receive(look) == 0 {
                hint::spin_loop();
            }
        }
        let ns = start.elapsed().as_nanos();
        if wrong > 0 {
            return Err(format!("{wrong} lines torn or out of order").into());
        }
        Ok(ns)
    })?;
    Ok(ns as f64 / lines as f64)
}

fn wait_until(mut is_done: impl FnMut() -> bool) {
    while !is_done() {
        hint::spin_loop();
    }
}

/// What our producer pays a line, by packets, with so many readers in the ring, of which the first
/// reads on the other core; it waits for none, and a reader that is lapped goes on at the head. ns.
/// Each end moves to its thread, as in [`timed`].
pub fn our_producer(readers: usize, lines: u64) -> Result<f64, Failure> {
    let (mut producer, ring) = ring(CAPACITY);
    let mut readers: Vec<Reader> = (0..readers).map(|_| ring.reader()).collect();
    let (is_reading, is_done) = (&AtomicBool::new(false), &AtomicBool::new(false));
    let packet: Packet = [[1; 8]; LINES_PER_PACKET];
    let mut ns = 0;
    let took = &mut ns;
    let send = move |_: &_| {
        wait_until(|| is_reading.load(Ordering::Acquire));
        let start = Instant::now();
        for _ in 0..lines / LINES_PER_PACKET as u64 {
            let packet = hint::black_box(&packet);
            producer.publish(&packet[0], packet[1..].iter().copied());
        }
        *took = start.elapsed().as_nanos();
        is_done.store(true, Ordering::Release);
        Ok(lines)
    };
    on_two_cores(send, move |_| {
        is_reading.store(true, Ordering::Release);
        let mut out = [Line::default(); READ_LINES];
        while !is_done.load(Ordering::Acquire) {
            match readers[0].read(&mut out) {
                Ok(0) => hint::spin_loop(),
                Ok(_) => {}
                Err(lapped) => {
                    readers[0].skip_to(lapped.head);
                }
            }
        }
        Ok(())
    })?;
    Ok(ns as f64 / lines as f64)
}

/// What disruptor's producer pays a line, by packets, with so many readers. It waits for the
/// slowest, so it fills the ring, and all read it empty between two times that are taken. ns.
pub fn disruptor_producer(readers: usize, lines: u64) -> Result<f64, Failure> {
    let builder = build_single_producer(CAPACITY, Line::default, BusySpin);
    let (first, mut builder) = builder.with_multi_consumer().new_event_poller();
    let mut pollers = vec![first];
    while pollers.len() < readers {
        let (next, with_next) = builder.new_event_poller();
        builder = with_next;
        pollers.push(next);
    }
    let mut producer = builder.build();
    let packet: Packet = [[1; 8]; LINES_PER_PACKET];
    let packets_per_round = CAPACITY / LINES_PER_PACKET;
    let rounds = lines as usize / (packets_per_round * LINES_PER_PACKET);
    let mut ns = 0;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..packets_per_round {
            let packet = hint::black_box(&packet);
            producer.batch_publish(LINES_PER_PACKET, |slots| {
                slots.zip(packet).for_each(|(slot, line)| *slot = *line);
            });
        }
        ns += start.elapsed().as_nanos();
        for poller in &mut pollers {
            if let Ok(mut lines) = poller.poll() {
                hint::black_box((&mut lines).count());
            }
        }
    }
    Ok(ns as f64 / (rounds * packets_per_round * LINES_PER_PACKET) as f64)
}
