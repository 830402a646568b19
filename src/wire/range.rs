//! Which part of a blob a client asks for (RFC 9110, 14.2).

use http::{HeaderMap, header};

use crate::registry::ByteRange;

/// What a `Range` header asks of content of a known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedRange {
    /// All of it: nothing is asked, or something that need not be understood.
    Whole,
    /// A part, which is there and not empty; its end is always given.
    Part(ByteRange),
    /// Nothing that is there.
    Nowhere,
}

impl AskedRange {
    /// Reads the header. Several parts at once are answered with the whole, as any server may.
    #[must_use]
    pub fn read(headers: &HeaderMap, size: u64) -> Self {
        let text = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
        text.and_then(|text| Self::parse(text.trim(), size)).unwrap_or(Self::Whole)
    }

    fn parse(text: &str, size: u64) -> Option<Self> {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let (from, to) = match (first.trim(), last.trim()) {
            ("", length) => (size.saturating_sub(number(length)?), size),
            (first, "") => (number(first)?, size),
            (first, last) => (number(first)?, number(last)?.checked_add(1)?),
        };
        if !first.is_empty() && to <= from && to < size {
            return None;
        }
        let to = to.min(size);
        Some(if from < to { Self::Part(ByteRange { from, to: Some(to) }) } else { Self::Nowhere })
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn asked(text: &str, size: u64) -> AskedRange {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
        AskedRange::read(&headers, size)
    }

    #[test]
    fn parts_are_taken_as_they_are_written() {
        let part = |from, to| AskedRange::Part(ByteRange { from, to: Some(to) });
        let cases = [
            ("bytes=0-4", part(0, 5)),
            ("bytes=5-", part(5, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=-30", part(0, 10)),
            ("bytes=8-99", part(8, 10)),
            ("bytes=10-", AskedRange::Nowhere),
            ("bytes=12-13", AskedRange::Nowhere),
            ("bytes=-0", AskedRange::Nowhere),
            ("bytes=5-2", AskedRange::Whole),
            ("bytes=0-1,3-4", AskedRange::Whole),
            ("bytes=a-b", AskedRange::Whole),
            ("bytes=-", AskedRange::Whole),
            ("items=0-1", AskedRange::Whole),
        ];
        for (text, expected) in cases {
            assert_eq!(asked(text, 10), expected, "{text}");
        }
        assert_eq!(asked("bytes=0-", 0), AskedRange::Nowhere);
        assert_eq!(AskedRange::read(&HeaderMap::new(), 10), AskedRange::Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_always_there(text in "bytes=[0-9]{0,22}-[0-9]{0,22}", size: u64) {
            if let AskedRange::Part(ByteRange { from, to }) = asked(&text, size) {
                prop_assert!(from < to.unwrap() && to.unwrap() <= size);
            }
        }
    }
}
