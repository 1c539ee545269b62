//! Clients that mean ill.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};
use tickcast_wire::{Reply, Request, RequestKind};
use zerocopy::{FromBytes, IntoBytes};

/// Connections from one address of this host.
const PER_ADDRESS: usize = 40;

/// What a hostile client does.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Nothing.
    Silent,
    /// A byte of a request now and then.
    Slow,
    /// Bytes that are no request.
    Garbage,
    /// Ranges as large as can be, of which it reads nothing.
    NeverReads,
    /// As many small requests as the socket takes.
    Flood,
    /// Ranges beyond all bounds.
    TooLarge,
}

impl Kind {
    pub const ALL: &[Kind] = &[
        Kind::Silent,
        Kind::Slow,
        Kind::Garbage,
        Kind::NeverReads,
        Kind::Flood,
        Kind::TooLarge,
    ];
}

/// Many of them at once.
pub struct Attack {
    server: SocketAddr,
    session: u64,
    kinds: &'static [Kind],
    tls: Option<Arc<ClientConfig>>,
    clients: Vec<Option<Client>>,
}

enum Client {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Attack {
    /// Nobody has connected yet.
    pub fn new(server: SocketAddr, clients: usize, kinds: &'static [Kind]) -> Attack {
        let mut attack = Attack {
            server,
            session: 0,
            kinds,
            tls: None,
            clients: Vec::new(),
        };
        attack.clients.resize_with(clients, || None);
        attack.session = attack.learn_session();
        attack
    }

    /// All of them speak TLS as they should, ask for ranges and read nothing.
    pub fn over_tls(
        server: SocketAddr,
        clients: usize,
        authority: CertificateDer<'static>,
    ) -> Attack {
        let mut roots = RootCertStore::empty();
        roots.add(authority).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut attack = Attack {
            server,
            session: 0,
            kinds: &[Kind::NeverReads],
            tls: Some(Arc::new(config)),
            clients: Vec::new(),
        };
        attack.clients.resize_with(clients, || None);
        attack.session = attack.learn_session();
        attack
    }

    /// The session, from the reply to a request for another one.
    fn learn_session(&self) -> u64 {
        let mut client = self.connect(0).expect("the server serves the first");
        client.socket().set_nonblocking(false).expect("blocking");
        let asked = Request::new(RequestKind::Retransmit, 1, 0, 1, 1, 0);
        client.write_all(asked.as_bytes()).expect("a request");
        let mut reply = [0; 64];
        client.read_exact(&mut reply).expect("a reply");
        Reply::read_from_bytes(&reply).expect("64 bytes").session()
    }

    /// Each client goes on, or connects again if the server has closed its connection.
    pub fn go_on(&mut self) {
        for at in 0..self.clients.len() {
            let kind = self.kinds[at % self.kinds.len()];
            match &mut self.clients[at] {
                None => {
                    self.clients[at] = self.connect(at);
                    if let Some(client) = &mut self.clients[at] {
                        client.attack(kind, self.session);
                    }
                }
                Some(client) if client.is_closed() => self.clients[at] = None,
                Some(client) => client.attack(kind, self.session),
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }

    /// Whether every one of them has a connection, but for those that the server has just sent
    /// away and that come back at once.
    pub fn have_all_connected(&self) -> bool {
        let connected = self.clients.iter().flatten().count();
        connected >= self.clients.len() * 4 / 5
    }

    /// Whether the server has closed them all.
    pub fn are_all_closed(&self) -> bool {
        self.clients.iter().flatten().all(Client::is_closed)
    }

    /// From one of many addresses, so that neither ports nor places of one address run out.
    fn connect(&self, at: usize) -> Option<Client> {
        let host = (at / PER_ADDRESS) as u16;
        let [high, low] = host.to_be_bytes();
        let from = SocketAddr::from(([127, 66, high + 1, low], 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        socket.bind(&from.into()).ok()?;
        socket.connect(&self.server.into()).ok()?;
        let mut stream = TcpStream::from(socket);
        let Some(config) = &self.tls else {
            stream.set_nonblocking(true).ok()?;
            return Some(Client::Plain(stream));
        };
        let name = ServerName::from(self.server.ip());
        let mut session = ClientConnection::new(Arc::clone(config), name).ok()?;
        session.complete_io(&mut stream).ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(Client::Tls(Box::new(StreamOwned::new(session, stream))))
    }
}

impl Client {
    fn attack(&mut self, kind: Kind, session: u64) {
        let retransmit = |count| Request::new(RequestKind::Retransmit, session, 0, 1, count, 0);
        // Whatever the socket does not take is not sent.
        let _ = match kind {
            Kind::Silent => Ok(()),
            Kind::Slow => self.write_all(b"T"),
            Kind::Garbage => self.write_all(&[0xa5; 1000]),
            Kind::NeverReads => self.write_all(retransmit(2_000).as_bytes()),
            Kind::Flood => self.write_all([retransmit(1); 20].as_bytes()),
            Kind::TooLarge => self.write_all(retransmit(u64::MAX - 1).as_bytes()),
        };
    }

    /// Whether the server has closed the connection, or will say nothing more.
    fn is_closed(&self) -> bool {
        let mut poll = [PollFd::new(self.socket(), PollFlags::RDHUP)];
        let now = Timespec::default();
        rustix::event::poll(&mut poll, Some(&now)).is_ok_and(|events| events > 0)
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Client::Plain(socket) => socket,
            Client::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Client {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Client::Plain(socket) => socket.read(into),
            Client::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Client::Plain(socket) => socket.write(bytes),
            Client::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Client::Plain(socket) => socket.flush(),
            Client::Tls(stream) => stream.flush(),
        }
    }
}
