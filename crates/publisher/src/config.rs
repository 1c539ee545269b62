//! How to set up a publisher.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use tickcast_latency::StallBoard;
use tickcast_net::thread::available_cores;
use tickcast_net::{Idle, SendConfig};
use tickcast_protocol::ResponderLimits;
use tickcast_wire::PreviousSession;

use crate::flow::FlowControl;
use crate::speed::Speed;
use crate::tls::ServerTls;

/// How to set up a publisher.
#[derive(Debug, Clone)]
pub struct PublisherConfig {
    /// Line A.
    pub line_a: SendConfig,
    /// Line B: the same packets to another group, port or interface.
    pub line_b: Option<SendConfig>,
    /// The recovery server; `None` for a publisher without recovery.
    pub recovery: Option<RecoveryConfig>,
    /// Flow control, for replays only; it needs the recovery server.
    pub flow_control: Option<FlowControl>,
    /// How fast to publish.
    pub speed: Speed,
    /// The channel in every packet.
    pub channel: u16,
    /// The session; by default the time of the start, ns since the Unix epoch.
    pub session: Option<u64>,
    /// The previous session, when it is known how that ended.
    pub previous: Option<PreviousSession>,
    /// How long the end of the session is repeated and recovery stays possible. Default 2 s.
    pub linger: Duration,
    /// How the send loop waits.
    pub idle: Idle,
    /// The core of the send loop.
    pub send_core: Option<usize>,
    /// The real-time priority of the send loop, from 1 to 99; an ordinary thread without.
    pub send_priority: Option<u8>,
    /// Where stalls of this process's threads are seen: those of the send loop are added, if it
    /// spins. A subscriber in this process is given the same. Default none.
    pub stalls: Option<StallBoard>,
}

impl PublisherConfig {
    /// One line, speed 1x, a recovery server on a free port of this host, no flow control.
    #[must_use]
    pub fn new(line_a: SendConfig) -> PublisherConfig {
        PublisherConfig {
            line_a,
            line_b: None,
            recovery: Some(RecoveryConfig::default()),
            flow_control: None,
            speed: Speed::Original(1.0),
            channel: 0,
            session: None,
            previous: None,
            linger: Duration::from_secs(2),
            // A subscriber on the same machine spins too.
            idle: Idle::default_for(available_cores().len(), 2),
            send_core: None,
            send_priority: None,
            stalls: None,
        }
    }
}

/// How to set up the recovery server.
#[derive(Debug, Clone)]
pub struct RecoveryConfig {
    /// Where to listen; with port 0 the system chooses one. Default 127.0.0.1:0.
    pub listen: SocketAddr,
    /// What is kept and what one request may ask for.
    pub limits: ResponderLimits,
    /// What one client, and all of them, may use.
    pub clients: ClientLimits,
    /// The networks that are served; connections from others are closed at once. None means all.
    pub allow: Vec<IpNet>,
    /// TLS, and the token that clients beyond this host must show. Default none: plain text.
    pub tls: Option<ServerTls>,
    /// The core of the server thread.
    pub core: Option<usize>,
}

impl Default for RecoveryConfig {
    fn default() -> RecoveryConfig {
        RecoveryConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            limits: ResponderLimits::default(),
            clients: ClientLimits::default(),
            allow: Vec::new(),
            tls: None,
            core: None,
        }
    }
}

/// What one client of the recovery server, and all of them, may use. One request is served at a
/// time per client; the next ones wait in the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Clients at once. One more takes the place of one that has not got on for
    /// [`ClientLimits::make_room_after`], or else is answered Busy and closed. Default 1,024.
    pub max_clients: usize,
    /// Clients at once from one address, or one IPv6 network of 64 bits. One more is answered Busy
    /// and closed. Default 64.
    pub clients_per_address: usize,
    /// Bytes a second that one client may be sent on average; beyond it, it is answered Busy with
    /// the time to wait. Default 256 MiB.
    pub bytes_per_second: u64,
    /// Bytes that one client may be sent at once after a pause. Default 64 MiB.
    pub burst_bytes: u64,
    /// Bytes a second that all clients together may be sent on average; beyond it they are answered
    /// Busy, with times one after the other. Default 512 MiB.
    pub total_bytes_per_second: u64,
    /// Bytes that all clients together may be sent at once after a pause. Default 128 MiB.
    pub total_burst_bytes: u64,
    /// Bytes that the kernel may hold on their way to one client. Default 64 KiB; more is quicker
    /// over long distances.
    pub send_buffer: usize,
    /// Requests a second that one client may make on average, and at once after a pause; beyond it
    /// the next ones wait in the socket. Default 10,000.
    pub requests_per_second: u64,
    /// TLS handshakes a second, and at once after a pause; beyond it connections are answered Busy
    /// before any is begun. Default 500.
    pub handshakes_per_second: u64,
    /// Time for the first request of a connection to arrive, with TLS and token, and for each
    /// started request. Default 5 s.
    pub header_deadline: Duration,
    /// Time without any request; subscribers under flow control are exempt. Default 60 s.
    pub idle_deadline: Duration,
    /// Time in which a client must take 64 KiB of its reply, or what is left of it. Default 5 s.
    pub write_deadline: Duration,
    /// When all places are taken, a client that has not got on with its request or reply for so
    /// long loses its place to a new one, and one that was served and is idle after ten times as
    /// long; never those under flow control. Likewise a client that takes a snapshot too slowly,
    /// when a new one has no room. Default 500 ms.
    pub make_room_after: Duration,
}

impl Default for ClientLimits {
    fn default() -> ClientLimits {
        ClientLimits {
            max_clients: 1024,
            clients_per_address: 64,
            bytes_per_second: 256 << 20,
            burst_bytes: 64 << 20,
            total_bytes_per_second: 512 << 20,
            total_burst_bytes: 128 << 20,
            send_buffer: 64 << 10,
            requests_per_second: 10_000,
            handshakes_per_second: 500,
            header_deadline: Duration::from_secs(5),
            idle_deadline: Duration::from_secs(60),
            write_deadline: Duration::from_secs(5),
            make_room_after: Duration::from_millis(500),
        }
    }
}
