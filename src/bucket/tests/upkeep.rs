//! Upkeep by one server while others push: nothing that anybody relies on goes, and everything else does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use futures_util::TryStreamExt as _;

use super::*;
use crate::bucket::layout;
use crate::image::Digest;
use crate::registry::{Collected, Collection, Effect, ErrorKind, Keep, Maintenance, Remover, RetentionRule, Untagged};

/// A server for which nothing is young, so that it writes anew whatever it relies on, and all clocks are one.
pub(super) async fn hasty(access: &Arc<InMemory>) -> Bucket {
    hasty_over(Arc::clone(access) as Arc<dyn ObjectAccess>).await
}

pub(super) async fn hasty_over(access: Arc<dyn ObjectAccess>) -> Bucket {
    let shared = Arc::into_inner(over(access).await.shared).unwrap();
    Bucket { shared: Arc::new(super::super::Shared { young: Duration::ZERO, skew: Duration::ZERO, ..shared }) }
}

fn collection(effect: Effect) -> Collection {
    Collection { rules: vec![RetentionRule::unnamed()], used: [].into(), grace: Duration::ZERO, effect }
}

/// Whatever nothing names.
pub(super) fn everything() -> Collection {
    collection(Effect::Done)
}

/// Waits until the clock of the bucket has moved on.
pub(super) async fn later() {
    let now = SystemTime::now();
    while now.elapsed().is_ok_and(|passed| passed < Duration::from_millis(3)) {
        tokio::task::yield_now().await;
    }
}

async fn collect(bucket: &Bucket) -> Collected {
    later().await;
    bucket.collect(&everything()).await.unwrap()
}

async fn keys(bucket: &Bucket, directory: &str) -> Vec<String> {
    bucket.shared.objects.list(directory).map_ok(|found| found.key).try_collect().await.unwrap()
}

#[tokio::test]
async fn what_nothing_names_goes_with_its_content_and_the_rest_stays() {
    let access = Arc::default();
    let bucket = hasty(&access).await;
    let (kept, gone, named) = (Sample::new("kept"), Sample::new("gone"), Sample::new("named"));
    push(&bucket, "a", &kept, &["x"]).await.unwrap();
    push(&bucket, "a", &gone, &["y"]).await.unwrap();
    push(&bucket, "b", &gone, &["y"]).await.unwrap();
    let session = bucket.begin_session(&name("a")).await.unwrap();
    push(&bucket, "a", &named, &[]).await.unwrap();
    session.finish(named.manifest.digest(), Keep::ForItsDigest).await.unwrap();
    while !keys(&bucket, "leases").await.is_empty() {
        tokio::task::yield_now().await;
    }
    bucket.remove_tag(&name("a"), &tag("y")).await.unwrap();
    later().await;
    let told = bucket.collect(&collection(Effect::Told)).await.unwrap();
    let collected = collect(&bucket).await;
    assert_eq!(told, collected, "what is told is what is done");
    assert_eq!((collected.manifests.len(), collected.blobs), (1, 1), "its layers belong to `b` too");
    assert!(is_whole(&bucket, "a", &kept).await && is_whole(&bucket, "a", &named).await);
    assert!(!is_whole(&bucket, "a", &gone).await && is_whole(&bucket, "b", &gone).await);
    bucket.remove_manifest(&name("b"), gone.manifest.digest()).await.unwrap();
    let collected = collect(&bucket).await;
    let bytes: u64 = gone.blobs().iter().map(|blob| blob.size).sum();
    assert_eq!((collected.blobs, collected.bytes), (2, bytes));
    assert_eq!(keys(&bucket, "content").await.len(), 4);
    assert!(keys(&bucket, "trash").await.is_empty() && keys(&bucket, "upkeep/condemned").await.is_empty());
    assert_eq!(collect(&bucket).await, Collected::default());
    push(&bucket, "b", &gone, &["y"]).await.unwrap();
    assert!(is_whole(&bucket, "b", &gone).await);
}

#[tokio::test]
async fn a_session_an_upload_and_the_grace_keep_what_nothing_names_yet() {
    let access = Arc::default();
    let bucket = hasty(&access).await;
    let image = Sample::new("layer");
    let [config, layer] = image.blobs();
    let session = bucket.begin_session(&name("a")).await.unwrap();
    put(&bucket, "a", &layer, &image.layer).await.unwrap();
    assert!(collect(&bucket).await.spared_bytes > 0);
    assert!(bucket.has_blob(&name("a"), &layer).await.unwrap());
    drop(session);
    while !keys(&bucket, "leases").await.is_empty() {
        tokio::task::yield_now().await;
    }
    later().await;
    let upload = bucket.begin_upload(&name("a"), "alice").await.unwrap();
    // Found while the upload runs, and so needed as long as it does.
    assert!(bucket.has_blob(&name("a"), &layer).await.unwrap());
    collect(&bucket).await;
    assert!(bucket.has_blob(&name("a"), &layer).await.unwrap());
    upload.cancel().await.unwrap();
    let patient = Collection { grace: Duration::from_hours(1), ..collection(Effect::Done) };
    later().await;
    assert_eq!(bucket.collect(&patient).await.unwrap().blobs, 0);
    assert_eq!(collect(&bucket).await.blobs, 1);
    assert!(
        !bucket.has_blob(&name("a"), &layer).await.unwrap() && !bucket.has_blob(&name("a"), &config).await.unwrap()
    );
}

