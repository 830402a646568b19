//! Collection, scrub and the room that is taken, also while pushes go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::*;
use crate::registry::{
    Collected, Collection, Effect, Host as _, Maintenance as _, RetentionRule, Scrubbed, Usage, judge,
};
use crate::store::collect::{Marked, Run};

/// What `prune` asks for.
fn unnamed(grace: Duration) -> Collection {
    Collection { rules: vec![RetentionRule::unnamed()], used: [].into(), grace, effect: Effect::Done }
}

async fn collect(store: &Store, grace: Duration) -> Collected {
    store.collect(&unnamed(grace)).await.unwrap()
}

/// Whether the content of an image is there, layer by name.
fn has(store: &Store, image: &Sample) -> bool {
    store.shared.blobs.path(&image.layer.digest).exists()
}

async fn present(store: &Store, repository: &str, blob: &Descriptor) -> bool {
    matches!(store.begin_blob(&name(repository), blob, None, None).await.unwrap(), Begun::Present | Begun::Mounted)
}

#[tokio::test]
async fn what_nothing_names_goes_and_what_is_shared_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let (one, two) = (sample("one"), sample("two"));
    push(&store, "a", &one, &["x"]).await.unwrap();
    push(&store, "b", &one, &["x"]).await.unwrap();
    push(&store, "b", &two, &["y"]).await.unwrap();
    assert_eq!(collect(&store, Duration::ZERO).await, Collected::default());
    store.remove_tag(&name("a"), &tag("x")).await.unwrap();
    // The tag moves, which takes the name of what it pointed at.
    push(&store, "b", &sample("three"), &["y"]).await.unwrap();
    let told = Collection { effect: Effect::Told, ..unnamed(Duration::ZERO) };
    let told = store.collect(&told).await.unwrap();
    assert!(has(&store, &two));
    let done = collect(&store, Duration::ZERO).await;
    assert_eq!(told, done);
    let gone: Vec<_> = done.manifests.iter().map(|gone| (gone.repository.as_str(), &gone.digest)).collect();
    assert_eq!(gone, [("a", one.manifest.digest()), ("b", two.manifest.digest())]);
    assert_eq!((done.blobs, done.bytes), (2, two.layer.size + two.manifest.bytes().len() as u64));
    assert!(!has(&store, &two));
    assert_whole(&store, "b", &Selector::Tag(tag("x"))).await;
    assert_whole(&store, "b", &Selector::Tag(tag("y"))).await;
    assert!(
        ImageSource::resolve(&store, &name("a"), &Selector::Digest(one.manifest.digest().clone()))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(listed(home.path()), ["b:x", "b:y"]);
    assert_eq!(collect(&store, Duration::ZERO).await, Collected::default());
}

#[tokio::test]
async fn what_is_named_or_attached_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let (image, child) = (sample("image"), sample("child"));
    push(&store, "a", &image, &[]).await.unwrap();
    put_content(&store, "a", &child).await.unwrap();
    store.push_manifest(&name("a"), &child.manifest, &[], TagCondition::Always).await.unwrap();
    let index = index_of(&[&child]);
    store.push_manifest(&name("a"), &index, &[tag("x")], TagCondition::Always).await.unwrap();
    let subject = serde_json::to_string(&image.manifest.descriptor()).unwrap();
    let referrer = sample_with("signature", &format!(r#""subject":{subject},"#));
    put_content(&store, "a", &referrer).await.unwrap();
    store.push_manifest(&name("a"), &referrer.manifest, &[], TagCondition::Always).await.unwrap();
    assert_eq!(collect(&store, Duration::ZERO).await.manifests, []);
    // The whole goes with its parts, and what is attached with what it is attached to.
    store.remove_tag(&name("a"), &tag("x")).await.unwrap();
    assert_eq!(collect(&store, Duration::ZERO).await.manifests.len(), 2);
    assert!(!has(&store, &child) && has(&store, &referrer));
    store.remove_manifest(&name("a"), image.manifest.digest()).await.unwrap();
    assert_eq!(collect(&store, Duration::ZERO).await.manifests.len(), 1);
    assert!(!has(&store, &referrer));
    let left = store.usage().await.unwrap();
    assert_eq!((left.blobs, left.bytes()), (0, 0));
    assert!(store.referrers(&name("a"), image.manifest.digest(), None).await.unwrap().manifests.is_empty());
}

#[tokio::test]
async fn a_running_push_keeps_what_it_put_and_what_it_found() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    // Another process has a store of its own.
    let other = quick(home.path());
    let (old, new) = (sample("old"), sample("new"));
    push(&store, "a", &old, &["x"]).await.unwrap();
    let session = other.begin_session(&name("a")).await.unwrap();
    store.remove_manifest(&name("a"), old.manifest.digest()).await.unwrap();
    assert!(present(&other, "a", &old.layer).await);
    put_blob(&other, "a", &new.layer, &new.layer_bytes).await.unwrap();
    let collected = collect(&store, Duration::ZERO).await;
    assert_eq!((collected.blobs, collected.spared_bytes), (2, old.layer.size + new.layer.size));
    for image in [&old, &new] {
        put_blob(&other, "a", &image.config, &Bytes::from_static(CONFIG)).await.unwrap();
        other.push_manifest(&name("a"), &image.manifest, &[tag("y")], TagCondition::Always).await.unwrap();
        assert_whole(&store, "a", &Selector::Tag(tag("y"))).await;
    }
    session.finish(new.manifest.digest(), Keep::ForItsTags).await.unwrap();
    // The name went on to the second, and nobody pushes any more.
    assert_eq!(collect(&store, Duration::ZERO).await.manifests.len(), 1);
    assert!(!has(&store, &old) && has(&store, &new));
}

