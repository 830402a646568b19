//! Compressed content: what it is packed with, and readers and writers of it.
//!
//! Everything here is synchronous and belongs on threads that may block. What a stranger packed is unpacked within
//! [`Limits`]: a small file that becomes a huge one is refused before it fills memory, disk or time. Nothing here
//! knows what is packed. Archives and layers use it.

mod pack;
mod unpack;

#[cfg(test)]
mod tests;

pub use pack::{Packer, Packing, PackingError};
pub use unpack::{Limits, Unpacked, unpack, unpack_as};

use crate::failure::{Failure, FailureKind};

/// What content is packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Nothing.
    None,
    /// gzip (RFC 1952), of one member or several.
    Gzip,
    /// Zstandard (RFC 8878), of one frame or several.
    Zstd,
    /// xz, of one stream or several.
    Xz,
    /// bzip2, of one stream or several.
    Bzip2,
}

impl Compression {
    /// How many bytes at the beginning tell all of them apart.
    pub const MAGIC_BYTES: usize = 6;

    /// Tells it by the first bytes of the content; what begins otherwise is not compressed.
    #[must_use]
    pub fn detect(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A Zstandard file may begin with a frame that is skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// Why content is not unpacked any further. Readers carry it inside an `io::Error`; [`Refusal::of`] finds it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More comes out than anybody packs.
    #[error("it unpacks to more than {0} bytes")]
    Total(u64),
    /// So much comes out of so little that it was made to do harm.
    #[error("it unpacks to more than {ratio} times its size ({packed} bytes became more than {unpacked})")]
    Ratio {
        /// What is allowed.
        ratio: u64,
        /// The bytes that went in.
        packed: u64,
        /// The bytes that came out.
        unpacked: u64,
    },
}

impl Refusal {
    /// The refusal that an error of a reader stands for.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl Failure for Refusal {
    fn kind(&self) -> FailureKind {
        FailureKind::Corrupt
    }
}