#[tokio::test]
async fn a_server_with_its_usual_clocks_collects_nothing_that_is_young() {
    let access = Arc::default();
    let bucket = server(&access).await;
    let image = Sample::new("layer");
    push(&bucket, "a", &image, &[]).await.unwrap();
    let collected = collect(&bucket).await;
    assert_eq!((collected.blobs, collected.manifests.len()), (0, 0));
    assert!(is_whole(&bucket, "a", &image).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_42_pushes_beside_a_collection_that_never_stops_lose_nothing() {
    let access: Arc<InMemory> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));
    let collector = tokio::spawn({
        let (bucket, done) = (hasty(&access).await, Arc::clone(&done));
        async move {
            let mut rounds = 0;
            while !done.load(Ordering::SeqCst) {
                bucket.collect(&collection(Effect::Done)).await.unwrap();
                rounds += 1;
            }
            rounds
        }
    });
    let mut servers = tokio::task::JoinSet::new();
    for number in 0..3 {
        let bucket = hasty(&access).await;
        servers.spawn(async move {
            for round in 0..25 {
                // The same layers come and go, in several repositories.
                let image = Sample::new(&format!("layer {}", round % 3));
                let repository = format!("r{}", (number + round) % 2);
                let tag_name = format!("t{number}");
                let pushed = retried(&bucket, &repository, &image, &tag_name).await;
                assert!(pushed, "a push that goes on does not come through");
                assert!(is_whole(&bucket, &repository, &image).await, "{number} {round}");
                bucket.remove_tag(&name(&repository), &tag(&tag_name)).await.unwrap();
            }
        });
    }
    servers.join_all().await;
    done.store(true, Ordering::SeqCst);
    assert!(collector.await.unwrap() > 1);
    let bucket = hasty(&access).await;
    collect(&bucket).await;
    assert!(keys(&bucket, "content").await.is_empty() && keys(&bucket, "blobs").await.is_empty());
}

/// Pushes within a session, as clients of ours do; without grace only that protects what is put. A client that is told
/// what is missing brings it again.
async fn retried(bucket: &Bucket, repository: &str, image: &Sample, tag_name: &str) -> bool {
    let _session = bucket.begin_session(&name(repository)).await.unwrap();
    for _ in 0..3 {
        match push(bucket, repository, image, &[tag_name]).await {
            Ok(()) => return true,
            Err(error) if error.kind() == ErrorKind::MissingBlobs => {}
            Err(error) => panic!("{error}"),
        }
    }
    false
}

