//! Real sockets on the loopback interface. Each test has a group and a port of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tickcast_net::{
    Datagrams, Group, Interface, MulticastReceiver, MulticastSender, NetError, ReceiveConfig,
    SendConfig, clock, wait,
};

/// Long enough for any machine: what is on its way over loopback has arrived long before.
const PATIENCE: Duration = Duration::from_secs(10);

/// A number no other test has: tests of one process count, other processes have another id.
fn unique() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    (
        std::process::id() as u16,
        NEXT.fetch_add(1, Ordering::Relaxed),
    )
}

/// A port below those that the kernel hands out by itself.
fn port(process: u16, count: u16) -> u16 {
    20_000 + (process.wrapping_mul(37).wrapping_add(count)) % 12_000
}

fn group_v4() -> Group {
    let (process, count) = unique();
    let [high, low] = process.to_be_bytes();
    Group::new(
        Ipv4Addr::new(239, high, low, count as u8).into(),
        port(process, count),
    )
    .unwrap()
}

fn group_v6() -> Group {
    let (process, count) = unique();
    let address = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, process, count);
    Group::new(address.into(), port(process, count)).unwrap()
}

fn loopback() -> Interface {
    Interface::loopback().unwrap()
}

fn receiver(group: Group) -> MulticastReceiver {
    MulticastReceiver::open(&ReceiveConfig::new(group, loopback())).unwrap()
}

fn sender(group: Group) -> MulticastSender {
    MulticastSender::open(&SendConfig::new(group, loopback())).unwrap()
}

/// Receives until `count` datagrams are there, and shows each receive to `look`.
fn receive_all(
    receiver: &mut MulticastReceiver,
    count: usize,
    mut look: impl FnMut(&Datagrams<'_>),
) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while all.len() < count {
        assert!(
            wait(&[&*receiver], Some(PATIENCE)).unwrap(),
            "{} of {count} came",
            all.len()
        );
        while let Some(datagrams) = receiver.receive().unwrap() {
            look(&datagrams);
            all.extend(datagrams.iter().map(<[u8]>::to_vec));
        }
    }
    all
}

/// `count` datagrams of `segment` bytes but a shorter last one, each different, end to end.
fn stream(count: usize, segment: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for datagram in 0..count {
        let tag = (datagram as u32).to_le_bytes();
        bytes.extend(tag.iter().cycle().take(segment));
    }
    bytes.truncate(bytes.len() - segment / 2);
    bytes
}

