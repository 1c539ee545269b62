//! The recovery channel: 64-byte requests, 64-byte replies followed by blocks of ticks.

use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::TickSum;
use crate::digest::Digest;
use crate::packet::VERSION;
use crate::tick::Tick;
use crate::token::Token;

/// The first four bytes of every request and reply: `TCRQ`.
pub const RECOVERY_MAGIC: u32 = u32::from_le_bytes(*b"TCRQ");

/// The first four bytes of every block: `TCRB`.
pub const BLOCK_MAGIC: u32 = u32::from_le_bytes(*b"TCRB");

/// Ticks in a full block: 64 KiB of them.
pub const BLOCK_ROWS: usize = 1_024;

/// Where the checksum of a reply and of a block lies.
const CHECKSUM: core::ops::Range<usize> = 56..64;

/// The checksum of a record but for its own, and of the ticks that follow it.
fn checksum_of(record: &[u8; 64], ticks: TickSum) -> U64 {
    let mut record = *record;
    record[CHECKSUM].fill(0);
    U64::new(ticks.checksum(&record))
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RequestKind {
    /// Ticks `first_seq .. first_seq + count` of `session`, as they were sent.
    Retransmit = 1,
    /// The image as of a seq no smaller than `first_seq`; `session` 0 means the current one.
    Snapshot = 2,
    /// From now on the publisher stays within its window of this client's position. `first_seq` is
    /// the next seq the client wants.
    FlowJoin = 3,
    /// The client's position after [`RequestKind::FlowJoin`]: `first_seq` is the next seq it
    /// wants. It gets no reply.
    Position = 4,
    /// Shows the secret that the server asks of clients beyond its own host: the first request of
    /// a connection, and only ever over TLS. Session, first seq and count are 0.
    Token = 5,
    /// What the publisher's clock shows: `first_seq` is what the client's shows as it asks.
    /// Session and count are 0.
    Clock = 6,
}

impl RequestKind {
    /// The kind with this code, if this version knows it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<RequestKind> {
        match code {
            1 => Some(RequestKind::Retransmit),
            2 => Some(RequestKind::Snapshot),
            3 => Some(RequestKind::FlowJoin),
            4 => Some(RequestKind::Position),
            5 => Some(RequestKind::Token),
            6 => Some(RequestKind::Clock),
            _ => None,
        }
    }
}

/// A request of a subscriber.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | magic `TCRQ` |
/// | 4 | 1 | version, 1 |
/// | 5 | 1 | kind, see [`RequestKind`] |
/// | 6 | 2 | channel |
/// | 8 | 8 | session; 0 = the current one, for a snapshot and to join flow control |
/// | 16 | 8 | first seq, see [`RequestKind`] |
/// | 24 | 8 | count of ticks, for a retransmit; otherwise 0 |
/// | 32 | 8 | id, repeated in the reply |
/// | 40 | 24 | token, for [`RequestKind::Token`]; otherwise 0 |
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Request {
    magic: U32,
    version: u8,
    kind: u8,
    channel: U16,
    session: U64,
    first_seq: U64,
    count: U64,
    id: U64,
    token: Token,
}

/// Why 64 bytes are not a request that this version can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Another application's bytes.
    #[error("not a tickcast request: magic {found:#010x}")]
    Foreign {
        /// The first four bytes.
        found: u32,
    },
    /// A later version of the layout.
    #[error("request of version {found}, this server knows {VERSION}: update the publisher")]
    NewerVersion {
        /// The version.
        found: u8,
    },
    /// A kind of request this version does not know; version 0 counts as unknown too.
    #[error("request of unknown kind {found}")]
    UnknownKind {
        /// The code of the kind.
        found: u8,
    },
    /// A retransmit of no ticks, of seq 0, or past the largest number.
    #[error("retransmit of {count} ticks from seq {first_seq} names no range")]
    NoRange {
        /// The first seq in the request.
        first_seq: u64,
        /// The count in the request.
        count: u64,
    },
}

