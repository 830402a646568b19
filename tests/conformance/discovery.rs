//! "Content Discovery": tags (end-8), referrers (end-12), and Docker's catalogue.

use serde_json::Value;

use super::{Empty, code};
use crate::support::content::sha256;
use crate::support::images::{OCI_INDEX, image};
use crate::support::push::{Answer, Registry};

both! {
    end_8_tags_come_in_order_and_in_pages,
    the_catalogue_comes_in_pages,
    end_12_what_refers_to_a_manifest,
}

fn names(answer: &Answer, key: &str) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Follows `Link` from `target` on, and says what was on each page.
fn pages(registry: &Registry, target: &str, key: &str) -> Vec<Vec<String>> {
    let (mut pages, mut target) = (Vec::new(), target.to_owned());
    loop {
        let answer = registry.get(&target);
        pages.push(names(&answer, key));
        let Some(link) = answer.header("link") else { return pages };
        let (next, relation) = link.split_once('>').unwrap();
        assert_eq!(relation, "; rel=\"next\"");
        next.trim_start_matches('<').clone_into(&mut target);
    }
}

fn end_8_tags_come_in_order_and_in_pages(empty: &Empty) {
    let tags = ["v1", "V2", "a", "B", "latest"];
    empty.registry.push("team/app", &image().build(), &tags);
    let list = "/v2/team/app/tags/list";
    let all = empty.registry.get(list);
    assert_eq!(names(&all, "tags"), ["a", "B", "latest", "v1", "V2"]);
    assert_eq!(serde_json::from_slice::<Value>(&all.body).unwrap()["name"], "team/app");
    assert_eq!(all.header("link"), None);
    let two = pages(&empty.registry, &format!("{list}?n=2"), "tags");
    assert_eq!(two, [vec!["a", "B"], vec!["latest", "v1"], vec!["V2"]]);
    assert_eq!(names(&empty.registry.get(&format!("{list}?last=latest")), "tags"), ["v1", "V2"]);
    let none = empty.registry.get(&format!("{list}?n=0"));
    assert_eq!((names(&none, "tags").len(), none.header("link")), (0, None));
    assert_eq!(names(&empty.registry.get(&format!("{list}?n=4294967295")), "tags").len(), 5);
    for n in ["-1", "abc", "99999999999999999999", ""] {
        let answer = empty.registry.get(&format!("{list}?n={n}"));
        assert_eq!((answer.status, code(&answer).as_str()), (400, "PAGINATION_NUMBER_INVALID"), "{n}");
    }
    let nowhere = empty.registry.get("/v2/nowhere/tags/list");
    assert_eq!((nowhere.status, code(&nowhere).as_str()), (404, "NAME_UNKNOWN"));
}

fn the_catalogue_comes_in_pages(empty: &Empty) {
    assert_eq!(names(&empty.registry.get("/v2/_catalog"), "repositories").len(), 0);
    for repository in ["b", "a", "a/b"] {
        empty.registry.push(repository, &image().build(), &["v1"]);
    }
    assert_eq!(pages(&empty.registry, "/v2/_catalog?n=1", "repositories"), [["a"], ["a/b"], ["b"]]);
    assert_eq!(names(&empty.registry.get("/v2/_catalog?n=4294967295"), "repositories").len(), 3);
    for n in ["-1", "abc", "9223372036854775807"] {
        let answer = empty.registry.get(&format!("/v2/_catalog?n={n}"));
        assert_eq!((answer.status, code(&answer).as_str()), (400, "PAGINATION_NUMBER_INVALID"), "{n}");
    }
}

fn end_12_what_refers_to_a_manifest(empty: &Empty) {
    let subject = image().build();
    empty.registry.push("a", &subject, &["v1"]);
    let list = |suffix: &str| {
        let answer = empty.registry.get(&format!("/v2/a/referrers/{}{suffix}", subject.digest()));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(OCI_INDEX)));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((&body["schemaVersion"], &body["mediaType"]), (&2.into(), &OCI_INDEX.into()));
        (body["manifests"].as_array().unwrap().clone(), answer.header("oci-filters-applied").map(str::to_owned))
    };
    assert_eq!(list(""), (Vec::new(), None));
    let artifact = crate::support::images::artifact(&subject.manifest, "application/x.sbom", b"content");
    let other = image().subject(&subject.manifest).build();
    empty.registry.push("a", &artifact, &[]);
    empty.registry.push("a", &other, &[]);
    let (all, _) = list("");
    let digests: Vec<_> = all.iter().map(|one| one["digest"].as_str().unwrap()).collect();
    assert!(digests.len() == 2 && digests.contains(&artifact.digest()) && digests.contains(&other.digest()));
    let (some, filters) = list("?artifactType=application/x.sbom");
    assert_eq!((some.len(), filters.as_deref()), (1, Some("artifactType")));
    assert_eq!(
        (&some[0]["digest"], &some[0]["artifactType"]),
        (&artifact.digest().into(), &"application/x.sbom".into())
    );
    assert_eq!(some[0]["size"], artifact.manifest.bytes.len());
    // What was removed refers to nothing any more.
    let target = format!("/v2/a/manifests/{}", artifact.digest());
    assert_eq!(empty.registry.request("DELETE", &target, &[], b"").status, 202);
    assert_eq!(list("").0.len(), 1);
    let nowhere = empty.registry.get(&format!("/v2/nowhere/referrers/{}", sha256(b"x")));
    assert_eq!(nowhere.status, 200, "of what is not there nobody knows a referrer");
}
