//! Tick files to write: they appear only when they are whole.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::{NamedTempFile, TempPath};
use tickcast_tickfile::{CsvWriter, Finished, TickWriter, WriteError};
use tickcast_wire::Tick;

/// The file that a command is to write, and the format that its name asks for.
#[derive(Debug, Clone)]
pub struct Target {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Ticks,
    Csv,
}

impl Target {
    /// The target of this name.
    ///
    /// # Errors
    /// When it ends neither in `.ticks` nor in `.csv`.
    pub fn from_name(name: &str) -> Result<Target, String> {
        let path = PathBuf::from(name);
        let kind = match path.extension().and_then(OsStr::to_str) {
            Some("ticks") => Kind::Ticks,
            Some("csv") => Kind::Csv,
            _ => return Err("expected a name that ends in .ticks or .csv".into()),
        };
        Ok(Target { path, kind })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of its format, as in reports.
    pub const fn format(&self) -> &'static str {
        match self.kind {
            Kind::Ticks => "ticks",
            Kind::Csv => "csv",
        }
    }

    /// Begins to write it. With `force` an existing file will be replaced at the end.
    ///
    /// # Errors
    /// When it exists and `force` is not given, or its folder cannot be written to.
    pub fn create(&self, force: bool) -> anyhow::Result<Output<'_>> {
        if self.path.is_dir() {
            bail!("{} is a directory; name a file", self.path.display());
        }
        if !force && self.path.symlink_metadata().is_ok() {
            bail!(
                "{} exists; name another file, or replace it with --force",
                self.path.display()
            );
        }
        let folder = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let part = tempfile::Builder::new()
            .prefix(".tickcast-")
            .suffix(".part")
            // As for any new file: the umask takes away what others may not do.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .with_context(|| format!("cannot write to the folder {}", folder.display()))?;
        let (file, part) = NamedTempFile::into_parts(part);
        let writer = match self.kind {
            Kind::Ticks => Writer::Ticks(TickWriter::new(file)?),
            Kind::Csv => Writer::Csv(Box::new(CsvWriter::new(file)?)),
        };
        Ok(Output {
            target: self,
            force,
            part,
            writer,
            ticks: 0,
        })
    }
}

enum Writer {
    Ticks(TickWriter<File>),
    Csv(Box<CsvWriter<File>>),
}

/// A tick file that is being written, under a name of its own until it is whole. Dropped before
/// [`finish`](Output::finish), nothing of it remains.
pub struct Output<'a> {
    target: &'a Target,
    force: bool,
    part: TempPath,
    writer: Writer,
    ticks: u64,
}

impl Output<'_> {
    /// Writes the next tick, numbered from 1.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, tick: &Tick) -> Result<(), WriteError> {
        self.ticks += 1;
        let tick = tick.with_seq(self.ticks);
        match &mut self.writer {
            Writer::Ticks(writer) => writer.write(&tick),
            Writer::Csv(writer) => writer.write(&tick),
        }
    }

    /// Ticks written so far.
    pub const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written, or a file of this name was made meanwhile.
    pub fn finish(self) -> anyhow::Result<Finished> {
        let finished = match self.writer {
            Writer::Ticks(writer) => writer.finish()?,
            Writer::Csv(writer) => writer.finish()?,
        };
        // Whole on the disk before it has its name, should the machine go down right after.
        File::open(&self.part)?
            .sync_all()
            .context("cannot bring the file to the disk")?;
        let path = &self.target.path;
        let named = if self.force {
            self.part.persist(path)
        } else {
            self.part.persist_noclobber(path)
        };
        named.map_err(|error| error.error).with_context(|| {
            format!("cannot give the finished file its name {}", path.display())
        })?;
        Ok(finished)
    }
}
