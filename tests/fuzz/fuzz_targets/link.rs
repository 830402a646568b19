//! `Link` and `Location`: what comes of them is an HTTP URL, and stays on the host that was asked where it names none.

#![no_main]

use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use tranship::wire::{next_page, upload_location};
use url::Url;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let request: Url = "https://registry.example.com:5000/v2/a/tags/list?n=5".parse().expect("it is well formed");
    let mut headers = HeaderMap::new();
    headers.insert(header::LINK, value.clone());
    headers.insert(header::LOCATION, value);
    if let Ok(Some(next)) = next_page(&headers, &request) {
        assert!(matches!(next.scheme(), "http" | "https") && next.host().is_some(), "{next}");
    }
    if let Ok(location) = upload_location(&headers, &request) {
        assert!(matches!(location.url.scheme(), "http" | "https") && location.url.host().is_some());
    }
});
