//! Tick files to write: they appear only when they are whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempPath;
use tickcast_tickfile::{Finished, Format, WriteError, Writer};
use tickcast_wire::Tick;

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
        let folder = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
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
        self.writer.write(&tick.with_seq(self.ticks))
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
        let finished = self.writer.finish()?;
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
