//! Interval logs and percentile distributions as they are read: our own, other programs', damaged.

mod support;

use std::io::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::{collection, prop_assert, prop_assert_eq, proptest};
use support::{Feeder, SECOND};
use tickcast_latency::{
    Figures, HgrmReadError, HlogReadError, HlogWriter, LineError, Log, MAX_TAGS, PayloadError,
    Provenance, Stage, StageFigures, StallLog, Windows, read_hgrm, write_hgrm,
};

const STAGES: [Stage; 3] = [Stage::Network, Stage::Total, Stage::Stalled];
const START_NS: u64 = 1_700_000_000_250_000_000;

/// A run of `windows` windows, and its log.
fn run(windows: u64) -> (Windows, Vec<u8>) {
    let groups = ["index", "others"].map(String::from);
    let mut feeder = Feeder::with_groups(&STAGES, groups.len());
    let mut run = Windows::new(&STAGES).with_groups(&groups);
    let mut text = Vec::new();
    let log = HlogWriter::new(&mut text, START_NS).unwrap();
    let mut log = log.with_groups(&groups);
    for window in 0..windows {
        let set = feeder.set(|recorder| {
            for n in 0..2_000 {
                let ns = 2_000 + n * n % 9_973 + window;
                let provenance = [Provenance::A, Provenance::B][n as usize % 2];
                recorder.record((Stage::Network, provenance), 0, ns, 1);
                recorder.record((Stage::Total, provenance), 0, 3 * ns, 1);
                let group = usize::from(n % 3 > 0);
                recorder.record_group((Stage::Network, group), 0, ns, 1);
                recorder.record_group((Stage::Total, group), 0, 3 * ns, 1);
            }
            recorder.record((Stage::Total, Provenance::Snapshot), 0, SECOND, 5);
            recorder.record((Stage::Total, Provenance::A), 0, 9_000_000, 1);
            recorder.record((Stage::Stalled, Provenance::A), 0, 9_000_000, 1);
        });
        let from = START_NS + window * SECOND;
        run.add(from, from + SECOND, set, &StallLog::default());
        log.write(from, from + SECOND, set).unwrap();
    }
    (run, text)
}

/// The same figures; means are sums of floating-point numbers in another order.
#[track_caller]
fn assert_alike(read: &[StageFigures], was: &[StageFigures]) {
    let mean = |figures: &Figures| figures.mean_ns.unwrap();
    let parts = |stages: &[StageFigures]| -> Vec<(String, Figures)> {
        let parts = stages.iter().flat_map(|it| {
            let all = it.parts.iter().chain(&it.groups);
            all.map(|part| (it.stage.clone(), part.clone()))
        });
        parts.collect()
    };
    let (read, was) = (parts(read), parts(was));
    assert_eq!(read.len(), was.len());
    for ((stage, mut read), (of, was)) in read.into_iter().zip(was) {
        assert!((mean(&read) - mean(&was)).abs() < 1e-9 * mean(&was));
        read.mean_ns = was.mean_ns;
        assert_eq!(stage, of);
        assert!(read == was, "{stage} {}", was.of);
    }
}

fn encoded(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .unwrap();
    BASE64_STANDARD.encode(bytes)
}

fn some() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
    histogram.record_n(77, 5).unwrap();
    histogram.record(123_456).unwrap();
    histogram
}

#[test]
fn our_own_log_has_the_figures_of_the_run() {
    let (windows, text) = run(12);
    let log = Log::read(&*text).unwrap();
    assert_eq!((log.is_ours, log.is_cut, log.unread), (true, false, 0));
    assert_eq!(log.began_ns, Some(START_NS));
    let shown = log.run("log");
    assert_eq!((&*shown.name, shown.duration_ns), ("log", 12 * SECOND));
    assert_alike(&shown.stages, &windows.stages());
    for (read, was) in shown.timeline.iter().zip(windows.timeline()) {
        // No log says what the machine did.
        assert_eq!(was.stall_max_ns, None);
        assert_eq!(*read, was);
    }
    assert_eq!(shown.timeline.len(), 12);
    let (read, was) = (&shown.views[1], &windows.views()[1]);
    assert_eq!((&read.name, read.left_out), (&was.name, was.left_out));
    assert_eq!(read.figures.curve, was.figures.curve);
    assert_eq!(shown.statements, windows.statements(&StallLog::default()));
}

