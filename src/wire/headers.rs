//! Headers of the distribution API that carry more than a word (distribution-spec 1.1; RFC 9110).
//!
//! A header that cannot be read is as one that is not there: none of them is needed to be correct.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;

use super::quoted::unquote;
use crate::image::Digest;
use crate::registry::ByteRange;

/// The most warnings that are kept of one answer, and the most characters of each.
const MAX_WARNINGS: usize = 8;
const MAX_WARNING: usize = 500;

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let value = headers.get(HeaderName::from_static(name))?;
    Some(value.to_str().ok()?.trim())
}

/// `Docker-Content-Digest`: what the registry says the content's digest is. Content is hashed all the same.
#[must_use]
pub fn docker_content_digest(headers: &HeaderMap) -> Option<Digest> {
    text(headers, "docker-content-digest")?.parse().ok()
}

/// `OCI-Subject`: the subject that the registry has recorded for a pushed manifest.
///
/// Where it is missing, the registry keeps no referrers, and whoever pushed keeps the fallback tag.
#[must_use]
pub fn subject(headers: &HeaderMap) -> Option<Digest> {
    text(headers, "oci-subject")?.parse().ok()
}

/// `OCI-Filters-Applied`: whether a list of referrers has been narrowed to the type that was asked for.
#[must_use]
pub fn filtered_by_type(headers: &HeaderMap) -> bool {
    text(headers, "oci-filters-applied")
        .is_some_and(|filters| filters.split(',').any(|filter| filter.trim().eq_ignore_ascii_case("artifactType")))
}

/// `OCI-Chunk-Min-Length`: the fewest bytes that a chunk may have, the last one excepted.
#[must_use]
pub fn chunk_min_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, "oci-chunk-min-length")?.parse().ok()
}

/// `Range` of an answer about an upload: how many bytes have arrived, `0-123` being 124.
///
/// `0-0` is read as none, because that is what it means at the beginning of every upload; whoever has sent
/// exactly one byte sends it again. A registry may leave the header as it was after the first chunk, so it
/// tells where to go on after a break and not whether a chunk was taken.
#[must_use]
pub fn received(headers: &HeaderMap) -> Option<u64> {
    let range = text(headers, "range")?;
    let range = range.strip_prefix("bytes").map_or(range, |rest| rest.trim_start_matches(['=', ' ']));
    let (first, last) = range.split_once('-')?;
    match (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?) {
        (0, 0) => Some(0),
        (0, last) => last.checked_add(1),
        _ => None,
    }
}

/// The value of a `Range` header that asks for a part of a blob; `None` for the whole or for nothing.
#[must_use]
pub fn range_value(range: ByteRange) -> Option<String> {
    match range.to {
        Some(to) if to > range.from => Some(format!("bytes={}-{}", range.from, to - 1)),
        None if range.from > 0 => Some(format!("bytes={}-", range.from)),
        _ => None,
    }
}

/// Which bytes of a blob a body holds; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, not the one behind it.
    pub last: u64,
    /// The size of the whole blob, where it is known.
    pub complete: Option<u64>,
}

impl ContentRange {
    /// The part of `length` bytes from `first` on; `None` where that is nothing.
    #[must_use]
    pub const fn of(first: u64, length: u64) -> Option<Self> {
        match length {
            0 => None,
            _ => Some(Self { first, last: first.saturating_add(length - 1), complete: None }),
        }
    }

    /// Reads `Content-Range`, as HTTP writes it (`bytes 0-1/2`) and as chunks of uploads do (`0-1`).
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
    }

    /// The text of the header for a chunk of an upload (distribution-spec 1.1, "Pushing a blob in chunks").
    #[must_use]
    pub fn chunk_value(self) -> String {
        format!("{}-{}", self.first, self.last)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches(['=', ' ']));
        let (range, complete) = match text.split_once('/') {
            Some((range, "*")) => (range, None),
            Some((range, complete)) => (range, Some(complete.parse().ok()?)),
            None => (text, None),
        };
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        let fits = first <= last && complete.is_none_or(|complete| last < complete);
        fits.then_some(Self { first, last, complete })
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.complete {
            Some(complete) => write!(f, "bytes {}-{}/{complete}", self.first, self.last),
            None => write!(f, "bytes {}-{}/*", self.first, self.last),
        }
    }
}

