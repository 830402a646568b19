//! Writing a tar in order: a member is whole, or it is taken back.

use std::collections::BTreeSet;
use std::io::{self, Write};

use tar::EntryType;

use super::{BLOCK, header, padding};
use crate::blobs::storage;
use crate::files::Replacement;
use crate::registry::{Error, ErrorKind, Result};

/// Where a tar is written to.
pub(in crate::archive) enum Output {
    /// A file, which gets its name at the end.
    File(Replacement),
    /// What takes bytes once: standard output, a pipe, a device.
    Stream(Box<dyn Write + Send>),
}

/// A tar that is being written. Methods block the thread.
pub(in crate::archive) struct TarSink {
    output: Output,
    position: u64,
    /// Where the member begins that is not whole yet, and how many bytes its content is to have and has.
    open: Option<Open>,
    directories: BTreeSet<String>,
}

struct Open {
    start: u64,
    size: u64,
    taken: u64,
}

impl TarSink {
    pub(in crate::archive) const fn new(output: Output) -> Self {
        Self { output, position: 0, open: None, directories: BTreeSet::new() }
    }

    /// Begins a member, and takes back one that is not whole.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` where what is to be taken back has gone out.
    pub(in crate::archive) fn begin(&mut self, name: &str, size: u64) -> Result<()> {
        self.take_back()?;
        let parents = name.match_indices('/').map(|(end, _)| &name[..=end]);
        for directory in parents {
            if self.directories.insert(directory.to_owned()) {
                self.write(&header::write(directory, 0, EntryType::Directory))?;
            }
        }
        self.open = Some(Open { start: self.position, size, taken: 0 });
        self.write(&header::write(name, size, EntryType::Regular))
    }

    /// Writes content of the member.
    ///
    /// # Errors
    /// `Corrupt` where it becomes longer than was said; `Storage`.
    pub(in crate::archive) fn content(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(open) = &mut self.open {
            open.taken += bytes.len() as u64;
            if open.taken > open.size {
                return Err(wrong_length(open));
            }
        }
        self.write(bytes)
    }

    /// Ends the member.
    ///
    /// # Errors
    /// `Corrupt` where it is shorter than was said; `Storage`.
    pub(in crate::archive) fn end(&mut self) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        if open.taken != open.size {
            return Err(wrong_length(open));
        }
        let nothing = [0; BLOCK];
        self.write(&nothing[..usize::try_from(padding(open.size)).unwrap_or_default()])?;
        self.open = None;
        Ok(())
    }

    /// Writes a small member whole.
    ///
    /// # Errors
    /// As [`TarSink::begin`].
    pub(in crate::archive) fn document(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.begin(name, bytes.len() as u64)?;
        self.content(bytes)?;
        self.end()
    }

    /// Ends the archive, durably where it is a file.
    ///
    /// # Errors
    /// `Storage`.
    pub(in crate::archive) fn finish(mut self) -> Result<()> {
        self.take_back()?;
        self.write(&[0; 2 * BLOCK])?;
        match self.output {
            Output::File(file) => file.finish().map_err(storage),
            Output::Stream(mut stream) => stream.flush().map_err(|error| not_written(&error)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.output {
            Output::File(file) => file.write(bytes).map_err(storage)?,
            Output::Stream(stream) => stream.write_all(bytes).map_err(|error| not_written(&error))?,
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Takes back a member that is not whole.
    fn take_back(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        match &mut self.output {
            Output::File(file) => {
                file.cut(open.start).map_err(storage)?;
                self.position = open.start;
                Ok(())
            }
            Output::Stream(_) => {
                let message = "a blob did not come whole, and what was written of it cannot be taken back";
                // Nothing more goes out: whoever reads sees the end missing.
                self.output = Output::Stream(Box::new(Closed));
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }
}

/// Takes nothing.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn wrong_length(open: &Open) -> Error {
    let message = format!("a blob has not the {} bytes that were announced", open.size);
    Error::new(ErrorKind::Corrupt, message)
}

fn not_written(error: &io::Error) -> Error {
    Error::new(ErrorKind::Storage, "the archive cannot be written").caused_by(io::Error::from(error.kind()))
}
