//! `WWW-Authenticate`: any header, and several, give a bounded number of challenges.

#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use tranship::wire::{Challenge, MAX_CHALLENGES, Scope};

fuzz_target!(|bytes: &[u8]| {
    let headers: Vec<HeaderValue> =
        bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    assert!(Challenge::parse_all(&headers).len() <= MAX_CHALLENGES);
    if let Ok(text) = std::str::from_utf8(bytes) {
        for scope in Scope::parse_list(text) {
            assert_eq!(scope.to_string().parse().as_ref(), Ok(&scope));
        }
    }
});
