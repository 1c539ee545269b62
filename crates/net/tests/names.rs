//! Groups, interfaces, idle strategies and threads, as a user names them.

use std::net::IpAddr;

use tickcast_net::thread::{available_cores, pin_current, spawn_named};
use tickcast_net::{Group, GroupError, Idle, Idler, Interface, InterfaceError, ThreadError, clock};

#[test]
fn groups_are_read_and_written_alike() {
    for text in [
        "239.192.7.1:4001",
        "[ff15::1]:4001",
        "224.0.0.1:1",
        "[ff02::1]:65535",
    ] {
        assert_eq!(text.parse::<Group>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_group_says_why() {
    for text in [
        "",
        "239.192.7.1",
        "ff15::1:4001",
        "239.192.7.1:65536",
        "localhost:1",
    ] {
        let error = text.parse::<Group>().unwrap_err();
        assert_eq!(
            error,
            GroupError::Syntax {
                text: text.to_owned()
            }
        );
    }
    let addr: IpAddr = "192.168.1.1".parse().unwrap();
    assert_eq!(
        "192.168.1.1:4001".parse::<Group>(),
        Err(GroupError::NotMulticast { addr })
    );
    assert_eq!("239.1.1.1:0".parse::<Group>(), Err(GroupError::ZeroPort));
}

#[test]
fn an_interface_is_found_by_name_and_by_address() {
    let loopback = Interface::loopback().unwrap();
    assert_eq!(Interface::find("127.0.0.1").unwrap(), loopback);
    assert_eq!(loopback.name().parse::<Interface>().unwrap(), loopback);
    assert!(loopback.ipv4().unwrap().is_loopback());
}

#[test]
fn an_interface_that_is_not_there_lists_those_that_are() {
    let error = Interface::find("nosuch0").unwrap_err();
    let loopback = Interface::loopback().unwrap();
    assert!(error.to_string().contains(&loopback.to_string()), "{error}");
    let InterfaceError::NotFound { wanted, available } = error else {
        panic!("{error}")
    };
    assert_eq!(wanted, "nosuch0");
    assert!(available.contains(&loopback.to_string()));
}

#[test]
fn idle_strategies_are_read_and_written_alike() {
    for idle in [Idle::Spin, Idle::Yield, Idle::Park] {
        assert_eq!(idle.to_string().parse::<Idle>(), Ok(idle));
    }
    assert!(
        "sleep"
            .parse::<Idle>()
            .unwrap_err()
            .to_string()
            .contains("sleep")
    );
}

#[test]
fn spinning_needs_a_core_to_spare() {
    assert_eq!(Idle::default_for(2, 2), Idle::Yield);
    assert_eq!(Idle::default_for(3, 2), Idle::Spin);
}

#[test]
fn only_a_long_idle_parking_thread_parks() {
    let parks_in = |idle: Idle, rounds: usize| {
        let (mut idler, mut parks) = (Idler::new(idle), 0);
        (0..rounds).for_each(|_| idler.wait(false, || parks += 1));
        // Work starts it all over.
        idler.wait(true, || panic!("parked after work"));
        idler.wait(false, || panic!("parked at the first empty round"));
        parks
    };
    assert_eq!(parks_in(Idle::Spin, 10_000), 0);
    assert_eq!(parks_in(Idle::Yield, 10_000), 0);
    assert!(parks_in(Idle::Park, 10_000) > 9_000);
}

#[test]
fn a_thread_has_its_name_and_its_core_and_the_starter_keeps_its_own() {
    let before = available_cores();
    let core = *before.last().unwrap();
    let body = || {
        (
            std::thread::current().name().map(str::to_owned),
            available_cores(),
        )
    };
    let (name, cores) = spawn_named("receive-a", Some(core), body)
        .unwrap()
        .join()
        .unwrap();
    assert_eq!((name.as_deref(), cores), (Some("receive-a"), vec![core]));
    assert_eq!(available_cores(), before);
    let (_, cores) = spawn_named("free", None, body).unwrap().join().unwrap();
    assert_eq!(cores, before);
}

#[test]
fn a_core_that_is_not_there_is_named_with_those_that_are() {
    for core in [1_023, 1_024, usize::MAX] {
        let available = available_cores();
        let expected = ThreadError::NoSuchCore { core, available };
        assert_eq!(pin_current(core), Err(expected.clone()));
        let body = || unreachable!("must not run");
        assert_eq!(
            spawn_named("nowhere", Some(core), body).map(|_| ()),
            Err(expected)
        );
    }
}

#[test]
fn sleeping_ends_after_the_deadline_and_not_before() {
    let deadline = clock::realtime_ns() + 1_000_000;
    clock::sleep_until_realtime(deadline);
    assert!(clock::realtime_ns() >= deadline);
    clock::sleep_until_realtime(0);
}

#[test]
fn loopback_has_no_card_that_stamps() {
    let loopback = Interface::loopback().unwrap();
    assert_eq!(loopback.stamps_in_hardware(), Ok(false));
}

#[test]
fn the_kernel_says_how_right_the_clock_is() {
    match tickcast_net::clock::state() {
        Ok(state) => assert!(
            state.estimated_error_ns <= state.maximum_error_ns,
            "{state:?}"
        ),
        Err(error) => println!("skipped: the kernel does not say: {error}"),
    }
}
