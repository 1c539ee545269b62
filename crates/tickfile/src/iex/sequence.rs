//! Which messages of a segment are new, and how many never came.

use super::transport::Segment;

/// The most channels that are told apart. IEX sends TOPS on one.
const MAX_CHANNELS: usize = 64;

/// Where each channel is.
#[derive(Default)]
pub(super) struct Sequence {
    channels: Vec<Channel>,
}

struct Channel {
    id: u32,
    session: u32,
    next_seq: u64,
    /// The latest send time seen, ns since the Unix epoch.
    sent: i64,
}

/// What to do with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Arrival {
    /// Messages between the last one before and this segment, which never came.
    pub missing: u64,
    /// Messages at the beginning of the segment that are not to be delivered: they came before, or
    /// they come after later ones.
    pub repeated: u64,
}

/// [`MAX_CHANNELS`] are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyChannels;

impl Sequence {
    /// Takes note of the next segment.
    pub fn arrive(&mut self, segment: &Segment<'_>) -> Result<Arrival, TooManyChannels> {
        let header = segment.header;
        let (id, session) = (header.channel.get(), header.session.get());
        let sent = header.send_time.get();
        let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) else {
            if self.channels.len() == MAX_CHANNELS {
                return Err(TooManyChannels);
            }
            // What was sent before the capture began is not missing from it.
            self.channels.push(Channel {
                id,
                session,
                next_seq: segment.first_seq + segment.count(),
                sent,
            });
            return Ok(Arrival::default());
        };
        // A segment of before comes again with the time of before.
        let is_later = sent > channel.sent;
        let is_start = segment.first_seq == 1 && header.stream_offset.get() == 0;
        if is_later && (session != channel.session || is_start) {
            channel.session = session;
            channel.next_seq = 1;
        } else if session != channel.session {
            return Ok(Arrival {
                missing: 0,
                repeated: segment.count(),
            });
        }
        channel.sent = channel.sent.max(sent);
        let arrival = Arrival {
            missing: segment.first_seq.saturating_sub(channel.next_seq),
            repeated: channel
                .next_seq
                .saturating_sub(segment.first_seq)
                .min(segment.count()),
        };
        channel.next_seq = channel.next_seq.max(segment.first_seq + segment.count());
        Ok(arrival)
    }
}
