//! Recovery over TLS: who is believed, and who is served.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::path::Path;

use crate::certificates::Files;
use crate::feed::{Feed, folder, market, text};
use crate::program::{Program, count};

/// Both lines lose much, so that a subscriber without recovery loses something for certain. It waits
/// for that as long as is usual, in which a slow machine tells it as well why it is not served.
const LOSSY: &[&str] = &["--from", "start", "--drop-a", "30%", "--drop-b", "30%"];

/// For those that will be served, however slow the machine is.
const PATIENT: &[&str] = &["--recovery-deadline", "60s"];

/// An address of this host that is not loopback.
fn outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only chooses the address that it would be sent from.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

fn publisher(feed: &Feed, file: &Path, security: &[&str]) -> Program {
    let pace = ["--speed", "20000/s", "--linger", "3s"];
    feed.publisher(file, &[&pace, security].concat())
}

fn assert_healed(subscriber: Program) {
    let result = subscriber.finish().expect(0).json();
    assert_eq!(count(&result, "lost"), 0, "{result}");
    assert!(count(&result, "retransmitted") > 0, "{result}");
}

#[track_caller]
fn assert_not_served(subscriber: Program, because: &str) {
    let ended = subscriber.finish().expect(3).explains(&[because]);
    let result = ended.json();
    assert_eq!(count(&result, "retransmitted"), 0, "{result}");
}

#[test]
fn the_token_is_asked_of_clients_beyond_this_host() {
    let Some(host) = outside() else {
        eprintln!("skipped: this host has no address but loopback");
        return;
    };
    let (folder, other, mut feed) = (folder(), folder(), Feed::on_loopback());
    let port = feed.recovery.rsplit_once(':').expect("a port").1.to_owned();
    feed.recovery = format!("{host}:{port}");
    let file = market(folder.path(), 40_000);
    let files = Files::new(folder.path(), &host.to_string());
    let foreign = Files::new(other.path(), &host.to_string());
    let wrong_token = other.path().join("wrong");
    fs::write(&wrong_token, "1".repeat(48)).expect("a file");
    let ca = ["--recovery-ca", text(&files.authority)];
    let wrong = ["--recovery-token", text(&wrong_token)];

    let good = [LOSSY, PATIENT, &files.client()].concat();
    let without = [LOSSY, &ca].concat();
    let wrong = [LOSSY, &ca, &wrong].concat();
    let unknown = [LOSSY, &foreign.client()].concat();
    let plain = LOSSY.to_vec();
    let [good, without, wrong, unknown, plain] =
        [good, without, wrong, unknown, plain].map(|options| feed.subscriber(&options));
    let publisher = publisher(&feed, &file, &files.server());

    assert_healed(good);
    assert_not_served(without, "it wants its token");
    assert_not_served(wrong, "it wants its token");
    assert_not_served(unknown, "invalid peer certificate");
    assert_not_served(plain, "it speaks TLS only");
    let result = publisher.finish().expect(0).json();
    let counter = |name: &str| count(&result["counters"], name);
    assert!(
        counter("denied") >= 2 && counter("tls_required") >= 1,
        "{result}"
    );
    assert!(counter("tls_failures") >= 1, "{result}");
}

#[test]
fn on_this_host_the_certificate_is_enough() {
    let (folder, feed) = (folder(), Feed::on_loopback());
    let file = market(folder.path(), 20_000);
    let files = Files::new(folder.path(), "feed.example");
    let named = ["--recovery-ca", text(&files.authority)];
    let right = ["--recovery-name", "feed.example"];
    let right = feed.subscriber(&[LOSSY, PATIENT, &named, &right].concat());
    let wrong = feed.subscriber(&[LOSSY, &named].concat());
    let publisher = publisher(&feed, &file, &files.server());
    assert_healed(right);
    assert_not_served(wrong, "certificate not valid for name");
    publisher.finish().expect(0);
}

#[test]
fn an_expired_certificate_is_not_believed() {
    let (folder, feed) = (folder(), Feed::on_loopback());
    let file = market(folder.path(), 20_000);
    let files = Files::with(folder.path(), "127.0.0.1", |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let subscriber = feed.subscriber(&[LOSSY, &files.client()].concat());
    let publisher = publisher(&feed, &file, &files.server());
    assert_not_served(subscriber, "expired");
    publisher.finish().expect(0);
}

#[test]
fn a_publisher_without_tls_says_so() {
    let (folder, feed) = (folder(), Feed::on_loopback());
    let file = market(folder.path(), 20_000);
    let files = Files::new(folder.path(), "127.0.0.1");
    let subscriber = feed.subscriber(&[LOSSY, &files.client()].concat());
    let publisher = publisher(&feed, &file, &[]);
    assert_not_served(subscriber, "does not speak TLS");
    publisher.finish().expect(0);
}
