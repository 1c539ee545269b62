//! Where ticks went missing: exact counts by cause.

use super::*;

impl Bench {
    fn one_line() -> Bench {
        Bench::from_start_with(|it| it.line_b = false)
    }

    /// Asks for what is missing, and gets all of it.
    fn heal(&mut self) {
        self.now += 200 * MS;
        self.wait(0);
        self.wait(40_000);
        while let Some(request) = self.arbiter.poll_request(self.now) {
            self.retransmit(request.id(), request.first_seq(), request.count());
        }
    }

    /// The causes of what was recovered, those that there were.
    fn recovered_causes(&self) -> Vec<(Cause, u64)> {
        let recovered = &self.arbiter.counters().recovered;
        assert_eq!(recovered.total(), self.arbiter.counters().retransmitted);
        recovered.iter().filter(|&(_, ticks)| ticks > 0).collect()
    }
}

#[test]
fn both_lines_lost_the_same() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(5, 1));
    bench.heal();
    assert_eq!(bench.recovered_causes(), [(Cause::BothLines, 3)]);
}

#[test]
fn each_tick_has_its_own_cause() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    // A has a full buffer at 2..=4, B brings 2 and then loses 3 and 4 elsewhere.
    bench.b(&data(2, 1));
    bench.arbiter.handle_overflow(Line::A);
    bench.a(&data(5, 1));
    bench.b(&data(5, 1));
    // 6 is damaged on B, 7 is lost on both.
    let mut damaged = data(6, 1);
    damaged.pop();
    bench.b(&damaged);
    bench.b(&data(7, 1));
    bench.both(&data(9, 1));
    bench.heal();
    let causes = [
        (Cause::BothLines, 1),
        (Cause::SocketOverflow, 2),
        (Cause::Malformed, 1),
    ];
    assert_eq!(bench.recovered_causes(), causes);
    assert_eq!(bench.arbiter.next_seq(), 10);
}

#[test]
fn what_was_noticed_once_explains_nothing_later() {
    let mut bench = Bench::from_start();
    bench.arbiter.handle_overflow(Line::A);
    bench.a(&[]);
    bench.both(&data(1, 1));
    bench.both(&data(3, 1));
    bench.heal();
    assert_eq!(bench.recovered_causes(), [(Cause::BothLines, 1)]);
}

#[test]
fn a_line_that_is_behind_or_not_there_leaves_the_cause_to_the_other() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.a(&data(3, 1));
    bench.heal();
    assert_eq!(bench.recovered_causes(), [(Cause::LineA, 1)]);
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.b(&data(3, 1));
    bench.heal();
    assert_eq!(bench.recovered_causes(), [(Cause::LineB, 1)]);
    let mut bench = Bench::one_line();
    bench.a(&data(1, 1));
    bench.a(&heartbeat(4));
    bench.heal();
    assert_eq!(bench.recovered_causes(), [(Cause::LineA, 2)]);
}

#[test]
fn silence_of_every_line_is_a_partition() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    assert_eq!(
        bench.wait(10_000 * MS),
        "alarm LineDown(A)\nalarm LineDown(B)\n"
    );
    bench.both(&data(11, 1));
    bench.heal();
    assert_eq!(bench.recovered_causes(), [(Cause::Partition, 9)]);
    // One silent line and one that lost it: neither brought it.
    bench.b(&data(12, 1));
    bench.now += 10_000 * MS;
    bench.b(&data(14, 1));
    bench.wait(0);
    bench.a(&data(14, 1));
    bench.heal();
    let causes = [(Cause::BothLines, 1), (Cause::Partition, 9)];
    assert_eq!(bench.recovered_causes(), causes);
}

#[test]
fn a_start_before_the_first_packet_is_no_loss_of_a_line() {
    let mut bench = Bench::from_start();
    bench.both(&data(11, 1));
    bench.heal();
    assert_eq!(bench.recovered_causes(), [(Cause::BeforeJoin, 10)]);
    // The next session was listened to from before its start.
    bench.both(&data_of(SESSION + 1, 3, 1));
    bench.heal();
    let causes = [(Cause::BothLines, 2), (Cause::BeforeJoin, 10)];
    assert_eq!(bench.recovered_causes(), causes);
}

#[test]
fn what_came_too_early_to_be_held_says_so() {
    let mut bench = Bench::from_start_with(|it| it.hold_ticks = 8);
    bench.both(&data(1, 1));
    // 2 is missing; of 3..=14 the window holds 3..=9.
    bench.both(&data(3, 6));
    bench.both(&data(9, 6));
    bench.heal();
    bench.heal();
    let causes = [(Cause::BothLines, 1), (Cause::HoldOverflow, 5)];
    assert_eq!(bench.recovered_causes(), causes);
}

#[test]
fn a_notice_names_the_cause_of_each_range() {
    let mut bench = Bench::from_start_with(|it| it.recovery = false);
    bench.both(&data(1, 1));
    bench.arbiter.handle_overflow(Line::B);
    bench.both(&data(4, 1));
    bench.both(&data(6, 1));
    bench.wait(0);
    assert_eq!(
        bench.wait(40_000),
        "lost 2..=3 NoRecovery SocketOverflow\nA 4..=4 held\n\
         lost 5..=5 NoRecovery BothLines\nA 6..=6 held\n"
    );
    let lost = bench.arbiter.counters().lost_by_cause;
    assert_eq!(lost.get(Cause::SocketOverflow), 2);
    assert_eq!(lost.get(Cause::BothLines), 1);
    assert_eq!(lost.total(), bench.arbiter.counters().lost);
}

#[test]
fn two_causes_side_by_side_are_two_notices() {
    let mut bench = Bench::from_start_with(|it| {
        it.recovery = false;
        it.line_b = false;
    });
    bench.a(&data(1, 1));
    bench.a(&heartbeat(3));
    bench.arbiter.handle_overflow(Line::A);
    bench.a(&data(5, 1));
    bench.wait(0);
    assert_eq!(
        bench.wait(40_000),
        "lost 2..=2 NoRecovery LineA\nlost 3..=4 NoRecovery SocketOverflow\nA 5..=5 held\n"
    );
}

#[test]
fn more_jumps_than_are_remembered_count_as_the_networks() {
    let mut bench = Bench::one_line();
    bench.a(&data(1, 1));
    for at in 1..=1_000 {
        if at % 2 == 1 {
            bench.arbiter.handle_overflow(Line::A);
        }
        bench.a(&data(1 + 2 * at, 1));
    }
    for _ in 0..1_000 {
        bench.heal();
    }
    let recovered = &bench.arbiter.counters().recovered;
    assert_eq!(bench.arbiter.next_seq(), 2_002);
    assert_eq!(recovered.total(), 1_000);
    assert!(recovered.get(Cause::LineA) > 500, "{recovered:?}");
    assert!(recovered.get(Cause::SocketOverflow) >= 64, "{recovered:?}");
}

#[test]
fn a_reply_longer_than_the_hold_window_is_counted_whole() {
    let mut bench = Bench::from_start_with(|it| it.hold_ticks = 4);
    bench.both(&data(1, 1));
    bench.both(&data(4, 1));
    // 4 is held in the slot that 8 would have.
    let ticks: Vec<Tick> = (2..14).map(published).collect();
    let from = Provenance::Retransmit;
    let Taken { new, .. } = bench
        .arbiter
        .accept(2, &ticks, from, bench.now, &mut bench.trace);
    assert_eq!(new, 11);
    assert_eq!(bench.arbiter.counters().recovered.total(), 11);
}