#[tokio::test]
async fn a_push_that_was_killed_protects_nothing_but_within_the_grace() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let image = sample("image");
    let session = store.begin_session(&name("a")).await.unwrap();
    put_content(&store, "a", &image).await.unwrap();
    // As a kill leaves it: the lease is there, and nobody holds it.
    drop(session);
    assert_eq!(home.path().join("leases").read_dir().unwrap().count(), 1);
    let collected = collect(&store, Duration::from_hours(1)).await;
    assert_eq!((collected.blobs, collected.spared_bytes), (0, image.layer.size + image.config.size));
    assert!(has(&store, &image));
    assert_eq!(collect(&store, Duration::ZERO).await.blobs, 2);
    assert!(!has(&store, &image));
}

#[tokio::test]
async fn an_upload_from_outside_keeps_what_came_before_it() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let image = sample("image");
    let upload = async |bytes: &Bytes| {
        let mut upload = store.begin_upload(&name("a"), "").await.unwrap();
        upload.write(bytes.clone()).await.unwrap();
        upload
    };
    upload(&image.layer_bytes).await.commit(&image.layer.digest).await.unwrap();
    let grace = Duration::from_secs(5);
    let aged = |digest: &Digest, ago: u64| {
        let file = std::fs::File::open(store.shared.blobs.path(digest)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
    };
    aged(&image.layer.digest, 9);
    let other = upload(&Bytes::from_static(CONFIG)).await;
    let resting = other.name().to_owned();
    other.rest().await.unwrap();
    let began = |ago: u64| {
        let uploads = home.path().join("uploads");
        let note = std::fs::File::open(uploads.join(format!("incoming-{resting}.json"))).unwrap();
        note.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
    };
    // What came four seconds before an upload that still goes on belongs to the same push.
    began(5);
    assert_eq!(collect(&store, grace).await.blobs, 0);
    // To be asked whether a blob is there says that it is needed.
    aged(&image.layer.digest, 60);
    assert_eq!(store.blob_size(&name("a"), &image.layer.digest).await.unwrap(), Some(image.layer.size));
    assert_eq!(collect(&store, grace).await.blobs, 0);
    aged(&image.layer.digest, 60);
    assert_eq!(collect(&store, grace).await.blobs, 1);
    assert_eq!(store.blob_size(&name("a"), &image.layer.digest).await.unwrap(), None);
    // What nobody goes on with is given up.
    assert_eq!(store.purge_uploads(Duration::from_mins(1)).await.unwrap().uploads, 0);
    let purged = store.purge_uploads(Duration::ZERO).await.unwrap();
    assert_eq!((purged.uploads, purged.bytes), (1, CONFIG.len() as u64));
    assert!(store.reopen_upload(&name("a"), "", &resting).await.unwrap().is_none());
    assert_eq!(home.path().join("uploads").read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_manifest_that_comes_between_the_mark_and_the_sweep_keeps_all_that_it_leads_to() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let (child, other) = (sample("child"), sample("other"));
    for image in [&child, &other] {
        put_content(&store, "a", image).await.unwrap();
        store.push_manifest(&name("a"), &image.manifest, &[], TagCondition::Always).await.unwrap();
    }
    let index = index_of(&[&child]);
    store.push_manifest(&name("a"), &index, &[], TagCondition::Always).await.unwrap();
    // Nothing has a name, and all of it is marked. The index gets its name before anything is removed.
    let collection = unnamed(Duration::ZERO);
    let mut run = Run::since(store.shared.beginning(&collection).unwrap(), &collection);
    let repository = name("a");
    let inventory = store.shared.inventory(&repository).unwrap();
    let blobs = store.shared.repository(&repository).blobs().unwrap();
    let verdict = judge(&repository, &inventory, &collection, run.started);
    assert_eq!(verdict.manifests.len(), 3);
    let mut marked = Marked::of(&inventory, blobs.iter(), &verdict);
    store.push_manifest(&name("a"), &index, &[tag("x")], TagCondition::Always).await.unwrap();
    let mut gone = Vec::new();
    while let Some(sweep) = store.shared.sweep(&run, &repository, &inventory, &mut marked).unwrap() {
        gone.extend(sweep.manifests);
    }
    store.shared.collect_content(&mut run).unwrap();
    assert_eq!(gone, [other.manifest.digest().clone()]);
    assert_whole(&store, "a", &Selector::Tag(tag("x"))).await;
    assert_whole(&store, "a", &Selector::Digest(child.manifest.digest().clone())).await;
    assert!(!has(&store, &other));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_and_removals_go_on_while_collection_never_rests() {
    let home = tempfile::tempdir().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let collector = {
        let (store, over) = (quick(home.path()), Arc::clone(&over));
        tokio::spawn(async move {
            let mut freed = 0;
            while !over.load(Ordering::SeqCst) {
                freed += collect(&store, Duration::ZERO).await.blobs;
            }
            freed
        })
    };
    let mut pushes = tokio::task::JoinSet::new();
    for process in 0..3 {
        // A store of its own, as another process has; the same few layers again and again, everywhere.
        let store = quick(home.path());
        pushes.spawn(async move {
            for round in 0..25 {
                let (image, kept) = (sample(&format!("{}", round % 3)), sample(&format!("{process}")));
                let repository = if round % 2 == 0 { "a" } else { "b" };
                let own = format!("{process}-{round}");
                push(&store, repository, &image, &[&own]).await.unwrap();
                push(&store, repository, &kept, &["kept"]).await.unwrap();
                assert_whole(&store, repository, &Selector::Tag(tag(&own))).await;
                store.remove_tag(&name(repository), &tag(&own)).await.unwrap();
            }
        });
    }
    while let Some(pushed) = pushes.join_next().await {
        pushed.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    assert!(collector.await.unwrap() > 0, "nothing was ever collected");
    let store = quick(home.path());
    collect(&store, Duration::ZERO).await;
    for image in store.images(Untagged::Shown).await.unwrap() {
        assert_eq!(image.tag, Some(tag("kept")));
        assert_whole(&store, image.repository.as_str(), &Selector::Digest(image.digest)).await;
    }
    assert_eq!(listed(home.path()), ["a:kept", "b:kept"]);
}

#[tokio::test]
async fn where_a_manifest_cannot_be_read_no_blob_goes() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let (image, other) = (sample("image"), sample("other"));
    push(&store, "a", &image, &["x"]).await.unwrap();
    put_content(&store, "a", &other).await.unwrap();
    std::fs::write(store.shared.blobs.path(image.manifest.digest()), "{}").unwrap();
    let collected = collect(&store, Duration::ZERO).await;
    assert_eq!((collected.blobs, collected.unreadable), (0, vec![name("a")]));
    push(&store, "a", &image, &["x"]).await.unwrap();
    assert_eq!(collect(&store, Duration::ZERO).await.blobs, 1);
    assert_whole(&store, "a", &Selector::Tag(tag("x"))).await;
}

#[tokio::test]
async fn what_is_damaged_is_set_aside_and_comes_again() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let image = sample("image");
    push(&store, "a", &image, &["x"]).await.unwrap();
    let whole = store.usage().await.unwrap();
    assert_eq!((whole.blobs, whole.upload_bytes), (3, 0));
    assert_eq!(store.scrub().await.unwrap(), Scrubbed { blobs: 3, bytes: whole.blob_bytes, ..Scrubbed::default() });
    for damaged in [&image.layer.digest, image.manifest.digest()] {
        let path = store.shared.blobs.path(damaged);
        let mut content = std::fs::read(&path).unwrap();
        content[0] ^= 1;
        std::fs::write(&path, content).unwrap();
        assert_eq!(store.scrub().await.unwrap().damaged, std::slice::from_ref(damaged));
        assert!(home.path().join(format!("damaged/sha256-{}", damaged.hex())).exists());
    }
    // Both are as what is missing, for those that pull and for those that push.
    assert_eq!(store.blob_size(&name("a"), &image.layer.digest).await.unwrap(), None);
    assert!(ImageSource::resolve(&store, &name("a"), &Selector::Tag(tag("x"))).await.unwrap().is_none());
    push(&store, "a", &image, &["x"]).await.unwrap();
    assert_whole(&store, "a", &Selector::Tag(tag("x"))).await;
    assert_eq!(store.scrub().await.unwrap().damaged, []);
    assert_eq!(store.usage().await.unwrap(), Usage { uploads: 0, ..whole });
}

#[tokio::test]
async fn retention_takes_tags_and_the_index_follows() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    for (number, repository) in [(1, "a"), (2, "a"), (3, "a"), (4, "b/c")] {
        push(&store, repository, &sample(&format!("{number}")), &[&format!("v{number}")]).await.unwrap();
        let time = SystemTime::now() - Duration::from_hours(10 - number);
        let file = home.path().join(format!("repositories/{repository}/_tags/v{number}"));
        std::fs::File::open(file).unwrap().set_modified(time).unwrap();
    }
    let rule = |keep| RetentionRule { keep: Some(keep), ..RetentionRule::default() };
    let collected = store.collect(&Collection { rules: vec![rule(1)], ..unnamed(Duration::ZERO) }).await.unwrap();
    assert_eq!(collected.tags.iter().map(|gone| gone.tag.as_str()).collect::<Vec<_>>(), ["v2", "v1"]);
    assert_eq!(listed(home.path()), ["a:v3", "b/c:v4"]);
    assert_eq!(collected.manifests.len(), 2);
}

