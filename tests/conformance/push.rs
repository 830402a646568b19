//! "Push": blobs monolithically, in chunks, by mount (end-4 to end-6, end-11, end-13), and manifests (end-7).

use super::{Empty, code};
use crate::support::content::{noise, sha256};
use crate::support::images::{Content, image};
use crate::support::push::{Answer, Registry};

both! {
    end_4a_and_end_6_a_blob_in_one_put,
    end_4b_a_blob_in_one_post,
    end_5_a_blob_in_chunks_that_have_to_follow_each_other,
    an_upload_without_a_digest_or_with_another_one_is_refused,
    an_upload_is_given_up_and_belongs_to_its_repository,
    end_11_a_mount_takes_over_what_the_named_repository_has_and_else_opens_an_upload,
    blobs_go_by_sha512_too,
    end_7_a_manifest_is_taken_under_its_digest_and_under_tags,
    a_manifest_that_names_what_is_not_there_is_refused_with_what_is_missing,
    a_manifest_with_a_subject_says_that_it_was_noted,
}

fn blob(seed: u64, size: usize) -> Content {
    Content::new("application/octet-stream", noise(seed, size))
}

fn begin(registry: &Registry) -> String {
    let begun = registry.request("POST", "/v2/a/blobs/uploads/", &[], b"");
    assert_eq!((begun.status, begun.header("range")), (202, Some("0-0")));
    assert_eq!(begun.body, b"");
    begun.header("location").unwrap().to_owned()
}

fn is_created(answer: &Answer, digest: &str) {
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("location"), Some(format!("/v2/a/blobs/{digest}").as_str()));
    assert_eq!(answer.header("docker-content-digest"), Some(digest));
}

fn holds(registry: &Registry, blob: &Content) -> bool {
    registry.get(&format!("/v2/a/blobs/{}", blob.digest)).body == blob.bytes
}

fn end_4a_and_end_6_a_blob_in_one_put(empty: &Empty) {
    for (seed, size) in [(1, 1), (2, 70_000), (3, 3_000_000)] {
        let (blob, place) = (blob(seed, size), begin(&empty.registry));
        let done = empty.registry.request("PUT", &format!("{place}?digest={}", blob.digest), &[], &blob.bytes);
        is_created(&done, &blob.digest);
        assert!(holds(&empty.registry, &blob));
        assert_eq!(empty.registry.get(&place).status, 404, "the session is over");
    }
}

fn end_4b_a_blob_in_one_post(empty: &Empty) {
    let blob = blob(4, 5000);
    let target = format!("/v2/a/blobs/uploads/?digest={}", blob.digest);
    is_created(&empty.registry.request("POST", &target, &[], &blob.bytes), &blob.digest);
    assert!(holds(&empty.registry, &blob));
    let wrong = empty.registry.request("POST", &format!("/v2/a/blobs/uploads/?digest={}", sha256(b"x")), &[], b"y");
    assert_eq!((wrong.status, code(&wrong).as_str()), (400, "DIGEST_INVALID"));
}

fn end_5_a_blob_in_chunks_that_have_to_follow_each_other(empty: &Empty) {
    let (blob, mut place) = (blob(5, 30_000), begin(&empty.registry));
    let chunk = |place: &str, method: &str, range: &str, bytes: &[u8]| {
        empty.registry.request(method, place, &[("Content-Range", range)], bytes)
    };
    for start in [0, 10_000] {
        let range = format!("{start}-{}", start + 9_999);
        let answer = chunk(&place, "PATCH", &range, &blob.bytes[start..start + 10_000]);
        let received = format!("0-{}", start + 9_999);
        assert_eq!((answer.status, answer.header("range")), (202, Some(received.as_str())));
        answer.header("location").unwrap().clone_into(&mut place);
        // A chunk that does not begin where the upload ends is refused, and nothing of it is taken.
        let again = chunk(&place, "PATCH", &range, &blob.bytes[start..start + 10_000]);
        assert_eq!((again.status, again.header("range")), (416, Some(received.as_str())));
        assert!(again.header("location").is_some());
        let asked = empty.registry.get(&place);
        assert_eq!((asked.status, asked.header("range")), (204, Some(received.as_str())));
        assert_eq!(asked.header("location"), Some(place.as_str()));
    }
    let last = chunk(&format!("{place}?digest={}", blob.digest), "PUT", "20000-29999", &blob.bytes[20_000..]);
    is_created(&last, &blob.digest);
    assert!(holds(&empty.registry, &blob));
}

fn an_upload_without_a_digest_or_with_another_one_is_refused(empty: &Empty) {
    let place = begin(&empty.registry);
    let without = empty.registry.request("PUT", &place, &[], b"x");
    assert_eq!((without.status, code(&without).as_str()), (400, "DIGEST_INVALID"));
    assert_eq!(empty.registry.get(&place).status, 204, "it waits for a better end");
    let junk = empty.registry.request("PUT", &format!("{place}?digest=sha256:x"), &[], b"x");
    assert_eq!((junk.status, code(&junk).as_str()), (400, "DIGEST_INVALID"));
    let other = empty.registry.request("PUT", &format!("{place}?digest={}", sha256(b"y")), &[], b"x");
    assert_eq!((other.status, code(&other).as_str()), (400, "DIGEST_INVALID"));
    assert_eq!(empty.registry.get(&place).status, 404);
    for digest in [sha256(b"x"), sha256(b"y")] {
        assert_eq!(empty.registry.get(&format!("/v2/a/blobs/{digest}")).status, 404);
    }
}