impl Request {
    /// A request of this kind.
    #[must_use]
    pub const fn new(
        kind: RequestKind,
        session: u64,
        channel: u16,
        first_seq: u64,
        count: u64,
        id: u64,
    ) -> Request {
        Request {
            magic: U32::new(RECOVERY_MAGIC),
            version: VERSION,
            kind: kind as u8,
            channel: U16::new(channel),
            session: U64::new(session),
            first_seq: U64::new(first_seq),
            count: U64::new(count),
            id: U64::new(id),
            token: Token::NONE,
        }
    }

    /// The request that shows a token.
    #[must_use]
    pub const fn with_token(channel: u16, token: Token, id: u64) -> Request {
        let mut request = Request::new(RequestKind::Token, 0, channel, 0, 0, id);
        request.token = token;
        request
    }

    /// The request for the publisher's clock; `asked` is what the client's shows, in ns since the
    /// Unix epoch.
    #[must_use]
    pub const fn for_clock(channel: u16, asked: u64, id: u64) -> Request {
        Request::new(RequestKind::Clock, 0, channel, asked, 0, id)
    }

    /// Checks the request and gives its kind.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn check(&self) -> Result<RequestKind, RequestError> {
        if self.magic.get() != RECOVERY_MAGIC {
            return Err(RequestError::Foreign {
                found: self.magic.get(),
            });
        }
        if self.version > VERSION {
            return Err(RequestError::NewerVersion {
                found: self.version,
            });
        }
        let kind = RequestKind::from_code(self.kind).filter(|_| self.version == VERSION);
        let kind = kind.ok_or(RequestError::UnknownKind { found: self.kind })?;
        let (first_seq, count) = (self.first_seq(), self.count());
        let names_range = first_seq > 0 && count > 0 && first_seq.checked_add(count).is_some();
        if kind == RequestKind::Retransmit && !names_range {
            return Err(RequestError::NoRange { first_seq, count });
        }
        Ok(kind)
    }

    /// The channel.
    #[must_use]
    pub const fn channel(&self) -> u16 {
        self.channel.get()
    }

    /// The session it asks about; 0 = the current one.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session.get()
    }

    /// The first seq, see [`RequestKind`].
    #[must_use]
    pub const fn first_seq(&self) -> u64 {
        self.first_seq.get()
    }

    /// How many ticks a retransmit asks for.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count.get()
    }

    /// The client's number of the request.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id.get()
    }

    /// The token, for [`RequestKind::Token`].
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.token
    }
}

/// What became of a request; each says what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Served: `count` ticks follow. Detail of a flow-control join: the window in ticks; of a
    /// clock, see [`Reply`].
    Ok = 0,
    /// The store no longer has it. Detail: the oldest seq it has. Take a snapshot.
    TooOld = 1,
    /// Not published yet. Detail: the next seq to be published. Ask again later.
    NotYet = 2,
    /// Another session is running. Detail: the current session.
    OtherSession = 3,
    /// More ticks than one request may ask for. Detail: the most. Ask for less.
    TooLarge = 4,
    /// Too many clients or bytes. Detail: ns after which to ask again.
    Busy = 5,
    /// Not a request of this version. The connection is closed.
    Malformed = 6,
    /// The publisher was started without flow control.
    FlowControlOff = 7,
    /// The token is wrong, or was not shown. Detail: ns after which to try again. The connection
    /// is closed.
    Denied = 8,
    /// The server speaks TLS only. The connection is closed.
    TlsRequired = 9,
}

impl Status {
    /// The status with this code, if this version knows it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Status> {
        match code {
            0 => Some(Status::Ok),
            1 => Some(Status::TooOld),
            2 => Some(Status::NotYet),
            3 => Some(Status::OtherSession),
            4 => Some(Status::TooLarge),
            5 => Some(Status::Busy),
            6 => Some(Status::Malformed),
            7 => Some(Status::FlowControlOff),
            8 => Some(Status::Denied),
            9 => Some(Status::TlsRequired),
            _ => None,
        }
    }
}

