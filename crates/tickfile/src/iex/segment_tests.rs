use proptest::prelude::*;
use tickcast_wire::Tick;
use zerocopy::IntoBytes;

use super::encode::{one_of_each, quote};
use super::transport::{Segment, SegmentError, SegmentHeader, TOPS};
use super::{Found, IexError, IexReader};
use crate::pcap::tests::{classic_file, ethernet_frame, source};
use crate::reader::{Notice, ReadError, Tally, TickReader};

fn header(first_seq: i64, messages: &[Vec<u8>]) -> SegmentHeader {
    SegmentHeader {
        version: 1,
        reserved: 0,
        protocol: TOPS.into(),
        channel: 1.into(),
        session: 7.into(),
        payload_length: (messages.iter().map(|m| 2 + m.len()).sum::<usize>() as u16).into(),
        message_count: (messages.len() as u16).into(),
        stream_offset: ((first_seq - 1) * 44).into(),
        first_seq: first_seq.into(),
        send_time: (1_000 + first_seq).into(),
    }
}

fn with_messages(header: SegmentHeader, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    for message in messages {
        bytes.extend((message.len() as u16).to_le_bytes());
        bytes.extend(message);
    }
    bytes
}

/// Quotes with these numbers as bid sizes.
fn quotes(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    range.map(|size| quote(size, 1, 1, 1)).collect()
}

/// A segment of quotes whose bid sizes are the numbers of the messages.
fn segment(range: std::ops::Range<u32>) -> Vec<u8> {
    let messages = quotes(range.clone());
    with_messages(header(i64::from(range.start), &messages), &messages)
}

fn read(file: &[u8]) -> Result<(Vec<Tick>, Tally, Option<Notice>), ReadError> {
    let mut reader = IexReader::open(source(file))?;
    let mut ticks = Vec::new();
    loop {
        let before = ticks.len();
        reader.fill(&mut ticks)?;
        if ticks.len() == before {
            break;
        }
    }
    Ok((ticks, reader.tally(), reader.notice().cloned()))
}

/// The bid sizes of the quotes in a capture of these segments, and what was skipped.
fn delivered(segments: &[Vec<u8>]) -> (Vec<u64>, Vec<(&'static str, u64)>) {
    let frames: Vec<Vec<u8>> = segments.iter().map(|s| ethernet_frame(s)).collect();
    let (ticks, tally, _) = read(&classic_file(1, &frames)).unwrap();
    let sizes = ticks
        .iter()
        .filter_map(Tick::as_quote)
        .map(|q| q.bid_size.get())
        .collect();
    (sizes, tally.skipped.into_iter().collect())
}

#[test]
fn a_segment_must_agree_with_itself() {
    let whole = segment(1..4);
    assert!(Segment::parse(&whole).is_ok());
    for end in 0..40 {
        assert!(matches!(
            Segment::parse(&whole[..end]),
            Err(SegmentError::Foreign)
        ));
    }
    for end in 40..whole.len() {
        assert!(matches!(
            Segment::parse(&whole[..end]),
            Err(SegmentError::Damaged)
        ));
    }
    for lie in [0u16, 1, 3, 4, 131, 133, u16::MAX] {
        // The payload's length, the count of messages, the length of the first message.
        for at in [12, 14, 40] {
            let mut bytes = whole.clone();
            bytes[at..at + 2].copy_from_slice(&lie.to_le_bytes());
            if bytes != whole {
                assert!(matches!(Segment::parse(&bytes), Err(SegmentError::Damaged)));
            }
        }
    }
    for first_seq in [0, -1] {
        let bytes = with_messages(header(first_seq, &[]), &[]);
        assert!(matches!(Segment::parse(&bytes), Err(SegmentError::Damaged)));
    }
    assert_eq!(Segment::parse(&whole).unwrap().messages().count(), 3);
}

#[test]
fn holes_are_counted_and_repeats_are_not_delivered() {
    let heartbeat = with_messages(header(12, &[]), &[]);
    let segments = [
        segment(3..5),
        segment(3..5),
        segment(7..9),
        segment(8..10),
        segment(5..7),
        heartbeat,
    ];
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes, [3, 4, 7, 8, 9]);
    // 5 and 6 came too late, 10 and 11 never; 3, 4 and 8 came twice.
    assert_eq!(skipped, [("missing_messages", 4), ("repeated_messages", 5)]);
}

#[test]
fn a_restart_and_a_new_session_begin_anew() {
    let again = |session: u32, sent: i64| {
        let messages = quotes(1..3);
        let mut header = header(1, &messages);
        header.session = session.into();
        header.send_time = sent.into();
        with_messages(header, &messages)
    };
    let restart = again(7, 5_000);
    let new_session = again(8, 6_000);
    let late = again(7, 1_001);
    let segments = [segment(1..3), restart, late.clone(), new_session, late];
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes, [1, 2, 1, 2, 1, 2]);
    assert_eq!(skipped, [("repeated_messages", 4)]);
}