#[test]
fn a_datagram_arrives_as_it_was_sent() {
    let group = group_v4();
    let mut receiver = receiver(group);
    let sender = sender(group);
    assert_eq!(receiver.receive(), Ok(None));
    sender.send(b"a tick", 1_408).unwrap();
    let local = sender.local_addr();
    assert_eq!(local.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let all = receive_all(&mut receiver, 1, |datagrams| {
        assert_eq!(datagrams.source, local);
        assert_eq!(datagrams.segment, 6);
        assert_eq!(datagrams.dropped, 0);
        assert!(!datagrams.truncated);
    });
    assert_eq!(all, [b"a tick"]);
    assert_eq!(receiver.control_truncated(), 0);
}

#[test]
fn the_longest_datagram_arrives_whole() {
    let group = group_v4();
    let mut receiver = receiver(group);
    let bytes = stream(1, 65_507 * 2)[..65_507].to_vec();
    sender(group).send(&bytes, 65_507).unwrap();
    assert_eq!(
        receive_all(&mut receiver, 1, |datagrams| assert!(!datagrams.truncated)),
        [bytes]
    );
}

/// IPv6 multicast needs a route that loopback does not have by itself, so any interface that has
/// one will do; a hop limit of 0 keeps the datagrams on this host.
#[test]
fn ipv6_works_where_there_is_a_route() {
    let group = group_v6();
    for interface in Interface::all().unwrap() {
        let config = SendConfig {
            ttl: 0,
            ..SendConfig::new(group, interface.clone())
        };
        let sender = match MulticastSender::open(&config) {
            Ok(sender) => sender,
            Err(error) => {
                let name = interface.name().to_owned();
                assert_eq!(
                    error,
                    NetError::NoRoute {
                        group,
                        interface: name
                    }
                );
                assert!(error.to_string().contains("ip "), "{error}");
                println!("{interface}: {error}");
                continue;
            }
        };
        let config = ReceiveConfig::new(group, interface.clone());
        let mut receiver = MulticastReceiver::open(&config).unwrap();
        let bytes = stream(100, 200);
        sender.send(&bytes, 200).unwrap();
        let local = sender.local_addr();
        let all = receive_all(&mut receiver, 100, |datagrams| {
            assert_eq!(datagrams.source.ip(), local.ip());
            assert_eq!(datagrams.source.port(), local.port());
            assert!(datagrams.ts_kernel.is_some());
        });
        assert_eq!(all.concat(), bytes);
        // One more receiver that takes this source only, and one that takes another only.
        let from = |source: IpAddr| {
            let config = ReceiveConfig {
                source: Some(source),
                ..config.clone()
            };
            MulticastReceiver::open(&config).unwrap()
        };
        let (mut ours, mut nobody) = (from(local.ip()), from("2001:db8::1".parse().unwrap()));
        sender.send(b"to ours", 100).unwrap();
        assert_eq!(receive_all(&mut ours, 1, |_| {}), [b"to ours"]);
        assert_eq!(nobody.receive(), Ok(None));
        println!("{interface}: 100 datagrams");
        return;
    }
    println!("skipped: no interface has a route for IPv6 multicast");
}

fn segments_arrive(gro: bool) {
    let group = group_v4();
    let config = ReceiveConfig {
        gro,
        ..ReceiveConfig::new(group, loopback())
    };
    let mut receiver = MulticastReceiver::open(&config).unwrap();
    let sender = sender(group);
    // More than one call takes, in count (64) as in bytes (65,507).
    for (count, segment) in [
        (2, 64),
        (64, 64),
        (65, 64),
        (150, 200),
        (100, 1_408),
        (3, 40_000),
    ] {
        let bytes = stream(count, segment);
        sender.send(&bytes, segment).unwrap();
        let all = receive_all(&mut receiver, count, |datagrams| {
            assert!(gro || datagrams.iter().count() == 1);
        });
        let expected: Vec<&[u8]> = bytes.chunks(segment).collect();
        assert_eq!(all, expected, "{count} datagrams of {segment} bytes");
    }
    assert!(sender.is_segmented());
    assert_eq!(receiver.control_truncated(), 0);
}

#[test]
fn segments_arrive_joined() {
    segments_arrive(true);
}

#[test]
fn segments_arrive_one_by_one() {
    segments_arrive(false);
}

#[test]
fn kernel_stamps_lie_between_sending_and_receiving() {
    let group = group_v4();
    let mut receiver = receiver(group);
    let sender = sender(group);
    for _ in 0..100 {
        let before = clock::realtime_ns();
        sender.send(&[7; 128], 128).unwrap();
        receive_all(&mut receiver, 1, |datagrams| {
            let stamp = datagrams.ts_kernel.unwrap();
            assert!((before..=clock::realtime_ns()).contains(&stamp));
        });
    }
}

/// Receives until every one of `sent` datagrams has arrived or is counted as dropped. Returns how
/// many arrived.
fn receive_or_count(receiver: &mut MulticastReceiver, sent: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    let mut received = 0;
    while received + receiver.dropped().unwrap() < sent {
        assert!(
            Instant::now() < deadline,
            "{received} received, {:?}",
            receiver.dropped()
        );
        while let Some(datagrams) = receiver.receive().unwrap() {
            received += datagrams.iter().count() as u64;
            assert!(datagrams.dropped <= sent - received);
        }
    }
    received
}

fn drops_are_counted(gro: bool, datagrams_per_send: usize) {
    let group = group_v4();
    let config = ReceiveConfig {
        receive_buffer: 65_536,
        gro,
        ..ReceiveConfig::new(group, loopback())
    };
    let mut receiver = MulticastReceiver::open(&config).unwrap();
    let sender = sender(group);
    let sends = 100;
    for _ in 0..sends {
        sender
            .send(&vec![1; 1_000 * datagrams_per_send], 1_000)
            .unwrap();
    }
    let sent = (sends * datagrams_per_send) as u64;
    let received = receive_or_count(&mut receiver, sent);
    assert!(received > 0 && received < sent, "{received} of {sent}");
    assert_eq!(receiver.dropped(), Ok(sent - received));

    // The next datagram brings the same count with it.
    sender.send(&[2; 128], 128).unwrap();
    receive_all(&mut receiver, 1, |datagrams| {
        assert_eq!(datagrams.dropped, sent - received);
    });
}

#[test]
fn every_dropped_datagram_is_counted() {
    drops_are_counted(true, 1);
    drops_are_counted(false, 1);
}

#[test]
fn every_dropped_segment_is_counted_when_none_are_joined() {
    drops_are_counted(false, 20);
}

/// The kernel counts what it dropped in one piece once, however many datagrams it had joined.
#[test]
fn dropped_joined_datagrams_are_counted_at_least_once() {
    let group = group_v4();
    let config = ReceiveConfig {
        receive_buffer: 65_536,
        ..ReceiveConfig::new(group, loopback())
    };
    let mut receiver = MulticastReceiver::open(&config).unwrap();
    let sender = sender(group);
    let deadline = Instant::now() + PATIENCE;
    let mut sent = 0;
    while receiver.dropped().unwrap() == 0 {
        assert!(Instant::now() < deadline, "nothing dropped of {sent}");
        sender.send(&[1; 20_000], 1_000).unwrap();
        sent += 20;
    }
    let mut received = 0;
    while let Some(datagrams) = receiver.receive().unwrap() {
        received += datagrams.iter().count() as u64;
    }
    let dropped = receiver.dropped().unwrap();
    assert!(
        (1..=sent - received).contains(&dropped),
        "{dropped} of {sent}, {received} came"
    );
}

#[test]
fn two_receivers_of_a_group_each_get_everything() {
    let group = group_v4();
    let mut first = receiver(group);
    let mut second = receiver(group);
    let bytes = stream(64, 100);
    sender(group).send(&bytes, 100).unwrap();
    assert_eq!(receive_all(&mut first, 64, |_| {}).concat(), bytes);
    assert_eq!(receive_all(&mut second, 64, |_| {}).concat(), bytes);
}

#[test]
fn another_group_on_the_port_does_not_arrive() {
    let group = group_v4();
    let other = Group::new(group_v4().addr(), group.port()).unwrap();
    let mut receiver_of_group = receiver(group);
    let mut receiver_of_other = receiver(other);
    sender(other).send(b"other", 100).unwrap();
    sender(group).send(b"ours", 100).unwrap();
    assert_eq!(receive_all(&mut receiver_of_group, 1, |_| {}), [b"ours"]);
    assert_eq!(receive_all(&mut receiver_of_other, 1, |_| {}), [b"other"]);
    assert_eq!(receiver_of_group.receive(), Ok(None));
    assert_eq!(receiver_of_other.receive(), Ok(None));
}

#[test]
fn only_the_chosen_source_arrives() {
    let group = group_v4();
    let from = |source: [u8; 4]| {
        let source = Some(Ipv4Addr::from(source).into());
        let config = ReceiveConfig {
            source,
            ..ReceiveConfig::new(group, loopback())
        };
        MulticastReceiver::open(&config).unwrap()
    };
    let mut ours = from([127, 0, 0, 1]);
    let mut nobody = from([127, 0, 0, 2]);
    sender(group).send(b"from 127.0.0.1", 100).unwrap();
    assert_eq!(receive_all(&mut ours, 1, |_| {}), [b"from 127.0.0.1"]);
    assert_eq!(nobody.receive(), Ok(None));
}

#[test]
fn waiting_tells_whether_something_is_there() {
    let (a, b) = (group_v4(), group_v4());
    let mut receivers = [receiver(a), receiver(b)];
    assert_eq!(wait(&receivers, Some(Duration::ZERO)), Ok(false));
    sender(b).send(b"x", 100).unwrap();
    assert_eq!(wait(&receivers, Some(PATIENCE)), Ok(true));
    assert_eq!(receivers[0].receive(), Ok(None));
    assert!(receivers[1].receive().unwrap().is_some());
    assert_eq!(wait(&receivers, Some(Duration::ZERO)), Ok(false));
}

#[test]
fn a_port_that_is_not_shared_is_in_use() {
    let holder = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let group = Group::new(group_v4().addr(), port).unwrap();
    let error = MulticastReceiver::open(&ReceiveConfig::new(group, loopback()))
        .err()
        .unwrap();
    assert_eq!(error, NetError::PortInUse { group });
    assert!(error.to_string().contains("another port"), "{error}");
}

#[test]
fn a_source_of_the_other_family_is_refused() {
    let group = group_v4();
    let source = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let config = ReceiveConfig {
        source: Some(source),
        ..ReceiveConfig::new(group, loopback())
    };
    let error = MulticastReceiver::open(&config).err();
    assert_eq!(
        error,
        Some(NetError::SourceFamily {
            source_addr: source,
            group
        })
    );
}

#[test]
fn a_segment_that_is_no_datagram_is_refused() {
    let group = group_v4();
    let sender = sender(group);
    let too_long = vec![0; 65_508];
    for (bytes, segment) in [(&too_long[..], 65_508), (b"x", 0)] {
        let error = sender.send(bytes, segment).unwrap_err();
        assert_eq!(
            error,
            tickcast_net::SendError::SegmentSize { sent: 0, segment }
        );
        assert!(!error.is_transient());
    }
    sender.send(&[], 100).unwrap();
    sender.send(b"still usable", usize::MAX).unwrap();
}
