//! AF_XDP over a pair of virtual interfaces in a network namespace of its own, which only root can
//! make.

#![cfg(feature = "xdp")]

mod support;

use std::time::Duration;

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use support::{Namespace, PATIENCE, ip, until, wait_until_up};
use tickcast_net::{
    Group, Interface, MulticastReceiver, MulticastSender, ReceiveConfig, SendConfig, XdpError,
    XdpReceiver, wait,
};

fn group(text: &str) -> Group {
    text.parse().expect("a group")
}

fn line(text: &str) -> ReceiveConfig {
    let right = Interface::find("right").expect("an interface");
    ReceiveConfig::new(group(text), right)
}

fn open(lines: &[ReceiveConfig]) -> XdpReceiver {
    XdpReceiver::open(lines, None).expect("AF_XDP on a veth interface")
}

fn sender(text: &str) -> MulticastSender {
    let left = Interface::find("left").expect("an interface");
    MulticastSender::open(&SendConfig::new(group(text), left)).expect("a sender")
}

/// The next datagram.
fn next(receiver: &mut XdpReceiver) -> (usize, Vec<u8>) {
    loop {
        match receiver.receive().expect("sound frames") {
            Some((line, datagrams)) => return (line, datagrams.bytes.to_vec()),
            None => assert!(
                wait(&[&*receiver], Some(PATIENCE)).unwrap(),
                "nothing comes"
            ),
        }
    }
}

/// Whether an XDP program is attached to `right`.
fn has_program(namespace: &Namespace) -> bool {
    let shown = namespace.ip(&["link", "show", "right"]);
    shown.contains("prog/xdp")
}

const A: &str = "239.192.7.1:14001";
const B: &str = "239.192.7.2:14002";

#[test]
fn the_same_datagrams_come_by_udp_and_by_xdp() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        let datagrams: Vec<Vec<u8>> = (0..3_000_usize)
            .map(|n| [&n.to_le_bytes()[..], &vec![n as u8; n * 7 % 1_464]].concat())
            .collect();
        let mut udp = MulticastReceiver::open(&line(A)).unwrap();
        let from = sender(A);
        for sent in &datagrams {
            from.send(sent, sent.len()).unwrap();
            let received = loop {
                match udp.receive().unwrap() {
                    Some(received) => break received,
                    None => assert!(wait(&[&udp], Some(PATIENCE)).unwrap(), "nothing comes"),
                };
            };
            assert_eq!(received.bytes, sent);
        }
        drop(udp);

        let mut xdp = open(&[line(A)]);
        for sent in &datagrams {
            from.send(sent, sent.len()).unwrap();
            assert_eq!(next(&mut xdp), (0, sent.clone()));
        }
        // Several in one piece come one by one, as many times as the frames go round.
        let bytes: Vec<u8> = (0..14_080).map(|at| (at / 1_408) as u8).collect();
        for _ in 0..1_000 {
            from.send(&bytes, 1_408).unwrap();
            for sent in bytes.chunks(1_408) {
                assert_eq!(next(&mut xdp).1, sent);
            }
        }
        assert_eq!(xdp.receive(), Ok(None));
        assert_eq!(xdp.drops().unwrap().datagrams(), 0);
    });
}

#[test]
fn a_datagram_has_its_source_and_no_stamp() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        let mut xdp = open(&[line(A)]);
        assert!(xdp.mode().native && !xdp.mode().zero_copy, "{}", xdp.mode());
        let from = sender(A);
        from.send(b"one", 3).unwrap();
        assert!(wait(&[&xdp], Some(PATIENCE)).unwrap());
        let (_, datagrams) = xdp.receive().unwrap().expect("a datagram");
        assert_eq!(datagrams.source, from.local_addr());
        assert_eq!(datagrams.iter().collect::<Vec<_>>(), [b"one"]);
        assert_eq!((datagrams.ts_kernel, datagrams.truncated), (None, false));
    });
}

