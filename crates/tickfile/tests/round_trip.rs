//! Any ticks come back from `.ticks` and from CSV, byte for byte.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use tickcast_tickfile::{
    BLOCK_ROWS, Chunk, CsvError, FULL_BLOCK_ROWS, Format, ReadError, TickWriter, TicksFile, Writer,
    open,
};
use tickcast_wire::{
    Clear, Definition, Digest, Flags, Kind, NANOS_PER_UNIT, Quote, Side, Status, Symbol, Tick,
    Trade, TradeBreak, TradingState, UNDEFINED_PRICE, Venue,
};
use zerocopy::FromBytes;

/// Ticks of all kinds and of none, with bytes that nobody would write.
fn any_tick() -> impl Strategy<Value = Tick> {
    let kind = prop_oneof![9 => 1u8..=6, 1 => any::<u8>()];
    (kind, any::<[u8; 32]>(), any::<[u8; 32]>(), any::<bool>()).prop_map(
        |(kind, head, body, is_plain)| {
            let mut bytes = [0; 64];
            bytes[..32].copy_from_slice(&head);
            bytes[32..].copy_from_slice(&body);
            bytes[0] = kind;
            if is_plain {
                let reserved = match Kind::from_code(kind) {
                    Some(Kind::Definition) => 60..64,
                    Some(Kind::Status) => 40..64,
                    Some(Kind::TradeBreak) => 56..64,
                    Some(Kind::Clear) => 32..64,
                    _ => 0..0,
                };
                bytes[reserved].fill(0);
                if Kind::from_code(kind) == Some(Kind::Status) {
                    bytes[34..36].fill(0);
                }
            }
            Tick::read_from_bytes(&bytes).unwrap()
        },
    )
}

fn write(path: &Path, ticks: &[Tick]) -> Digest {
    let mut writer = Writer::create(path).unwrap();
    for tick in ticks {
        writer.write(tick).unwrap();
    }
    let finished = writer.finish().unwrap();
    assert_eq!(finished.ticks, ticks.len() as u64);
    finished.digest
}

