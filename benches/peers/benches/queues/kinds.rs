//! The queues, each with the calls that suit it best. All have room for [`CAPACITY`] lines and lose
//! none: a sender that finds no room waits.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use disruptor::{
    BusySpin, EventPoller, Producer as _, SingleConsumerBarrier, SingleProducer,
    SingleProducerBarrier, build_single_producer,
};
use tickcast_queue::{Cursor, Line, Producer, Reader, ring};

pub const CAPACITY: usize = 4_096;
pub const LINES_PER_PACKET: usize = 21;
/// Most lines that are read at once, where a queue can.
pub const READ_LINES: usize = 64;

pub type Packet = [Line; LINES_PER_PACKET];

/// One end.
pub trait Sender: Send {
    /// Puts a line in, if there is room.
    fn send(&mut self, line: &Line) -> bool;

    /// Puts a packet in, all or nothing.
    fn send_packet(&mut self, packet: &Packet) -> bool;
}

/// The other end.
pub trait Receiver: Send {
    /// Shows lines that have come, if any, and says how many.
    fn receive(&mut self, each: impl FnMut(&Line)) -> usize;
}

/// Ours: it waits for no reader, so its sender looks whether this one has room.
pub struct RingSender {
    producer: Producer,
    cursor: Cursor,
    room: usize,
}

pub struct RingReceiver {
    reader: Reader,
    lines: [Line; READ_LINES],
}

pub fn tickcast() -> (RingSender, RingReceiver) {
    let (producer, ring) = ring(CAPACITY);
    let reader = ring.reader();
    let sender = RingSender {
        cursor: reader.cursor(),
        room: producer.capacity(),
        producer,
    };
    let lines = [Line::default(); READ_LINES];
    (sender, RingReceiver { reader, lines })
}

impl RingSender {
    #[inline]
    fn has_room(&mut self, lines: usize) -> bool {
        if self.room < lines {
            self.room = self.producer.room(&self.cursor);
        }
        let is_enough = self.room >= lines;
        self.room -= if is_enough { lines } else { 0 };
        is_enough
    }
}

impl Sender for RingSender {
    #[inline]
    fn send(&mut self, line: &Line) -> bool {
        let has_room = self.has_room(1);
        if has_room {
            self.producer.publish(line, []);
        }
        has_room
    }

    #[inline]
    fn send_packet(&mut self, packet: &Packet) -> bool {
        let has_room = self.has_room(LINES_PER_PACKET);
        if has_room {
            self.producer
                .publish(&packet[0], packet[1..].iter().copied());
        }
        has_room
    }
}

impl Receiver for RingReceiver {
    #[inline]
    fn receive(&mut self, each: impl FnMut(&Line)) -> usize {
        let count = self.reader.read(&mut self.lines);
        let count = count.expect("the sender waits for this reader");
        self.lines[..count].iter().for_each(each);
        count
    }
}

/// rtrb: a line by `push` and `pop`, a packet by `push_entire_slice`.
pub fn rtrb() -> (rtrb::Producer<Line>, rtrb::Consumer<Line>) {
    rtrb::RingBuffer::new(CAPACITY)
}

impl Sender for rtrb::Producer<Line> {
    #[inline]
    fn send(&mut self, line: &Line) -> bool {
        self.push(*line).is_ok()
    }

    #[inline]
    fn send_packet(&mut self, packet: &Packet) -> bool {
        self.push_entire_slice(packet).is_ok()
    }
}

impl Receiver for rtrb::Consumer<Line> {
    #[inline]
    fn receive(&mut self, mut each: impl FnMut(&Line)) -> usize {
        match self.pop() {
            Ok(line) => {
                each(&line);
                1
            }
            Err(_) => 0,
        }
    }
}

/// rtrb, read by chunks.
pub struct RtrbChunks(rtrb::Consumer<Line>);

pub fn rtrb_chunks() -> (rtrb::Producer<Line>, RtrbChunks) {
    let (sender, receiver) = rtrb();
    (sender, RtrbChunks(receiver))
}

impl Receiver for RtrbChunks {
    #[inline]
    fn receive(&mut self, mut each: impl FnMut(&Line)) -> usize {
        let count = self.0.slots().min(READ_LINES);
        let Ok(chunk) = self.0.read_chunk(count) else {
            return 0;
        };
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).for_each(&mut each);
        chunk.commit_all();
        count
    }
}

