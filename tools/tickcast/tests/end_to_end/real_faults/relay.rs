//! A relay between the groups of a publisher and those of a subscriber, which does to a line what
//! a bad network does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tickcast_net::{
    Interface, MulticastReceiver, MulticastSender, ReceiveConfig, SendConfig, wait,
};
use tickcast_wire::{CHECKSUM_BYTES, PacketHeader, Tick, TickSum};
use zerocopy::FromBytes;

/// Silence after which nothing is held back any longer.
const PATIENCE: Duration = Duration::from_millis(5);
/// How many datagrams one that is held back lets pass, at most.
const FARTHEST: u64 = 16;

/// The shares of the datagrams that something happens to.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub drop: f64,
    pub duplicate: f64,
    pub reorder: f64,
    pub damage: f64,
    /// As damage, but of what is in a tick, before the checksum is taken: only the digests see it.
    pub spoil: f64,
}

/// What happened to how many datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    pub dropped: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub damaged: u64,
    pub spoiled: u64,
}

/// A running relay of one line.
pub struct Relay {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Happened>,
}

impl Relay {
    /// Relays from one group to another, on the loopback interface.
    pub fn start(from: &str, to: &str, faults: Faults, seed: u64) -> Relay {
        let lo = Interface::loopback().expect("a loopback interface");
        let from = ReceiveConfig::new(from.parse().expect("a group"), lo.clone());
        let to = SendConfig::new(to.parse().expect("a group"), lo);
        let receiver = MulticastReceiver::open(&from).expect("a receiver");
        let line = BadLine {
            to: MulticastSender::open(&to).expect("a sender"),
            faults,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            held: Vec::new(),
            passed: 0,
            happened: Happened::default(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Relay {
            stop,
            thread: std::thread::spawn(move || run(receiver, line, &stopped)),
        }
    }

    /// Stops it, and tells what it did.
    pub fn finish(self) -> Happened {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("its thread")
    }
}

fn run(mut receiver: MulticastReceiver, mut line: BadLine, stop: &AtomicBool) -> Happened {
    while !stop.load(Ordering::Relaxed) {
        if !wait(&[&receiver], Some(PATIENCE)).expect("a socket") {
            line.let_go(u64::MAX);
        }
        while let Some(datagrams) = receiver.receive().expect("a datagram") {
            datagrams.iter().for_each(|bytes| line.relay(bytes));
        }
    }
    line.happened
}

struct BadLine {
    to: MulticastSender,
    faults: Faults,
    random: Xoshiro256PlusPlus,
    /// Datagrams that wait until so many have passed.
    held: Vec<(u64, Vec<u8>)>,
    passed: u64,
    happened: Happened,
}

impl BadLine {
    fn relay(&mut self, bytes: &[u8]) {
        self.passed += 1;
        let mut bytes = bytes.to_vec();
        if self.random.random_bool(self.faults.drop) {
            self.happened.dropped += 1;
            return;
        }
        if self.random.random_bool(self.faults.damage) {
            self.happened.damaged += 1;
            damage(&mut bytes, &mut self.random);
        }
        if bytes.len() >= 128 && self.random.random_bool(self.faults.spoil) {
            self.happened.spoiled += 1;
            spoil(&mut bytes, &mut self.random);
        }
        if self.random.random_bool(self.faults.duplicate) {
            self.happened.duplicated += 1;
            self.send(&bytes);
        }
        if self.random.random_bool(self.faults.reorder) {
            self.happened.reordered += 1;
            let until = self.passed + self.random.random_range(1..=FARTHEST);
            self.held.push((until, bytes));
        } else {
            self.send(&bytes);
        }
        self.let_go(self.passed);
    }

    /// Sends what is held back until so many have passed.
    fn let_go(&mut self, passed: u64) {
        let due = |(until, _): &mut (u64, Vec<u8>)| *until <= passed;
        let due: Vec<_> = self.held.extract_if(.., due).collect();
        due.iter().for_each(|(_, bytes)| self.send(bytes));
    }

    fn send(&self, bytes: &[u8]) {
        // What does not fit any more is one loss more.
        let _ = self.to.send(bytes, bytes.len().max(1));
    }
}

/// Damage that the checksum of UDP, made anew by this relay, cannot tell, and the protocol can: a
/// datagram cut short, one with something behind it, one with a wrong bit in magic, version, count
/// or channel.
fn damage(bytes: &mut Vec<u8>, random: &mut impl Rng) {
    const TELLING: [usize; 9] = [0, 1, 2, 3, 4, 6, 7, 32, 33];
    match random.random_range(0..3) {
        0 => bytes.truncate(random.random_range(0..bytes.len())),
        1 => bytes.resize(bytes.len() + random.random_range(1..200), 0x5a),
        _ => {
            let at = TELLING[random.random_range(0..TELLING.len())];
            bytes[at] ^= 1 << random.random_range(0..8);
        }
    }
}

/// A wrong bit in the body of a tick, under a checksum that agrees.
fn spoil(bytes: &mut [u8], random: &mut impl Rng) {
    let (header, body) = bytes.split_at_mut(64);
    let (ticks, checksum) = body.split_at_mut(body.len() - CHECKSUM_BYTES);
    let tick = random.random_range(0..ticks.len() / 64);
    ticks[64 * tick + random.random_range(32..64)] ^= 1 << random.random_range(0..8);
    let header = PacketHeader::ref_from_bytes(header).expect("a header");
    let ticks = <[Tick]>::ref_from_bytes(ticks).expect("ticks");
    checksum.copy_from_slice(&header.checksum(TickSum::of(ticks)));
}
