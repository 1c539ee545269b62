//! A relay before a recovery server, which refuses connections, cuts them off, and leaves them
//! hanging.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Connections that something happens to; the later ones are left alone.
const BROKEN: u64 = 8;

/// What happens to a connection.
#[derive(Clone, Copy)]
enum Fate {
    /// Nothing.
    Whole,
    /// It is closed after so many bytes of the answers.
    Cut(usize),
    /// Nothing more comes after so many bytes of the answers, and it stays open.
    Hang(usize),
}

/// A running relay; its threads end with the connections and the process.
pub struct TcpRelay {
    address: String,
    connections: Arc<AtomicU64>,
}

impl TcpRelay {
    /// Relays to the server at this address.
    pub fn start(server: &str, seed: u64) -> TcpRelay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let connections = Arc::new(AtomicU64::new(0));
        let (counted, server) = (Arc::clone(&connections), server.to_owned());
        std::thread::spawn(move || {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            for client in listener.incoming().flatten() {
                let number = counted.fetch_add(1, Ordering::Relaxed);
                let fate = fate(number, &mut random);
                // Without a server the connection is closed at once.
                if let Ok(server) = TcpStream::connect(&server) {
                    relay(client, server, fate);
                }
            }
        });
        TcpRelay {
            address,
            connections,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// The connections that something happened to.
    pub fn broken(&self) -> u64 {
        self.connections.load(Ordering::Relaxed).min(BROKEN)
    }
}

/// In the middle of a header, at the end of one, in the middle of the rows.
fn fate(number: u64, random: &mut Xoshiro256PlusPlus) -> Fate {
    let after = match random.random_range(0..3) {
        0 => random.random_range(0..64),
        1 => 64,
        _ => random.random_range(65..10_000),
    };
    match number {
        // A subscriber waits long for an answer.
        2 | 5 => Fate::Hang(after),
        0..BROKEN => Fate::Cut(after),
        _ => Fate::Whole,
    }
}

fn relay(client: TcpStream, server: TcpStream, fate: Fate) {
    let half = |stream: &TcpStream| stream.try_clone().expect("the other half");
    let (asking, answering) = (half(&client), half(&server));
    std::thread::spawn(move || pump(asking, server, Fate::Whole));
    std::thread::spawn(move || pump(answering, client, fate));
}

/// Passes on what comes until one side closes; then neither is open any longer.
fn pump(mut from: TcpStream, mut to: TcpStream, fate: Fate) {
    let mut left = match fate {
        Fate::Whole => usize::MAX,
        Fate::Cut(after) | Fate::Hang(after) => after,
    };
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let passed = length.min(left);
        left -= passed;
        let is_cut = left == 0 && matches!(fate, Fate::Cut(_));
        if to.write_all(&buffer[..passed]).is_err() || is_cut {
            break;
        }
    }
    // The other side may have closed it already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
