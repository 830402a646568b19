//! Routes, printed and parsed: as the specification writes them, as others do, and at random.

use super::{Mount, Route, RouteError};
use crate::image::{Digest, RepositoryName, Selector, Tag};
use proptest::prelude::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn parse(target: &str) -> Result<Route, RouteError> {
    match target.split_once('?') {
        Some((path, query)) => Route::parse(path, Some(query)),
        None => Route::parse(target, None),
    }
}

#[test]
fn requests_are_written_as_the_specification_says() {
    let repository: RepositoryName = "a/b".parse().unwrap();
    let digest: Digest = D.parse().unwrap();
    let encoded = D.replace(':', "%3A");
    let mount = Mount { digest: digest.clone(), from: "c/d".parse().unwrap() };
    let cases = [
        (Route::Base, "/v2/".to_owned()),
        (
            Route::Manifest { repository: repository.clone(), selector: Selector::Tag(Tag::latest()) },
            "/v2/a/b/manifests/latest".to_owned(),
        ),
        (
            Route::Manifest { repository: repository.clone(), selector: Selector::Digest(digest.clone()) },
            format!("/v2/a/b/manifests/{D}"),
        ),
        (Route::Blob { repository: repository.clone(), digest: digest.clone() }, format!("/v2/a/b/blobs/{D}")),
        (
            Route::StartUpload { repository: repository.clone(), mount: Some(mount), digest: None },
            format!("/v2/a/b/blobs/uploads/?mount={encoded}&from=c%2Fd"),
        ),
        (
            Route::StartUpload { repository: repository.clone(), mount: None, digest: Some(digest.clone()) },
            format!("/v2/a/b/blobs/uploads/?digest={encoded}"),
        ),
        (
            Route::Tags { repository: repository.clone(), n: Some(100), last: Some("v1".to_owned()) },
            "/v2/a/b/tags/list?n=100&last=v1".to_owned(),
        ),
        (Route::Catalog { n: None, last: None }, "/v2/_catalog".to_owned()),
        (
            Route::Referrers { repository, subject: digest, artifact_type: Some("a/b+c".to_owned()) },
            format!("/v2/a/b/referrers/{D}?artifactType=a%2Fb%2Bc"),
        ),
    ];
    for (route, target) in cases {
        assert_eq!(route.path_and_query(), target);
        assert_eq!(parse(&target).unwrap(), route);
    }
}

#[test]
fn other_spellings_are_understood() {
    assert_eq!(parse("/v2").unwrap(), Route::Base);
    assert_eq!(parse("/v2/a/blobs/uploads").unwrap(), parse("/v2/a/blobs/uploads/").unwrap());
    assert_eq!(parse(&format!("/v2/a/blobs/{}", D.replace(':', "%3a"))), parse(&format!("/v2/a/blobs/{D}")));
    let without_from = parse(&format!("/v2/a/blobs/uploads/?mount={D}")).unwrap();
    assert!(matches!(without_from, Route::StartUpload { mount: None, .. }));
    let named_like_a_route = parse("/v2/tags/list/blobs/uploads/tags/list").unwrap();
    assert_eq!(named_like_a_route.repository().unwrap().as_str(), "tags/list/blobs/uploads");
    assert!(matches!(parse("/v2/a/tags/list?n=5&n=6&x=y"), Ok(Route::Tags { n: Some(5), .. })));
}

#[test]
fn what_is_no_route_is_refused() {
    for target in [
        "",
        "/",
        "/v1/",
        "/v2x",
        "/v2//",
        "/v2/a",
        "/v2/manifests/latest",
        "/v2/a/../b/manifests/x",
        "/v2/a%2Fb/manifests/x",
        "/v2/a%2e%2e/manifests/x",
        "/v2/a/manifests/x%0d%0aHost:y",
        "/v2/a/manifests/%ff",
        "/v2/a/manifests/",
        "/v2/a/blobs/latest",
        "/v2/a/blobs/",
        "/v2/a/blobs/uploads/..",
        "/v2/a/blobs/uploads/x?digest=sha256:0",
        "/v2/a/tags/list?n=-1",
        "/v2/a/tags/list?n=+1",
        "/v2/a/tags/list?n=99999999999",
        "/v2/A/tags/list",
        "/v2/a/referrers/latest",
    ] {
        assert!(parse(target).is_err(), "{target}: {:?}", parse(target));
    }
    assert!(matches!(parse(&format!("/v2/a/tags/list?last={}", "x".repeat(9000))), Err(RouteError::Long(_))));
}

fn repositories() -> impl Strategy<Value = RepositoryName> {
    "[a-z0-9]{1,4}(/(blobs|uploads|tags|list|manifests|referrers|[a-z0-9]{1,4})){0,4}"
        .prop_map(|text| text.parse().unwrap())
}

fn digests() -> impl Strategy<Value = Digest> {
    any::<u64>().prop_map(|seed| Digest::of(&seed.to_be_bytes()))
}

fn routes() -> impl Strategy<Value = Route> {
    let page = || (proptest::option::of(any::<u32>()), proptest::option::of("\\PC{0,20}"));
    prop_oneof![
        Just(Route::Base),
        (repositories(), "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9}").prop_map(|(repository, tag)| Route::Manifest {
            repository,
            selector: Selector::Tag(tag.parse().unwrap())
        }),
        (repositories(), digests())
            .prop_map(|(repository, d)| Route::Manifest { repository, selector: Selector::Digest(d) }),
        (repositories(), digests()).prop_map(|(repository, digest)| Route::Blob { repository, digest }),
        (repositories(), proptest::option::of((digests(), repositories())), proptest::option::of(digests())).prop_map(
            |(repository, mount, digest)| Route::StartUpload {
                repository,
                mount: mount.map(|(digest, from)| Mount { digest, from }),
                digest
            }
        ),
        (repositories(), "[a-zA-Z0-9~=_-]{1,20}", proptest::option::of(digests())).prop_map(
            |(repository, session, digest)| Route::Upload { repository, session: session.parse().unwrap(), digest }
        ),
        (repositories(), page()).prop_map(|(repository, (n, last))| Route::Tags { repository, n, last }),
        page().prop_map(|(n, last)| Route::Catalog { n, last }),
        (repositories(), digests(), proptest::option::of("\\PC{1,20}"))
            .prop_map(|(repository, subject, artifact_type)| Route::Referrers { repository, subject, artifact_type }),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_again(route in routes()) {
        let target = route.path_and_query();
        prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()), "{}", target);
        prop_assert_eq!(parse(&target).unwrap(), route);
    }

    #[test]
    fn parsing_never_panics(path in "(/v2)?[/a-z%.:_?=&\\PC]{0,60}", query in proptest::option::of("\\PC{0,40}")) {
        if let Ok(route) = Route::parse(&path, query.as_deref()) {
            prop_assert_eq!(parse(&route.path_and_query()).unwrap(), route);
        }
    }
}
