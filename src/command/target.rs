//! Where a command writes a file that it makes: a path, or `-` for standard output.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use super::{CommandError, cannot};
use crate::files::{Access, FileError, LocalDisk, Replacement};
use crate::output::Console;

/// How much is gathered before it is written.
const BUFFER_BYTES: usize = 256 * 1024;

/// What a file is written to until it is whole.
pub(super) struct Target {
    writer: BufWriter<Place>,
    /// Whether it is standard output.
    is_printed: bool,
}

enum Place {
    /// A file of its own, which takes its place when it is whole.
    Beside(Replacement),
    /// Something that cannot be replaced: a device, a pipe.
    Into(File),
    /// Standard output.
    Results(Box<dyn Write + Send>),
}

impl Target {
    /// Opens what `word` names.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn open(word: &Path, console: &Console, doing: &str) -> Result<Self, CommandError> {
        let is_printed = word == Path::new("-");
        let place = if is_printed {
            Place::Results(console.take_results().map_err(cannot(doing))?)
        } else if std::fs::metadata(word).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let file = File::options().write(true).open(word);
            Place::Into(file.map_err(FileError::of("write", word)).map_err(cannot(doing))?)
        } else {
            // What a link points at is what is meant to be replaced.
            let path = word.canonicalize().unwrap_or_else(|_| word.to_owned());
            let begun = Replacement::begin(Arc::new(LocalDisk), &path, Access::Shared);
            Place::Beside(begun.map_err(cannot(doing))?)
        };
        Ok(Self { writer: BufWriter::with_capacity(BUFFER_BYTES, place), is_printed })
    }

    /// Whether it is standard output, so that nothing is to be said there.
    pub(super) const fn is_printed(&self) -> bool {
        self.is_printed
    }

    /// Puts the whole file in its place.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn finish(self, doing: &str) -> Result<(), CommandError> {
        let failed = |error| FileError::new("write", "the result", error);
        match self.writer.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed).map_err(cannot(doing))? {
            Place::Beside(file) => file.finish().map_err(cannot(doing)),
            Place::Into(_) => Ok(()),
            Place::Results(mut writer) => writer.flush().map_err(failed).map_err(cannot(doing)),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Beside(file) => file.write(bytes).map(|()| bytes.len()).map_err(io::Error::other),
            Self::Into(file) => file.write(bytes),
            Self::Results(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Beside(_) => Ok(()),
            Self::Into(file) => file.flush(),
            Self::Results(writer) => writer.flush(),
        }
    }
}