/// The header of a reply.
///
/// A reply of kind 0, with id 0, answers no request: it says why the server does not serve this
/// connection, which it closes then. It takes the place of the reply to whatever was asked.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | magic `TCRQ` |
/// | 4 | 1 | version, 1 |
/// | 5 | 1 | kind of the request; 0: about the connection |
/// | 6 | 1 | status, see [`Status`] |
/// | 7 | 1 | reserved, 0 |
/// | 8 | 8 | the publisher's current session |
/// | 16 | 8 | retransmit: seq of the first tick that follows; snapshot: the seq it is as of; clock: as in the request |
/// | 24 | 8 | count of ticks that follow |
/// | 32 | 8 | id of the request |
/// | 40 | 8 | detail, by status; clock: the publisher's when the request was there, ns since the Unix epoch |
/// | 48 | 8 | snapshot: digest of all ticks up to the seq it is as of; 0 = none; clock: the publisher's when the reply left |
/// | 56 | 8 | checksum of the 56 bytes before |
///
/// The ticks follow in blocks of [`BLOCK_ROWS`], the last with what is left; before each stands a
/// [`Block`].
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Reply {
    magic: U32,
    version: u8,
    kind: u8,
    status: u8,
    reserved: u8,
    session: U64,
    first_seq: U64,
    count: U64,
    id: U64,
    detail: U64,
    digest: U64,
    checksum: U64,
}

const _: () = assert!(size_of::<Request>() == 64 && align_of::<Request>() == 1);
const _: () = assert!(size_of::<Reply>() == 64 && align_of::<Reply>() == 1);

/// Why 64 bytes are not the reply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplyError {
    /// Another application's bytes.
    #[error("not a tickcast reply: magic {found:#010x}")]
    Foreign {
        /// The first four bytes.
        found: u32,
    },
    /// A later version of the layout.
    #[error("reply of version {found}, this client knows {VERSION}: update the subscriber")]
    NewerVersion {
        /// The version.
        found: u8,
    },
    /// The checksum of a reply, or of a block after it, does not fit: bytes changed on the way.
    #[error("reply damaged on the way: the checksum does not fit")]
    Damaged,
    /// A status this version does not know; version 0 counts as unknown too.
    #[error("reply of unknown status {found}")]
    UnknownStatus {
        /// The code of the status.
        found: u8,
    },
    /// A reply to something that was not asked.
    #[error("reply to request {found}, the one waiting is {expected}")]
    WrongId {
        /// The id of the request that waits.
        expected: u64,
        /// The id in the reply.
        found: u64,
    },
    /// An answer that is not what was asked: another kind, range or count.
    #[error("{count} ticks from seq {first_seq} are not what was asked for")]
    WrongRange {
        /// The first seq in the reply.
        first_seq: u64,
        /// The count in the reply.
        count: u64,
    },
}

impl Reply {
    /// A reply to `request` with this status and detail, and no ticks yet.
    #[must_use]
    pub fn new(request: &Request, session: u64, status: Status, detail: u64) -> Reply {
        Reply {
            magic: U32::new(RECOVERY_MAGIC),
            version: VERSION,
            kind: request.kind,
            status: status as u8,
            reserved: 0,
            session: U64::new(session),
            first_seq: U64::ZERO,
            count: U64::ZERO,
            id: request.id,
            detail: U64::new(detail),
            digest: U64::ZERO,
            checksum: U64::ZERO,
        }
        .with_checksum()
    }

