//! Tick files to write: they appear only when they are whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use tempfile::TempPath;
use tickcast_tickfile::{Finished, Format, Part, Preparer, WriteError, Writer};
use tickcast_wire::Tick;

use crate::show;

/// The file that a command is to write, and the format that its name asks for.
#[derive(Debug, Clone)]
pub struct Target {
    path: PathBuf,
    format: Format,
}

impl Target {
    /// The target of this name.
    ///
    /// # Errors
    /// When it ends neither in `.ticks` nor in `.csv`.
    pub fn from_name(name: &str) -> Result<Target, String> {
        let path = PathBuf::from(name);
        let format = Format::from_extension(&path);
        let format = format.ok_or("expected a name that ends in .ticks or .csv")?;
        Ok(Target { path, format })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its format.
    pub const fn format(&self) -> Format {
        self.format
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
        let folder = folder_of(&self.path);
        if !folder.exists() {
            bail!(
                "there is no folder {}; make it first, or name another file",
                folder.display()
            );
        }
        let (writer, part) = tempfile::Builder::new()
            .prefix(".tickcast-")
            .suffix(&format!(".part.{}", self.format))
            .make_in(folder, |path| {
                Writer::create(path).map_err(io::Error::other)
            })
            .with_context(|| format!("cannot write to the folder {}", folder.display()))?
            .into_parts();
        Ok(Output {
            target: self,
            force,
            part,
            writer,
            ticks: 0,
        })
    }
}

/// The writer says what of the file stays readable; of this one nothing will be there.
fn failed(target: &Target, error: WriteError) -> anyhow::Error {
    let WriteError::Write { ticks, source } = error else {
        return error.into();
    };
    let path = target.path.display();
    let advice = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, or name a file on another disk"
        }
        _ => "",
    };
    anyhow!(
        "{path} was not written, after {} ticks: {source}{advice}",
        show::count(ticks)
    )
}

/// The folder that a file of this name is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
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
    pub fn write(&mut self, tick: &Tick) -> anyhow::Result<()> {
        self.ticks += 1;
        let result = self.writer.write(&tick.with_seq(self.ticks));
        result.map_err(|error| failed(self.target, error))
    }

    /// Prepares what [`append`](Output::append) takes, in other threads.
    pub fn preparer(&self) -> Preparer {
        self.writer.preparer()
    }

    /// Writes ticks that are numbered already.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, part: &Part) -> anyhow::Result<()> {
        self.ticks += part.ticks().len() as u64;
        let result = self.writer.append(part);
        result.map_err(|error| failed(self.target, error))
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
        let finished = match self.writer.finish() {
            Ok(finished) => finished,
            Err(error) => return Err(failed(self.target, error)),
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
        // And its name as well.
        File::open(folder_of(path))?
            .sync_all()
            .context("cannot bring the name of the file to the disk")?;
        Ok(finished)
    }
}