#[test]
fn two_lines_share_an_interface_and_other_traffic_passes() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        let mut xdp = open(&[line(A), line(B)]);
        // The port of one line, the group of the other; and nothing of both.
        let others = [
            "239.192.7.1:14002",
            "239.192.7.2:14001",
            "239.192.7.3:14003",
        ];
        for (at, to) in others.iter().enumerate() {
            let mut udp = MulticastReceiver::open(&line(to)).unwrap();
            for sent in [(A, b"a"), (to, b"o"), (B, b"b")] {
                sender(sent.0).send(sent.1, 1).unwrap();
            }
            assert!(wait(&[&udp], Some(PATIENCE)).unwrap(), "{at}");
            assert_eq!(udp.receive().unwrap().expect("a datagram").bytes, b"o");
            assert_eq!(next(&mut xdp), (0, b"a".to_vec()));
            assert_eq!(next(&mut xdp), (1, b"b".to_vec()));
        }
        assert_eq!(xdp.drops().unwrap().datagrams(), 0);
    });
}

#[test]
fn only_the_wanted_source_is_taken() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        let of = |source: &str| ReceiveConfig {
            source: Some(source.parse().unwrap()),
            ..line(A)
        };
        let mut xdp = open(&[of("10.77.0.9")]);
        sender(A).send(b"other", 5).unwrap();
        drop(xdp);
        xdp = open(&[of("10.77.0.1")]);
        sender(A).send(b"wanted", 6).unwrap();
        assert_eq!(next(&mut xdp), (0, b"wanted".to_vec()));
    });
}

#[test]
fn what_does_not_fit_is_counted() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        let mut xdp = open(&[ReceiveConfig {
            receive_buffer: 1,
            ..line(A)
        }]);
        let frames = xdp.receive_buffer().got / 2_048;
        assert_eq!((xdp.receive_buffer().asked, frames), (1, 64));
        let from = sender(A);
        for n in 0..1_000_u16 {
            from.send(&n.to_le_bytes(), 2).unwrap();
        }
        for n in 0..frames as u16 {
            assert_eq!(next(&mut xdp).1, n.to_le_bytes());
        }
        assert_eq!(xdp.receive(), Ok(None));
        let drops = xdp.drops().unwrap();
        assert_eq!(drops.datagrams(), 1_000 - frames as u64, "{drops:?}");
        assert_eq!(drops.by_kernel, 0);
        assert!(drops.fill_ring_empty > 0, "{drops:?}");

        // And then it goes on.
        from.send(b"on", 2).unwrap();
        assert!(wait(&[&xdp], Some(PATIENCE)).unwrap());
        let (_, datagrams) = xdp.receive().unwrap().expect("a datagram");
        assert_eq!(datagrams.bytes, b"on");
        assert_eq!(datagrams.dropped, drops.datagrams());
    });
}

/// A frame of 2,048 bytes has 1,770 for the headers, of 42 bytes, and the datagram.
#[test]
fn what_is_longer_than_a_frame_is_counted() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    for end in ["left", "right"] {
        namespace.ip(&["link", "set", end, "mtu", "2000"]);
    }
    namespace.run(|| {
        let mut xdp = open(&[line(A)]);
        let from = sender(A);
        for length in [1_729, 1_728] {
            from.send(&[1; 1_729][..length], length).unwrap();
        }
        assert_eq!(next(&mut xdp).1.len(), 1_728);
        assert_eq!(xdp.receive(), Ok(None));
        assert_eq!(xdp.drops().unwrap().no_frame, 1);
    });
}

#[test]
fn an_interface_that_was_down_brings_datagrams_again() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    let right = |state| {
        let name = namespace.name().to_owned();
        move || ip(&["-n", &name, "link", "set", "right", state]).expect("ip")
    };
    let (down, up) = (right("down"), right("up"));
    let name = namespace.name().to_owned();
    namespace.run(move || {
        let mut xdp = open(&[line(A)]);
        let from = sender(A);
        from.send(b"before", 6).unwrap();
        assert_eq!(next(&mut xdp).1, b"before");
        down();
        up();
        wait_until_up(&name);
        from.send(b"after", 5).unwrap();
        assert_eq!(next(&mut xdp).1, b"after");
    });
}

#[test]
fn what_comes_in_fragments_is_counted() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        let mut xdp = open(&[line(A)]);
        let from = sender(A);
        from.send(&[1; 4_000], 4_000).unwrap();
        from.send(b"whole", 5).unwrap();
        assert_eq!(next(&mut xdp).1, b"whole");
        assert_eq!(xdp.drops().unwrap().by_kernel, 1);
        assert_eq!(xdp.drops().unwrap().by_kernel, 1);
    });
}

