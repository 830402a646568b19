//! URLs that an answer hands over: the next page of a list, the place where an upload goes on.
//!
//! They are resolved here and nothing more. Whether they may be followed, and with which credential, is for
//! the origin policy of `outbound` to say.

use http::{HeaderMap, header};
use url::Url;

use super::quoted::unquote;
use crate::failure::{Failure, FailureKind};

/// The longest `Link` or `Location` that is read, in bytes.
const MAX_URL: usize = 8 * 1024;

/// The next page of a list: `Link: <…>; rel="next"` (RFC 8288), resolved against the URL that was asked for, whose
/// scheme and port are kept as for [`upload_location`].
///
/// # Errors
/// What stands there is no URL or too long. Where no next page is named, the list has ended: `Ok(None)`.
pub fn next_page(headers: &HeaderMap, request: &Url) -> Result<Option<Url>, LinkError> {
    for header in headers.get_all(header::LINK) {
        let text = bounded(header.as_bytes())?;
        if let Some(target) = next_target(text) {
            let mut url = resolve(request, target)?;
            keep_front(&mut url, request)?;
            return Ok(Some(url));
        }
    }
    Ok(None)
}

/// Where an upload goes on, as the last answer about it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadLocation {
    /// Its URL, with whatever state the registry keeps in the query.
    pub url: Url,
    /// Whether scheme or port were put right: the registry stands behind a proxy that it does not know of.
    pub corrected: bool,
}

/// Reads the `Location` of an answer about an upload, relative or absolute.
///
/// A registry behind a proxy that ends TLS may name itself with `http:`, or without its port. Where the host
/// is the one that was asked, its scheme and port are kept, so that nothing goes out in the clear.
///
/// # Errors
/// It is missing, no URL, or too long.
pub fn upload_location(headers: &HeaderMap, request: &Url) -> Result<UploadLocation, LinkError> {
    let location = headers.get(header::LOCATION).ok_or(LinkError::Missing)?;
    let mut url = resolve(request, bounded(location.as_bytes())?)?;
    url.set_fragment(None);
    let corrected = keep_front(&mut url, request)?;
    Ok(UploadLocation { url, corrected })
}

/// Puts scheme and port right where the registry stands behind a proxy that it does not know of; says whether it did.
fn keep_front(url: &mut Url, request: &Url) -> Result<bool, LinkError> {
    let downgraded = request.scheme() == "https" && url.scheme() == "http";
    let port_lost = url.scheme() == request.scheme() && url.port().is_none() && request.port().is_some();
    let corrected = url.host() == request.host() && (downgraded || port_lost);
    if corrected && (url.set_scheme(request.scheme()).is_err() || url.set_port(request.port()).is_err()) {
        return Err(LinkError::NotUrl(url.to_string()));
    }
    Ok(corrected)
}

fn bounded(header: &[u8]) -> Result<&str, LinkError> {
    if header.len() > MAX_URL {
        return Err(LinkError::Long(header.len()));
    }
    let text = std::str::from_utf8(header);
    text.map(str::trim).map_err(|_| LinkError::NotUrl(String::from_utf8_lossy(header).into_owned()))
}

fn resolve(request: &Url, target: &str) -> Result<Url, LinkError> {
    let url = request.join(target).map_err(|_| LinkError::NotUrl(target.to_owned()))?;
    if url.has_host() { Ok(url) } else { Err(LinkError::NotUrl(target.to_owned())) }
}

/// The target of the first link that leads to the next page.
fn next_target(mut text: &str) -> Option<&str> {
    loop {
        let start = text.find('<')?;
        let (target, mut rest) = text[start + 1..].split_once('>')?;
        let mut is_next = false;
        while let Some(parameter) = rest.trim_start().strip_prefix(';') {
            let (name, value, after) = parameter_of(parameter);
            let named_next = || value.split_ascii_whitespace().any(|kind| kind.eq_ignore_ascii_case("next"));
            is_next |= name.eq_ignore_ascii_case("rel") && named_next();
            rest = after;
        }
        if is_next {
            return Some(target.trim());
        }
        text = rest;
    }
}

/// Splits `name="value"` or `name=value` off the front.
fn parameter_of(text: &str) -> (&str, String, &str) {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(value) = rest.strip_prefix('=').map(str::trim_start) else { return (name.trim(), String::new(), rest) };
    if let Some((value, rest)) = unquote(value) {
        return (name.trim(), value, rest);
    }
    let end = value.find([';', ',']).unwrap_or(value.len());
    (name.trim(), value[..end].to_owned(), &value[end..])
}

