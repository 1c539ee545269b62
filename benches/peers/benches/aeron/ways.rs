//! One run of Aeron.

use std::ffi::CString;
use std::net::Ipv4Addr;

use tickcast_net::clock;
use tickcast_peers::{
    Counted, Failure, Flow, Latency, MESSAGE_BYTES, Progress, Received, encode, on_two_cores, paced,
};

use crate::node::{Driver, Node, offered};

const PORT: u16 = 40_457;
/// Most messages that one poll of a subscription gives.
const FRAGMENTS: usize = 1_024;
/// Aeron's header before each message, both a multiple of 32 bytes.
const FRAME_BYTES: usize = 32 + MESSAGE_BYTES;

/// How a run sets Aeron up.
#[derive(Clone, Copy)]
pub struct Setup {
    pub mtu: usize,
    /// Bytes that may be on their way unread.
    pub window: usize,
    /// Bytes of each socket's buffers.
    pub socket: usize,
    /// Bytes of each of the three parts of a log.
    pub term: usize,
    /// Packets that a sender fills before it lets the driver do its work.
    pub burst: usize,
}

impl Setup {
    pub const LATENCY: Setup = Setup {
        mtu: 1_408,
        window: 128 << 10,
        socket: 128 << 10,
        term: 1 << 20,
        burst: 1,
    };

    /// The fastest of bursts of 1, 4 and 16 packets, windows of 1 to 3 MB and polls of 256 and 1,024
    /// messages, as tried on two cores.
    pub const fn throughput(mtu: usize) -> Setup {
        Setup {
            mtu,
            window: 2 << 20,
            socket: 4 << 20,
            term: 16 << 20,
            burst: if mtu < 65_504 { 4 } else { 1 },
        }
    }

    /// A group of this process's own. Aeron wants the last number odd: it takes the next one too.
    fn channel(self) -> Result<CString, Failure> {
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        let group = Ipv4Addr::new(239, high, low, 249);
        let Setup {
            mtu,
            window,
            socket,
            term,
            burst: _,
        } = self;
        Ok(CString::new(format!(
            "aeron:udp?endpoint={group}:{PORT}|interface=127.0.0.1|mtu={mtu}|term-length={term}\
             |rcv-wnd={window}|so-rcvbuf={socket}|so-sndbuf={socket}"
        ))?)
    }
}

/// One way, with a driver in each thread, or with one that both share.
pub fn aeron_latency(messages: u64, shared: bool) -> Result<Latency, Failure> {
    let driver = shared.then(Driver::shared).transpose()?;
    let dir = driver.as_ref().map(Driver::dir);
    let channel = Setup::LATENCY.channel()?;
    let send = |progress: &Progress| {
        let node = Node::start(dir.as_deref())?;
        let publication = node.publication(&channel)?;
        let sent = paced(
            messages,
            |left_ns| node.idle(left_ns),
            |number, due| node.offer(&publication, &encode(number, due)),
        )?;
        node.finish(progress, sent)
    };
    let (sent, received) = on_two_cores(send, |progress| {
        let node = Node::start(dir.as_deref())?;
        let subscription = node.subscription(&channel)?;
        let mut received = Received::new()?;
        progress.poll_until_done(|| {
            node.work()?;
            let take = |message: &[u8], _| received.take(message);
            if subscription.poll_fn(take, FRAGMENTS)? == 0 {
                node.yield_to_driver();
            }
            Ok(received.count())
        })?;
        Ok(received)
    })?;
    received.finish(sent)
}

/// As many messages as go through, with a driver in each thread.
pub fn aeron_throughput(messages: u64, setup: Setup) -> Result<Flow, Failure> {
    let channel = setup.channel()?;
    let burst = (setup.burst * (setup.mtu / FRAME_BYTES)) as u64;
    let send = |progress: &Progress| {
        let node = Node::start(None)?;
        let publication = node.publication(&channel)?;
        let mut sent = 0;
        while sent < messages {
            let due = clock::realtime_ns();
            let end = messages.min(sent + burst);
            while sent < end && offered(&publication, &encode(sent, due))? {
                sent += 1;
            }
            node.work()?;
        }
        node.finish(progress, sent)
    };
    let (sent, (counted, requests)) = on_two_cores(send, |progress| {
        let node = Node::start(None)?;
        let subscription = node.subscription(&channel)?;
        let mut counted = Counted::default();
        progress.poll_until_done(|| {
            node.work()?;
            let take = |message: &[u8], _| counted.take(message);
            if subscription.poll_fn(take, FRAGMENTS)? > 0 {
                counted.end_of_poll();
            }
            Ok(counted.count())
        })?;
        Ok((counted, node.requests_sent()))
    })?;
    counted.finish(sent, requests)
}
