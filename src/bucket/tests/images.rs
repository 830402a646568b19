//! Images: what one server wrote another has, and what several write at once.

use futures_util::TryStreamExt as _;

use super::*;
use crate::registry::{Catalog, ErrorKind, Keep, Remover};

#[tokio::test]
async fn what_one_server_took_the_other_hands_out() {
    let access = Arc::default();
    let (one, two) = (server(&access).await, server(&access).await);
    let image = Sample::new("layer");
    let error = one.push_manifest(&name("a"), &image.manifest, &[tag("x")], TagCondition::Always).await.unwrap_err();
    let missing: Vec<_> = image.blobs().iter().map(|blob| blob.digest.clone()).collect();
    let told = error.missing().to_vec();
    assert_eq!((error.kind(), told.len()), (ErrorKind::MissingBlobs, 2));
    assert!(missing.iter().all(|digest| told.contains(digest)));
    push(&one, "a/b", &image, &["x", "V1"]).await.unwrap();
    assert!(is_whole(&two, "a/b", &image).await);
    let found = two.manifest(&name("a/b"), &Selector::Tag(tag("V1"))).await.unwrap();
    assert_eq!(found.bytes(), image.manifest.bytes());
    let none = ImageSource::resolve(&two, &name("a/b"), &Selector::Tag(tag("v1"))).await.unwrap();
    assert!(none.is_none(), "tags are what they are in every letter");
    assert_eq!(two.tags(&name("a/b")).try_concat().await.unwrap(), [tag("V1"), tag("x")]);
    push(&two, "a", &image, &["y"]).await.unwrap();
    push(&two, "b", &image, &[]).await.unwrap();
    let mut repositories = one.repositories().try_concat().await.unwrap();
    repositories.sort();
    assert_eq!(repositories, [name("a"), name("a/b"), name("b")]);
    assert_eq!(one.tags(&name("c")).try_concat().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(one.tags(&name("b")).try_concat().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_blob_is_seen_only_where_it_belongs_and_is_kept_once() {
    let access = Arc::default();
    let (one, two) = (server(&access).await, server(&access).await);
    let image = Sample::new("layer");
    let [config, layer] = image.blobs();
    put(&one, "a", &layer, &image.layer).await.unwrap();
    assert_eq!(two.blob_size(&name("a"), &layer.digest).await.unwrap(), Some(5));
    assert_eq!(two.blob_size(&name("b"), &layer.digest).await.unwrap(), None);
    let error = two.blob(&name("b"), &layer, ByteRange::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!two.mount_blob(&name("b"), &config.digest, &name("a")).await.unwrap());
    assert!(!two.mount_blob(&name("b"), &layer.digest, &name("c")).await.unwrap());
    assert!(two.mount_blob(&name("b"), &layer.digest, &name("a")).await.unwrap());
    one.remove_blob(&name("a"), &layer.digest).await.unwrap();
    assert_eq!(one.remove_blob(&name("a"), &layer.digest).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(two.has_blob(&name("b"), &layer).await.unwrap());
    let mut upload = two.begin_upload(&name("c"), "alice").await.unwrap();
    upload.write(image.layer.clone()).await.unwrap();
    upload.commit(&layer.digest).await.unwrap();
    assert!(one.has_blob(&name("c"), &layer).await.unwrap());
    let contents: Vec<_> = one.shared.objects.list("content").try_collect().await.unwrap();
    assert_eq!(contents.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_that_may_not_move_has_one_winner_of_many_servers() {
    let access = Arc::default();
    let mut servers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let bucket = server(&access).await;
        servers.spawn(async move {
            let image = Sample::new(&format!("layer {number}"));
            push(&bucket, "a", &image, &[]).await.unwrap();
            let pushed = bucket
                .push_manifest(
                    &name("a"),
                    &image.manifest,
                    &[tag(&format!("own-{number}")), tag("x")],
                    TagCondition::Absent,
                )
                .await;
            (pushed, image)
        });
    }
    let (won, lost): (Vec<_>, Vec<_>) = servers.join_all().await.into_iter().partition(|(pushed, _)| pushed.is_ok());
    assert_eq!((won.len(), lost.len()), (1, 7));
    assert!(lost.iter().all(|(pushed, _)| pushed.as_ref().is_err_and(|error| error.kind() == ErrorKind::Conflict)));
    let bucket = server(&access).await;
    let found = bucket.manifest(&name("a"), &Selector::Tag(tag("x"))).await.unwrap();
    assert_eq!(found.bytes(), won[0].1.manifest.bytes());
    assert_eq!(bucket.tags(&name("a")).try_concat().await.unwrap().len(), 2, "of several tags all come or none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_that_many_servers_move_at_once_points_at_a_whole_image_all_the_time() {
    let access = Arc::default();
    let images: Vec<Sample> = (0..4).map(|number| Sample::new(&format!("layer {number}"))).collect();
    let images = Arc::new(images);
    let mut servers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let (bucket, images) = (server(&access).await, Arc::clone(&images));
        servers.spawn(async move {
            for _ in 0..20 {
                push(&bucket, "a", &images[number], &["x"]).await.unwrap();
                let found = bucket.manifest(&name("a"), &Selector::Tag(tag("x"))).await.unwrap();
                let image = images.iter().find(|image| image.manifest.digest() == found.digest()).unwrap();
                assert!(is_whole(&bucket, "a", image).await);
            }
        });
    }
    servers.join_all().await;
}

#[tokio::test]
async fn tags_and_manifests_can_be_removed() {
    let access = Arc::default();
    let (one, two) = (server(&access).await, server(&access).await);
    let image = Sample::new("layer");
    push(&one, "a", &image, &["x", "y", "z"]).await.unwrap();
    push(&one, "a", &Sample::new("other"), &["w"]).await.unwrap();
    two.remove_tag(&name("a"), &tag("x")).await.unwrap();
    assert_eq!(two.remove_tag(&name("a"), &tag("x")).await.unwrap_err().kind(), ErrorKind::NotFound);
    two.remove_manifest(&name("a"), image.manifest.digest()).await.unwrap();
    assert_eq!(one.tags(&name("a")).try_concat().await.unwrap(), [tag("w")]);
    let error = one.remove_manifest(&name("a"), image.manifest.digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn referrers_are_found_by_subject_and_type() {
    let access = Arc::default();
    let bucket = server(&access).await;
    let image = Sample::new("layer");
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    let subject = serde_json::to_string(&image.manifest.descriptor()).unwrap();
    let fields = format!(r#""subject":{subject},"artifactType":"a/b","annotations":{{"k":"v"}},"#);
    let referrer = Sample::with("signature", &fields);
    push(&bucket, "a", &referrer, &[]).await.unwrap();
    let find = async |artifact_type| {
        bucket.referrers(&name("a"), image.manifest.digest(), artifact_type).await.unwrap().manifests
    };
    let found = find(None).await;
    assert_eq!((found.len(), found[0].annotations["k"].as_str()), (1, "v"));
    assert_eq!((find(Some("a/b")).await.len(), find(Some("c/d")).await.len()), (1, 0));
    bucket.remove_manifest(&name("a"), referrer.manifest.digest()).await.unwrap();
    assert!(find(None).await.is_empty());
}

#[tokio::test]
async fn what_came_by_its_digest_is_noted_and_a_lease_ends_with_its_push() {
    let access = Arc::default();
    let bucket = server(&access).await;
    let image = Sample::new("layer");
    let session = bucket.begin_session(&name("a")).await.unwrap();
    let leases = async || bucket.shared.objects.list("leases").try_collect::<Vec<_>>().await.unwrap().len();
    assert_eq!(leases().await, 1);
    push(&bucket, "a", &image, &[]).await.unwrap();
    session.finish(image.manifest.digest(), Keep::ForItsDigest).await.unwrap();
    let named = super::super::layout::named(&name("a"), image.manifest.digest());
    assert!(bucket.shared.objects.look(&named).await.unwrap().is_some());
    while leases().await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_damaged_manifest_is_not_handed_out_and_the_next_push_mends_it() {
    let access = Arc::default();
    let bucket = server(&access).await;
    let image = Sample::new("layer");
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    let key = super::super::layout::manifest(&name("a"), image.manifest.digest());
    let object = bucket.shared.objects.read(&key, 10_000).await.unwrap().unwrap().bytes;
    let damaged = String::from_utf8(object.to_vec()).unwrap().replace("schemaVersion\":2", "schemaVersion\":2 ");
    bucket.shared.objects.write(&key, damaged).await.unwrap();
    let error = bucket.manifest(&name("a"), &Selector::Tag(tag("x"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    assert!(is_whole(&bucket, "a", &image).await);
}