/// Why an answer does not say where to go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no `Location`.
    #[error("the registry did not say where the upload goes on")]
    Missing,
    /// It is no URL with a host.
    #[error("the registry's answer points to `{}`, which is no URL", .0.escape_debug())]
    NotUrl(String),
    /// Longer than 8 KiB.
    #[error("the registry's answer points to a URL of {0} bytes; at most {MAX_URL} are taken")]
    Long(usize),
}

impl Failure for LinkError {
    fn kind(&self) -> FailureKind {
        FailureKind::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn next(request: &str, links: &[&str]) -> Result<Option<String>, LinkError> {
        let mut headers = HeaderMap::new();
        for link in links {
            headers.append(header::LINK, HeaderValue::from_str(link).unwrap());
        }
        Ok(next_page(&headers, &request.parse().unwrap())?.map(Into::into))
    }

    fn upload(request: &str, location: &str) -> Result<(String, bool), LinkError> {
        let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_str(location).unwrap())]);
        upload_location(&headers, &request.parse().unwrap()).map(|found| (found.url.into(), found.corrected))
    }

    #[test]
    fn the_next_page_is_found() {
        let request = "https://r.example/v2/a/tags/list?n=2";
        let expected = Ok(Some("https://r.example/v2/a/tags/list?n=2&last=b".to_owned()));
        for link in [
            r#"</v2/a/tags/list?n=2&last=b>; rel="next""#,
            r"<https://r.example/v2/a/tags/list?n=2&last=b>;rel=next",
            r#"<list?n=2&last=b>; title="a, <b>; rel=x"; REL="prev Next""#,
            r#"<?n=2&last=z>; rel="prev", <?n=2&last=b>; rel="next"; x"#,
        ] {
            assert_eq!(next(request, &[link]), expected, "{link}");
        }
        assert_eq!(next(request, &["<?a>; rel=prev", "<?n=2&last=b>; rel=next"]), expected);
        for none in ["", "<?x>", "<?x>; rel=prev", "?x; rel=next", "<?x; rel=next"] {
            assert_eq!(next(request, &[none]), Ok(None), "{none}");
        }
        assert!(matches!(next(request, &["<http://>; rel=next"]), Err(LinkError::NotUrl(_))));
        assert!(matches!(next(request, &["<data:x>; rel=next"]), Err(LinkError::NotUrl(_))));
        assert!(matches!(next(request, &[&"x".repeat(9000)]), Err(LinkError::Long(_))));
    }

    #[test]
    fn other_hosts_are_told_as_they_are() {
        let found = next("https://r.example/v2/a/tags/list", &["<//evil.example/x>; rel=next"]);
        assert_eq!(found, Ok(Some("https://evil.example/x".to_owned())));
        let found = upload("https://r.example/v2/", "http://evil.example/x");
        assert_eq!(found, Ok(("http://evil.example/x".to_owned(), false)));
    }

    #[test]
    fn an_upload_keeps_its_state_and_its_origin() {
        let request = "https://r.example:5000/v2/a/blobs/uploads/";
        let cases = [
            ("/v2/a/blobs/uploads/1?_state=x%2By", "https://r.example:5000/v2/a/blobs/uploads/1?_state=x%2By", false),
            ("1", "https://r.example:5000/v2/a/blobs/uploads/1", false),
            ("https://r.example:5000/u/1#f", "https://r.example:5000/u/1", false),
            ("http://r.example:5000/u/1", "https://r.example:5000/u/1", true),
            ("http://r.example/u/1", "https://r.example:5000/u/1", true),
            ("https://r.example/u/1", "https://r.example:5000/u/1", true),
            ("https://cdn.example/u/1", "https://cdn.example/u/1", false),
        ];
        for (location, expected, corrected) in cases {
            assert_eq!(upload(request, location), Ok((expected.to_owned(), corrected)), "{location}");
        }
        assert_eq!(upload_location(&HeaderMap::new(), &request.parse().unwrap()), Err(LinkError::Missing));
    }

    proptest! {
        #[test]
        fn any_header_is_taken(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers = HeaderMap::from_iter([(header::LINK, value.clone()), (header::LOCATION, value)]);
                let request = "https://r.example/v2/".parse().unwrap();
                let _ = (next_page(&headers, &request), upload_location(&headers, &request));
            }
        }

        #[test]
        fn any_mixture_of_its_own_pieces_is_taken(pieces in proptest::collection::vec("<|>|;|,|rel|=|\"|next| |\\\\|/x|é", 0..40)) {
            let _ = next_target(&pieces.concat());
        }
    }
}
