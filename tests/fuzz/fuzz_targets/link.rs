//! `Link` and `Location`: what comes of them names a host, and does not lead from TLS to plain HTTP on the host that
//! was asked. Whether it may be followed is decided elsewhere.

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
    let next = next_page(&headers, &request).ok().flatten();
    let upload = upload_location(&headers, &request).ok().map(|location| location.url);
    for url in next.into_iter().chain(upload) {
        assert!(url.has_host(), "{url}");
        assert!(url.host() != request.host() || url.scheme() != "http", "{url}");
    }
});
