//! What a process without privileges gets: less, and an error or a figure that says so.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use tickcast_net::{Group, Interface, MulticastReceiver, NetError, ReceiveConfig};

/// Runs `body` in a thread that has given up every capability. They belong to the thread, so
/// other tests keep theirs.
fn without_privileges(body: impl FnOnce() + Send + 'static) {
    let run = move || {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        set_capabilities(None, sets).unwrap();
        body();
    };
    std::thread::spawn(run).join().unwrap();
}

fn config(port: u16) -> ReceiveConfig {
    let [high, low] = (std::process::id() as u16).to_be_bytes();
    let group = Group::new(Ipv4Addr::new(239, high, low, 250).into(), port).unwrap();
    ReceiveConfig::new(group, Interface::loopback().unwrap())
}

fn system_limit(path: &str) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[test]
fn a_buffer_beyond_the_limit_is_reported_as_short() {
    let limit = system_limit("/proc/sys/net/core/rmem_max").unwrap();
    without_privileges(move || {
        let config = ReceiveConfig {
            receive_buffer: limit * 2,
            ..config(19_001)
        };
        let buffer = MulticastReceiver::open(&config).unwrap().receive_buffer();
        assert_eq!((buffer.asked, buffer.got), (limit * 2, limit));
        assert!(buffer.is_short());
    });
}

/// Older kernels ask for a privilege, newer ones do not: either way the caller learns which.
#[test]
fn busy_polling_works_or_says_what_is_missing() {
    without_privileges(|| {
        let busy_poll = Some(Duration::from_micros(50));
        match MulticastReceiver::open(&ReceiveConfig {
            busy_poll,
            ..config(19_002)
        }) {
            Ok(mut receiver) => assert_eq!(receiver.receive(), Ok(None)),
            Err(error) => {
                assert!(matches!(
                    error,
                    NetError::NoPermission {
                        action: "busy-poll",
                        ..
                    }
                ));
                assert!(error.to_string().contains("net.core.busy_read"), "{error}");
            }
        }
    });
}

#[test]
fn a_low_port_is_not_permitted() {
    let first = system_limit("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_some_and(|first| first <= 1_000) {
        println!("skipped: this system lets everybody use low ports");
        return;
    }
    without_privileges(|| {
        let error = MulticastReceiver::open(&config(1_000)).err().unwrap();
        assert!(
            matches!(error, NetError::NoPermission { action: "bind", .. }),
            "{error}"
        );
        assert!(error.to_string().contains("1024"), "{error}");
    });
}