#[test]
fn the_program_goes_with_the_receiver() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    let (opened, drop_it) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    std::thread::scope(|scope| {
        let (opened_to, dropped_from) = (opened.0, drop_it.1);
        scope.spawn(|| {
            namespace.run(move || {
                let xdp = open(&[line(A)]);
                opened_to.send(()).unwrap();
                let _ = dropped_from.recv();
                drop(xdp);
                let mut udp = MulticastReceiver::open(&line(A)).unwrap();
                until("a datagram by UDP", || {
                    sender(A).send(b"by udp", 6).unwrap();
                    wait(&[&udp], Some(Duration::from_millis(10))).unwrap()
                });
                assert_eq!(udp.receive().unwrap().expect("a datagram").bytes, b"by udp");
            });
        });
        opened.1.recv().expect("an open receiver");
        assert!(has_program(&namespace));
        drop(drop_it.0);
    });
    until("no program", || !has_program(&namespace));
}

/// A bridge has no driver of its own.
#[test]
fn without_a_driver_the_kernel_runs_the_program() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.ip(&["link", "add", "bridge", "type", "bridge"]);
    namespace.ip(&["link", "set", "right", "master", "bridge"]);
    namespace.ip(&["address", "add", "10.77.0.3/24", "dev", "bridge"]);
    namespace.ip(&["link", "set", "bridge", "up"]);
    namespace.run(|| {
        let bridge = Interface::find("bridge").unwrap();
        let mut xdp = open(&[ReceiveConfig::new(group(A), bridge)]);
        assert_eq!(xdp.mode().to_string(), "generic mode, copied, queue 0");
        let from = sender(A);
        for n in 0..3_000_u16 {
            from.send(&n.to_le_bytes(), 2).unwrap();
            assert_eq!(next(&mut xdp).1, n.to_le_bytes());
        }
        assert_eq!(xdp.drops().unwrap().datagrams(), 0);

        // A sender on this host sends several in one piece, which nothing cuts before a bridge: it
        // is longer than a frame.
        from.send(&[7; 14_080], 1_408).unwrap();
        from.send(b"next", 4).unwrap();
        assert_eq!(next(&mut xdp).1, b"next");
        assert_eq!(xdp.drops().unwrap().no_frame, 1);
    });
}

#[test]
fn what_stands_in_the_way_is_named() {
    let Some(namespace) = Namespace::with_ends(2) else {
        return;
    };
    namespace.run(|| {
        let interface = || "right".to_owned();
        let why = |queue| XdpReceiver::open(&[line(A)], queue).err();
        let queues = 2;
        assert_eq!(
            why(None),
            Some(XdpError::WhichQueue {
                interface: interface(),
                queues
            })
        );
        assert_eq!(
            why(Some(2)),
            Some(XdpError::NoSuchQueue {
                interface: interface(),
                queue: 2,
                queues
            })
        );
        let first = XdpReceiver::open(&[line(A)], Some(0)).unwrap();
        assert_eq!(
            why(Some(0)),
            Some(XdpError::QueueTaken {
                interface: interface(),
                queue: 0
            })
        );
        assert_eq!(
            why(Some(1)),
            Some(XdpError::ProgramAttached {
                interface: interface()
            })
        );
        drop(first);
        let mut second = XdpReceiver::open(&[line(A)], Some(1)).unwrap();
        assert_eq!(second.mode().queue, 1);
        assert_eq!(second.receive(), Ok(None));
    });
}

#[test]
fn without_privileges_there_is_none() {
    let Some(namespace) = Namespace::with_ends(1) else {
        return;
    };
    namespace.run(|| {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        set_capabilities(None, sets).unwrap();
        let why = XdpReceiver::open(&[line(A)], None)
            .err()
            .expect("a refusal");
        assert!(matches!(why, XdpError::NoPermission { .. }), "{why}");
        assert!(why.to_string().contains("CAP_BPF"), "{why}");
    });
}

#[test]
fn loopback_and_ipv6_are_for_udp() {
    let interface = Interface::loopback().unwrap();
    let name = interface.name().to_owned();
    let why =
        |text| XdpReceiver::open(&[ReceiveConfig::new(group(text), interface.clone())], None).err();
    assert_eq!(why(A), Some(XdpError::Loopback { interface: name }));
    let six = "[ff15::7:1]:14001";
    assert_eq!(why(six), Some(XdpError::NotIpv4 { group: group(six) }));
}