/// The floor of a stream by packets: lines go through no queue. As many packets as have room, each
/// at cache lines of its own, are lent to and fro; they are written and looked at where they lie.
#[derive(Default)]
#[repr(align(64))]
pub struct Lent(Packet);

/// Packets come by one way and leave by the other.
pub struct Lending {
    come: rtrb::Consumer<Box<Lent>>,
    leave: rtrb::Producer<Box<Lent>>,
}

pub fn lent() -> (Lending, Lending) {
    let packets = CAPACITY / LINES_PER_PACKET;
    let (mut empty, come_empty) = rtrb::RingBuffer::new(packets);
    let (leave_filled, come_filled) = rtrb::RingBuffer::new(packets);
    while empty.push(Box::default()).is_ok() {}
    let sender = Lending {
        come: come_empty,
        leave: leave_filled,
    };
    let receiver = Lending {
        come: come_filled,
        leave: empty,
    };
    (sender, receiver)
}

impl Lending {
    /// Does something with the next packet and hands it on, if one has come.
    #[inline]
    fn hand_on(&mut self, with: impl FnOnce(&mut Packet)) -> bool {
        let Ok(mut packet) = self.come.pop() else {
            return false;
        };
        with(&mut packet.0);
        let left = self.leave.push(packet);
        left.expect("both ways have room for all packets");
        true
    }
}

impl Sender for Lending {
    fn send(&mut self, _: &Line) -> bool {
        unreachable!("packets are lent, not lines")
    }

    #[inline]
    fn send_packet(&mut self, packet: &Packet) -> bool {
        self.hand_on(|lent| *lent = *packet)
    }
}

impl Receiver for Lending {
    #[inline]
    fn receive(&mut self, each: impl FnMut(&Line)) -> usize {
        let has_come = self.hand_on(|lent| lent.iter().for_each(each));
        usize::from(has_come) * LINES_PER_PACKET
    }
}

/// disruptor: polled in our own thread, so that it waits as the others do.
pub type DisruptorSender = SingleProducer<Line, SingleConsumerBarrier>;
pub type DisruptorReceiver = EventPoller<Line, SingleProducerBarrier>;

pub fn disruptor() -> (DisruptorSender, DisruptorReceiver) {
    let builder = build_single_producer(CAPACITY, Line::default, BusySpin);
    let (receiver, builder) = builder.new_event_poller();
    (builder.build(), receiver)
}

impl Sender for DisruptorSender {
    #[inline]
    fn send(&mut self, line: &Line) -> bool {
        self.try_publish(|slot| *slot = *line).is_ok()
    }

    #[inline]
    fn send_packet(&mut self, packet: &Packet) -> bool {
        let published = self.try_batch_publish(LINES_PER_PACKET, |slots| {
            slots.zip(packet).for_each(|(slot, line)| *slot = *line);
        });
        published.is_ok()
    }
}

impl Receiver for DisruptorReceiver {
    #[inline]
    fn receive(&mut self, mut each: impl FnMut(&Line)) -> usize {
        match self.poll() {
            Ok(mut lines) => (&mut lines).inspect(|line| each(line)).count(),
            Err(_) => 0,
        }
    }
}

/// ArrayQueue, for many senders and receivers: it has no packets.
pub struct Shared(Arc<ArrayQueue<Line>>);

pub fn array_queue() -> (Shared, Shared) {
    let queue = Arc::new(ArrayQueue::new(CAPACITY));
    (Shared(Arc::clone(&queue)), Shared(queue))
}

impl Sender for Shared {
    #[inline]
    fn send(&mut self, line: &Line) -> bool {
        self.0.push(*line).is_ok()
    }

    fn send_packet(&mut self, packet: &Packet) -> bool {
        let has_room = self.0.len() + LINES_PER_PACKET <= CAPACITY;
        has_room && packet.iter().all(|line| self.send(line))
    }
}

impl Receiver for Shared {
    #[inline]
    fn receive(&mut self, mut each: impl FnMut(&Line)) -> usize {
        match self.0.pop() {
            Some(line) => {
                each(&line);
                1
            }
            None => 0,
        }
    }
}
