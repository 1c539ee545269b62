//! What comes to a server that speaks TLS and is no TLS as it should be.

mod support;

use std::io::{Read, Write};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use support::watchdog::wait_for;
use support::{Client, ThenSilence, config, line, recovery, ticks};
use tickcast_publisher::{
    ClientLimits, Counter, Publisher, PublisherHandle, RecoveryConfig, ServerTls, TlsError,
};
use tickcast_wire::{Reply, ReplyStatus, RequestKind, Token};
use zerocopy::FromBytes;

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").into_bytes()
}

/// A certificate and its key.
fn certificate() -> (Vec<u8>, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = pem("PRIVATE KEY", &key.serialize_der());
    (pem("CERTIFICATE", certificate.der()), key)
}

fn publisher(group: [u8; 4], clients: ClientLimits) -> PublisherHandle {
    let (certificate, key) = certificate();
    let mut config = config(line(group).1);
    config.recovery = Some(RecoveryConfig {
        clients,
        tls: Some(ServerTls::new(&certificate, &key, Token::new([7; 24])).unwrap()),
        ..recovery()
    });
    Publisher::start(config, ThenSilence::new(ticks(100))).unwrap()
}

fn connect(publisher: &PublisherHandle) -> Client {
    Client::connect(publisher.recovery_addr().unwrap())
}

#[test]
fn plain_text_is_told_that_tls_is_wanted() {
    let publisher = publisher([239, 192, 95, 1], ClientLimits::default());
    let mut plain = connect(&publisher);
    let (status, reply, _) = plain.ask(RequestKind::Retransmit, 1, 1);
    assert_eq!(status, ReplyStatus::TlsRequired);
    assert_eq!(reply.rejection_status(), Some(ReplyStatus::TlsRequired));
    plain.wait_for_close();
    assert_eq!(publisher.counters().get(Counter::TlsRequired), 1);
    assert_eq!(publisher.counters().get(Counter::Handshakes), 0);
}

#[test]
fn garbage_is_closed_before_and_after_a_handshake_begins() {
    let publisher = publisher([239, 192, 95, 2], ClientLimits::default());
    for (count, first) in [(1, 0x5a), (2, 22)] {
        let mut garbage = connect(&publisher);
        garbage.stream.write_all(&[first; 1000]).unwrap();
        garbage.wait_for_close();
        wait_for(&publisher, Counter::TlsFailures, count);
    }
    assert_eq!(publisher.counters().get(Counter::Handshakes), 1);
    // A record that is large enough, with a message that never ends.
    let mut endless = connect(&publisher);
    let mut record = vec![22, 3, 1, 0x3f, 0xff, 1, 0xff, 0xff, 0xff];
    record.resize(5 + 0x3fff, 0);
    for _ in 0..4 {
        // It may be closed before all of it is sent.
        let _ = endless.stream.write_all(&record);
    }
    endless.wait_for_close();
    wait_for(&publisher, Counter::TlsFailures, 3);
}

#[test]
fn a_stalled_handshake_is_closed_in_time() {
    let limits = ClientLimits {
        header_deadline: Duration::from_millis(50),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 95, 3], limits);
    let mut silent = connect(&publisher);
    let mut stalled = connect(&publisher);
    // Too late, it is a silent one that is closed already.
    let _ = stalled.stream.write_all(&[22, 3, 1, 1]);
    silent.wait_for_close();
    stalled.wait_for_close();
    assert_eq!(publisher.counters().get(Counter::HeaderTimeouts), 2);
}

#[test]
fn too_many_handshakes_are_refused_before_they_begin() {
    let limits = ClientLimits {
        handshakes_per_second: 1,
        header_deadline: Duration::from_millis(50),
        ..ClientLimits::default()
    };
    let publisher = publisher([239, 192, 95, 4], limits);
    // Each begins at once; one that is too late all the same is closed without a word.
    let begin = |_| {
        let mut client = connect(&publisher);
        let _ = client.stream.write_all(&[22, 3, 1, 1]);
        client
    };
    let mut clients: Vec<_> = (0..50).map(begin).collect();
    let mut refused = 0;
    for client in &mut clients {
        // Those that could begin and did not go on are closed without a word.
        let mut reply = [0; 64];
        if client.stream.read_exact(&mut reply).is_ok() {
            let reply = Reply::read_from_bytes(&reply).unwrap();
            assert_eq!(reply.rejection_status(), Some(ReplyStatus::Busy));
            assert!(reply.detail() > 0);
            refused += 1;
        }
    }
    assert!(refused > 0);
    assert_eq!(publisher.counters().get(Counter::HandshakeLimit), refused);
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let ((certificate, key), (_, other)) = (certificate(), certificate());
    let token = Token::new([7; 24]);
    let new = |certificate: &[u8], key: &[u8]| ServerTls::new(certificate, key, token);
    assert!(new(&certificate, &key).is_ok());
    let none = new(b"hello", &key).unwrap_err();
    assert!(matches!(none, TlsError::NoCertificate), "{none}");
    let none = new(&certificate, b"hello").unwrap_err();
    assert!(matches!(none, TlsError::Key(_)), "{none}");
    let strange = new(&certificate, &other).unwrap_err();
    assert!(matches!(strange, TlsError::Unusable(_)), "{strange}");
    assert!(new(&pem("CERTIFICATE", b"no DER"), &key).is_err());
}
