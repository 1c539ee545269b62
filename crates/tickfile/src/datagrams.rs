//! The datagrams of a capture, whatever they carry: when each was captured, and what it says of its
//! place in a stream.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use crate::pcap::{Capture, NotUdp, Udp, udp};
use crate::reader::{Notice, OpenError, ReadError, map};
use crate::source::Source;

/// A datagram as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// When it was captured, by the clock of whatever captured it, ns since the Unix epoch.
    pub time_ns: u64,
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it went: the group and port of a line.
    pub destination: SocketAddr,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Reads the datagrams of a pcap or pcapng file, gzipped or not, in the order of the file.
///
/// ```no_run
/// use tickcast_tickfile::Datagrams;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut datagrams = Datagrams::open("capture.pcap".as_ref())?;
/// while let Some(datagram) = datagrams.next()? {
///     println!("{} to {}", datagram.time_ns, datagram.destination);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Datagrams {
    capture: Capture,
    skipped: BTreeMap<&'static str, u64>,
    /// The current packet was given.
    is_given: bool,
}

impl Datagrams {
    /// Opens a capture.
    ///
    /// # Errors
    /// When it cannot be opened, is no regular file, or no capture.
    pub fn open(path: &Path) -> Result<Datagrams, OpenError> {
        let source = Source::new(map(path)?);
        let capture = Capture::open(source).map_err(|source| OpenError::Damaged {
            path: path.into(),
            source,
        })?;
        Ok(Datagrams {
            capture,
            skipped: BTreeMap::new(),
            is_given: false,
        })
    }

    /// The next datagram; `None` at the end.
    ///
    /// # Errors
    /// When the capture is damaged; what came before counts.
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends what the next call takes back"
    )]
    pub fn next(&mut self) -> Result<Option<Datagram<'_>>, ReadError> {
        if std::mem::replace(&mut self.is_given, true) {
            self.capture.advance();
        }
        while let Some(packet) = self.capture.packet()? {
            let reason = match (udp(packet.link, packet.bytes), packet.time_ns) {
                _ if packet.is_cut => "cut_packet",
                (Ok(_), Some(_)) => break,
                (Ok(_), None) => "packet_without_time",
                (Err(error), _) => reason(error),
            };
            *self.skipped.entry(reason).or_default() += 1;
            self.capture.advance();
        }
        // Looked at once more: a packet that was lent cannot be given on from within the loop.
        let Some(packet) = self.capture.packet()? else {
            return Ok(None);
        };
        let (Ok(datagram), Some(time_ns)) = (udp(packet.link, packet.bytes), packet.time_ns) else {
            return Ok(None);
        };
        let Udp {
            source,
            destination,
            payload,
        } = datagram;
        Ok(Some(Datagram {
            time_ns,
            source,
            destination,
            payload,
        }))
    }

    /// Packets that were passed over so far, by reason: not UDP, a fragment, malformed, of a link
    /// type that is not read, kept only in part (`cut_packet`), or without a time.
    #[must_use]
    pub const fn skipped(&self) -> &BTreeMap<&'static str, u64> {
        &self.skipped
    }

    /// Whether the file ended inside a record.
    #[must_use]
    pub fn notice(&self) -> Option<&Notice> {
        self.capture.notice()
    }
}

/// As what such a packet is counted.
pub(crate) const fn reason(error: NotUdp) -> &'static str {
    match error {
        NotUdp::OtherProtocol => "not_udp_packet",
        NotUdp::Fragment => "fragmented_packet",
        NotUdp::Malformed => "malformed_packet",
        NotUdp::LinkType => "unknown_link_type",
    }
}
