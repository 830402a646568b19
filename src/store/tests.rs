mod changes;
mod power;
mod upkeep;

use std::io;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;

use super::*;
use crate::blobs::read_index;
use crate::files::{Failing, FaultyDisk, LocalDisk};
use crate::image::{Algorithm, Descriptor, Digest, MediaType, RawManifest, StoreSelector, Tag};
use crate::registry::{
    Begun, ByteRange, Catalog as _, ImageDestination, ImageSource, Keep, Remover as _, TagCondition,
};

const CONFIG: &[u8] =
    br#"{"architecture":"amd64","os":"linux","created":"2026-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[]}}"#;

/// An image in memory: what is needed to push it.
struct Sample {
    config: Descriptor,
    layer: Descriptor,
    layer_bytes: Bytes,
    manifest: RawManifest,
}

fn sample(layer: &str) -> Sample {
    sample_with(layer, "")
}

/// An image whose manifest has more fields.
fn sample_with(layer: &str, fields: &str) -> Sample {
    let config = Descriptor::of(MediaType::oci_config(), CONFIG);
    let layer_bytes = Bytes::copy_from_slice(layer.as_bytes());
    let layer = Descriptor::of(MediaType::new("application/vnd.oci.image.layer.v1.tar"), &layer_bytes);
    let json = |descriptor| serde_json::to_string(descriptor).unwrap();
    let text = format!(r#"{{"schemaVersion":2,{fields}"config":{},"layers":[{}]}}"#, json(&config), json(&layer));
    let manifest = RawManifest::parse(text.into(), Some(&MediaType::oci_manifest()), Algorithm::Sha256).unwrap();
    Sample { config, layer, layer_bytes, manifest }
}

fn index_of(children: &[&Sample]) -> RawManifest {
    let entries: Vec<Descriptor> = children.iter().map(|child| child.manifest.descriptor()).collect();
    let text = format!(r#"{{"schemaVersion":2,"manifests":{}}}"#, serde_json::to_string(&entries).unwrap());
    RawManifest::parse(text.into(), Some(&MediaType::oci_index()), Algorithm::Sha256).unwrap()
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn open(root: &Path) -> Store {
    Store::open(root, Arc::new(LocalDisk)).unwrap()
}

/// The store on a disk that does not really sync.
fn quick(root: &Path) -> Store {
    Store::open(root, Arc::new(FaultyDisk::healthy())).unwrap()
}

async fn put_blob(store: &Store, repository: &str, blob: &Descriptor, bytes: &Bytes) -> Result<()> {
    match store.begin_blob(&name(repository), blob, None, None).await? {
        Begun::Present | Begun::Mounted => Ok(()),
        Begun::Upload(mut upload) => {
            upload.write(bytes.slice(usize::try_from(upload.offset()).unwrap()..)).await?;
            upload.commit().await
        }
    }
}

async fn put_content(store: &Store, repository: &str, image: &Sample) -> Result<()> {
    put_blob(store, repository, &image.config, &Bytes::from_static(CONFIG)).await?;
    put_blob(store, repository, &image.layer, &image.layer_bytes).await
}

/// Pushes an image as a transfer does.
async fn push(store: &Store, repository: &str, image: &Sample, tags: &[&str]) -> Result<()> {
    let session = store.begin_session(&name(repository)).await?;
    put_content(store, repository, image).await?;
    let tags: Vec<Tag> = tags.iter().copied().map(tag).collect();
    store.push_manifest(&name(repository), &image.manifest, &tags, TagCondition::Always).await?;
    let keep = if tags.is_empty() { Keep::ForItsDigest } else { Keep::ForItsTags };
    session.finish(image.manifest.digest(), keep).await
}

/// Reads an image back whole, and fails where anything of it is not what it should be.
async fn assert_whole(store: &Store, repository: &str, selector: &Selector) {
    let manifest = store.manifest(&name(repository), selector).await.unwrap();
    for blob in manifest.manifest().blobs() {
        let mut reader = store.blob(&name(repository), blob, ByteRange::ALL).await.unwrap();
        let mut whole = BytesMut::new();
        while let Some(piece) = reader.next().await.unwrap() {
            whole.extend_from_slice(&piece);
        }
        assert_eq!(Digest::of(&whole), blob.digest);
    }
}

fn listed(root: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        read_index(root).unwrap().entries().iter().filter_map(|entry| entry.name().map(str::to_owned)).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_pushed_can_be_read_and_listed() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("layer");
    push(&store, "docker.io/library/alpine", &image, &["3.20", "V1", "v1"]).await.unwrap();
    push(&store, "docker.io/library", &sample("other"), &["latest"]).await.unwrap();

    let repository = name("docker.io/library/alpine");
    let by_tag = ImageSource::resolve(&store, &repository, &Selector::Tag(tag("3.20"))).await.unwrap().unwrap();
    assert_eq!(by_tag, image.manifest.descriptor());
    let by_digest = Selector::Digest(image.manifest.digest().clone());
    assert_eq!(store.manifest(&repository, &by_digest).await.unwrap().bytes(), image.manifest.bytes());
    assert_whole(&store, "docker.io/library/alpine", &by_digest).await;
    let tags: Vec<Vec<Tag>> = store.tags(&repository).try_collect().await.unwrap();
    assert_eq!(tags, [["3.20", "V1", "v1"].map(tag)]);
    let repositories: Vec<_> = store.repositories().try_concat().await.unwrap();
    assert_eq!(repositories, [name("docker.io/library"), repository.clone()]);
    let expected = ["library/alpine:3.20", "library/alpine:V1", "library/alpine:v1", "library:latest"];
    assert_eq!(listed(home.path()), expected.map(|name| format!("docker.io/{name}")));
    let nothing = ImageSource::resolve(&store, &name("a"), &Selector::Tag(tag("x"))).await.unwrap();
    assert_eq!(nothing, None);
    assert_eq!(store.tags(&name("a")).try_concat().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nothing_is_written_before_the_first_push() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("store");
    let store = open(&root);
    assert!(store.images(Untagged::Shown).await.unwrap().is_empty());
    assert!(!root.exists());
    push(&store, "a", &sample("layer"), &["x"]).await.unwrap();
    assert!(root.join("oci-layout").exists() && root.join("index.json").exists());
    assert_eq!(std::fs::read_dir(root.join("leases")).unwrap().count(), 0);
    open(&root);
}

#[test]
fn other_directories_and_newer_stores_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let open = || Store::open(home.path(), Arc::new(LocalDisk)).map(|_| ()).unwrap_err();
    std::fs::write(home.path().join("thesis.tex"), "").unwrap();
    assert_eq!(open().kind(), ErrorKind::Conflict);
    std::fs::write(home.path().join("store.json"), r#"{"format":2,"more":true}"#).unwrap();
    let error = open();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("format 2"), "{error}");
}

#[tokio::test]
async fn a_blob_is_seen_only_where_it_belongs_and_is_kept_once() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("layer");
    push(&store, "a", &image, &["x"]).await.unwrap();
    assert!(!store.has_blob(&name("b"), &image.layer).await.unwrap());
    assert_eq!(store.blob(&name("b"), &image.layer, ByteRange::ALL).await.unwrap_err().kind(), ErrorKind::NotFound);
    let begun = store.begin_blob(&name("b"), &image.layer, Some(&name("a")), None).await.unwrap();
    assert!(matches!(begun, Begun::Mounted));
    assert!(store.has_blob(&name("b"), &image.layer).await.unwrap());
    let begun = store.begin_blob(&name("b"), &image.layer, None, None).await.unwrap();
    assert!(matches!(begun, Begun::Present));
    // A blob that the disk lost has to travel again, whatever the facts say.
    std::fs::remove_file(store.shared.blobs.path(&image.layer.digest)).unwrap();
    assert!(!store.has_blob(&name("a"), &image.layer).await.unwrap());
    push(&store, "a", &image, &["x"]).await.unwrap();
    assert_whole(&store, "a", &Selector::Tag(tag("x"))).await;
}

#[tokio::test]
async fn a_manifest_needs_its_content_and_a_condition_guards_its_tags() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("layer");
    let push_as = async |manifest: &RawManifest, condition| {
        store.push_manifest(&name("a"), manifest, &[tag("x")], condition).await
    };
    let error = push_as(&image.manifest, TagCondition::Always).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingBlobs);
    assert_eq!(error.missing(), [image.config.digest.clone(), image.layer.digest.clone()]);
    let error = push_as(&index_of(&[&image]), TagCondition::Always).await.unwrap_err();
    assert_eq!(error.missing(), [image.manifest.digest().clone()]);
    assert!(listed(home.path()).is_empty());
    put_content(&store, "a", &image).await.unwrap();
    push_as(&image.manifest, TagCondition::Absent).await.unwrap();
    assert_eq!(listed(home.path()), ["a:x"], "without a session the index follows at once");
    assert_eq!(push_as(&image.manifest, TagCondition::Absent).await.unwrap_err().kind(), ErrorKind::Conflict);
    push_as(&image.manifest, TagCondition::Always).await.unwrap();
}