    /// The same reply to a snapshot request, with the digest of all ticks up to the seq it is as
    /// of.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Reply {
        self.digest = U64::new(digest.value());
        self.with_checksum()
    }

    /// The same reply to a request for the clock, with what the publisher's clock showed when the
    /// request was there and when the reply leaves, in ns since the Unix epoch.
    #[must_use]
    pub fn with_clock(mut self, received: u64, sent: u64) -> Reply {
        (self.detail, self.digest) = (U64::new(received), U64::new(sent));
        self.with_checksum()
    }

    /// A reply that answers no request: why the server does not serve this connection.
    #[must_use]
    pub fn rejection(session: u64, status: Status, detail: u64) -> Reply {
        let mut request = Request::new(RequestKind::Position, session, 0, 0, 0, 0);
        request.kind = 0;
        Reply::new(&request, session, status, detail)
    }

    /// The status of a reply that answers no request but says why the connection is closed.
    #[must_use]
    pub fn rejection_status(&self) -> Option<Status> {
        let is_whole = self.magic.get() == RECOVERY_MAGIC && self.version == VERSION;
        let is_sound = is_whole && self.checksum == self.checksum();
        if !is_sound || self.kind != 0 || self.id() != 0 || self.count() != 0 {
            return None;
        }
        match Status::from_code(self.status) {
            Some(Status::Ok) | None => None,
            status => status,
        }
    }

    /// The same reply, announcing `count` ticks; for `first_seq` see [`Reply`].
    #[must_use]
    pub fn with_ticks(mut self, first_seq: u64, count: u64) -> Reply {
        self.first_seq = U64::new(first_seq);
        self.count = U64::new(count);
        self.with_checksum()
    }

    /// Instead of this reply, one to the same request that refuses it.
    #[must_use]
    pub fn refused(mut self, status: Status, detail: u64) -> Reply {
        self.status = status as u8;
        self.detail = U64::new(detail);
        self.digest = U64::ZERO;
        self.with_ticks(0, 0)
    }

    fn with_checksum(mut self) -> Reply {
        self.checksum = self.checksum();
        self
    }

    fn checksum(&self) -> U64 {
        checksum_of(zerocopy::transmute_ref!(self), TickSum::of(&[]))
    }

    /// Checks that this answers `request` and gives the status. A served retransmit has exactly
    /// the range that was asked for; a served snapshot is no older than asked for; a clock repeats
    /// when it was asked for. A rejection of the connection answers every request.
    ///
    /// # Errors
    /// See [`ReplyError`].
    pub fn check(&self, request: &Request) -> Result<Status, ReplyError> {
        if self.magic.get() != RECOVERY_MAGIC {
            return Err(ReplyError::Foreign {
                found: self.magic.get(),
            });
        }
        if self.version > VERSION {
            return Err(ReplyError::NewerVersion {
                found: self.version,
            });
        }
        if self.checksum != self.checksum() {
            return Err(ReplyError::Damaged);
        }
        let status = Status::from_code(self.status).filter(|_| self.version == VERSION);
        let status = status.ok_or(ReplyError::UnknownStatus { found: self.status })?;
        if let Some(status) = self.rejection_status() {
            return Ok(status);
        }
        if self.id != request.id {
            return Err(ReplyError::WrongId {
                expected: request.id(),
                found: self.id(),
            });
        }
        let as_asked = match (status, RequestKind::from_code(request.kind)) {
            (Status::Ok, Some(RequestKind::Retransmit)) => {
                self.first_seq == request.first_seq && self.count == request.count
            }
            (Status::Ok, Some(RequestKind::Snapshot)) => {
                self.first_seq() >= request.first_seq() && self.first_seq() < u64::MAX
            }
            (Status::Ok, Some(RequestKind::Clock)) => {
                self.first_seq == request.first_seq && self.count() == 0
            }
            _ => self.count() == 0,
        };
        if as_asked && self.kind == request.kind {
            return Ok(status);
        }
        Err(ReplyError::WrongRange {
            first_seq: self.first_seq(),
            count: self.count(),
        })
    }

    /// The publisher's current session.
    #[must_use]
    pub const fn session(&self) -> u64 {
        self.session.get()
    }

    /// Retransmit: seq of the first tick that follows; snapshot: the seq it is as of.
    #[must_use]
    pub const fn first_seq(&self) -> u64 {
        self.first_seq.get()
    }

    /// How many ticks follow.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count.get()
    }

    /// The id of the request.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id.get()
    }

    /// What the status needs to say more, see [`Status`].
    #[must_use]
    pub const fn detail(&self) -> u64 {
        self.detail.get()
    }

    /// Snapshot: the digest of all ticks up to the seq it is as of; 0 = none.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        Digest::from_value(self.digest.get())
    }

    /// Clock: what the publisher's showed when the request was there, and when the reply left.
    #[must_use]
    pub const fn clock(&self) -> (u64, u64) {
        (self.detail.get(), self.digest.get())
    }
}

