//! "Pull": manifests (end-3) and blobs (end-2), whole, in part, and whether they are there.

use super::{Empty, code};
use crate::support::content::{noise, sha256};
use crate::support::images::{Content, image};

both! {
    end_1_says_that_this_is_a_registry,
    end_3_manifests_come_byte_for_byte_with_type_digest_and_length,
    end_2_blobs_come_whole_and_in_part,
    what_is_not_there_is_not_found,
    a_blob_is_visible_only_where_it_belongs,
}

fn end_1_says_that_this_is_a_registry(empty: &Empty) {
    let answer = empty.registry.get("/v2/");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
    assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
    assert_eq!(empty.registry.request("HEAD", "/v2/", &[], b"").status, 200);
}

fn end_3_manifests_come_byte_for_byte_with_type_digest_and_length(empty: &Empty) {
    let image = image().build();
    empty.registry.push("team/app", &image, &["v1"]);
    for reference in ["v1", image.digest()] {
        let target = format!("/v2/team/app/manifests/{reference}");
        let (got, head) = (empty.registry.get(&target), empty.registry.request("HEAD", &target, &[], b""));
        assert_eq!((got.status, &got.body), (200, &image.manifest.bytes));
        assert_eq!((head.status, head.body.len()), (200, 0));
        for answer in [&got, &head] {
            assert_eq!(answer.header("content-type"), Some(image.manifest.media_type.as_str()));
            assert_eq!(answer.header("docker-content-digest"), Some(image.digest()));
            assert_eq!(answer.header("content-length"), Some(image.manifest.bytes.len().to_string().as_str()));
        }
        let tag = got.header("etag").unwrap();
        let again = empty.registry.request("GET", &target, &[("If-None-Match", tag)], b"");
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
}

fn end_2_blobs_come_whole_and_in_part(empty: &Empty) {
    let blob = Content::new("application/octet-stream", noise(1, 300_000));
    empty.registry.push_blob("a", &blob);
    let target = format!("/v2/a/blobs/{}", blob.digest);
    let whole = empty.registry.get(&target);
    assert_eq!((whole.status, &whole.body), (200, &blob.bytes));
    assert_eq!(whole.header("docker-content-digest"), Some(blob.digest.as_str()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    // What a browser is handed is never something that it would run.
    assert_eq!(whole.header("content-type"), Some("application/octet-stream"));
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    let head = empty.registry.request("HEAD", &target, &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, Some("300000")));

    let part = |range: &str| empty.registry.request("GET", &target, &[("Range", range)], b"");
    let cases = [
        ("bytes=0-9", &blob.bytes[..10], "bytes 0-9/300000"),
        ("bytes=299990-", &blob.bytes[299_990..], "bytes 299990-299999/300000"),
        ("bytes=-5", &blob.bytes[299_995..], "bytes 299995-299999/300000"),
        ("bytes=299999-400000", &blob.bytes[299_999..], "bytes 299999-299999/300000"),
    ];
    for (range, bytes, header) in cases {
        let answer = part(range);
        assert_eq!((answer.status, answer.body.as_slice()), (206, bytes), "{range}");
        assert_eq!(answer.header("content-range"), Some(header));
        assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
    }
    let beyond = part("bytes=300000-");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */300000")));
    assert_eq!(part("bytes=0-1,5-6").body.len(), 300_000, "several parts are answered with the whole");
}

fn what_is_not_there_is_not_found(empty: &Empty) {
    empty.registry.push("a", &image().build(), &["v1"]);
    let nowhere = sha256(b"nowhere");
    let cases = [
        (format!("/v2/a/manifests/{nowhere}"), "MANIFEST_UNKNOWN"),
        ("/v2/a/manifests/v2".to_owned(), "MANIFEST_UNKNOWN"),
        ("/v2/a/manifests/.INVALID".to_owned(), "MANIFEST_UNKNOWN"),
        ("/v2/other/manifests/v1".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/a/blobs/{nowhere}"), "BLOB_UNKNOWN"),
        (format!("/v2/a/blobs/uploads/{}", "0".repeat(32)), "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/a/blobs/uploads/..".to_owned(), "NAME_INVALID"),
    ];
    for (target, expected) in cases {
        let answer = empty.registry.get(&target);
        assert!([400, 404].contains(&answer.status), "{target} {answer:?}");
        if expected != "NAME_INVALID" {
            assert_eq!((answer.status, code(&answer).as_str()), (404, expected), "{target}");
            let head = empty.registry.request("HEAD", &target, &[], b"");
            assert_eq!((head.status, head.body.len()), (404, 0), "{target}");
        }
    }
}

fn a_blob_is_visible_only_where_it_belongs(empty: &Empty) {
    let blob = Content::new("application/octet-stream", noise(2, 100));
    empty.registry.push_blob("a", &blob);
    assert_eq!(empty.registry.get(&format!("/v2/a/blobs/{}", blob.digest)).status, 200);
    assert_eq!(empty.registry.get(&format!("/v2/b/blobs/{}", blob.digest)).status, 404);
}
