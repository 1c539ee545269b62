//! Checkpoints: where in the stream they are put out, and what a verifier makes of them.

use super::*;
use crate::verifier::{Verdict, Verifier};

/// The digest of the first `count` ticks.
fn digest(count: u64) -> Digest {
    let mut digest = Digest::default();
    for seq in 1..=count {
        digest.update(&published(seq));
    }
    digest
}

fn with_digest(mut packet: Vec<u8>, digest: Digest) -> Vec<u8> {
    packet[40..48].copy_from_slice(&digest.value().to_le_bytes());
    undamaged(&packet)
}

/// Packets that say the digest of all before them.
fn told(packet: Vec<u8>) -> Vec<u8> {
    let header = *Packet::parse(&packet).unwrap().header();
    with_digest(packet, digest(header.first_seq() - 1))
}

/// The line of the trace for the checkpoint before `next`.
fn line(next: u64) -> String {
    let digest = digest(next - 1).value();
    format!("checkpoint before {next}: {digest}\n")
}

#[test]
fn a_heartbeat_gives_one_and_its_copies_none() {
    let mut bench = Bench::from_start();
    bench.a(&told(data(1, 3)));
    assert_eq!(bench.a(&told(heartbeat(4))), line(4));
    assert_eq!(bench.b(&told(heartbeat(4))), "", "the same is no news");
    assert_eq!(bench.a(&told(heartbeat(4))), "");
    assert_eq!(bench.b(&heartbeat(4)), "", "no digest says nothing");
    let other = with_digest(heartbeat(4), Digest::from_value(9));
    assert_eq!(bench.b(&other), "checkpoint before 4: 9\n");
}

#[test]
fn data_gives_one_before_its_ticks_and_then_seldom() {
    let mut bench = Bench::from_start();
    let start = "session 1000 from 1 after None\n";
    assert_eq!(bench.a(&told(data(1, 3))), format!("{start}A 1..=3\n"));
    let expected = format!("{}A 4..=4\n", line(4));
    assert_eq!(bench.a(&told(data(4, 1))), expected);
    assert_eq!(bench.a(&told(data(5, 1_000))), "A 5..=1004\n");
    assert_eq!(bench.a(&told(data(1_005, 22))), "A 1005..=1026\n");
    assert_eq!(bench.a(&told(data(1_027, 1))), "A 1027..=1027\n");
    assert_eq!(bench.b(&told(data(1_027, 2))), "B 1028..=1028\n");
    let expected = format!("{}A 1029..=1029\n", line(1_029));
    assert_eq!(bench.a(&told(data(1_029, 1))), expected);
}

#[test]
fn another_session_and_another_channel_say_nothing() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 3));
    let older = PacketHeader::heartbeat(SESSION - 1, 0, 4).with_digest(digest(3));
    assert_eq!(bench.a(&older.with_ts_sent(SESSION).to_packet()), "");
    let other = PacketHeader::heartbeat(SESSION, 7, 4).with_digest(digest(3));
    assert_eq!(bench.a(&other.with_ts_sent(SESSION).to_packet()), "");
}

#[test]
fn one_inside_a_held_range_cuts_it_in_two() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 2));
    assert_eq!(bench.a(&data(4, 3)), "");
    assert_eq!(bench.a(&told(heartbeat(7))), "");
    assert_eq!(bench.a(&data(7, 3)), "");
    assert_eq!(
        bench.b(&data(3, 1)),
        format!("B 3..=3\nA 4..=6 held\n{}A 7..=9 held\n", line(7))
    );
}

#[test]
fn the_nearest_ahead_is_kept() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 2));
    bench.a(&told(heartbeat(9)));
    bench.a(&told(heartbeat(6)));
    bench.a(&told(heartbeat(8)));
    bench.a(&data(6, 4));
    let expected = format!("B 3..=5\n{}A 6..=9 held\n", line(6));
    assert_eq!(bench.b(&data(3, 3)), expected);
}

#[test]
fn retransmitted_ticks_are_cut_at_it_too() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    bench.both(&data(6, 1));
    bench.both(&told(heartbeat(4)));
    let request = bench.request_after_reordering();
    assert_eq!((request.first_seq(), request.count()), (2, 4));
    assert_eq!(
        bench.retransmit(request.id(), 2, 4),
        format!(
            "Retransmit 2..=3\n{}Retransmit 4..=5\nA 6..=6 held\n",
            line(4)
        )
    );
}

#[test]
fn one_inside_a_loss_is_forgotten_and_one_at_its_end_is_not() {
    for (at, expected) in [(4, String::new()), (5, line(5))] {
        let mut bench = Bench::from_start_with(|it| it.recovery = false);
        bench.both(&data(1, 1));
        bench.both(&data(5, 1));
        bench.both(&told(heartbeat(at)));
        assert_eq!(bench.wait(0), "");
        assert_eq!(
            bench.wait(40_000),
            format!("lost 2..=4 NoRecovery BothLines\n{expected}A 5..=5 held\n")
        );
    }
}

#[test]
fn a_snapshot_brings_one_after_its_rows() {
    let mut bench = Bench::new(ArbiterConfig::default());
    bench.both(&told(data(100, 5)));
    let id = bench.request_now().id();
    let rows = [published(7).with_flags(Flags::SNAPSHOT)];
    let part = |last| Recovered::Snapshot {
        id,
        session: SESSION,
        as_of: 102,
        digest: digest(102),
        rows: &rows,
        last,
    };
    assert!(!bench.recovered(part(false)).contains("checkpoint"));
    assert_eq!(
        bench.recovered(part(true)),
        format!("Snapshot 7..=7\n{}A 103..=104 held\n", line(103))
    );
}