/// What stands before each block of the ticks of a reply, so that they can be handed on while the
/// rest is still on its way, and none is that was damaged.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 4 | magic `TCRB` |
/// | 4 | 4 | count of ticks in this block: 1,024, or what is left |
/// | 8 | 8 | id of the request |
/// | 16 | 8 | ticks of the reply before this block |
/// | 24 | 32 | reserved, 0 |
/// | 56 | 8 | checksum of the 56 bytes before and of the ticks |
#[derive(
    FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct Block {
    magic: U32,
    count: U32,
    id: U64,
    before: U64,
    reserved: [u8; 32],
    checksum: U64,
}

const _: () = assert!(size_of::<Block>() == 64 && align_of::<Block>() == 1);

impl Block {
    /// What stands before these `count` ticks of the reply to request `id`, after `before` others.
    #[must_use]
    pub fn new(id: u64, before: u64, count: u32, ticks: TickSum) -> Block {
        let mut block = Block {
            magic: U32::new(BLOCK_MAGIC),
            count: U32::new(count),
            id: U64::new(id),
            before: U64::new(before),
            reserved: [0; 32],
            checksum: U64::ZERO,
        };
        block.checksum = block.checksum_with(ticks);
        block
    }

    /// Checks that these ticks are the ones that it stands before, in the reply to request `id`
    /// after `before` others.
    ///
    /// # Errors
    /// [`ReplyError::Damaged`] when the block or a tick was damaged, or belongs somewhere else.
    pub fn check(&self, id: u64, before: u64, ticks: &[Tick]) -> Result<(), ReplyError> {
        let is_next = self.magic.get() == BLOCK_MAGIC
            && self.count.get() as usize == ticks.len()
            && (self.id.get(), self.before.get()) == (id, before);
        if is_next && self.checksum == self.checksum_with(TickSum::of(ticks)) {
            Ok(())
        } else {
            Err(ReplyError::Damaged)
        }
    }