/// `Retry-After`: how long to wait, counted from `now`. Both of its forms are read, seconds and a date; a date
/// that is past means no wait. Any length can come: the caller has its own limit.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text(headers, "retry-after")?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// How many requests a registry allows and how many are left (Docker Hub's headers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// What is allowed.
    pub limit: Option<Allowance>,
    /// What of it is left.
    pub remaining: Option<Allowance>,
}

impl RateLimit {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.remaining.is_some_and(|left| left.requests == 0)
    }

    /// Whether less than a tenth is left.
    #[must_use]
    pub fn is_nearly_used_up(&self) -> bool {
        let both = self.limit.zip(self.remaining);
        both.is_some_and(|(limit, left)| left.requests.saturating_mul(10) < limit.requests)
    }

    /// The period after which as many requests are allowed again.
    #[must_use]
    pub fn window(&self) -> Option<Duration> {
        [self.remaining, self.limit].into_iter().find_map(|allowance| allowance?.window)
    }
}

/// A number of requests in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many requests.
    pub requests: u64,
    /// In which time, where it is said.
    pub window: Option<Duration>,
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window {
            Some(window) => match window.as_secs() {
                hours if hours > 0 && hours % 3600 == 0 => write!(f, "{} in {} h", self.requests, hours / 3600),
                minutes if minutes > 0 && minutes % 60 == 0 => write!(f, "{} in {} min", self.requests, minutes / 60),
                seconds => write!(f, "{} in {seconds} s", self.requests),
            },
            None => write!(f, "{}", self.requests),
        }
    }
}

/// `RateLimit-Limit` and `RateLimit-Remaining`, `100;w=21600`, also with `X-` in front.
#[must_use]
pub fn rate_limit(headers: &HeaderMap) -> RateLimit {
    let read = |name, other| allowance(text(headers, name).or_else(|| text(headers, other))?);
    RateLimit {
        limit: read("ratelimit-limit", "x-ratelimit-limit"),
        remaining: read("ratelimit-remaining", "x-ratelimit-remaining"),
    }
}

fn allowance(value: &str) -> Option<Allowance> {
    let mut parts = value.split(';').map(str::trim);
    let requests = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")?.parse().ok()).map(Duration::from_secs);
    Some(Allowance { requests, window })
}

