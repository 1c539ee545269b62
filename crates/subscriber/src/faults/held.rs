//! Packets that are held back: a bounded store, filled at the start or never.

use std::collections::VecDeque;

use crate::event::Stamps;

/// The most packets held back at once.
const SLOTS: usize = 4_096;
/// The longest packet that is held back.
const SLOT_BYTES: usize = 2_048;
/// A packet that is to come behind others waits no longer for them than this, ns.
const PATIENCE: u64 = 2_000_000;

struct Packet {
    slot: usize,
    len: usize,
    stamps: Stamps,
    due: u64,
    /// How many others have to pass once it is due.
    behind: u32,
    /// The count of passed packets at which it follows; known once it is due.
    after: Option<u64>,
}

/// The packets held back, in the order in which they are due.
pub(super) struct Held {
    bytes: Box<[u8]>,
    free: Vec<usize>,
    packets: VecDeque<Packet>,
    /// Packets that passed.
    passed: u64,
}

impl Held {
    /// An empty store; one that never holds anything takes no memory.
    pub(super) fn new(holds: bool) -> Held {
        let slots = if holds { SLOTS } else { 0 };
        Held {
            bytes: vec![0; slots * SLOT_BYTES].into(),
            free: (0..slots).collect(),
            packets: VecDeque::with_capacity(slots),
            passed: 0,
        }
    }

    /// Holds a packet back until `due`, and then until so many others have passed. Packets are due
    /// in the order in which they come. False if there is no room.
    pub(super) fn hold(&mut self, bytes: &[u8], stamps: Stamps, due: u64, behind: u32) -> bool {
        if bytes.len() > SLOT_BYTES {
            return false;
        }
        let Some(slot) = self.free.pop() else {
            return false;
        };
        self.bytes[slot * SLOT_BYTES..][..bytes.len()].copy_from_slice(bytes);
        self.packets.push_back(Packet {
            slot,
            len: bytes.len(),
            stamps,
            due,
            behind,
            after: None,
        });
        true
    }

    /// A packet passed that was not held back.
    pub(super) const fn note_passed(&mut self) {
        self.passed += 1;
    }

    /// When the next packet has to be looked at.
    pub(super) fn next_due(&self) -> Option<u64> {
        let due = |packet: &Packet| match packet.after {
            Some(_) => packet.due + PATIENCE,
            None => packet.due,
        };
        self.packets.iter().map(due).next()
    }

    /// Passes on what is due; false if nothing was.
    pub(super) fn release(&mut self, now: u64, pass: &mut impl FnMut(&[u8], Stamps)) -> bool {
        let (mut at, before) = (0, self.passed);
        while let Some(packet) = self.packets.get_mut(at) {
            if packet.due > now {
                break;
            }
            let after = *packet
                .after
                .get_or_insert(self.passed + u64::from(packet.behind));
            if self.passed < after && now < packet.due + PATIENCE {
                at += 1;
                continue;
            }
            let (slot, len, stamps) = (packet.slot, packet.len, packet.stamps);
            pass(&self.bytes[slot * SLOT_BYTES..][..len], stamps);
            self.packets.remove(at);
            self.free.push(slot);
            self.passed += 1;
            // One that waited for this may be further in front.
            at = 0;
        }
        self.passed > before
    }
}