#[tokio::test]
async fn what_came_by_digest_is_kept_as_named() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let (one, two, three) = (sample("one"), sample("two"), sample("three"));
    let index = index_of(&[&one, &two]);
    let session = store.begin_session(&name("a")).await.unwrap();
    for child in [&one, &two] {
        put_content(&store, "a", child).await.unwrap();
        store.push_manifest(&name("a"), &child.manifest, &[], TagCondition::Always).await.unwrap();
    }
    store.push_manifest(&name("a"), &index, &[], TagCondition::Always).await.unwrap();
    assert!(listed(home.path()).is_empty(), "the index follows when the session ends");
    session.finish(index.digest(), Keep::ForItsDigest).await.unwrap();
    assert_eq!(listed(home.path()), [format!("a@{}", index.digest())]);
    // Neither does what has a tag too lose that name when the tag moves.
    push(&store, "a", &two, &["y"]).await.unwrap();
    let session = store.begin_session(&name("a")).await.unwrap();
    session.finish(two.manifest.digest(), Keep::ForItsDigest).await.unwrap();
    push(&store, "a", &one, &["y"]).await.unwrap();
    let named = [format!("a@{}", index.digest()), format!("a@{}", two.manifest.digest())];
    assert!(named.iter().all(|name| listed(home.path()).contains(name)));
    store.remove_manifest(&name("a"), two.manifest.digest()).await.unwrap();
    store.remove_tag(&name("a"), &tag("y")).await.unwrap();
    // What lost its tag is not named any more.
    push(&store, "a", &three, &["x"]).await.unwrap();
    push(&store, "a", &one, &["x"]).await.unwrap();
    assert_eq!(listed(home.path()), ["a:x".to_owned(), format!("a@{}", index.digest())]);

    let shown = |images: Vec<KeptImage>| -> Vec<_> {
        images.into_iter().map(|image| (image.tag.map(|tag| tag.to_string()), image.digest)).collect()
    };
    let x = (Some("x".to_owned()), one.manifest.digest().clone());
    let by_digest = (None, index.digest().clone());
    assert_eq!(shown(store.images(Untagged::Hidden).await.unwrap()), [x.clone(), by_digest.clone()]);
    let mut untagged = [by_digest, (None, three.manifest.digest().clone())];
    untagged.sort();
    let all = shown(store.images(Untagged::Shown).await.unwrap());
    assert_eq!((&all[0], &all[1..]), (&x, &untagged[..]));
}