#[test]
fn logs_of_other_programs_are_what_they_are() {
    let histogram = encoded(&some());
    let text = format!(
        "#[Logged with jHiccup 2.0.10]\n#[Histogram log format version 1.2]\n\
         #[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 08:24:39 PDT 2015]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n\
         0.127,1.007,2.769,{histogram}\n\
         1.134,0.999,0.442,{histogram}\r\n\
         Tag=warm.up,1.134,0.999,0.442,{histogram}"
    );
    let log = Log::read(text.as_bytes()).unwrap();
    assert_eq!(log.began_ns, Some(1_441_812_279_474_000_000));
    let tags: Vec<_> = log.tags.iter().map(|it| it.tag.as_deref()).collect();
    assert_eq!(tags, [None, Some("warm.up")]);
    let shown = log.run("jHiccup");
    let stages: Vec<_> = shown.stages.iter().map(|it| &*it.stage).collect();
    assert_eq!(stages, ["all", "warm.up"]);
    let figures = &shown.stages[0].parts[0];
    assert_eq!((figures.samples, figures.max_ns), (12, Some(some().max())));
    assert_eq!(shown.timeline.len(), 2);
    assert_eq!(shown.timeline[1].at_ns, 1_134_000_000);
    assert_eq!(
        shown.statements,
        [
            "another program wrote this log: the unit of its values is not known, and shown as \
             nanoseconds",
            "all: p99 and beyond are not given: 12 samples are too few, it needs 100",
            "all: p90 rests on 1 sample beyond it: any one of them moves it"
        ]
    );
}

/// Times may be absolute, with or without a base.
#[test]
fn times_count_from_the_start() {
    let histogram = encoded(&some());
    for (header, at) in [
        (
            "#[StartTime: 1700000000.000 (seconds since epoch)]\n",
            "1700000003.5",
        ),
        (
            "#[StartTime: 1700000000.000 (seconds since epoch)]\n",
            "3.5",
        ),
        (
            "#[StartTime: 1700000000.0 ]\n#[BaseTime: 1600000000.0 (seconds since epoch)]\n",
            "100000003.5",
        ),
    ] {
        let text = format!("{header}{at},1.0,2.0,{histogram}\n");
        let shown = Log::read(text.as_bytes()).unwrap().run("");
        assert_eq!(shown.timeline[0].at_ns, 3_500_000_000, "{text}");
    }
}

#[test]
fn what_is_no_log_is_said_to_be_none() {
    let read = |text: &[u8]| Log::read(text).map(|_| ()).unwrap_err();
    for text in [
        &b""[..],
        b"\n\n",
        b"hello\nworld\n",
        b"\x7fELF\x02\x01\xff\n",
        b"a,b,c,d\n",
    ] {
        assert!(matches!(read(text), HlogReadError::NotALog), "{text:?}");
    }
    let header = "#[Histogram log format version 1.3]\n";
    assert!(matches!(read(header.as_bytes()), HlogReadError::Empty));
    let later = b"#[Histogram log format version 2.0]\n";
    assert!(matches!(read(later), HlogReadError::Version { found } if found == "2.0"));
    let damaged = format!("{header}1.0,1.0,1.0,HISTFAAAAAA\n1.0,1.0\n");
    let error = read(damaged.as_bytes());
    assert_eq!(
        error.to_string(),
        "none of the 2 intervals of the log can be read; line 2: its histogram is not base64"
    );
}

#[test]
fn a_log_that_was_cut_off_has_the_intervals_before() {
    let (_, text) = run(2);
    let whole = Log::read(&*text).unwrap();
    let samples = |log: &Log| {
        let stages = log.run("").stages;
        let figures = stages.iter().flat_map(|stage| &stage.parts);
        figures.map(|part| part.samples).sum::<u64>()
    };
    let (mut before, mut cuts) = (0, 0);
    for length in (0..text.len()).step_by(7) {
        let Ok(log) = Log::read(&text[..length]) else {
            assert_eq!(before, 0);
            continue;
        };
        let now = samples(&log);
        assert!(before <= now && now <= samples(&whole), "{length}");
        assert!(!log.is_cut || text[length - 1] != b'\n');
        let told = log.statements();
        let is_told = told.iter().any(|it| it.ends_with("it was cut off"));
        assert_eq!((log.is_cut, log.is_cut), (is_told, log.unread == 1));
        cuts += usize::from(log.is_cut);
        before = now;
    }
    assert!(before > 0 && cuts > 0);
}

