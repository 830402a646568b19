//! Headers with numbers in them: ranges are in order, and nothing overflows.

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tranship::wire::{ContentRange, chunk_min_length, rate_limit, received, retry_after, warnings};

const NAMES: [&str; 8] = [
    "content-range",
    "range",
    "oci-chunk-min-length",
    "retry-after",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "warning",
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers: HeaderMap = NAMES.map(|name| (HeaderName::from_static(name), value.clone())).into_iter().collect();
    if let Some(range) = ContentRange::read(&headers) {
        assert!(range.first <= range.last);
        assert!(range.complete.is_none_or(|complete| range.last < complete));
    }
    let _ = (received(&headers), chunk_min_length(&headers), rate_limit(&headers));
    let _ = retry_after(&headers, Timestamp::UNIX_EPOCH);
    assert!(warnings(&headers).iter().all(|warning| warning.chars().count() <= 500));
});