#[tokio::test]
async fn whichever_call_fails_collection_takes_nothing_that_is_needed() {
    let (gone, kept) = (sample("gone"), sample("kept"));
    for failing in Failing::ALL {
        for fails_at in 0.. {
            let home = tempfile::tempdir().unwrap();
            let store = quick(home.path());
            push(&store, "a", &gone, &["x"]).await.unwrap();
            push(&store, "a", &kept, &["y"]).await.unwrap();
            store.remove_tag(&name("a"), &tag("x")).await.unwrap();
            let disk = FaultyDisk::new(fails_at, failing, io::ErrorKind::Other);
            let faulty = Store::open(home.path(), Arc::new(disk.clone())).unwrap();
            let collected = faulty.collect(&unnamed(Duration::ZERO)).await;
            assert_eq!(collected.is_err(), disk.has_failed(), "{failing:?} {fails_at}");
            assert_whole(&store, "a", &Selector::Tag(tag("y"))).await;
            collect(&store, Duration::ZERO).await;
            assert!(!has(&store, &gone));
            if !disk.has_failed() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn images_say_what_they_share() {
    let home = tempfile::tempdir().unwrap();
    let store = quick(home.path());
    let (one, two) = (sample("one"), sample("two"));
    push(&store, "a", &one, &["x", "y"]).await.unwrap();
    push(&store, "b", &two, &["x"]).await.unwrap();
    let images = store.images(Untagged::Hidden).await.unwrap();
    let shared: Vec<u64> = images.iter().map(|image| image.shared).collect();
    assert_eq!(shared, [one.config.size; 3], "the config alone is the same");
    store.remove_manifest(&name("b"), two.manifest.digest()).await.unwrap();
    let images = store.images(Untagged::Hidden).await.unwrap();
    assert!(images.iter().all(|image| image.shared == 0), "two tags of one image share nothing with each other");
}