    fn checksum_with(&self, ticks: TickSum) -> U64 {
        checksum_of(zerocopy::transmute_ref!(self), ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Clear;

    fn request() -> Request {
        Request::new(RequestKind::Retransmit, 0x0102, 3, 4, 5, 6)
    }

    const fn with_checksum(mut bytes: [u8; 64], checksum: u64) -> [u8; 64] {
        let (_, tail) = bytes.split_at_mut(56);
        tail.copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    const REQUEST: [u8; 64] = {
        let mut bytes = [0; 64];
        (bytes[0], bytes[1], bytes[2], bytes[3]) = (b'T', b'C', b'R', b'Q');
        (bytes[4], bytes[5], bytes[6]) = (1, 1, 3);
        (bytes[8], bytes[9]) = (2, 1);
        (bytes[16], bytes[24], bytes[32]) = (4, 5, 6);
        bytes
    };

    const REPLY: [u8; 64] = {
        let mut bytes = REQUEST;
        (bytes[6], bytes[40]) = (1, 9);
        (bytes[16], bytes[24]) = (0, 0);
        with_checksum(bytes, 0xef2b_c41d_cce8_0665)
    };

    #[test]
    fn golden_bytes_both_ways() {
        let mut bytes = [0xa5; 64];
        request().write_to(&mut bytes).unwrap();
        assert_eq!(bytes, REQUEST);
        assert_eq!(*Request::ref_from_bytes(&REQUEST).unwrap(), request());

        let reply = Reply::new(&request(), 0x0102, Status::TooOld, 9);
        reply.write_to(&mut bytes).unwrap();
        assert_eq!(bytes, REPLY);
        assert_eq!(*Reply::ref_from_bytes(&REPLY).unwrap(), reply);

        let reply = reply.with_digest(Digest::from_value(0x0a0b));
        reply.write_to(&mut bytes).unwrap();
        let mut expected = with_checksum(REPLY, 0xdba6_dbe3_d265_c1c2);
        expected[48..50].copy_from_slice(&[0x0b, 0x0a]);
        assert_eq!(bytes, expected);
        assert_eq!(reply.digest(), Digest::from_value(0x0a0b));
    }

    #[test]
    fn every_single_byte_change_of_a_request_is_refused_or_really_valid() {
        for at in 0..64 {
            for value in 0..=255u8 {
                let mut bytes = REQUEST;
                bytes[at] = value;
                let request = Request::read_from_bytes(&bytes).unwrap();
                match request.check() {
                    Ok(RequestKind::Retransmit) => {
                        assert!(at >= 6 || bytes == REQUEST);
                        assert!(request.count() > 0 && request.first_seq() > 0);
                    }
                    Ok(_) => assert_eq!(at, 5, "another kind"),
                    Err(_) => assert_ne!(bytes, REQUEST),
                }
            }
        }
    }

    #[test]
    fn ranges_that_name_nothing_are_refused() {
        for (first_seq, count) in [(0, 1), (1, 0), (u64::MAX, 1), (2, u64::MAX)] {
            let request = Request::new(RequestKind::Retransmit, 1, 0, first_seq, count, 0);
            assert_eq!(
                request.check(),
                Err(RequestError::NoRange { first_seq, count })
            );
        }
        assert!(
            Request::new(RequestKind::Snapshot, 0, 0, 0, 0, 0)
                .check()
                .is_ok()
        );
    }

    #[test]
    fn replies_must_answer_what_was_asked() {
        let request = request();
        let ok = Reply::new(&request, 1, Status::Ok, 0);
        assert_eq!(ok.with_ticks(4, 5).check(&request), Ok(Status::Ok));
        for (first_seq, count) in [(3, 5), (4, 4), (4, 6), (0, 0)] {
            let error = ok.with_ticks(first_seq, count).check(&request).unwrap_err();
            assert_eq!(error, ReplyError::WrongRange { first_seq, count });
        }
        let other = Request::new(RequestKind::Retransmit, 1, 3, 4, 5, 7);
        let error = ok.with_ticks(4, 5).check(&other).unwrap_err();
        assert_eq!(
            error,
            ReplyError::WrongId {
                expected: 7,
                found: 6
            }
        );

        let snapshot = Request::new(RequestKind::Snapshot, 0, 0, 100, 0, 1);
        let ok = Reply::new(&snapshot, 1, Status::Ok, 0);
        assert_eq!(ok.with_ticks(100, 7).check(&snapshot), Ok(Status::Ok));
        assert!(ok.with_ticks(99, 7).check(&snapshot).is_err());
    }

    #[test]
    fn a_token_has_its_place() {
        let token = Token::new([7; 24]);
        let request = Request::with_token(3, token, 6);
        let mut bytes = [0; 64];
        request.write_to(&mut bytes).unwrap();
        let mut expected = [0; 64];
        expected[..7].copy_from_slice(b"TCRQ\x01\x05\x03");
        expected[32] = 6;
        expected[40..].fill(7);
        assert_eq!(bytes, expected);
        assert_eq!(request.check(), Ok(RequestKind::Token));
        assert_eq!(*request.token(), token);
    }

    #[test]
    fn a_clock_has_its_four_times() {
        let request = Request::for_clock(3, 0x0102_0304, 6);
        let mut bytes = [0; 64];
        request.write_to(&mut bytes).unwrap();
        let mut expected = [0; 64];
        expected[..7].copy_from_slice(b"TCRQ\x01\x06\x03");
        expected[16..20].copy_from_slice(&[4, 3, 2, 1]);
        expected[32] = 6;
        assert_eq!(bytes, expected);
        assert_eq!(request.check(), Ok(RequestKind::Clock));

        let ok = Reply::new(&request, 258, Status::Ok, 0).with_ticks(0x0102_0304, 0);
        let reply = ok.with_clock(7, 9);
        reply.write_to(&mut bytes).unwrap();
        let mut expected = with_checksum(expected, 0x627b_a2b5_a860_318a);
        (expected[6], expected[8], expected[9]) = (0, 2, 1);
        (expected[40], expected[48]) = (7, 9);
        assert_eq!(bytes, expected);
        assert_eq!(reply.check(&request), Ok(Status::Ok));
        assert_eq!(reply.clock(), (7, 9));
        let other = Request::for_clock(3, 0x0102_0305, 6);
        assert!(reply.check(&other).is_err(), "asked at another time");
        assert!(reply.with_ticks(0x0102_0304, 1).check(&request).is_err());
    }

    #[test]
    fn a_rejection_answers_whatever_was_asked() {
        let rejection = Reply::rejection(258, Status::Busy, 9);
        let mut bytes = [0; 64];
        rejection.write_to(&mut bytes).unwrap();
        let mut expected = with_checksum([0; 64], 0x2d33_e5cf_2632_bb70);
        expected[..7].copy_from_slice(b"TCRQ\x01\x00\x05");
        (expected[8], expected[9], expected[40]) = (2, 1, 9);
        assert_eq!(bytes, expected);
        assert_eq!(rejection.rejection_status(), Some(Status::Busy));
        assert_eq!(rejection.check(&request()), Ok(Status::Busy));
        assert!(
            Reply::rejection(1, Status::Ok, 0)
                .check(&request())
                .is_err()
        );
        let with_ticks = rejection.with_ticks(4, 5);
        assert!(with_ticks.check(&request()).is_err());
        expected[40] ^= 1;
        let damaged = Reply::read_from_bytes(&expected).unwrap();
        assert_eq!(damaged.rejection_status(), None);
    }

    #[test]
    fn every_single_byte_change_of_a_reply_is_refused() {
        for at in 0..64 {
            for value in (0..=255u8).filter(|&value| value != REPLY[at]) {
                let mut bytes = REPLY;
                bytes[at] = value;
                let reply = Reply::read_from_bytes(&bytes).unwrap();
                let error = reply.check(&request()).unwrap_err();
                assert!(
                    error == ReplyError::Damaged || at < 5,
                    "byte {at} = {value}: {error}"
                );
            }
        }
    }

    #[test]
    fn every_single_byte_lie_of_a_reply_is_refused_or_really_valid() {
        for at in 0..64 {
            for value in 0..=255u8 {
                let mut bytes = REPLY;
                bytes[at] = value;
                let reply = Reply::read_from_bytes(&bytes).unwrap().with_checksum();
                if let Ok(status) = reply.check(&request()) {
                    assert_eq!(reply.id(), 6);
                    assert!(status != Status::Ok && reply.count() == 0);
                }
            }
        }
    }

    fn rows(count: u64) -> Vec<Tick> {
        let tick = Tick::new(Clear::default(), 1u16, 3, 5);
        (4..4 + count).map(|seq| tick.with_seq(seq)).collect()
    }

    const BLOCK: [u8; 64] = {
        let mut bytes = [0; 64];
        (bytes[0], bytes[1], bytes[2], bytes[3]) = (b'T', b'C', b'R', b'B');
        (bytes[4], bytes[8], bytes[17]) = (2, 6, 4);
        with_checksum(bytes, 0x0ae8_d068_0c33_b2aa)
    };

    #[test]
    fn golden_block_both_ways() {
        let rows = rows(2);
        let block = Block::new(6, 1_024, 2, TickSum::of(&rows));
        assert_eq!(block.as_bytes(), BLOCK);
        let read = Block::read_from_bytes(&BLOCK).unwrap();
        assert_eq!(read.check(6, 1_024, &rows), Ok(()));
    }

    #[test]
    fn a_block_that_is_not_the_next_is_refused() {
        let rows = rows(3);
        let block = Block::read_from_bytes(&BLOCK).unwrap();
        for (id, before, ticks) in [
            (7, 1_024, &rows[..2]),
            (6, 0, &rows[..2]),
            (6, 1_024, &rows[..1]),
            (6, 1_024, &rows[..]),
            (6, 1_024, &rows[1..]),
        ] {
            assert_eq!(block.check(id, before, ticks), Err(ReplyError::Damaged));
        }
    }

    #[test]
    fn every_single_byte_change_of_a_block_is_refused() {
        let bytes = [&BLOCK[..], rows(2).as_bytes()].concat();
        for at in 0..bytes.len() {
            for value in (0..=255u8).filter(|&value| value != bytes[at]) {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                let (block, rows) = Block::ref_from_prefix(&bytes).unwrap();
                let rows = <[Tick]>::ref_from_bytes(rows).unwrap();
                let checked = block.check(6, 1_024, rows);
                assert_eq!(checked, Err(ReplyError::Damaged), "byte {at} = {value}");
            }
        }
    }
}
