//! Files with holes: GNU's old form and the three forms in PAX headers (GNU tar manual, "Storing Sparse Files").

use std::fmt::Write as _;
use std::io::{self, Read};

use super::{LayerError, Problem};

/// The most pieces that one file may have.
const MAX_PIECES: usize = 1 << 20;

/// The pieces of a file that hold something; everything else in it is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sparse {
    /// The length of the file.
    pub size: u64,
    /// Offset and length of every piece, in order.
    pub pieces: Vec<(u64, u64)>,
}

impl Sparse {
    /// Checks a map. Pieces of no length, which only mark an end, are left out.
    pub(super) fn checked(
        size: u64,
        pieces: impl IntoIterator<Item = (u64, u64)>,
        stored: u64,
    ) -> Result<Self, Problem> {
        let wrong = Problem::Malformed("the map of its holes contradicts itself");
        let (mut checked, mut end, mut total) = (Vec::new(), 0, 0_u64);
        for (offset, length) in pieces {
            let (Some(behind), true) = (offset.checked_add(length), offset >= end) else { return Err(wrong) };
            if behind > size || checked.len() >= MAX_PIECES {
                return Err(wrong);
            }
            end = behind;
            total += length;
            if length > 0 {
                checked.push((offset, length));
            }
        }
        if total == stored { Ok(Self { size, pieces: checked }) } else { Err(wrong) }
    }

    /// The map in front of the content, in form 1.0: decimal numbers on lines of their own, filled up to a block.
    #[must_use]
    pub fn map(&self) -> Vec<u8> {
        // A file that ends with a hole has its end marked, by which GNU tar knows its length.
        let end = self.pieces.last().map_or(0, |(offset, length)| offset + length);
        let mark = (end < self.size).then_some((self.size, 0));
        let pieces: Vec<(u64, u64)> = self.pieces.iter().copied().chain(mark).collect();
        let mut text = format!("{}\n", pieces.len());
        for (offset, length) in &pieces {
            let _ = write!(text, "{offset}\n{length}\n");
        }
        let mut map = text.into_bytes();
        map.resize(map.len().next_multiple_of(512), 0);
        map
    }
}

/// Reads the map in front of the content, in form 1.0; says also how many bytes it took.
pub(super) fn read_map(mut reader: impl Read, name: &[u8]) -> Result<(Vec<(u64, u64)>, u64), LayerError> {
    let wrong = || LayerError::member(name, Problem::Malformed("the map of its holes cannot be read"));
    let mut block = [0; 512];
    let (mut taken, mut at) = (0, 512);
    let mut number = || -> Result<u64, LayerError> {
        let mut digits = Vec::new();
        loop {
            if at == 512 {
                reader.read_exact(&mut block).map_err(LayerError::Read)?;
                (at, taken) = (0, taken + 512);
            }
            let byte = block[at];
            at += 1;
            match byte {
                b'\n' => break decimal(&digits).ok_or_else(wrong),
                b'0'..=b'9' if digits.len() < 20 => digits.push(byte),
                _ => return Err(wrong()),
            }
        }
    };
    let count = number()?;
    if count > MAX_PIECES as u64 {
        return Err(wrong());
    }
    let mut pieces = Vec::new();
    for _ in 0..count {
        pieces.push((number()?, number()?));
    }
    Ok((pieces, taken))
}

/// A number in decimal digits alone.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let good = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    good.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// Hands out the whole content of a file, holes included, as zeros.
pub(super) fn read_whole(
    stored: &mut dyn Read,
    size: u64,
    sparse: Option<&Sparse>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let all = [(0, size)];
    let pieces = sparse.map_or(&all[..], |sparse| &sparse.pieces);
    let mut buffer = vec![0; 64 * 1024];
    let zeros = [0; 4096];
    let mut position = 0;
    let end = (size, 0);
    for (offset, length) in pieces.iter().chain([&end]) {
        while position < *offset {
            let count = (offset - position).min(zeros.len() as u64);
            take(&zeros[..usize::try_from(count).unwrap_or_default()]);
            position += count;
        }
        let mut left = *length;
        while left > 0 {
            let most = usize::try_from(left.min(buffer.len() as u64)).unwrap_or(buffer.len());
            stored.read_exact(&mut buffer[..most])?;
            take(&buffer[..most]);
            left -= most as u64;
        }
        position += length;
    }
    Ok(())
}