fn read(path: &Path, format: Format) -> Vec<Tick> {
    let mut reader = open(path).unwrap();
    assert_eq!(reader.format(), format);
    let ticks: Vec<Tick> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(reader.notice(), None);
    assert_eq!(
        reader.tally().messages.values().sum::<u64>(),
        ticks.len() as u64
    );
    assert!(reader.tally().skipped.is_empty());
    ticks
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_ticks_come_back(ticks in proptest::collection::vec(any_tick(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let mut digest = Digest::default();
        digest.update_all(&ticks);
        for (name, format) in [("a.ticks", Format::Ticks), ("a.csv", Format::Csv)] {
            let path = folder.path().join(name);
            prop_assert_eq!(write(&path, &ticks), digest);
            prop_assert_eq!(&read(&path, format), &ticks);
        }
    }

    #[test]
    fn blocks_of_any_length_come_back(
        ticks in proptest::collection::vec(any_tick(), 1..40),
        flushes in proptest::collection::vec(0usize..2_500, 0..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ticks");
        let mut writer = TickWriter::create(&path).unwrap();
        let mut written = Vec::new();
        for count in flushes {
            let part: Vec<Tick> = ticks.iter().copied().cycle().take(count).collect();
            writer.write_all(&part).unwrap();
            writer.flush().unwrap();
            written.extend_from_slice(&part);
        }
        let finished = writer.finish().unwrap();
        let file = TicksFile::open(&path).unwrap();
        prop_assert_eq!(file.recorded(), Some((written.len() as u64, finished.digest)));
        let mut blocks = file.blocks();
        let rows: Vec<Tick> = blocks.by_ref().flat_map(|rows| rows.unwrap().to_vec()).collect();
        prop_assert_eq!(&rows, &written);
        prop_assert_eq!(blocks.notice(), None);

        let chunks: Vec<Chunk> = open(&path).unwrap().into_chunks().map(Result::unwrap).collect();
        let lengths = chunks.iter().map(|chunk| chunk.as_ref().len());
        prop_assert!(lengths.clone().all(|length| (1..=BLOCK_ROWS).contains(&length)));
        let chunked: Vec<Tick> = chunks.iter().flat_map(AsRef::as_ref).copied().collect();
        prop_assert_eq!(&chunked, &written);
        let mut folded = Vec::new();
        open(&path).unwrap().for_each(|tick| folded.push(tick.unwrap()));
        prop_assert_eq!(&folded, &written);
    }

    /// A file of parts is the file that one writer makes tick by tick, byte for byte.
    #[test]
    fn parts_make_the_same_file(
        ticks in proptest::collection::vec(any_tick(), 1..40),
        count in 0usize..9_000,
        blocks_each in 1usize..4,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let ticks: Vec<Tick> = ticks.iter().copied().cycle().take(count).collect();
        for extension in ["ticks", "csv"] {
            let (one, parts) = (folder.path().join("one"), folder.path().join("parts"));
            let [one, parts] = [one, parts].map(|path| path.with_extension(extension));
            let digest = write(&one, &ticks);
            let mut writer = Writer::create(&parts).unwrap();
            let preparer = writer.preparer();
            let mut before = 0;
            for piece in ticks.chunks(blocks_each * FULL_BLOCK_ROWS) {
                let part = preparer.part(piece.to_vec(), before);
                prop_assert_eq!(part.ticks(), piece);
                writer.append(&part).unwrap();
                before += piece.len() as u64;
            }
            let finished = writer.finish().unwrap();
            prop_assert_eq!((finished.ticks, finished.digest), (count as u64, digest));
            prop_assert!(std::fs::read(one).unwrap() == std::fs::read(parts).unwrap());
        }
    }
}

/// The pieces of a CSV file, decoded one by one, give what its reader gives: ticks, then perhaps an
/// error that names its line.
#[test]
fn pieces_of_csv_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let (_, text) = golden();
    let (header, lines) = text.split_once('\n').unwrap();
    let many = lines.repeat(2_000);
    assert!(many.len() > 2 * 256 * 1024, "several pieces");
    let long = "1".repeat(300_000);
    for (end, is_sound) in [
        ("", true),
        ("clear,0,1,17,0,10,0,,,,,,,,,,,,,,,,\n", true),
        ("\n\r\n\n", true),
        ("quote,0\n", false),
        (long.as_str(), false),
    ] {
        for line_end in ["\n", "\r\n"] {
            let text = format!("{header}\n{many}{end}{many}").replace('\n', line_end);
            std::fs::write(&path, text).unwrap();
            let mut expected = Vec::new();
            let mut error = None;
            for tick in open(&path).unwrap() {
                match tick {
                    Ok(tick) => expected.push(tick),
                    Err(damage) => error = Some(damage),
                }
            }
            assert_eq!(error.is_none(), is_sound, "{error:?}");
            let mut reader = open(&path).unwrap();
            let mut ticks = Vec::new();
            let mut pieces = 0;
            let found = reader.split().unwrap().find_map(|lines| {
                pieces += 1;
                lines.and_then(|lines| lines.decode(&mut ticks)).err()
            });
            assert!(ticks == expected && found == error, "{found:?} {error:?}");
            assert!(pieces > 2);
        }
    }
    let ticks = folder.path().join("a.ticks");
    write(&ticks, &golden().0);
    assert!(open(&ticks).unwrap().split().is_none());
}

#[test]
#[should_panic(expected = "parts come in their order")]
fn a_part_out_of_its_order_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&folder.path().join("a.ticks")).unwrap();
    let part = writer.preparer().part(golden().0, 7);
    let _ = writer.append(&part);
}

/// An error comes after the slices before it, once, and then the file has ended.
#[test]
fn slices_before_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let (ticks, text) = golden();
    std::fs::write(&path, format!("{text}quote\n")).unwrap();
    let mut reader = open(&path).unwrap();
    assert_eq!(reader.peek().unwrap(), ticks);
    reader.consume(2);
    assert_eq!(reader.peek().unwrap(), &ticks[2..]);
    reader.consume(ticks.len() - 2);
    assert!(matches!(reader.peek(), Err(ReadError::Csv(_))));
    assert_eq!(reader.peek(), Ok(&[][..]));

    let mut chunks = open(&path).unwrap().into_chunks();
    assert_eq!(chunks.next().unwrap().unwrap().as_ref(), ticks);
    assert!(matches!(chunks.next(), Some(Err(ReadError::Csv(_)))));
    assert!(chunks.next().is_none());
}

