//! The bytes of a tar as a scan wants them: headers to look at, content to pass over.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use super::BLOCK;
use crate::files::Scratch;

/// How much of a stream is moved at once.
const PIECE: usize = 512 * 1024;

/// Whether content that is passed over will be read later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Later {
    Read,
    Forgotten,
}

/// A tar that is gone through once, from its beginning to its end.
pub(super) trait Feed {
    /// How many bytes were gone through.
    fn position(&self) -> u64;

    /// Reads the next bytes, as many as there are up to the length of `into`.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Passes over content and what pads it. An end before that is an error.
    fn pass(&mut self, bytes: u64, later: Later) -> io::Result<()>;
}

/// A file, whose content is passed over without being read.
pub(super) struct Seekable<'f> {
    file: &'f File,
    length: u64,
    position: u64,
}

impl<'f> Seekable<'f> {
    pub(super) const fn new(file: &'f File, length: u64) -> Self {
        Self { file, length, position: 0 }
    }
}

impl Feed for Seekable<'_> {
    fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(self.position))?;
        let read = fill(&mut self.file, into)?;
        self.position += read as u64;
        Ok(read)
    }

    fn pass(&mut self, bytes: u64, _: Later) -> io::Result<()> {
        self.position = self.position.checked_add(bytes).filter(|end| *end <= self.length).ok_or_else(cut)?;
        Ok(())
    }
}

/// What comes once: content that is read later is put aside, at the same offsets.
pub(super) struct Streamed<'s, R> {
    stream: R,
    aside: &'s Scratch,
    position: u64,
    piece: Vec<u8>,
}

impl<'s, R: Read> Streamed<'s, R> {
    pub(super) fn new(stream: R, aside: &'s Scratch) -> Self {
        Self { stream, aside, position: 0, piece: vec![0; PIECE] }
    }

    /// Reads what is left behind the end of the archive, so that whoever writes it into a pipe need not fail; no
    /// more than tars are padded with.
    pub(super) fn drain(&mut self) {
        // What cannot be read is not needed either.
        let _ = io::copy(&mut (&mut self.stream).take(2048 * BLOCK as u64), &mut io::sink());
    }
}

impl<R: Read> Feed for Streamed<'_, R> {
    fn position(&self) -> u64 {
        self.position
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = fill(&mut self.stream, into)?;
        self.position += read as u64;
        Ok(read)
    }

    fn pass(&mut self, bytes: u64, later: Later) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
            let read = fill(&mut self.stream, &mut self.piece[..wanted])?;
            if read < wanted {
                return Err(cut());
            }
            if later == Later::Read {
                self.aside.write_at(self.position, &self.piece[..read])?;
            }
            self.position += read as u64;
            left -= read as u64;
        }
        Ok(())
    }
}

/// Reads until `into` is full, or nothing more comes.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends in the midst of a member")
}
