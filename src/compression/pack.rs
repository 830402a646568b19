//! Writers that pack: the same bytes in are always the same bytes out.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use super::Compression;

/// What content is to be packed with, and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip, level 0 to 9.
    Gzip(u32),
    /// Zstandard, level 1 to 22.
    Zstd(i32),
}

impl Packing {
    /// gzip as most tools write layers.
    pub const GZIP: Self = Self::Gzip(6);
    /// Zstandard at its own default.
    pub const ZSTD: Self = Self::Zstd(3);

    /// What comes of it.
    #[must_use]
    pub const fn compression(self) -> Compression {
        match self {
            Self::None => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }
}

impl FromStr for Packing {
    type Err = PackingError;

    fn from_str(text: &str) -> Result<Self, PackingError> {
        let wrong = || PackingError(text.to_owned());
        let (kind, level) = match text.split_once(':') {
            Some((kind, level)) => (kind, Some(level.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        match (kind, level) {
            ("none", None) => Ok(Self::None),
            ("gzip", None) => Ok(Self::GZIP),
            ("gzip", Some(level @ 0..=9)) => Ok(Self::Gzip(level.into())),
            ("zstd", None) => Ok(Self::ZSTD),
            ("zstd", Some(level @ 1..=22)) => Ok(Self::Zstd(level.into())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

/// A text that is no packing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not one of none, gzip, gzip:0 to gzip:9, zstd, zstd:1 to zstd:22", .0.escape_debug())]
pub struct PackingError(pub String);

/// Packs what is written to it.
pub struct Packer<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Plain(W),
    Gzip(Box<flate2::write::GzEncoder<W>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, W>>),
}

impl<W: Write> Packer<W> {
    /// A packer that writes to `writer`.
    ///
    /// # Errors
    /// The encoder cannot be made.
    pub fn new(packing: Packing, writer: W) -> io::Result<Self> {
        Ok(Self(match packing {
            Packing::None => Inner::Plain(writer),
            // The header holds neither a time nor a name.
            Packing::Gzip(level) => {
                Inner::Gzip(Box::new(flate2::write::GzEncoder::new(writer, flate2::Compression::new(level))))
            }
            Packing::Zstd(level) => {
                let mut encoder = zstd::stream::write::Encoder::new(writer, level)?;
                // Any number of workers gives the same bytes, no worker gives others.
                encoder.multithread(1)?;
                encoder.include_checksum(true)?;
                Inner::Zstd(Box::new(encoder))
            }
        }))
    }

    /// Writes what is left, and gives the writer back.
    ///
    /// # Errors
    /// The writer does not take it.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Inner::Plain(mut writer) => {
                writer.flush()?;
                Ok(writer)
            }
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(writer) => writer.write(bytes),
            Inner::Gzip(encoder) => encoder.write(bytes),
            Inner::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Plain(writer) => writer.flush(),
            Inner::Gzip(encoder) => encoder.flush(),
            Inner::Zstd(encoder) => encoder.flush(),
        }
    }
}
