//! Files that are not what they should be, and disks that fill up.

use std::io::{self, Write};
use std::path::Path;

use tickcast_tickfile::{
    Format, Notice, OpenError, ReadError, Reader, Synthetic, SyntheticConfig, TickWriter,
    TicksError, TicksFile, WriteError, Writer, open,
};
use tickcast_wire::Tick;

fn market(count: usize) -> Vec<Tick> {
    Synthetic::new(SyntheticConfig::default())
        .take(count)
        .collect()
}

fn refused(path: &Path) -> OpenError {
    match open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

fn ticks_of(reader: &mut Reader) -> Vec<Tick> {
    reader.map(Result::unwrap).collect()
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path());
    assert!(
        matches!(
            error,
            OpenError::NotAFile {
                what: "a directory",
                ..
            }
        ),
        "{error}"
    );

    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let error = refused(&pipe);
    assert!(
        matches!(
            error,
            OpenError::NotAFile {
                what: "a pipe or device",
                ..
            }
        ),
        "{error}"
    );

    let error = refused(&folder.path().join("missing"));
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn empty_and_foreign_files_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("market.ticks");
    for (bytes, said) in [
        (&b""[..], "is empty"),
        (b"\x28\xb5\x2f\xfd....", "a zstd file"),
        (b"kind,flags\nquote,0\n", "other columns"),
        (b"hello world, this is text\n", "text"),
        (&[0; 100], "00 00 00 00"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let message = refused(&path).to_string();
        assert!(message.contains(said), "{message}");
        assert!(message.contains("market.ticks"), "{message}");
    }
}

#[test]
fn newer_versions_and_foreign_headers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("market.ticks");
    let mut bytes = Vec::new();
    TickWriter::new(&mut bytes).unwrap().finish().unwrap();

    bytes[8] = 2;
    std::fs::write(&path, &bytes).unwrap();
    let error = refused(&path);
    let newer = ReadError::Ticks(TicksError::NewerVersion { version: 2 });
    assert!(matches!(error, OpenError::Damaged { source, .. } if source == newer));

    std::fs::write(&path, [b"kind", &bytes[4..]].concat()).unwrap();
    let error = TicksFile::open(&path).err().unwrap();
    let magic = ReadError::Ticks(TicksError::Magic);
    assert!(matches!(error, OpenError::Damaged { source, .. } if source == magic));
}

#[test]
fn only_a_header_is_an_unclosed_file_without_ticks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("market.ticks");
    drop(TickWriter::create(&path).unwrap());
    let mut reader = open(&path).unwrap();
    assert_eq!(ticks_of(&mut reader), []);
    let expected = Notice::TornTail {
        offset: 64,
        bytes: 0,
        ticks: 0,
    };
    assert_eq!(reader.notice(), Some(&expected));
    assert_eq!(reader.recorded(), None);
}

#[test]
fn a_file_that_grows_is_read_as_far_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("market.ticks");
    let ticks = market(2_000);
    let mut writer = TickWriter::create(&path).unwrap();
    writer.write_all(&ticks[..500]).unwrap();
    writer.flush().unwrap();

    let mut early = open(&path).unwrap();
    writer.write_all(&ticks[500..]).unwrap();
    let finished = writer.finish().unwrap();
    assert_eq!(ticks_of(&mut early), ticks[..500]);
    assert!(matches!(
        early.notice(),
        Some(Notice::TornTail {
            bytes: 0,
            ticks: 500,
            ..
        })
    ));

    let mut late = open(&path).unwrap();
    assert_eq!(ticks_of(&mut late), ticks);
    assert_eq!(late.notice(), None);
    assert_eq!(late.recorded(), Some((2_000, finished.digest)));
    assert_eq!(
        (late.position(), late.size()),
        (late.size(), 64 + 2_000 * 64 + 3 * 64 + 64)
    );
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    for name in ["market.ticks", "market.csv"] {
        let error = Writer::create(&gone.join(name)).err().unwrap();
        let said = error.to_string();
        let advice = format!("make the folder {} first", gone.display());
        assert!(said.contains(&advice), "{said}");
        assert!(!said.contains("overwritten"), "{said}");
    }
}

#[test]
fn an_existing_file_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["market.ticks", "market.csv"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "precious").unwrap();
        let error = Writer::create(&path).err().unwrap();
        assert!(matches!(error, WriteError::Create { .. }));
        assert!(error.to_string().contains("never overwritten"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
    let other = folder.path().join("market.itch");
    assert!(matches!(
        Writer::create(&other),
        Err(WriteError::Extension { .. })
    ));
    assert!(!other.exists());
    assert_eq!(
        Format::from_extension("a.TICKS".as_ref()),
        Some(Format::Ticks)
    );
    assert_eq!(Format::from_extension("a.csv".as_ref()), Some(Format::Csv));
    assert_eq!(Format::from_extension("ticks".as_ref()), None);
}

/// A disk with so much room.
struct Disk {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for &mut Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room - self.bytes.len());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes blocks of three ticks until the disk is full; how many are safe by the writer's word.
fn fill(disk: &mut Disk, ticks: &[Tick]) -> Result<u64, WriteError> {
    let mut writer = TickWriter::new(disk)?;
    for three in ticks.chunks(3) {
        writer.write_all(three)?;
        if let Err(error) = writer.flush() {
            let again = writer.flush().unwrap_err();
            assert!(matches!(again, WriteError::Failed { .. }), "{again}");
            return Err(error);
        }
    }
    writer.finish().map(|finished| finished.ticks)
}

#[test]
fn a_disk_that_fills_up_at_any_byte_leaves_a_readable_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("market.ticks");
    let ticks = market(8);
    let whole = 64 + 3 * 64 + 8 * 64 + 64;
    for room in 0..whole {
        let mut disk = Disk {
            bytes: Vec::new(),
            room,
        };
        let error = fill(&mut disk, &ticks).unwrap_err();
        let WriteError::Write {
            ticks: safe,
            source,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        if room < 64 {
            assert_eq!(safe, 0);
            continue;
        }
        std::fs::write(&path, &disk.bytes).unwrap();
        let mut reader = open(&path).unwrap();
        assert_eq!(ticks_of(&mut reader), ticks[..safe as usize], "room {room}");
        assert!(reader.notice().is_some());
    }
    let mut disk = Disk {
        bytes: Vec::new(),
        room: whole,
    };
    assert_eq!(fill(&mut disk, &ticks).unwrap(), 8);
}