/// `Warning: 299 - "…"`: what the registry wants its users to read (distribution-spec 1.1, "Warnings").
///
/// As the registry wrote it, cut at 500 characters: to be escaped where it is shown. Other codes are not for people.
#[must_use]
pub fn warnings(headers: &HeaderMap) -> Vec<String> {
    let mut found = Vec::new();
    for header in headers.get_all(header::WARNING) {
        let header = String::from_utf8_lossy(header.as_bytes());
        let mut rest = header.as_ref();
        while let Some(start) = rest.find("299 - \"") {
            let Some((warning, after)) = unquote(&rest[start + "299 - ".len()..]) else { break };
            found.push(warning.chars().take(MAX_WARNING).collect());
            if found.len() == MAX_WARNINGS {
                return found;
            }
            rest = after;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn digests_are_read_or_passed_over() {
        assert_eq!(docker_content_digest(&with("docker-content-digest", D)), Some(D.parse().unwrap()));
        assert_eq!(docker_content_digest(&with("docker-content-digest", "sha256:junk")), None);
        assert_eq!(subject(&with("oci-subject", D)), Some(D.parse().unwrap()));
        assert_eq!(subject(&HeaderMap::new()), None);
    }

    #[test]
    fn where_an_upload_stands() {
        let cases = [
            ("0-123", Some(124)),
            ("bytes=0-123", Some(124)),
            ("bytes 0-123", Some(124)),
            ("0-0", Some(0)),
            ("5-9", None),
            ("0-18446744073709551615", None),
            ("0--1", None),
            ("junk", None),
        ];
        for (value, expected) in cases {
            assert_eq!(received(&with("range", value)), expected, "{value}");
        }
    }

    #[test]
    fn parts_of_blobs() {
        assert_eq!(range_value(ByteRange::ALL), None);
        assert_eq!(range_value(ByteRange::from(7)).as_deref(), Some("bytes=7-"));
        assert_eq!(range_value(ByteRange { from: 0, to: Some(8) }).as_deref(), Some("bytes=0-7"));
        assert_eq!(range_value(ByteRange { from: 8, to: Some(8) }), None);
        let range = |text: &str| ContentRange::read(&with("content-range", text));
        assert_eq!(range("bytes 2-5/10"), Some(ContentRange { first: 2, last: 5, complete: Some(10) }));
        assert_eq!(range("bytes 2-5/*"), Some(ContentRange { first: 2, last: 5, complete: None }));
        assert_eq!(range("2-5"), ContentRange::of(2, 4));
        for bad in ["bytes 5-2/10", "bytes 2-10/10", "bytes */10", "bytes 2-/10", "bytes 2-5/x", "", "items 1-2/3"] {
            assert_eq!(range(bad), None, "{bad}");
        }
        assert_eq!(ContentRange::of(0, 0), None);
        assert_eq!(ContentRange::of(3, 2).unwrap().chunk_value(), "3-4");
    }

    #[test]
    fn how_long_to_wait() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let cases = [
            ("120", Some(120)),
            ("Fri, 20 Nov 2026 12:00:30 GMT", Some(30)),
            ("Fri, 20 Nov 2026 11:00:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
        ];
        for (value, expected) in cases {
            assert_eq!(retry_after(&with("retry-after", value), now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn limits_and_their_windows() {
        let mut headers = with("ratelimit-limit", "100;w=21600");
        headers.insert("x-ratelimit-remaining", HeaderValue::from_static("98"));
        let limits = rate_limit(&headers);
        assert_eq!(limits.limit.unwrap().to_string(), "100 in 6 h");
        assert_eq!(limits.window(), Some(Duration::from_hours(6)));
        assert!(!limits.is_nearly_used_up() && !limits.is_used_up());
        for (value, shown) in [("7;w=90", "7 in 90 s"), ("7;w=120", "7 in 2 min"), ("7;w=0", "7 in 0 s"), ("7", "7")] {
            let few = rate_limit(&with("ratelimit-limit", value));
            assert_eq!(few.limit.unwrap().to_string(), shown);
        }
        headers.insert("x-ratelimit-remaining", HeaderValue::from_static("9"));
        assert!(rate_limit(&headers).is_nearly_used_up() && !rate_limit(&headers).is_used_up());
        assert_eq!(limits.remaining, Some(Allowance { requests: 98, window: None }));
        assert_eq!(rate_limit(&with("ratelimit-limit", "many")), RateLimit::default());
    }

    #[test]
    fn warnings_for_people_alone() {
        let header = r#"299 - "goes \"away\"", 110 - "stale", 299 - "soon""#;
        assert_eq!(warnings(&with("warning", header)), [r#"goes "away""#, "soon"]);
        assert_eq!(warnings(&with("warning", &r#"299 - "x","#.repeat(100))).len(), MAX_WARNINGS);
        assert_eq!(warnings(&with("warning", &format!("299 - \"{}\"", "x".repeat(9000))))[0].len(), MAX_WARNING);
    }

    #[test]
    fn words_that_say_what_a_registry_does() {
        assert!(filtered_by_type(&with("oci-filters-applied", "x, artifactType")));
        assert!(!filtered_by_type(&with("oci-filters-applied", "x")));
        assert_eq!(chunk_min_length(&with("oci-chunk-min-length", "5242880")), Some(5_242_880));
    }

    proptest! {
        #[test]
        fn any_value_is_taken(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                for name in ["range", "content-range", "retry-after", "warning", "ratelimit-limit"] {
                    let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
                    let _ = (received(&headers), ContentRange::read(&headers), rate_limit(&headers));
                    let _ = (retry_after(&headers, Timestamp::UNIX_EPOCH), warnings(&headers));
                }
            }
        }

        #[test]
        fn ranges_round_trip(first: u32, length in 1..u32::MAX, more: u32) {
            let last = u64::from(first) + u64::from(length) - 1;
            let range = ContentRange { first: first.into(), last, complete: Some(last + 1 + u64::from(more)) };
            prop_assert_eq!(ContentRange::parse(&range.to_string()), Some(range));
            let chunk = ContentRange { complete: None, ..range };
            prop_assert_eq!(ContentRange::parse(&chunk.chunk_value()), Some(chunk));
        }
    }
}