#[test]
fn the_end_says_its_digest_though_something_was_missing_then() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    bench.both(&told(end(5)));
    let request = bench.request_after_reordering();
    assert_eq!(
        bench.retransmit(request.id(), 3, 2),
        format!("Retransmit 3..=4\n{}end of 1000 at 4\n", line(5))
    );
}

#[test]
fn the_next_session_says_the_digest_of_this_one() {
    let next = |last_seq, said| {
        let header = PacketHeader::data(SESSION + 1, 0, 1, 1)
            .with_ts_sent(SESSION + 1)
            .with_previous(PreviousSession {
                session: SESSION,
                last_seq,
                digest: said,
            });
        packet(header, &[published(1)])
    };
    let started = "session 1001 from 1 after Some((1000, 2))\nA 1..=1\n";
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    let expected = format!("{}{started}", line(3));
    assert_eq!(bench.a(&next(2, digest(2))), expected);

    // Of a publisher that was killed nothing may be known.
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    assert_eq!(bench.a(&next(2, Digest::default())), started);

    // It speaks of what was lost, too.
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    let lost = "lost 3..=4 SessionChange BothLines\n";
    let expected = format!("{lost}{}{}", line(5), started.replace(", 2)", ", 4)"));
    assert_eq!(bench.a(&next(4, digest(4))), expected);

    // The end had said it already.
    let mut bench = Bench::from_start();
    bench.both(&data(1, 2));
    bench.both(&told(end(3)));
    assert_eq!(bench.a(&next(2, digest(2))), started);
}

fn at(next_seq: u64, digest: Digest) -> Checkpoint {
    Checkpoint {
        session: SESSION,
        next_seq,
        digest,
    }
}

fn ticks(first: u64, count: u64) -> Vec<Tick> {
    (first..first + count).map(published).collect()
}

fn lost(first_seq: u64, count: u64) -> Loss {
    Loss {
        session: SESSION,
        first_seq,
        count,
        reason: LossReason::NoRecovery,
        cause: Cause::BothLines,
    }
}

#[test]
fn from_the_start_every_checkpoint_is_proved() {
    let mut verifier = Verifier::default();
    verifier.start(SESSION, 1);
    verifier.take(&ticks(1, 4));
    assert_eq!(verifier.check(&at(5, digest(4))), Verdict::Agrees);
    verifier.take(&ticks(5, 3));
    assert_eq!(verifier.check(&at(8, digest(7))), Verdict::Agrees);
    let proof = verifier.proof();
    assert_eq!((proof.from_seq, proof.proven_to), (Some(1), 7));
    assert_eq!((proof.checked, proof.differs), (2, None));
    assert_eq!(verifier.delivered(), digest(7));
}

#[test]
fn after_a_loss_the_next_checkpoint_is_the_new_base() {
    let mut verifier = Verifier::default();
    verifier.start(SESSION, 1);
    verifier.take(&ticks(1, 4));
    verifier.check(&at(5, digest(4)));
    verifier.lose(&lost(5, 2));
    verifier.take(&ticks(7, 1));
    assert_eq!(verifier.proof().from_seq, None);
    assert_eq!(verifier.check(&at(8, digest(7))), Verdict::Begins);
    verifier.take(&ticks(8, 3));
    assert_eq!(verifier.check(&at(11, digest(10))), Verdict::Agrees);
    let proof = verifier.proof();
    assert_eq!((proof.from_seq, proof.proven_to), (Some(8), 10));
    assert_eq!(proof.checked, 2);
}

#[test]
fn a_tick_that_is_wrong_or_missing_shows_at_the_next_checkpoint() {
    let mut wrong = ticks(1, 6);
    wrong[4] = published(5).with_flags(Flags::LAST_OF_EVENT);
    for ticks in [wrong, ticks(1, 5)] {
        let mut verifier = Verifier::default();
        verifier.start(SESSION, 1);
        verifier.take(&ticks[..2]);
        assert_eq!(verifier.check(&at(3, digest(2))), Verdict::Agrees);
        verifier.take(&ticks[2..]);
        assert_eq!(verifier.check(&at(7, digest(6))), Verdict::Differs);
        let found = verifier.proof().differs.unwrap();
        assert_eq!((found.after_seq, found.at_seq), (2, 6));
        assert_eq!(found.published, digest(6));
        // Neither a loss nor another session makes it good.
        verifier.lose(&lost(7, 1));
        verifier.check(&at(8, digest(7)));
        verifier.start(SESSION + 1, 1);
        assert_eq!(verifier.proof().differs, Some(found));
    }
}

#[test]
fn a_digest_that_lies_is_refuted_by_the_next() {
    let mut verifier = Verifier::default();
    verifier.start(SESSION, 1);
    verifier.take(&ticks(1, 4));
    assert_eq!(verifier.check(&at(5, digest(3))), Verdict::Differs);
    assert!(verifier.proof().differs.is_some());
    verifier.take(&ticks(5, 1));
    assert_eq!(verifier.check(&at(6, digest(5))), Verdict::Agrees);
    let proof = verifier.proof();
    assert_eq!(
        (proof.differs, proof.refuted, proof.proven_to),
        (None, 1, 5)
    );
}

#[test]
fn a_snapshot_that_lies_about_its_digest_is_found_by_the_lines() {
    let mut verifier = Verifier::default();
    verifier.start(SESSION, 11);
    assert_eq!(verifier.check(&at(11, digest(9))), Verdict::Begins);
    assert_eq!(verifier.check(&at(11, digest(10))), Verdict::Differs);
    verifier.take(&ticks(11, 4));
    assert_eq!(verifier.check(&at(15, digest(14))), Verdict::Differs);
    let found = verifier.proof().differs.unwrap();
    assert_eq!((found.after_seq, found.at_seq), (10, 10));
}