#[tokio::test]
async fn a_fact_that_is_condemned_and_relied_on_at_once_is_spared_or_waited_for() {
    let access: Arc<InMemory> = Arc::default();
    let (bucket, other) = (hasty(&access).await, hasty(&access).await);
    let image = Sample::new("layer");
    let [_, layer] = image.blobs();
    put(&bucket, "a", &layer, &image.layer).await.unwrap();
    let key = layout::belongs(&name("a"), &layer.digest);
    let list = serde_json::to_string(&[&key]).unwrap();
    bucket.shared.objects.create(layout::CONDEMNED, list).await.unwrap();
    let relies = tokio::spawn(async move { other.has_blob(&name("a"), &layer).await.unwrap() });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!relies.is_finished(), "it waits for the end of the list");
    bucket.shared.objects.remove(&key).await.unwrap();
    bucket.shared.objects.remove(layout::CONDEMNED).await.unwrap();
    assert!(!relies.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_list_and_the_place_of_a_collector_that_was_killed_hold_nobody_up_for_long() {
    let access: Arc<InMemory> = Arc::default();
    let bucket = hasty(&access).await;
    let image = Sample::new("layer");
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    let every: Vec<String> = keys(&bucket, "repositories").await;
    bucket.shared.objects.create(layout::CONDEMNED, serde_json::to_string(&every).unwrap()).await.unwrap();
    bucket.shared.objects.create(layout::COLLECTOR, "dead").await.unwrap();
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    let error = bucket.collect(&collection(Effect::Done)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(is_whole(&bucket, "a", &image).await);
}

#[tokio::test]
async fn what_a_collector_threw_away_before_it_died_is_removed_by_the_next() {
    let access: Arc<InMemory> = Arc::default();
    let bucket = hasty(&access).await;
    let image = Sample::new("layer");
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    let [_, layer] = image.blobs();
    let led: super::super::content::Whereabouts =
        bucket.shared.fact(&layout::blob(&layer.digest)).await.unwrap().unwrap();
    let orphan = "0".repeat(32);
    bucket.shared.objects.write(&layout::content(&orphan), "orphan").await.unwrap();
    for (word, key) in [(&led.content, layout::blob(&layer.digest)), (&orphan, "blobs/sha256-gone".to_owned())] {
        bucket.shared.objects.write(&layout::trash(word), key).await.unwrap();
    }
    collect(&bucket).await;
    assert!(is_whole(&bucket, "a", &image).await, "what is led to still was spared");
    assert!(!keys(&bucket, "content").await.contains(&layout::content(&orphan)));
    assert!(keys(&bucket, "trash").await.is_empty());
}

#[tokio::test]
async fn what_is_damaged_is_set_aside_and_comes_again_with_the_next_push() {
    let access: Arc<InMemory> = Arc::default();
    let bucket = server(&access).await;
    let (image, other) = (Sample::new("layer"), Sample::new("other"));
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    push(&bucket, "b", &other, &["x"]).await.unwrap();
    let whole = bucket.scrub().await.unwrap();
    assert_eq!((whole.blobs, whole.damaged.len()), (6, 0));
    let [config, layer] = image.blobs();
    let content = async |digest: &Digest| {
        let led: Option<super::super::content::Whereabouts> = bucket.shared.fact(&layout::blob(digest)).await.unwrap();
        layout::content(&led.unwrap().content)
    };
    bucket.shared.objects.write(&content(&layer.digest).await, "LAYER").await.unwrap();
    bucket.shared.objects.remove(&content(&config.digest).await).await.unwrap();
    let manifest = layout::manifest(&name("b"), other.manifest.digest());
    bucket.shared.objects.write(&manifest, "{}\n{}").await.unwrap();
    let mut scrubbed = bucket.scrub().await.unwrap();
    let mut damaged = [config.digest.clone(), layer.digest.clone(), other.manifest.digest().clone()];
    damaged.sort();
    scrubbed.damaged.sort();
    assert_eq!(scrubbed.damaged, damaged);
    assert!(!bucket.has_blob(&name("a"), &layer).await.unwrap());
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    push(&bucket, "b", &other, &["x"]).await.unwrap();
    assert!(is_whole(&bucket, "a", &image).await && is_whole(&bucket, "b", &other).await);
    assert_eq!(bucket.scrub().await.unwrap().damaged.len(), 0);
}

#[tokio::test]
async fn uploads_that_nobody_goes_on_with_are_given_up_and_counted_until_then() {
    let access: Arc<InMemory> = Arc::default();
    let bucket = server(&access).await;
    let image = Sample::new("layer");
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    let mut upload = bucket.begin_upload(&name("a"), "alice").await.unwrap();
    upload.write(vec![1; 6 << 20].into()).await.unwrap();
    upload.rest().await.unwrap();
    let usage = bucket.usage().await.unwrap();
    assert_eq!((usage.blobs, usage.uploads, usage.upload_bytes), (3, 1, 6 << 20));
    let none = bucket.purge_uploads(Duration::from_hours(1)).await.unwrap();
    assert_eq!(none.uploads, 0);
    let purged = bucket.purge_uploads(Duration::ZERO).await.unwrap();
    assert_eq!((purged.uploads, purged.bytes), (1, 6 << 20));
    assert!(keys(&bucket, "uploads").await.is_empty() && keys(&bucket, "rests").await.is_empty());
    assert!(is_whole(&bucket, "a", &image).await);
}

#[tokio::test]
async fn images_are_described() {
    let access: Arc<InMemory> = Arc::default();
    let bucket = server(&access).await;
    let (image, other) = (Sample::new("layer"), Sample::new("other"));
    push(&bucket, "b", &image, &["y", "x"]).await.unwrap();
    push(&bucket, "a", &image, &["x"]).await.unwrap();
    push(&bucket, "a", &other, &[]).await.unwrap();
    let shown = bucket.images(Untagged::Hidden).await.unwrap();
    let names: Vec<_> =
        shown.iter().map(|image| (image.repository.as_str(), image.tag.as_ref().map(Tag::as_str))).collect();
    assert_eq!(names, [("a", Some("x")), ("b", Some("x")), ("b", Some("y"))]);
    let blobs: u64 = image.blobs().iter().map(|blob| blob.size).sum();
    let size = image.manifest.bytes().len() as u64 + blobs;
    assert_eq!((shown[0].size, shown[0].shared), (size, size), "`b` needs all of it too");
    assert_eq!(shown[0].created, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    assert!(shown[0].stored.is_some());
    let all = bucket.images(Untagged::Shown).await.unwrap();
    assert_eq!((all.len(), all[1].shared, all[1].tag.is_none()), (4, 0, true));
}
