//! Sending, receiving, waiting and reading a clock allocate nothing.

// The allocator's trait is unsafe to implement; this one only counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use tickcast_net::{
    Group, Idle, Idler, Interface, MulticastReceiver, MulticastSender, ReceiveConfig, SendConfig,
    clock, wait,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator as it came, which keeps its contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_data_plane_allocates_nothing() {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let group: Group = format!("239.{high}.{low}.251:19003").parse().unwrap();
    let interface = Interface::loopback().unwrap();
    let config = ReceiveConfig::new(group, interface.clone());
    let mut receiver = MulticastReceiver::open(&config).unwrap();
    let sender = MulticastSender::open(&SendConfig::new(group, interface)).unwrap();
    let mut idler = Idler::new(Idle::Park);
    let bytes = [7; 14_080];

    let before = ALLOCATIONS.get();
    let mut received = 0;
    for _ in 0..100 {
        let start = clock::realtime_ns();
        sender.send(&bytes, 1_408).unwrap();
        sender.send(&bytes[..128], 1_408).unwrap();
        assert!(sender.send(&bytes, 0).is_err());
        clock::sleep_until_realtime(clock::realtime_ns());
        while let Some(datagrams) = receiver.receive().unwrap() {
            assert!(datagrams.ts_kernel.unwrap() >= start);
            received += datagrams.iter().map(<[u8]>::len).sum::<usize>();
        }
        idler.wait(false, || {
            wait(&[&receiver], Some(Duration::from_micros(1))).unwrap();
        });
        receiver.dropped().unwrap();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(received > 0);
    // The counter does count.
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.get() - before, 1);
}