/// One tick of each kind, and the lines of `docs/tick-files.md`.
fn golden() -> (Vec<Tick>, String) {
    let definition = Definition::new(Symbol::new(b"ZVZZT"), NANOS_PER_UNIT / 100, 100);
    let quote = Quote::new(148_910_000_000, 300, UNDEFINED_PRICE, 0);
    let trade = Trade::new(148_910_000_000, 283, 128_140, Side::Sell, *b"@\0\0\0\0\0\0");
    let ticks = vec![
        Tick::new(definition, Venue::IEX, 17, 5)
            .with_flags(Flags::IMPLIED)
            .with_seq(1),
        Tick::new(
            Status::new(TradingState::Halted, b'H', *b"T1  "),
            Venue::IEX,
            17,
            6,
        ),
        Tick::new(quote, Venue::IEX, 17, 1_499_697_155_788_781_087)
            .with_seq(3)
            .with_ts_due(9),
        Tick::new(trade, Venue::IEX, 17, 8),
        Tick::new(TradeBreak::new(1, 2, 3), Venue::NONE, 17, 9),
        Tick::new(Clear::default(), Venue::SYNTHETIC, 17, 10),
    ];
    let text = "\
kind,flags,venue,instrument,seq,ts_event,ts_due,symbol,price_increment,lot_size,state,\
venue_state,reason,bid,bid_size,ask,ask_size,price,size,trade_id,aggressor,conditions,body
definition,4,3,17,1,5,0,ZVZZT,0.010000000,100,,,,,,,,,,,,,
status,0,3,17,0,6,0,,,,halted,72,T1,,,,,,,,,,
quote,0,3,17,3,1499697155788781087,9,,,,,,,148.910000000,300,,0,,,,,,
trade,0,3,17,0,8,0,,,,,,,,,,,148.910000000,283,128140,sell,@,
trade_break,0,0,17,0,9,0,,,,,,,,,,,0.000000001,2,3,,,
clear,0,1,17,0,10,0,,,,,,,,,,,,,,,,
";
    (ticks, text.to_string())
}

#[test]
fn golden_csv_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let (ticks, text) = golden();
    write(&path, &ticks);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(read(&path, Format::Csv), ticks);

    std::fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    assert_eq!(read(&path, Format::Csv), ticks);
}

#[test]
fn csv_errors_name_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let (ticks, text) = golden();
    for (from, to, message) in [
        (
            "halted",
            "stopped",
            "line 3, column state: \"stopped\" is not halted,",
        ),
        (
            "148.910000000,300",
            "1.0000000001,300",
            "line 4, column bid: \"1.0000000001\"",
        ),
        (
            "17,3,",
            "4294967296,3,",
            "line 4, column instrument: \"4294967296\"",
        ),
        ("283", "-283", "line 5, column size: \"-283\""),
        ("sell", "SELL", "line 5, column aggressor"),
        (",,,,ZVZZT", ",,,,ZVZZT", "line 2 has"),
        (
            "@,",
            "@,00",
            "line 5, column price: \"148.910000000\" is not empty",
        ),
        ("clear,0", "cleared,0", "line 7, column kind: \"cleared\""),
        (
            "0.000000001,2,3,,,",
            "0.000000001,2,3,,,,",
            "line 6 has 24 cells, not 23",
        ),
        ("ZVZZT", "ABCDEFGHIJKLMNOPQ", "line 2, column symbol"),
    ] {
        if from == to {
            continue;
        }
        let line: usize = message[5..6].parse().unwrap();
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let mut reader = open(&path).unwrap();
        let good: Vec<Tick> = reader.by_ref().map_while(Result::ok).collect();
        assert_eq!(good, ticks[..line - 2]);
        assert!(reader.next().is_none(), "it has ended");
        let error = open(&path).unwrap().find_map(Result::err).unwrap();
        assert!(error.to_string().starts_with(message), "{error}");
    }
}

#[test]
fn a_line_without_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let (_, mut text) = golden();
    write!(text, "quote,{}", "0".repeat(100_000)).unwrap();
    std::fs::write(&path, text).unwrap();
    let error = open(&path).unwrap().find_map(Result::err).unwrap();
    assert_eq!(error, ReadError::Csv(CsvError::LongLine { line: 8 }));
}
