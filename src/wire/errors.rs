//! Error bodies: what a registry or token server says when it refuses (distribution-spec 1.1, "Error Codes").

use oci_distribution::errors::{OciEnvelope, OciError, OciErrorCode};
use serde::Deserialize;
use serde_json::Value;

use crate::image::Digest;
use crate::registry::ErrorCode;

/// The most bytes of an error body that are read; more need not be fetched.
pub const MAX_ERROR_BODY: usize = 64 * 1024;
/// The most characters of a message that are kept.
const MAX_MESSAGE: usize = 500;
/// The most characters that are kept of a body that is not what an error body should be.
const MAX_EXCERPT: usize = 120;

/// What an error body says. Its texts are escaped and short, fit for a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The code of the first error, where there is one.
    pub code: Option<ErrorCode>,
    /// The first message, or the beginning of a body that is no error body; `None` where nothing is said.
    pub message: Option<String>,
    /// The blobs and manifests that the registry says it lacks (`MANIFEST_BLOB_UNKNOWN`), each once.
    pub missing: Vec<Digest>,
}

impl ErrorBody {
    /// Reads a body, whatever it is; what goes beyond [`MAX_ERROR_BODY`] is not looked at.
    #[must_use]
    pub fn parse(body: &[u8]) -> Self {
        let body = &body[..body.len().min(MAX_ERROR_BODY)];
        if let Ok(envelope) = serde_json::from_slice::<OciEnvelope>(body)
            && !envelope.errors.is_empty()
        {
            return Self::from_envelope(&envelope);
        }
        let message = match serde_json::from_slice::<Loose>(body) {
            Ok(loose) => loose.message().map(|text| escaped(&text, MAX_MESSAGE)),
            Err(_) => excerpt(body),
        };
        Self { code: None, message, missing: Vec::new() }
    }

    fn from_envelope(envelope: &OciEnvelope) -> Self {
        let mut missing = Vec::new();
        for error in &envelope.errors {
            if matches!(error.code, OciErrorCode::ManifestBlobUnknown | OciErrorCode::BlobUnknown) {
                collect_digests(&error.detail, &mut missing);
            }
        }
        let code = envelope.errors.iter().map(code_of).find(|code| !code.as_str().is_empty());
        let message = envelope.errors.iter().find_map(message_of);
        Self { code, message: message.map(|text| escaped(&text, MAX_MESSAGE)), missing }
    }

    /// Code and message as part of a sentence: `UNAUTHORIZED, authentication required`; `None` where neither is there.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => Some(format!("{code}, {message}")),
            (Some(code), None) => Some(code.to_string()),
            (None, message) => message.clone(),
        }
    }
}

/// The code as the registry wrote it.
fn code_of(error: &OciError) -> ErrorCode {
    let written = serde_json::to_value(&error.code).unwrap_or_default();
    ErrorCode::new(written.as_str().unwrap_or_default())
}

/// The message, or the detail where it is a text and the message says nothing.
fn message_of(error: &OciError) -> Option<String> {
    let message = Some(error.message.as_str()).filter(|message| !message.trim().is_empty());
    message.or(error.detail.as_str()).map(str::to_owned)
}

