//! Tar files (POSIX.1-2001 pax, "ustar Interchange Format"), as far as archives of images need them.
//!
//! Reading is one pass over the headers, which says what members there are and where their content is; nothing is
//! ever unpacked. What two readers could read in two ways, and what no archive of images needs, is refused with the
//! name of the member. Writing is always the same bytes for the same content.

mod feed;
mod header;
mod members;
mod scan;
mod sink;

pub(super) use members::{Found, Members};
pub(super) use sink::{Output, TarSink};

/// The unit of a tar.
const BLOCK: usize = 512;

/// How many bytes of nothing stand behind content of `size` bytes.
const fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

#[cfg(test)]
mod tests;
