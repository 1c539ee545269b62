//! Packets that are not taken: of others, damaged, or with other bytes than their copy.

use super::*;

#[test]
fn other_channels_and_applications_are_counted_and_dropped() {
    let mut bench = Bench::from_start();
    bench.both(&data(1, 1));
    let header = PacketHeader::data(SESSION, 9, 2, 1).with_ts_sent(SESSION);
    let packet = packet(header, &[published(2)]);
    assert_eq!(bench.a(&packet), "");
    assert_eq!(bench.a(b"GET / HTTP/1.1"), "");
    assert_eq!(bench.a(&[0; 2_000]), "");
    let mut newer = data(2, 1);
    newer[4] = 2;
    assert_eq!(bench.a(&newer), "");
    let line = bench.arbiter.counters().lines[0];
    let counted = (
        line.other_channel,
        line.truncated,
        line.foreign,
        line.newer_version,
    );
    assert_eq!((counted, line.refused()), ((1, 1, 1, 1), 4));
    assert_eq!(bench.both(&data(2, 1)), "A 2..=2\n");
}

#[test]
fn a_damaged_packet_is_refused_and_the_other_line_delivers() {
    let mut bench = Bench::from_start();
    let mut damaged = data(1, 2);
    damaged[64 + 40] ^= 1;
    assert_eq!(bench.a(&damaged), "");
    assert_eq!(
        bench.b(&data(1, 2)),
        "session 1000 from 1 after None\nB 1..=2\n"
    );
    let [a, b] = bench.arbiter.counters().lines;
    assert_eq!((a.damaged, a.refused()), (1, 1));
    assert_eq!((b.damaged, b.differing), (0, 0));
}

#[test]
fn a_copy_with_other_bytes_raises_an_alarm() {
    let mut bench = Bench::from_start();
    bench.a(&data(1, 2));
    let mut other = data(1, 2);
    other[64 + 40] ^= 1;
    assert_eq!(
        bench.b(&undamaged(&other)),
        "alarm DuplicateDiffers { line: B, first_seq: 1 }\n"
    );
    assert_eq!(bench.arbiter.counters().lines[1].differing, 1);
}

#[test]
fn a_copy_that_was_not_taken_is_no_measure_for_others() {
    let mut bench = Bench::from_start_with(|it| it.hold_ticks = 8);
    bench.a(&data(1, 1));
    // Too far ahead to be held, and not what the publisher sent: a good checksum all the same.
    let mut other = data(10, 1);
    other[64 + 40] ^= 1;
    assert_eq!(bench.a(&undamaged(&other)), "");
    assert_eq!(bench.arbiter.counters().lines[0].overflow, 1);
    assert_eq!(bench.a(&data(2, 8)), "A 2..=9\n");
    assert_eq!(bench.b(&data(10, 1)), "B 10..=10\n");
}
