//! What of a request and an answer may be shown in traces: never a secret.
//!
//! Headers are shown by a list of names that are known to be harmless, so that a new one is hidden until
//! someone thought about it. Values in queries are hidden always: signed URLs and upload states live there.

use std::fmt::Write as _;

use http::HeaderMap;
use url::Url;

/// The headers whose values are shown.
const SHOWN: [&str; 17] = [
    "accept",
    "accept-ranges",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "docker-distribution-api-version",
    "oci-chunk-min-length",
    "oci-filters-applied",
    "oci-subject",
    "range",
    "ratelimit-limit",
    "ratelimit-remaining",
    "retry-after",
    "server",
    "transfer-encoding",
];

/// The longest header value that is shown.
const MAX_VALUE: usize = 200;

/// A URL with its place and path, and the names of its query parameters alone.
#[must_use]
pub fn url(url: &Url) -> String {
    let mut shown = format!("{}://", url.scheme());
    if let Some(host) = url.host_str() {
        shown.push_str(host);
    }
    if let Some(port) = url.port() {
        let _ = write!(shown, ":{port}");
    }
    shown.push_str(url.path());
    let mut joint = '?';
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        // What has no name is all value.
        let name = pair.split_once('=').map_or(String::new(), |(name, _)| format!("{}=", name.escape_debug()));
        let _ = write!(shown, "{joint}{name}…");
        joint = '&';
    }
    shown
}

/// What was to be a URL: everything that could be a secret is cut off.
#[must_use]
pub fn text_of_url(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let place = &text[..end];
    let scheme = place.find("://").map_or(0, |at| at + 3);
    let after_user = place[scheme..].rfind('@').map_or(scheme, |at| scheme + at + 1);
    format!("{}{}", &place[..scheme], &place[after_user..]).chars().take(MAX_VALUE).collect()
}

/// The harmless headers on one line, and the names of the others.
#[must_use]
pub fn headers(headers: &HeaderMap) -> String {
    let mut shown = String::new();
    for (name, value) in headers {
        let value = match value.to_str() {
            Ok(value) if SHOWN.contains(&name.as_str()) && value.len() <= MAX_VALUE => value,
            _ => "…",
        };
        let _ = write!(shown, "{}{name}: {value}", if shown.is_empty() { "" } else { ", " });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const CANARY: &str = "cAnArY";

    #[test]
    fn no_secret_is_shown() {
        let signed: Url =
            format!("https://u:{CANARY}@s3.example/b/x?X-Amz-Signature={CANARY}&b=1#{CANARY}").parse().unwrap();
        assert_eq!(url(&signed), "https://s3.example/b/x?X-Amz-Signature=…&b=…");
        let nameless: Url = format!("https://s3.example/x?{CANARY}&a=1&&{CANARY}").parse().unwrap();
        assert_eq!(url(&nameless), "https://s3.example/x?…&a=…&…");
        for text in [signed.as_str(), &format!("u:{CANARY}@x"), &format!("http://a@{CANARY}@b/?q={CANARY}")] {
            assert!(!text_of_url(text).contains(CANARY), "{text}");
        }
        let mut map = HeaderMap::new();
        for name in ["authorization", "cookie", "set-cookie", "location", "x-api-key", "www-authenticate"] {
            map.insert(name, HeaderValue::from_static(CANARY));
        }
        map.insert("content-length", HeaderValue::from_static("7"));
        let shown = headers(&map);
        assert!(!shown.contains(CANARY), "{shown}");
        assert!(shown.contains("content-length: 7") && shown.contains("cookie: …"), "{shown}");
    }
}