#[tokio::test]
async fn what_comes_by_digest_is_kept_though_another_push_ends_first() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("one");
    let session = store.begin_session(&name("a")).await.unwrap();
    put_content(&store, "a", &image).await.unwrap();
    store.push_manifest(&name("a"), &image.manifest, &[], TagCondition::Always).await.unwrap();
    push(&store, "a", &sample("two"), &[]).await.unwrap();
    session.finish(image.manifest.digest(), Keep::ForItsDigest).await.unwrap();
    assert_eq!(listed(home.path()).len(), 2);
    // What is removed is not named any more.
    store.remove_manifest(&name("a"), image.manifest.digest()).await.unwrap();
    assert_eq!(listed(home.path()), [format!("a@{}", sample("two").manifest.digest())]);
}

#[tokio::test]
async fn images_are_described() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("layer");
    push(&store, "a", &image, &["x"]).await.unwrap();
    let found = store.images(Untagged::Hidden).await.unwrap().remove(0);
    assert_eq!(found.size, image.manifest.bytes().len() as u64 + image.config.size + image.layer.size);
    assert_eq!(found.created, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    assert!(found.stored.is_some());
    let select = async |text: &str| store.select(&name("a"), &StoreSelector::Prefix(text.parse().unwrap())).await;
    let digest = image.manifest.digest();
    assert_eq!(select(&format!("sha256:{}", digest.short())).await.unwrap(), Selector::Digest(digest.clone()));
    assert_eq!(select("sha256:0000000").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_truncated_digest_of_several_manifests_names_them() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let facts = home.path().join("repositories/a/_manifests");
    std::fs::create_dir_all(&facts).unwrap();
    let digests = ["0", "1"].map(|end| format!("abcdef{}{end}", "0".repeat(57)));
    for digest in &digests {
        std::fs::write(facts.join(format!("sha256-{digest}")), "{}").unwrap();
    }
    let selector = StoreSelector::Prefix("sha256:abcdef0".parse().unwrap());
    let error = store.select(&name("a"), &selector).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let hints = crate::failure::Failure::hints(&error).join("");
    assert!(digests.iter().all(|digest| hints.contains(digest)), "{hints}");
}

#[tokio::test]
async fn referrers_are_found_by_subject_and_type() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("layer");
    push(&store, "a", &image, &["x"]).await.unwrap();
    let subject = serde_json::to_string(&image.manifest.descriptor()).unwrap();
    let fields = format!(r#""subject":{subject},"artifactType":"a/b","annotations":{{"k":"v"}},"#);
    let referrer = sample_with("signature", &fields);
    put_content(&store, "a", &referrer).await.unwrap();
    store.push_manifest(&name("a"), &referrer.manifest, &[], TagCondition::Always).await.unwrap();
    let find = async |artifact_type| {
        store.referrers(&name("a"), image.manifest.digest(), artifact_type).await.unwrap().manifests
    };
    let found = find(None).await;
    assert_eq!((found.len(), found[0].annotations["k"].as_str()), (1, "v"));
    assert_eq!(found[0].digest, *referrer.manifest.digest());
    assert_eq!((find(Some("a/b")).await.len(), find(Some("c/d")).await.len()), (1, 0));
    assert_eq!(store.images(Untagged::Shown).await.unwrap().len(), 1, "what is attached is no image of its own");
    store.remove_manifest(&name("a"), referrer.manifest.digest()).await.unwrap();
    assert!(find(None).await.is_empty());
}

#[tokio::test]
async fn tags_and_manifests_can_be_removed() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("layer");
    push(&store, "a", &image, &["x", "y", "z"]).await.unwrap();
    store.remove_tag(&name("a"), &tag("x")).await.unwrap();
    assert_eq!(listed(home.path()), ["a:y", "a:z"]);
    assert_eq!(store.remove_tag(&name("a"), &tag("x")).await.unwrap_err().kind(), ErrorKind::NotFound);
    store.remove_manifest(&name("a"), image.manifest.digest()).await.unwrap();
    assert!(listed(home.path()).is_empty());
    let error = store.remove_manifest(&name("a"), image.manifest.digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(store.repositories().try_concat().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_manifest_is_not_handed_out() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let image = sample("layer");
    push(&store, "a", &image, &["x"]).await.unwrap();
    std::fs::write(store.shared.blobs.path(image.manifest.digest()), "{}").unwrap();
    let error = store.manifest(&name("a"), &Selector::Tag(tag("x"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    push(&store, "a", &image, &["x"]).await.unwrap();
    assert_whole(&store, "a", &Selector::Tag(tag("x"))).await;
}

#[tokio::test]
async fn the_index_of_a_push_that_was_killed_is_made_good_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let session = store.begin_session(&name("a")).await.unwrap();
    let image = sample("one");
    put_content(&store, "a", &image).await.unwrap();
    store.push_manifest(&name("a"), &image.manifest, &[tag("x")], TagCondition::Always).await.unwrap();
    drop(session);
    drop(store);
    let store = open(home.path());
    push(&store, "b", &sample("two"), &["y"]).await.unwrap();
    assert_eq!(listed(home.path()), ["a:x", "b:y"]);
    assert_eq!(std::fs::read_dir(home.path().join("leases")).unwrap().count(), 0);
    // And so is one that another program broke.
    std::fs::write(home.path().join("index.json"), "{").unwrap();
    push(&store, "b", &sample("two"), &["z"]).await.unwrap();
    assert_eq!(listed(home.path()), ["a:x", "b:y", "b:z"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_41_pushes_at_the_same_time_lose_nothing_of_each_other() {
    let home = tempfile::tempdir().unwrap();
    let mut pushes = tokio::task::JoinSet::new();
    for process in 0..4 {
        // A store of its own, as another process has.
        let store = open(home.path());
        pushes.spawn(async move {
            for round in 0..3 {
                push(&store, "a", &sample("shared"), &[&format!("{process}-{round}")]).await.unwrap();
                push(&store, &format!("b{process}"), &sample(&format!("{process}")), &["x"]).await.unwrap();
            }
        });
    }
    pushes.join_all().await;
    assert_eq!(listed(home.path()).len(), 4 * 3 + 4);
    let store = open(home.path());
    assert_eq!(store.tags(&name("a")).try_concat().await.unwrap().len(), 12);
    for image in store.images(Untagged::Shown).await.unwrap() {
        assert_whole(&store, image.repository.as_str(), &Selector::Digest(image.digest)).await;
    }
}

#[tokio::test]
async fn rows_36_and_37_whichever_call_fails_the_store_is_valid_and_a_rerun_succeeds() {
    let (old, new) = (sample("old"), sample("new"));
    for failing in Failing::ALL {
        for fails_at in 0.. {
            let home = tempfile::tempdir().unwrap();
            let fresh = fails_at % 2 == 0;
            if !fresh {
                push(&quick(home.path()), "a", &old, &["x"]).await.unwrap();
            }
            // Twice as many steps as calls, so that both the fresh and the used store meet every call.
            let disk = FaultyDisk::new(fails_at / 2, failing, io::ErrorKind::StorageFull);
            let store = Store::open(home.path(), Arc::new(disk.clone())).unwrap();
            let pushed = push(&store, "a", &new, &["x"]).await;
            drop(store);
            assert!(pushed.is_ok() || disk.has_failed(), "{failing:?} {fails_at}");

            let store = quick(home.path());
            let now = ImageSource::resolve(&store, &name("a"), &Selector::Tag(tag("x"))).await.unwrap();
            match &now {
                Some(found) if found.digest == *new.manifest.digest() => {}
                Some(found) => assert!(pushed.is_err() && !fresh && found.digest == *old.manifest.digest()),
                None => assert!(pushed.is_err() && fresh),
            }
            if now.is_some() {
                assert_whole(&store, "a", &Selector::Tag(tag("x"))).await;
            }
            push(&store, "a", &new, &["x"]).await.unwrap();
            assert_whole(&store, "a", &Selector::Tag(tag("x"))).await;
            assert_eq!(listed(home.path()), ["a:x"]);
            assert_eq!(read_index(home.path()).unwrap().entries()[0].descriptor().digest, *new.manifest.digest());
            if !disk.has_failed() {
                break;
            }
        }
    }
}
