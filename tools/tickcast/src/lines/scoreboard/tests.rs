use super::*;
use crate::foreign::made::mold;

fn board(packets: &[(usize, u64, Vec<u8>)], feed: Option<Feed>) -> (Scoreboard, [Figures; 2]) {
    let mut board = Scoreboard::new(feed);
    for (line, time, payload) in packets {
        board.take(*line, *time, payload);
    }
    let leads = board.end();
    (board, leads)
}

#[test]
fn leads_ties_losses_and_runs() {
    let packets = [
        (0, 100, mold(1, 2)),
        (1, 150, mold(1, 2)),
        (1, 200, mold(3, 1)),
        (0, 230, mold(3, 1)),
        (0, 300, mold(4, 1)),
        (1, 300, mold(4, 1)),
        // 5 on A only, 6 to 8 on neither, 9 on B only.
        (0, 400, mold(5, 1)),
        (1, 500, mold(9, 1)),
        (0, 600, mold(10, 1)),
        (1, 607, mold(10, 1)),
        (0, 700, mold(11, 0)),
    ];
    let (board, leads) = board(&packets, Some(Feed::MoldUdp64));
    let [a, b] = &board.lines;
    assert_eq!((a.first, b.first, board.ties), (2, 1, 1));
    assert_eq!((a.alone, b.alone), (1, 1));
    let longest = leads.map(|lead| lead.max_ns);
    assert_eq!(longest, [Some(50), Some(30)]);
    assert_eq!((a.longest_run, b.longest_run), (1, 1));
    assert_eq!((a.heartbeats, b.heartbeats), (1, 0));
    let expected = Numbers {
        lost: [4, 4],
        gaps: [1, 1],
        lost_by_both: 3,
        ..Numbers::default()
    };
    assert_eq!(board.numbers(), Some(expected));
}

#[test]
fn copies_and_late_packets_are_told_apart() {
    let packets = [
        (0, 1, mold(1, 1)),
        (0, 2, mold(3, 1)),
        (0, 3, mold(2, 1)),
        (0, 4, mold(3, 1)),
        (1, 5, mold(1, 1)),
        (1, 6, mold(1, 1)),
    ];
    let (board, _) = board(&packets, Some(Feed::MoldUdp64));
    let [a, b] = &board.lines;
    assert_eq!((a.reordered, a.duplicates), (1, 1));
    assert_eq!((b.reordered, b.duplicates), (0, 1));
    let numbers = board.numbers().unwrap();
    assert_eq!((numbers.lost, numbers.absent), ([0, 0], [0, 2]));
}

#[test]
fn without_numbers_the_bytes_tell() {
    let packets = [
        (0, 1, b"one".to_vec()),
        (1, 4, b"one".to_vec()),
        (1, 5, b"two".to_vec()),
        (1, 6, b"two".to_vec()),
    ];
    let (board, _) = board(&packets, None);
    let [a, b] = &board.lines;
    assert_eq!((a.first, b.alone, b.duplicates), (1, 1, 1));
    assert_eq!(board.numbers(), None);
}

#[test]
fn the_window_is_bounded_and_what_falls_out_counts() {
    let mut board = Scoreboard::new(Some(Feed::MoldUdp64));
    let most = WINDOW as u64;
    for seq in 1..=most + 10 {
        board.take(0, seq, &mold(seq, 1));
    }
    assert_eq!((board.window.len(), board.numbers.len()), (WINDOW, WINDOW));
    assert_eq!(board.fell_out, 10);
    // A copy of one that fell out counts as come alone, one of the others as second.
    board.take(1, most + 20, &mold(10, 1));
    board.take(1, most + 21, &mold(12, 1));
    // One that comes again on its own line is a duplicate all the same.
    board.take(0, most + 22, &mold(3, 1));
    board.end();
    let [a, b] = &board.lines;
    assert_eq!((b.alone, a.first, a.duplicates), (1, 1, 1));
}

#[test]
fn a_row_that_one_line_brings_alone_is_the_longest_run() {
    let mut packets: Vec<_> = (1..=20).map(|seq| (1, seq * 10, mold(seq, 1))).collect();
    packets.push((0, 210, mold(21, 1)));
    packets.push((1, 215, mold(21, 1)));
    let (board, _) = board(&packets, Some(Feed::MoldUdp64));
    assert_eq!(board.lines[1].longest_run, 20);
    assert_eq!(board.lines[0].longest_run, 1);
    assert_eq!(board.numbers().unwrap().absent, [20, 0]);
}
