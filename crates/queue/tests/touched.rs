//! The memory of a ring is there when the ring is: nobody waits for a page while it is used.

// Loom and shuttle have rings of their own, on no memory worth counting.
#![cfg(not(any(loom, shuttle)))]

use std::fs;

use tickcast_queue::{LINE_WORDS, ring};

const LINES: usize = 262_144;
/// 16 MiB of lines, in the smallest pages there are.
const PAGES: u64 = LINES as u64 * 64 / 4_096;

/// Pages that the calling thread had to wait for so far, none of them from a disk.
fn page_faults() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    // Behind the name, which may hold anything, come fields 3 and on.
    let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.nth(10 - 3).unwrap().parse().unwrap()
}

#[test]
fn a_ring_is_touched_when_it_is_made() {
    let before = page_faults();
    let (mut producer, _ring) = ring(LINES);
    let made = page_faults();
    for _ in 0..LINES {
        producer.publish(&[7; LINE_WORDS], std::iter::empty());
    }
    let used = page_faults() - made;
    println!("{} page faults to make it, {used} to use it", made - before);
    // A few for what the test itself comes to for the first time.
    assert!(used < PAGES / 64, "{used} page faults for {PAGES} pages");
}
