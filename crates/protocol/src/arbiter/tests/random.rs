//! Random networks against a model of the publisher, and lies.

use proptest::prelude::*;

use super::*;

/// What a publisher's server answers, with a store of the last `window` ticks.
fn answer(bench: &mut Bench, request: &Request, last_published: u64, window: u64, how: u8) {
    let (id, first, count) = (request.id(), request.first_seq(), request.count());
    if how == 0 {
        bench.recovered(Recovered::Failed { id });
    } else if request.check() == Ok(RequestKind::Snapshot) {
        bench.snapshot(id, last_published);
    } else if first + count > last_published + 1 {
        bench.refuse(id, ReplyStatus::NotYet, last_published + 1);
    } else if first + window <= last_published {
        bench.refuse(id, ReplyStatus::TooOld, last_published + 1 - window);
    } else {
        bench.retransmit(id, first, count);
    }
}

#[derive(Debug, Clone)]
struct Step {
    len: u64,
    fate_a: u8,
    fate_b: u8,
    server: u8,
    pause: u64,
}

fn step() -> impl Strategy<Value = Step> {
    (1u64..30, 0u8..10, 0u8..10, 0u8..6, 0u64..60_000).prop_map(
        |(len, fate_a, fate_b, server, pause)| Step {
            len,
            fate_a,
            fate_b,
            server,
            pause,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the network and the server do, the trace checks order, bytes and exactness as it
    /// goes; at the end everything published is delivered or lost by notice.
    #[test]
    fn random_networks_keep_the_promise(
        steps in proptest::collection::vec(step(), 1..60),
        hold_ticks in prop_oneof![Just(16usize), Just(256), Just(65_536)],
        window in prop_oneof![Just(64u64), Just(100_000)],
        start in prop_oneof![Just(Start::Live), Just(Start::Seq(1))],
    ) {
        let config = ArbiterConfig { hold_ticks, start, ..ArbiterConfig::default() };
        let mut bench = Bench::new(config);
        let mut late: Vec<(Line, Vec<u8>)> = Vec::new();
        let mut last_published = 0;
        for step in &steps {
            let packet = data(last_published + 1, step.len);
            last_published += step.len;
            for (line, fate) in [(Line::A, step.fate_a), (Line::B, step.fate_b)] {
                match fate {
                    0..=2 => {}
                    3 => late.push((line, packet.clone())),
                    _ => {
                        let copies = 1 + usize::from(fate == 4);
                        for _ in 0..copies {
                            let now = bench.now;
                            bench.arbiter.handle_datagram(line, &packet, now, &mut bench.trace);
                        }
                    }
                }
            }
            if step.fate_a == 5 {
                for (line, packet) in late.drain(..).rev() {
                    bench.arbiter.handle_datagram(line, &packet, bench.now, &mut bench.trace);
                }
            }
            bench.wait(step.pause);
            while let Some(request) = bench.arbiter.poll_request(bench.now) {
                answer(&mut bench, &request, last_published, window, step.server);
            }
            prop_assert!(bench.arbiter.held() <= hold_ticks);
        }
        for _ in 0..200 {
            bench.both(&end(last_published + 1));
            bench.wait(20 * MS);
            while let Some(request) = bench.arbiter.poll_request(bench.now) {
                answer(&mut bench, &request, last_published, window, 1);
            }
        }
        prop_assert_eq!(bench.trace.next, last_published + 1);
        prop_assert_eq!(bench.arbiter.next_deadline(), None, "the session ended");
        let counters = bench.arbiter.counters();
        prop_assert_eq!(counters.delivered, bench.trace.delivered);
        prop_assert_eq!(counters.lost, bench.trace.lost);
        prop_assert_eq!(counters.lost_by_cause.total(), counters.lost);
        prop_assert_eq!(counters.lost_by_cause, bench.trace.causes);
        prop_assert_eq!(counters.recovered.total(), counters.retransmitted);
        if start == Start::Seq(1) {
            prop_assert_eq!(bench.trace.delivered + bench.trace.lost, last_published);
        }
    }

    #[test]
    fn damage_reaches_nobody(
        packets in proptest::collection::vec((any::<bool>(), 0usize..384, 1u8..), 1..60),
    ) {
        let mut bench = Bench::from_start();
        for (at, (is_a, place, flip)) in packets.into_iter().enumerate() {
            let sound = data(1 + 3 * at as u64, 3);
            let mut bytes = sound.clone();
            bytes[place % sound.len()] ^= flip;
            let (first, second) = if is_a { (&bytes, &sound) } else { (&sound, &bytes) };
            // The trace checks every tick that is delivered.
            bench.a(first);
            bench.b(second);
            prop_assert_eq!(bench.trace.delivered, 3 * (at as u64 + 1));
        }
        let refused = bench.arbiter.counters().lines.map(|line| line.refused());
        prop_assert_eq!(3 * refused.iter().sum::<u64>(), bench.trace.delivered);
    }

    #[test]
    fn lies_never_panic(
        packets in proptest::collection::vec(
            (any::<bool>(), 1u64..200, 1u64..5, 0usize..384, any::<u8>()), 1..60),
    ) {
        let mut bench = Bench::from_start();
        // Lies reach the sink, so the sink only counts.
        struct Count;
        impl Sink for Count {
            fn session(&mut self, _: u64, _: u64, _: Option<PreviousSession>) {}
            fn ticks(&mut self, _: &[Tick], _: Provenance, _: bool) {}
            fn lost(&mut self, _: &Loss) {}
            fn snapshot(&mut self, _: u64) {}
            fn end_of_session(&mut self, _: u64, _: u64) {}
            fn alarm(&mut self, _: Alarm) {}
        }
        for (is_a, first, count, at, value) in packets {
            let mut bytes = data(first, count);
            let at = at % bytes.len();
            bytes[at] = value;
            let bytes = undamaged(&bytes);
            let line = if is_a { Line::A } else { Line::B };
            bench.now += 30_000;
            bench.arbiter.handle_datagram(line, &bytes, bench.now, &mut Count);
            bench.arbiter.handle_time(bench.now, &mut Count);
            while let Some(request) = bench.arbiter.poll_request(bench.now) {
                let failed = Recovered::Failed { id: request.id() };
                bench.arbiter.handle_recovered(failed, bench.now, &mut Count);
            }
        }
    }
}