/// Finds digests in a detail: alone, as a value of an object, or in a list.
fn collect_digests(detail: &Value, found: &mut Vec<Digest>) {
    match detail {
        Value::String(text) => {
            if let Ok(digest) = text.parse()
                && !found.contains(&digest)
            {
                found.push(digest);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_digests(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect_digests(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Error bodies that are not the specification's: those of OAuth2 (RFC 6749, 5.2), of Docker Hub's token
/// server (`details`), of proxies and of registries that write other types into the envelope.
#[derive(Deserialize)]
struct Loose {
    #[serde(default)]
    error_description: Option<Value>,
    #[serde(default)]
    message: Option<Value>,
    #[serde(default)]
    details: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    errors: Option<Value>,
}

impl Loose {
    fn message(&self) -> Option<String> {
        let first = self.errors.as_ref().and_then(|errors| errors.get(0));
        let nested = first.and_then(|error| error.get("message")).or(first);
        let told = [&self.error_description, &self.message, &self.details, &self.error];
        let told = told.into_iter().filter_map(Option::as_ref).chain(nested);
        told.filter_map(Value::as_str).find(|text| !text.trim().is_empty()).map(str::to_owned)
    }
}

/// The beginning of a body that is not JSON, on one line.
fn excerpt(body: &[u8]) -> Option<String> {
    // Characters have at most four bytes and spaces are folded, so a piece of the body is enough.
    let beginning = String::from_utf8_lossy(&body[..body.len().min(MAX_EXCERPT * 16)]);
    let words: Vec<&str> = beginning.split_whitespace().collect();
    let text = words.join(" ");
    (!text.is_empty()).then(|| escaped(&text, MAX_EXCERPT))
}

/// Escapes what is not for a terminal and cuts what is too long.
fn escaped(text: &str, at_most: usize) -> String {
    let text = text.trim();
    let mut shown: String = text.chars().take(at_most).flat_map(char::escape_debug).collect();
    if text.chars().nth(at_most).is_some() {
        shown.push('…');
    }
    // Quotes are escaped for Rust's sake, and need not be here.
    shown.replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn summary(body: &str) -> Option<String> {
        ErrorBody::parse(body.as_bytes()).summary()
    }

    #[test]
    fn bodies_as_registries_write_them() {
        let cases = [
            (
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}"#,
                "UNAUTHORIZED, authentication required",
            ),
            (r#"{"errors":[{"code":"ARTIFACT_LOCKED"}]}"#, "ARTIFACT_LOCKED"),
            (r#"{"errors":[{"code":"DENIED","message":" ","detail":"no push for you"}]}"#, "DENIED, no push for you"),
            (r#"{"errors":[{"code":"A"},{"code":"B","message":"second"}]}"#, "A, second"),
            (r#"{"errors":[{"status":404,"message":"not here"}]}"#, "not here"),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, "expired"),
            (r#"{"error":"invalid_grant"}"#, "invalid_grant"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            ("<html>\r\n <b>502 Bad Gateway</b>\n</html>", "<html> <b>502 Bad Gateway</b> </html>"),
        ];
        for (body, expected) in cases {
            assert_eq!(summary(body).as_deref(), Some(expected), "{body}");
        }
        for nothing in ["", "  \n", "{}", r#"{"errors":[]}"#, r#"{"errors":null}"#] {
            assert_eq!(summary(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn missing_blobs_are_named() {
        let other = Digest::of(b"x");
        let body = format!(
            r#"{{"errors":[{{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":"{D}"}},
                {{"code":"MANIFEST_BLOB_UNKNOWN","detail":{{"digest":"{other}"}}}},
                {{"code":"MANIFEST_BLOB_UNKNOWN","detail":[{{"Digest":"{D}"}},"sha256:x",7]}},
                {{"code":"DENIED","detail":"{}"}}]}}"#,
            Digest::of(b"y")
        );
        assert_eq!(ErrorBody::parse(body.as_bytes()).missing, [D.parse().unwrap(), other]);
    }

    #[test]
    fn what_is_shown_is_short_and_escaped() {
        let body =
            r#"{"errors":[{"code":"A B\u001b[31m","message":"\u001b]52;c;x\u0007 \"quoted\" \u202e\r\nhint: x"}]}"#;
        let shown = summary(body).unwrap();
        assert_eq!(shown, r#"AB31m, \u{1b}]52;c;x\u{7} "quoted" \u{202e}\r\nhint: x"#);
        assert_eq!(summary(&"x".repeat(1_000_000)).unwrap().chars().count(), MAX_EXCERPT + 1);
        let long = format!(r#"{{"errors":[{{"code":"A","message":"{}"}}]}}"#, "x".repeat(10_000));
        assert_eq!(ErrorBody::parse(long.as_bytes()).message.unwrap().chars().count(), MAX_MESSAGE + 1);
        assert!(summary(&"[".repeat(100_000)).is_some());
    }

    proptest! {
        #[test]
        fn any_body_is_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let shown = ErrorBody::parse(&bytes).summary().unwrap_or_default();
            prop_assert!(!shown.chars().any(char::is_control));
        }

        #[test]
        fn any_json_is_taken(code in "\\PC{0,9}", message in ".{0,9}", detail in "[\\[\\]{}\"a:,0]{0,20}") {
            let body = format!(r#"{{"errors":[{{"code":{code:?},"message":{message:?},"detail":{detail}}}]}}"#);
            let shown = ErrorBody::parse(body.as_bytes()).summary().unwrap_or_default();
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
