//! A recovery server that fails, refuses or lies.

use super::*;

#[test]
fn failures_back_off_and_end_in_a_snapshot() {
    let mut bench = Bench::from_start_with(|it| it.tries = 5);
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    let mut request = bench.request_after_reordering();
    let mut delays = Vec::new();
    for _ in 0..4 {
        bench.recovered(Recovered::Failed { id: request.id() });
        let start = bench.now;
        request = loop {
            bench.wait(MS / 4);
            if let Some(request) = bench.arbiter.poll_request(bench.now) {
                break request;
            }
        };
        delays.push((bench.now - start) / MS);
    }
    assert_eq!(delays, [1, 2, 4, 8]);
    bench.recovered(Recovered::Failed { id: request.id() });
    bench.wait(16 * MS);
    assert_eq!(bench.request(), Some((RequestKind::Snapshot, 2, 0)));
}

#[test]
fn a_dead_server_is_asked_no_more_often_for_many_gaps_than_for_one() {
    let mut bench = Bench::from_start();
    for seq in 0..50 {
        bench.both(&data(1 + 2 * seq, 1));
    }
    let mut requests = 0;
    for _ in 0..4_000 {
        bench.now += MS / 4;
        while let Some(request) = bench.arbiter.poll_request(bench.now) {
            requests += 1;
            bench.recovered(Recovered::Failed { id: request.id() });
        }
    }
    // 1, 2, 4 … 64 ms apart, then 100 ms, in one second; the first time all eight at once.
    assert!(
        (10..=8 + 17).contains(&requests),
        "{requests} requests in a second"
    );
    let id = loop {
        bench.now += MS / 4;
        if let Some(request) = bench.arbiter.poll_request(bench.now) {
            break request.id();
        }
    };
    bench.snapshot(id, 98);
    bench.both(&data(101, 1));
    bench.both(&data(105, 1));
    bench.wait(0);
    bench.wait(40_000);
    assert_eq!(
        bench.request(),
        Some((RequestKind::Retransmit, 100, 5)),
        "it answers again"
    );
}

#[test]
fn busy_and_too_large_say_what_to_do() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(20, 1));
    let id = bench.request_after_reordering().id();
    bench.refuse(id, ReplyStatus::Busy, 5 * MS);
    bench.wait(5 * MS - 1);
    assert_eq!(bench.request(), None);
    bench.wait(1);
    let id = bench.request_now().id();
    bench.refuse(id, ReplyStatus::TooLarge, 10);
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 2, 10)));
}

#[test]
fn lies_of_the_server_are_counted_never_delivered() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(4, 1));
    let id = bench.request_after_reordering().id();
    assert_eq!(
        bench.retransmit(id, 1, 3),
        "",
        "another range than asked for"
    );
    bench.wait(MS);
    let id = bench.request_now().id();
    let swapped = [published(3), published(2)];
    let lie = Recovered::Ticks {
        id,
        first_seq: 2,
        ticks: &swapped,
        last: true,
    };
    assert_eq!(bench.recovered(lie), "");
    assert_eq!(bench.arbiter.counters().recovery_lies, 2);
    bench.wait(2 * MS);
    let id = bench.request_now().id();
    assert_eq!(
        bench.retransmit(id, 2, 1),
        "Retransmit 2..=2\n",
        "too few: the rest is asked for"
    );
    assert_eq!(bench.request(), Some((RequestKind::Retransmit, 3, 1)));
}
