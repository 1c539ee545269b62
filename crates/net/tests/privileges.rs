//! What a process without privileges gets: less, and an error or a figure that says so.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use tickcast_net::thread::{Placement, spawn_named};
use tickcast_net::{
    Group, Interface, LockError, MulticastReceiver, NetError, ReceiveConfig, ThreadError,
    lock_limit, lock_memory,
};

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
fn a_real_time_priority_is_not_permitted() {
    let limit = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Rtprio).maximum,
    };
    setrlimit(Resource::Rtprio, limit).unwrap();
    without_privileges(|| {
        let body = || unreachable!("must not run");
        let error = spawn_named("real-time", first(50), body).err().unwrap();
        let (priority, limit) = (50, 0);
        assert_eq!(error, ThreadError::PriorityNotPermitted { priority, limit });
        for word in ["50", "up to 0", "CAP_SYS_NICE", "LimitRTPRIO"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    });
}

#[test]
fn a_priority_that_is_none_is_refused_and_the_starter_stays_as_it_was() {
    let before = policy_and_priority();
    for priority in [0, 100] {
        let started = spawn_named("real-time", first(priority), || {
            unreachable!("must not run")
        });
        assert_eq!(
            started.map(|_| ()),
            Err(ThreadError::NoSuchPriority { priority })
        );
    }
    match spawn_named("real-time", first(1), policy_and_priority) {
        Ok(thread) => assert_eq!(thread.join().unwrap(), [1, 1]),
        Err(error) => println!("skipped: {error}"),
    }
    assert_eq!(policy_and_priority(), before);
    let ordinary = spawn_named("ordinary", None, policy_and_priority).unwrap();
    assert_eq!(ordinary.join().unwrap(), before);
}

/// Any core, at this priority.
fn first(priority: u8) -> Placement {
    Placement {
        core: None,
        priority: Some(priority),
    }
}

/// Of the calling thread, as the kernel has them: SCHED_FIFO is policy 1.
fn policy_and_priority() -> [u32; 2] {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    // Behind the name, which may hold anything, come fields 3 and on.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    [41, 40].map(|field| fields[field - 3].parse().unwrap())
}

/// One test for both, as a limit is the whole process's.
#[test]
fn memory_is_locked_or_the_limit_is_named() {
    let limit = Rlimit {
        current: Some(65_536),
        maximum: getrlimit(Resource::Memlock).maximum,
    };
    setrlimit(Resource::Memlock, limit).unwrap();
    without_privileges(|| {
        assert_eq!(lock_limit(), Some(65_536));
        let error = lock_memory().unwrap_err();
        assert_eq!(error, LockError::Limit { limit: 65_536 });
        for word in ["65536", "CAP_IPC_LOCK", "LimitMEMLOCK"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    });
    if lock_limit().is_some() {
        println!("skipped: locking beyond the limit needs CAP_IPC_LOCK");
        return;
    }
    lock_memory().unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    assert_ne!(locked.unwrap().trim(), "0 kB");
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