/// Another byte anywhere: the line is not read, or says what it said, but for its time and tag.
#[test]
fn damage_in_a_histogram_is_noticed() {
    let good = encoded(&some());
    let text = |histogram: &[u8]| {
        let header = b"#[Histogram log format version 1.3]\n1.0,1.0,1.0,";
        [
            &header[..],
            histogram,
            b"\n1.0,1.0,1.0,",
            good.as_bytes(),
            b"\n",
        ]
        .concat()
    };
    let whole = Log::read(&*text(good.as_bytes())).unwrap();
    assert_eq!(whole.run("").stages[0].parts[0].samples, 12);
    for place in 0..good.len() {
        for byte in [b'A', b'7', b'/', b'=', b'!', 0xff] {
            let mut damaged = good.clone().into_bytes();
            damaged[place] = byte;
            let log = Log::read(&*text(&damaged)).unwrap();
            let samples = log.run("").stages[0].parts[0].samples;
            assert_eq!(samples + 6 * log.unread, 12, "{place} {byte}");
        }
    }
}

/// A histogram with this header and these bytes of counts.
fn payload(digits: u32, lowest: u64, highest: u64, length: u32, counts: &[u8]) -> Vec<u8> {
    let mut bytes = 0x1c84_9313_u32.to_be_bytes().to_vec();
    for word in [length, 0, digits] {
        bytes.extend(word.to_be_bytes());
    }
    for word in [lowest, highest, 1.0_f64.to_bits()] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(counts);
    bytes
}

fn read_payload(bytes: &[u8]) -> Result<Log, LineError> {
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflated.write_all(bytes).unwrap();
    let deflated = deflated.finish().unwrap();
    let length = deflated.len() as u32;
    let cookie = 0x1c84_9314_u32.to_be_bytes();
    let line = [&cookie[..], &length.to_be_bytes(), &deflated].concat();
    let text = format!(
        "#[Histogram log format version 1.3]\n0,1,2,{}\n",
        BASE64_STANDARD.encode(line)
    );
    Log::read(text.as_bytes()).map_err(|error| match error {
        HlogReadError::NothingRead { error, .. } => error,
        other => panic!("{other}"),
    })
}

#[test]
fn hostile_histograms_are_refused() {
    let huge_count = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let leaves_out_all = [0xff_u8; 9];
    let refused: [(Vec<u8>, PayloadError); 10] = [
        (payload(3, 1, 1_000, u32::MAX, &[2]), PayloadError::Length),
        (payload(3, 1, 1_000, 2, &[2]), PayloadError::Length),
        (payload(3, 1, 1_000, 1, &[0x80]), PayloadError::Length),
        (payload(6, 1, 1_000, 1, &[2]), PayloadError::Bounds),
        (payload(3, 0, 1_000, 1, &[2]), PayloadError::Bounds),
        (payload(3, 1_000, 1_000, 1, &[2]), PayloadError::Bounds),
        (
            payload(3, 1, u64::MAX, 9, &huge_count),
            PayloadError::TooLarge,
        ),
        (
            payload(3, 1, u64::MAX, 10, &[&leaves_out_all[..], &[2]].concat()),
            PayloadError::Value,
        ),
        // Bucket 4,096 stands for 4,096, beyond 2,000.
        (
            payload(3, 1, 2_000, 3, &[0xff, 0x3f, 2]),
            PayloadError::Value,
        ),
        (
            payload(3, 1, 2_000, 9 << 20, &vec![0; 9 << 20]),
            PayloadError::TooLarge,
        ),
    ];
    for (bytes, expected) in refused {
        let error = read_payload(&bytes).unwrap_err();
        assert_eq!(error, LineError::Payload(expected));
    }
    let huge = payload(3, 1 << 62, u64::MAX, 2, &[0, 2]);
    let log = read_payload(&huge).unwrap();
    assert_eq!(log.run("").stages[0].parts[0].max_ns, Some((1 << 63) - 1));
}

#[test]
fn tags_are_bounded() {
    let histogram = encoded(&some());
    let lines = (0..MAX_TAGS + 3).map(|tag| format!("Tag={tag},0,1,2,{histogram}\n"));
    let text: String = lines.collect();
    let log = Log::read(text.as_bytes()).unwrap();
    assert_eq!((log.tags.len(), log.unread), (MAX_TAGS, 3));
    let (line, error) = log.first_unread.unwrap();
    assert_eq!((line, error), (MAX_TAGS as u64 + 1, LineError::TooManyTags));
}

