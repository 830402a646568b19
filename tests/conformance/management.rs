//! "Content Management": removing tags, manifests and blobs (end-9, end-10).

use super::{Empty, code};
use crate::support::images::image;

both! {
    end_9_a_tag_goes_alone_and_a_manifest_with_its_tags,
    end_10_a_blob_goes_from_its_repository_alone,
}

fn end_9_a_tag_goes_alone_and_a_manifest_with_its_tags(empty: &Empty) {
    let image = image().build();
    empty.registry.push("a", &image, &["v1", "v2", "v3"]);
    let delete = |reference: &str| empty.registry.request("DELETE", &format!("/v2/a/manifests/{reference}"), &[], b"");
    assert_eq!(delete("v1").status, 202);
    assert!(empty.registry.manifest("a", "v1").is_none());
    assert!(empty.registry.manifest("a", "v2").is_some() && empty.registry.manifest("a", image.digest()).is_some());
    let again = delete("v1");
    assert_eq!((again.status, code(&again).as_str()), (404, "MANIFEST_UNKNOWN"));
    assert_eq!(delete(image.digest()).status, 202);
    for reference in ["v2", "v3", image.digest()] {
        assert!(empty.registry.manifest("a", reference).is_none(), "{reference}");
    }
    assert_eq!(delete(image.digest()).status, 404);
}

fn end_10_a_blob_goes_from_its_repository_alone(empty: &Empty) {
    let image = image().build();
    empty.registry.push("a", &image, &["v1"]);
    empty.registry.push("b", &image, &["v1"]);
    let target = |repository: &str| format!("/v2/{repository}/blobs/{}", image.blobs[1].digest);
    assert_eq!(empty.registry.request("DELETE", &target("a"), &[], b"").status, 202);
    let gone = empty.registry.get(&target("a"));
    assert_eq!((gone.status, code(&gone).as_str()), (404, "BLOB_UNKNOWN"));
    assert_eq!(empty.registry.request("DELETE", &target("a"), &[], b"").status, 404);
    assert_eq!(empty.registry.get(&target("b")).status, 200);
}
