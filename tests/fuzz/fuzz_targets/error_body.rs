//! Error bodies: whatever comes, what is shown of it is short and without control characters.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tranship::wire::ErrorBody;

fuzz_target!(|bytes: &[u8]| {
    let body = ErrorBody::parse(bytes);
    let shown = body.summary().unwrap_or_default();
    assert!(shown.chars().count() < 2_000 && !shown.chars().any(char::is_control), "{shown:?}");
});
