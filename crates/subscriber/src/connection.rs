//! A connection to the recovery server, in plain text or over TLS.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;
use thiserror::Error;
use tickcast_wire::{Block, Reply, ReplyStatus, Request, Tick};
use zerocopy::{FromZeros, IntoBytes};

use crate::tls::ClientTls;

/// The first byte of a reply in plain text. What comes over TLS begins with another.
const PLAIN_TEXT: u8 = b'T';

/// Why there is no connection to a recovery server, or no longer.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// It cannot be reached, broke off, was too slow, or answered what was not asked.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not the one that the certificate authority knows.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The server says why it does not serve this connection.
    #[error("the server refuses the connection: {}", reason(*status))]
    Refused {
        /// What it says.
        status: ReplyStatus,
        /// What belongs to it, see [`ReplyStatus`].
        detail: u64,
    },
    /// It speaks plain text.
    #[error("the server does not speak TLS; give it a certificate, or subscribe without TLS")]
    NoTls,
}

/// Why a connection is refused, and what to do.
pub(crate) const fn reason(status: ReplyStatus) -> &'static str {
    match status {
        ReplyStatus::FlowControlOff => {
            "it was started without; start it with flow control, or subscribe without"
        }
        ReplyStatus::Busy => "it has too many clients; try again later, or let it serve more",
        ReplyStatus::Denied => "it wants its token, and was shown another or none",
        ReplyStatus::TlsRequired => {
            "it speaks TLS only; subscribe with the certificate of its authority"
        }
        _ => "it does not understand the request; run the same version on both ends",
    }
}

/// A connection that is ready for requests.
pub(crate) enum Connection {
    /// Buffered, so that a short reply is read at once with its ticks.
    Plain(BufReader<TcpStream>),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// Connects, speaks TLS and shows the token if there is one, all within `patience`.
    pub(crate) fn open(
        server: SocketAddr,
        tls: Option<&ClientTls>,
        channel: u16,
        patience: Duration,
    ) -> Result<Connection, ConnectionError> {
        let deadline = Instant::now() + patience;
        let socket = TcpStream::connect_timeout(&server, patience)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(patience))?;
        let Some(tls) = tls else {
            return Ok(Connection::Plain(BufReader::new(socket)));
        };
        let name = tls.name.clone();
        let name = name.unwrap_or_else(|| ServerName::from(server.ip()));
        let session = ClientConnection::new(tls.config.clone(), name)?;
        let stream = shake_hands(StreamOwned::new(session, socket), deadline)?;
        let mut connection = Connection::Tls(Box::new(stream));
        if let Some(token) = tls.token {
            let request = Request::with_token(channel, token, 0);
            connection.write_all(request.as_bytes())?;
            let mut reply = Reply::new_zeroed();
            connection.read_by(deadline, reply.as_mut_bytes())?;
            let detail = reply.detail();
            match reply.check(&request).map_err(io::Error::other)? {
                ReplyStatus::Ok => {}
                status => return Err(ConnectionError::Refused { status, detail }),
            }
        }
        Ok(connection)
    }

    /// Reads the reply to a request, but for the ticks that follow it.
    ///
    /// # Errors
    /// When it does not come, answers something else or for another session, or says why the server
    /// does not serve this connection.
    pub(crate) fn read_reply(
        &mut self,
        patience: Duration,
        request: &Request,
    ) -> Result<(ReplyStatus, Reply), ConnectionError> {
        let mut reply = Reply::new_zeroed();
        self.read_within(patience, reply.as_mut_bytes())?;
        let status = reply.check(request).map_err(io::Error::other)?;
        if status == ReplyStatus::Denied || reply.rejection_status().is_some() {
            let detail = reply.detail();
            return Err(ConnectionError::Refused { status, detail });
        }
        // Ticks of another session carry the same seqs and would pass for those asked for.
        if status == ReplyStatus::Ok && reply.session() != request.session() {
            let error = io::Error::other("the server answers for another session");
            return Err(error.into());
        }
        Ok((status, reply))
    }

    /// Reads the next block of the reply to request `id`, after `before` others of its ticks, unless
    /// nothing is left of it. `patience` is for what stands before them, and again for the ticks.
    pub(crate) fn read_block(
        &mut self,
        patience: Duration,
        id: u64,
        before: u64,
        ticks: &mut [Tick],
    ) -> io::Result<()> {
        if ticks.is_empty() {
            return Ok(());
        }
        let mut block = Block::new_zeroed();
        self.read_within(patience, block.as_mut_bytes())?;
        self.read_within(patience, ticks.as_mut_bytes())?;
        block.check(id, before, ticks).map_err(io::Error::other)
    }

    /// Fills `bytes` within `patience`, however the server spreads them.
    pub(crate) fn read_within(&mut self, patience: Duration, bytes: &mut [u8]) -> io::Result<()> {
        self.read_by(Instant::now() + patience, bytes)
    }

    fn read_by(&mut self, deadline: Instant, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if !self.has_some() {
                wait_until(self.socket(), deadline)?;
            }
            match self.read(bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => bytes = &mut bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // So says a socket that has waited long enough.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the server has neither closed the connection nor sent what nobody asked for.
    pub(crate) fn is_open(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = recv(self.socket(), &mut [0], flags);
        !self.has_some() && peeked.is_err_and(|error| error == Errno::AGAIN)
    }

    /// Whether a read finds something without asking the socket.
    fn has_some(&self) -> bool {
        match self {
            Connection::Plain(stream) => !stream.buffer().is_empty(),
            // Its own buffer does not tell.
            Connection::Tls(_) => false,
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Connection::Plain(stream) => stream.get_ref(),
            Connection::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(stream) => stream.read(into),
            Connection::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(stream) => stream.get_mut().write(bytes),
            Connection::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Connection::Plain(stream) => stream.get_mut().flush(),
            Connection::Tls(stream) => stream.flush(),
        }
    }
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// The handshake, unless the server answers in plain text why it does not want one.
fn shake_hands(mut stream: TlsStream, deadline: Instant) -> Result<TlsStream, ConnectionError> {
    let mut heard = false;
    while stream.conn.is_handshaking() {
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut stream.sock)?;
        }
        wait_until(&stream.sock, deadline)?;
        if !heard {
            let mut first = [0];
            heard = stream.sock.peek(&mut first)? > 0;
            if first == [PLAIN_TEXT] {
                return Err(plain_answer(stream, deadline));
            }
        }
        if stream.conn.read_tls(&mut stream.sock)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Err(error) = stream.conn.process_new_packets() {
            // The server is told why; whether it listens makes no difference.
            let _ = stream.conn.write_tls(&mut stream.sock);
            return Err(error.into());
        }
    }
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    Ok(stream)
}

/// What a server says in plain text where TLS was expected.
fn plain_answer(stream: TlsStream, deadline: Instant) -> ConnectionError {
    let mut reply = Reply::new_zeroed();
    let mut connection = Connection::Plain(BufReader::new(stream.into_parts().1));
    if let Err(error) = connection.read_by(deadline, reply.as_mut_bytes()) {
        return error.into();
    }
    let rejection = reply.rejection_status();
    rejection.map_or(ConnectionError::NoTls, |status| ConnectionError::Refused {
        status,
        detail: reply.detail(),
    })
}

/// The next read waits no longer than until then.
fn wait_until(socket: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // The server keeps little on the way to a client: what has come is acknowledged at once, or it
    // would wait for that again and again. It is no failure where that cannot be asked for.
    let _ = SockRef::from(socket).set_tcp_quickack(true);
    socket.set_read_timeout(Some(left))
}