#[test]
fn a_distribution_reads_back() {
    let mut feeder = Feeder::new(&[Stage::Total]);
    let set = feeder.set(|recorder| {
        for ns in 1..=100_000 {
            recorder.record((Stage::Total, Provenance::A), 0, ns * 10, 1);
        }
    });
    let total = set.sum(Stage::Total).unwrap();
    let mut text = Vec::new();
    write_hgrm(&mut text, &total).unwrap();
    let run = read_hgrm(&*text, "hgrm").unwrap();
    let figures = &run.stages[0].parts[0];
    assert_eq!(
        (figures.samples, figures.max_ns),
        (100_000, Some(total.histogram().max()))
    );
    let p50 = figures.percentiles[0].ns.unwrap();
    assert_eq!(p50, total.histogram().value_at_quantile(0.5));
    for point in &figures.curve {
        assert_eq!(total.histogram().count_between(0, point.ns), point.count);
    }
    assert_eq!(run.statements, [""; 0]);

    let text = String::from_utf8(text).unwrap();
    let read = |text: &str| read_hgrm(text.as_bytes(), "").map(|_| ()).unwrap_err();
    assert!(matches!(read(""), HgrmReadError::NotADistribution));
    assert!(matches!(read("hello\n"), HgrmReadError::NotADistribution));
    let half = &text[..text.len() / 2];
    let half = &half[..=half.rfind('\n').unwrap()];
    assert!(matches!(read(half), HgrmReadError::Cut { percent } if percent < 100.0));
    let damaged = text.replacen(" 0.5", " 1.5", 1);
    assert!(matches!(read(&damaged), HgrmReadError::Row { .. }));
    let unsorted = text.replacen(" 0.5", " 0.1", 1);
    assert!(matches!(read(&unsorted), HgrmReadError::Order { .. }));
    let foreign = text.replace("tickcast", "wrk2");
    assert_eq!(
        read_hgrm(foreign.as_bytes(), "").unwrap().statements.len(),
        1
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is decoded is what crate `hdrhistogram` has encoded, of whatever bounds.
    #[test]
    fn histograms_decode_as_they_were_encoded(
        digits in 0..=5_u8,
        lowest in 0..40_u32,
        doublings in 1..22_u32,
        samples in collection::vec((any::<u64>(), 1..1_000_u64), 1..60),
        deflate in any::<bool>(),
    ) {
        let (low, high) = (1_u64 << lowest, 1_u64 << (lowest + doublings));
        let mut histogram = Histogram::<u64>::new_with_bounds(low, high, digits).unwrap();
        for (value, count) in samples {
            histogram.record_n(value % high, count).unwrap();
        }
        let mut bytes = Vec::new();
        if deflate {
            V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
        } else {
            V2Serializer::new().serialize(&histogram, &mut bytes).unwrap();
        }
        let text = format!("#[Histogram log format version 1.3]\n0,1,2,{}\n", BASE64_STANDARD.encode(bytes));
        let run = Log::read(text.as_bytes()).unwrap().run("");
        let figures = &run.stages[0].parts[0];
        prop_assert_eq!(figures.samples, histogram.len());
        prop_assert_eq!(figures.max_ns, Some(histogram.highest_equivalent(histogram.max())));
        let mean = figures.mean_ns.unwrap();
        prop_assert!((mean - histogram.mean()).abs() <= 1e-9 * mean);
        for point in &figures.curve {
            prop_assert_eq!(histogram.count_between(0, point.ns), point.count);
        }
    }

    /// Whatever the bytes are, there is an answer.
    #[test]
    fn no_bytes_are_too_strange(
        bytes in collection::vec(any::<u8>(), 0..400),
        lines in collection::vec(prop::string::string_regex(
            "(Tag=[a-c.]{0,3},)?[0-9.e-]{0,9},[0-9.inf]{0,4},1,(HISTFAAA)?[A-Za-z0-9+/=]{0,40}|#.{0,30}|#\\[(StartTime|BaseTime): [0-9.]{0,12}.{0,5}",
        ).unwrap(), 0..12),
        counts in collection::vec(any::<u8>(), 0..60),
        digits in 0..8_u32, lowest in any::<u64>(), highest in any::<u64>(),
    ) {
        let _ = Log::read(&*bytes);
        let _ = read_hgrm(&*bytes, "");
        let text = lines.join("\n");
        if let Ok(log) = Log::read(text.as_bytes()) {
            let _ = log.run("");
        }
        if let Ok(log) = read_payload(&payload(digits, lowest, highest, counts.len() as u32, &counts)) {
            let _ = log.run("");
        }
    }
}
