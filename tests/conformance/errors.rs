//! "Error Codes": what no request may be, and how it is said.

use super::{Empty, code};
use crate::support::content::sha256;

both! {
    names_digests_and_paths_that_break_their_rules,
    whether_it_lives,
}

fn names_digests_and_paths_that_break_their_rules(empty: &Empty) {
    let digest = sha256(b"x");
    let cases = [
        ("GET", "/v2/UPPER/tags/list".to_owned(), 400, "NAME_INVALID"),
        ("GET", format!("/v2/{}/tags/list", "x".repeat(300)), 400, "NAME_INVALID"),
        ("GET", "/v2/a%2fb/tags/list".to_owned(), 400, "NAME_INVALID"),
        ("GET", "/v2/a//b/tags/list".to_owned(), 400, "NAME_INVALID"),
        ("POST", "/v2/_up/blobs/uploads/".to_owned(), 400, "NAME_INVALID"),
        ("GET", "/v2/a/blobs/sha256:12".to_owned(), 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/manifests/sha256:UPPER".to_owned(), 400, "DIGEST_INVALID"),
        ("GET", "/v2/nothing/of/that".to_owned(), 404, "UNSUPPORTED"),
        ("GET", "/v1/".to_owned(), 404, "UNSUPPORTED"),
        ("GET", format!("/v2/{}", "a".repeat(9000)), 414, "NAME_INVALID"),
        ("POST", "/v2/a/manifests/v1".to_owned(), 405, "UNSUPPORTED"),
        ("PUT", format!("/v2/a/blobs/{digest}"), 405, "UNSUPPORTED"),
        ("DELETE", "/v2/".to_owned(), 405, "UNSUPPORTED"),
        ("POST", "/v2/_catalog".to_owned(), 405, "UNSUPPORTED"),
        ("GET", "/v2/a/blobs/uploads/".to_owned(), 405, "UNSUPPORTED"),
    ];
    for (method, target, status, expected) in cases {
        let answer = empty.registry.request(method, &target, &[], b"");
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected), "{method} {target}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {target}");
    }
}

fn whether_it_lives(empty: &Empty) {
    for path in ["/healthz", "/readyz"] {
        assert_eq!(empty.registry.get(path).status, 200);
    }
}
