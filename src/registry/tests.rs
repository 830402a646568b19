//! The contract's own behaviour: which failure each kind of error is, and that nothing is read without a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream;
use proptest::prelude::*;

use super::*;
use crate::failure::{Answer, Failure};
use crate::image::MediaType;

const KINDS: [(ErrorKind, u8, bool); 16] = [
    (ErrorKind::NotFound, 3, false),
    (ErrorKind::Denied, 4, false),
    (ErrorKind::Policy, 4, false),
    (ErrorKind::Unreachable, 5, true),
    (ErrorKind::TimedOut, 5, true),
    (ErrorKind::Unavailable, 5, true),
    (ErrorKind::RateLimited, 5, false),
    (ErrorKind::Cut, 5, true),
    (ErrorKind::Gone, 5, true),
    (ErrorKind::Corrupt, 6, false),
    (ErrorKind::Unsupported, 1, false),
    (ErrorKind::MissingBlobs, 1, false),
    (ErrorKind::Conflict, 1, false),
    (ErrorKind::Rejected, 1, false),
    (ErrorKind::Nonsense, 1, false),
    (ErrorKind::Storage, 1, false),
];

#[test]
fn each_kind_has_its_exit_code_and_only_broken_ways_are_worth_going_on() {
    for (kind, code, transient) in KINDS {
        let error = Error::new(kind, "x");
        assert_eq!(Failure::kind(&error).exit_code(), code, "{kind:?}");
        assert_eq!(error.is_transient(), transient, "{kind:?}");
    }
}

#[test]
fn what_the_registry_answered_is_data() {
    let error = Error::new(ErrorKind::RateLimited, "too many requests");
    assert_eq!(error.answer(), None, "nobody is named");
    let error = error
        .at("reg.example.com")
        .with_status(429)
        .with_code(ErrorCode::new("TOOMANYREQUESTS"))
        .with_retry_after(Duration::from_secs(90))
        .with_missing(vec![Digest::of(b"x")])
        .with_remedy(Remedy::WaitFor(Duration::from_secs(90)));
    let answer =
        Answer { registry: "reg.example.com".to_owned(), status: Some(429), code: Some("TOOMANYREQUESTS".to_owned()) };
    assert_eq!(error.answer(), Some(answer));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    assert_eq!(error.missing(), [Digest::of(b"x")]);
    assert_eq!(error.hints(), ["try again in 90 s"]);
}

#[test]
fn remedies_are_lines_that_can_be_run() {
    let name = || "reg.example.com".to_owned();
    let realm = "https://auth.example.net".to_owned();
    let remedies = [
        (Remedy::Login(name()), "`tranship login reg.example.com`"),
        (Remedy::CheckCredential("team/reg".to_owned()), "`tranship secret set team/reg`"),
        (
            Remedy::AllowRealm { registry: name(), realm },
            "`tranship registry set reg.example.com --token-realm https://auth.example.net`",
        ),
        (Remedy::TrustCertificate(name()), "`tranship registry set reg.example.com --ca-cert-file FILE`"),
        (Remedy::PlainHttp(name()), "`tranship registry set reg.example.com --tls plain-http`"),
        (Remedy::ListTags("reg.example.com/a".to_owned()), "`tranship tags reg.example.com/a`"),
    ];
    for (remedy, line) in remedies {
        assert!(remedy.to_string().contains(line), "{remedy}");
    }
}

/// A body that never ends, and a count of the pieces of 1,000 bytes that were taken from it.
fn endless() -> (BlobReader, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let pieces = stream::repeat_with(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::from(vec![0; 1000]))
    });
    (BlobReader::new(0, pieces), taken)
}

#[tokio::test]
async fn an_endless_body_is_read_to_the_announced_size_and_no_further() {
    let (reader, taken) = endless();
    let descriptor = Descriptor::of(MediaType::oci_config(), &[0; 3000]);
    let error = read_verified(reader, &descriptor, 10_000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(taken.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn what_is_announced_as_too_big_is_not_read_at_all() {
    let (reader, taken) = endless();
    let mut descriptor = Descriptor::of(MediaType::oci_config(), b"");
    descriptor.size = u64::MAX;
    let error = read_verified(reader, &descriptor, 10_000).await.unwrap_err();
    assert!(error.to_string().contains("at most 10000 are read"), "{error}");
    assert_eq!(taken.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_body_that_breaks_is_the_error_that_broke_it() {
    let descriptor = Descriptor::of(MediaType::oci_config(), b"content");
    let pieces = [Ok(Bytes::from_static(b"cont")), Err(Error::new(ErrorKind::Cut, "the body ended early"))];
    let error = read_verified(BlobReader::new(0, stream::iter(pieces)), &descriptor, 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cut);
    let whole = read_verified(BlobReader::of(0, Bytes::from_static(b"content")), &descriptor, 7).await.unwrap();
    assert_eq!(whole, "content");
}

proptest! {
    #[test]
    fn codes_hold_nothing_but_words(text in any::<String>()) {
        let code = ErrorCode::new(&text).to_string();
        prop_assert!(code.len() <= 64);
        prop_assert!(code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
    }

    #[test]
    fn one_changed_byte_is_found_however_the_content_is_cut(
        content in proptest::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), piece in 1_usize..50,
    ) {
        let descriptor = Descriptor::of(MediaType::oci_config(), &content);
        let judge = |bytes: &[u8]| {
            let mut verifier = Verifier::new(&descriptor);
            bytes.chunks(piece).try_for_each(|bytes| verifier.update(bytes))?;
            verifier.finish()
        };
        prop_assert!(judge(&content).is_ok());
        let mut changed = content.clone();
        changed[at.index(content.len())] ^= 1;
        prop_assert_eq!(judge(&changed).unwrap_err().kind(), ErrorKind::Corrupt);
        prop_assert_eq!(judge(&content[1..]).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