#[test]
fn channels_are_numbered_apart_and_bounded() {
    let on_channel = |channel: u32| {
        let messages = quotes(1..2);
        let mut header = header(1, &messages);
        header.channel = channel.into();
        with_messages(header, &messages)
    };
    let segments: Vec<Vec<u8>> = (0..70).map(on_channel).collect();
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes.len(), 64);
    assert_eq!(skipped, [("too_many_channels", 6)]);
}

#[test]
fn other_packets_are_passed_over_and_counted() {
    let mut damaged = segment(2..4);
    damaged.pop();
    let segments = [
        segment(1..2),
        b"something else".to_vec(),
        damaged,
        segment(4..5),
    ];
    let (sizes, skipped) = delivered(&segments);
    assert_eq!(sizes, [1, 4]);
    let expected = [
        ("damaged_segment", 1),
        ("foreign_packet", 1),
        ("missing_messages", 2),
    ];
    assert_eq!(skipped, expected);
}

#[test]
fn a_cut_capture_gives_what_is_whole_and_a_notice() {
    let frames = [
        ethernet_frame(&segment(1..3)),
        ethernet_frame(&segment(3..5)),
    ];
    let file = classic_file(1, &frames);
    let second = file.len() - 16 - frames[1].len();
    for end in second + 1..file.len() {
        let (ticks, _, notice) = read(&file[..end]).unwrap();
        assert_eq!(ticks.len(), 3);
        let offset = second as u64;
        let bytes = end as u64 - offset;
        assert_eq!(notice, Some(Notice::CutMessage { offset, bytes }));
    }
}

#[test]
fn captures_of_something_else_are_named() {
    let iex_tp = |protocol: u16| {
        let mut header = header(1, &[]);
        header.protocol = protocol.into();
        with_messages(header, &[])
    };
    let mold = [
        b"000010059B".as_slice(),
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 2, b'S', b'x'],
    ];
    let cme = [
        [1u8; 12].as_slice(),
        &[12, 0, 11, 0, 46, 0, 1, 0, 9, 0, 0, 0],
    ];
    let mut damaged = segment(1..2);
    damaged.pop();
    for (payload, found) in [
        (iex_tp(0x8004), Found::IexDeep),
        (iex_tp(0x8002), Found::IexTp { protocol: 0x8002 }),
        (mold.concat(), Found::MoldUdp64),
        (cme.concat(), Found::CmeMdp3),
        (damaged, Found::DamagedTops),
        (b"1234567890".to_vec(), Found::Other(*b"12345678")),
    ] {
        let file = classic_file(1, &[ethernet_frame(&payload)]);
        assert_eq!(read(&file).unwrap_err(), IexError::NotTops { found }.into());
    }
    let link_type = classic_file(147, &[vec![0; 40]]);
    let error = IexError::NotTops {
        found: Found::LinkType(147),
    };
    assert_eq!(read(&link_type).unwrap_err(), error.into());
    let error = IexError::NotTops {
        found: Found::NoPacket,
    };
    assert_eq!(
        read(&classic_file(1, &[])).unwrap_err(),
        error.clone().into()
    );
    assert!(error.to_string().contains("only IEX TOPS 1.6"));
}

#[test]
fn every_changed_byte_of_a_capture_is_survived() {
    let messages = one_of_each();
    let first = with_messages(header(1, &messages), &messages);
    let frames = [ethernet_frame(&first), ethernet_frame(&segment(8..10))];
    let file = classic_file(1, &frames);
    for at in 0..file.len() {
        for value in [0, 0x7f, 0xff, file[at] ^ 1, file[at] ^ 0x20] {
            let mut changed = file.clone();
            changed[at] = value;
            if let Ok((ticks, tally, _)) = read(&changed) {
                assert!(ticks.len() <= 2 * 9);
                assert!(tally.messages.values().sum::<u64>() <= 9);
            }
        }
    }
}

proptest! {
    #[test]
    fn garbage_segments_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut payload = header(1, &[]).as_bytes()[..4].to_vec();
        payload.extend(bytes);
        if let Ok(segment) = Segment::parse(&payload) {
            prop_assert_eq!(segment.messages().count() as u64, segment.count());
        }
    }

    #[test]
    fn whatever_the_order_no_message_comes_twice(
        starts in proptest::collection::vec((1u32..40, 0u32..6), 1..40),
    ) {
        let segments: Vec<Vec<u8>> =
            starts.iter().map(|&(start, count)| segment(start..start + count)).collect();
        let (sizes, skipped) = delivered(&segments);
        prop_assert!(sizes.is_sorted_by(|a, b| a < b));
        let sent: u64 = starts.iter().map(|&(_, count)| u64::from(count)).sum();
        let repeated = skipped.iter().find(|(reason, _)| *reason == "repeated_messages");
        prop_assert_eq!(sizes.len() as u64 + repeated.map_or(0, |(_, count)| *count), sent);
    }
}