fn an_upload_is_given_up_and_belongs_to_its_repository(empty: &Empty) {
    let place = begin(&empty.registry);
    let elsewhere = place.replacen("/v2/a/", "/v2/b/", 1);
    for method in ["GET", "PATCH", "DELETE"] {
        let answer = empty.registry.request(method, &elsewhere, &[], b"");
        assert_eq!(answer.status, 404, "{method}");
    }
    assert_eq!(empty.registry.request("DELETE", &place, &[], b"").status, 204);
    let gone = empty.registry.get(&place);
    assert_eq!((gone.status, code(&gone).as_str()), (404, "BLOB_UPLOAD_UNKNOWN"));
}

fn end_11_a_mount_takes_over_what_the_named_repository_has_and_else_opens_an_upload(empty: &Empty) {
    let blob = blob(6, 2000);
    empty.registry.push_blob("source", &blob);
    let mount = |from: &str| {
        let target = format!("/v2/a/blobs/uploads/?mount={}&from={from}", blob.digest);
        empty.registry.request("POST", &target, &[], b"")
    };
    let refused = mount("nowhere");
    assert_eq!(refused.status, 202);
    let place = refused.header("location").unwrap();
    assert_eq!(empty.registry.get(place).status, 204);
    is_created(&mount("source"), &blob.digest);
    assert!(holds(&empty.registry, &blob));
    is_created(&mount("a"), &blob.digest);
    let without_from = format!("/v2/b/blobs/uploads/?mount={}", blob.digest);
    assert_eq!(empty.registry.request("POST", &without_from, &[], b"").status, 202, "nobody said where it is");
}

fn blobs_go_by_sha512_too(empty: &Empty) {
    let bytes = noise(7, 90_000);
    let digest = tranship::image::Algorithm::Sha512.digest(&bytes).to_string();
    let place = begin(&empty.registry);
    is_created(&empty.registry.request("PUT", &format!("{place}?digest={digest}"), &[], &bytes), &digest);
    assert_eq!(empty.registry.get(&format!("/v2/a/blobs/{digest}")).body, bytes);
}

fn end_7_a_manifest_is_taken_under_its_digest_and_under_tags(empty: &Empty) {
    let image = image().build();
    image.blobs.iter().for_each(|blob| empty.registry.push_blob("a", blob));
    let put = |reference: &str, bytes: &[u8]| {
        let target = format!("/v2/a/manifests/{reference}");
        empty.registry.request("PUT", &target, &[("Content-Type", &image.manifest.media_type)], bytes)
    };
    let answer = put("v1", &image.manifest.bytes);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), Some("/v2/a/manifests/v1"));
    assert_eq!(answer.header("docker-content-digest"), Some(image.digest()));
    assert_eq!(answer.header("oci-subject"), None);
    let answer = put(&format!("{}?tag=v2&tag=v3", image.digest()), &image.manifest.bytes);
    assert_eq!(answer.status, 201);
    let tags: Vec<_> = answer.headers.get_all("oci-tag").iter().collect();
    assert_eq!(tags, ["v2", "v3"]);
    for tag in ["v1", "v2", "v3"] {
        assert_eq!(empty.registry.manifest("a", tag).unwrap().digest, image.digest());
    }
    let wrong = put(&sha256(b"another"), &image.manifest.bytes);
    assert_eq!((wrong.status, code(&wrong).as_str()), (400, "DIGEST_INVALID"));
    let junk = put("v4", b"{\"schemaVersion\":2}");
    assert_eq!((junk.status, code(&junk).as_str()), (400, "MANIFEST_INVALID"));
    let bad = put(".v4", &image.manifest.bytes);
    assert_eq!((bad.status, code(&bad).as_str()), (400, "TAG_INVALID"));
    let long = put("v5", &vec![b' '; 5 * 1024 * 1024]);
    assert_eq!((long.status, code(&long).as_str()), (413, "SIZE_INVALID"));
}

fn a_manifest_that_names_what_is_not_there_is_refused_with_what_is_missing(empty: &Empty) {
    let image = image().build();
    empty.registry.push_blob("a", &image.blobs[0]);
    let headers = [("Content-Type", image.manifest.media_type.as_str())];
    let answer = empty.registry.request("PUT", "/v2/a/manifests/v1", &headers, &image.manifest.bytes);
    assert_eq!((answer.status, code(&answer).as_str()), (400, "MANIFEST_BLOB_UNKNOWN"));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let missing: Vec<_> = body["errors"].as_array().unwrap().iter().map(|error| error["detail"].clone()).collect();
    let expected: Vec<_> = image.blobs[1..].iter().map(|blob| blob.digest.clone()).collect();
    assert_eq!(missing, expected);
    assert!(empty.registry.manifest("a", "v1").is_none());
}

fn a_manifest_with_a_subject_says_that_it_was_noted(empty: &Empty) {
    let (image, subject) = (image().build(), image().build());
    let artifact = crate::support::images::image().subject(&subject.manifest).build();
    image.blobs.iter().chain(&artifact.blobs).for_each(|blob| empty.registry.push_blob("a", blob));
    // The subject need not be there.
    let target = format!("/v2/a/manifests/{}", artifact.digest());
    let headers = [("Content-Type", artifact.manifest.media_type.as_str())];
    let answer = empty.registry.request("PUT", &target, &headers, &artifact.manifest.bytes);
    assert_eq!((answer.status, answer.header("oci-subject")), (201, Some(subject.digest())));
}
