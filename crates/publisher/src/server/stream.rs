//! The bytes of a connection, in plain text or over TLS, without ever waiting for them.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};

/// Bytes of a reply that are in a TLS record at most, and that wait to leave: one record.
const RECORD_BYTES: usize = 16 * 1024;

/// Bytes that a handshake may take of a client: many times what it needs.
const HANDSHAKE_BYTES: usize = 16 * 1024;

/// A connection.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    tls: Option<Box<Tls>>,
}

impl Stream {
    /// In plain text, for now.
    pub(crate) const fn new(socket: TcpStream) -> Stream {
        Stream { socket, tls: None }
    }

    /// Speaks TLS from here on.
    pub(crate) fn begin_tls(&mut self, config: &Arc<ServerConfig>) -> Result<(), rustls::Error> {
        self.tls = Some(Box::new(Tls {
            session: ServerConnection::new(Arc::clone(config))?,
            handshake_bytes: 0,
        }));
        Ok(())
    }

    pub(crate) const fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.session.send_close_notify();
            // If the socket has no room, the end of the connection says the same.
            let _ = tls.push(&mut self.socket);
        }
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.read(into),
            Some(tls) => tls.read(&mut self.socket, into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write_vectored(slices),
            Some(tls) => tls.write_vectored(&mut self.socket, slices),
        }
    }

    /// Fails with `WouldBlock` while something that was written has not left.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => Ok(()),
            Some(tls) => tls.push(&mut self.socket),
        }
    }
}

/// TLS over a socket. It holds at most a record that leaves and a record that comes.
#[derive(Debug)]
struct Tls {
    session: ServerConnection,
    /// What came while the handshake was not done.
    handshake_bytes: usize,
}

impl Tls {
    /// Reads what has come; at most once from the socket, so that all clients have their turn:
    /// `Interrupted` says that more may be there.
    fn read(&mut self, socket: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
        match self.session.reader().read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
        let count = match self.session.read_tls(socket) {
            Ok(0) => return Ok(0),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // The handshake may have something to say that found no room before.
                self.push(socket)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        if self.session.is_handshaking() {
            self.handshake_bytes += count;
            if self.handshake_bytes > HANDSHAKE_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let processed = self.session.process_new_packets();
        // After an error this is the alert that says why.
        let pushed = self.push(socket);
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        match pushed {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    fn write_vectored(
        &mut self,
        socket: &mut TcpStream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.push(socket)?;
        let mut taken = 0;
        for slice in slices {
            let room = (RECORD_BYTES - taken).min(slice.len());
            taken += self.session.writer().write(&slice[..room])?;
        }
        match self.push(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Hands the socket what waits to leave.
    fn push(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}
