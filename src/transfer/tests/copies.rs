//! Whole copies: what arrives, and what it costs.

use std::sync::Arc;

use super::place::Place;
use super::support::{Builder, content, copy, engine, name};
use crate::failure::{Failure, FailureKind};
use crate::files::LocalDisk;
use crate::image::{Attached, Descriptor, Digest, RawManifest, Selector};
use crate::registry::{ImageSource, Remover};
use crate::store::{Store, Untagged};
use crate::transfer::{Clobber, Destination, Job, Options};

fn describe(manifest: &RawManifest, platform: &str) -> Descriptor {
    Descriptor { platform: Some(platform.parse().unwrap()), ..manifest.descriptor() }
}

/// An index of two platforms, two layers each, tagged `v1`.
async fn index(place: &Place, repository: &str) -> (RawManifest, [RawManifest; 2]) {
    let builder = Builder::new(place, repository);
    let a = builder.image(&[b"shared", b"amd64"], "").await;
    let b = builder.image(&[b"shared", b"arm64"], "").await;
    let index = builder.index(&[describe(&a, "linux/amd64"), describe(&b, "linux/arm64")], "").await;
    builder.tag(&index, "v1").await;
    (index, [a, b])
}

async fn manifest_at(place: &Place, repository: &str, digest: &Digest) -> RawManifest {
    place.inner.manifest(&name(repository), &Selector::Digest(digest.clone())).await.unwrap()
}

#[tokio::test]
async fn an_image_costs_one_look_and_one_read() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let image = builder.image(&[&content(100, 1), &content(300_000, 2), &content(3_000_000, 3)], "").await;
    builder.tag(&image, "v1").await;
    let report = copy(&a.source("app", "v1"), &b.destination("copy", &["x", "y"])).await.unwrap();
    assert_eq!(a.requests(), "4 blob, manifest");
    assert_eq!(b.requests(), "4 begin, push, 2 resolve");
    assert_eq!(report.digest, *image.digest());
    assert_eq!((report.blobs.sent.count, report.blobs.sent.bytes, report.manifests), (4, 3_300_114, 1));
    assert!(!report.unchanged);
    assert_eq!(manifest_at(&b, "copy", image.digest()).await.bytes(), image.bytes());
    assert_eq!(
        (b.tagged("copy", "x").await, b.tagged("copy", "y").await),
        (Some(image.digest().clone()), Some(image.digest().clone()))
    );

    let again = copy(&a.source("app", "v1"), &b.destination("copy", &["x"])).await.unwrap();
    assert!(again.unchanged);
    assert_eq!((a.requests(), b.requests()), ("resolve".to_owned(), "resolve".to_owned()));
    let by_digest = copy(&a.source("app", &image.digest().to_string()), &b.destination("copy", &["x"])).await.unwrap();
    assert!(by_digest.unchanged);
    assert_eq!((a.requests(), b.requests()), (String::new(), "resolve".to_owned()));

    builder.tag(&image, "v2").await;
    let present = copy(&a.source("app", "v2"), &b.destination("copy", &["v2"])).await.unwrap();
    assert_eq!(present.blobs.present.count, 4);
    assert_eq!((a.requests(), b.requests()), ("manifest".to_owned(), "4 begin, push, resolve".to_owned()));
}

#[tokio::test]
async fn an_index_comes_whole_and_shared_blobs_go_once() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let (index, children) = index(&a, "app").await;
    let report = copy(&a.source("app", "v1"), &b.destination("app", &["v1"])).await.unwrap();
    assert_eq!(report.blobs.sent.count, 4, "two configs are one, two shared layers are one");
    assert_eq!(report.manifests, 3);
    assert_eq!((a.requests(), b.requests()), ("4 blob, 3 manifest".to_owned(), "4 begin, 3 push, resolve".to_owned()));
    for manifest in children.iter().chain([&index]) {
        assert_eq!(manifest_at(&b, "app", manifest.digest()).await.bytes(), manifest.bytes());
    }
}

#[tokio::test]
async fn within_a_registry_blobs_are_mounted_and_within_a_repository_nothing_moves() {
    let a = Place::new("a");
    let (root, _) = index(&a, "app").await;
    let report = copy(&a.source("app", "v1"), &a.destination("other", &["v1"])).await.unwrap();
    assert_eq!(report.blobs.mounted.count, 4);
    assert_eq!(a.requests(), "3 manifest, 4 mount, 3 push, resolve");

    let report = copy(&a.source("app", "v1"), &a.destination("app", &["stable", "latest"])).await.unwrap();
    assert_eq!(a.requests(), "manifest, push");
    assert_eq!((report.manifests, report.blobs.present.count), (1, 0));
    assert_eq!(a.tagged("app", "stable").await.as_ref(), Some(root.digest()));
}

#[tokio::test]
async fn to_this_computer_a_fresh_image_is_read_by_tag_and_a_known_one_only_named() {
    let (a, store) = (Place::new("a"), Place::local("store"));
    let image = Builder::new(&a, "app").image(&[b"one"], "").await;
    Builder::new(&a, "app").tag(&image, "v1").await;
    copy(&a.source("app", "v1"), &store.destination("a/app", &["v1"])).await.unwrap();
    assert_eq!(a.requests(), "2 blob, manifest");
    store.requests();
    copy(&a.source("app", "v1"), &store.destination("a/app", &["v2"])).await.unwrap();
    assert_eq!((a.requests(), store.requests()), ("manifest".to_owned(), "push, 2 resolve".to_owned()));
}

#[tokio::test]
async fn a_platform_is_the_image_for_it() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let (root, [_, arm]) = index(&a, "app").await;
    let options = Options { platforms: vec!["linux/arm64".parse().unwrap()], ..Options::default() };
    let go =
        || async { engine().copy(&a.source("app", "v1"), &b.destination("app", &["v1"]), &options).await.unwrap() };
    let report = go().await;
    assert_eq!((&report.digest, report.narrowed_from.as_ref()), (arm.digest(), Some(root.digest())));
    assert_eq!((a.requests(), b.requests()), ("3 blob, 2 manifest".to_owned(), "3 begin, push, resolve".to_owned()));
    assert!(go().await.unchanged);
    assert_eq!((a.requests(), b.requests()), ("manifest".to_owned(), "resolve".to_owned()));
}

#[tokio::test]
async fn what_is_attached_comes_along_and_later_only_what_is_new() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let (root, children) = index(&a, "app").await;
    let signature = builder.attach(&root, b"signature").await;
    let of_signature = builder.attach(&signature, b"timestamp").await;
    let of_child = builder.attach(&children[0], b"sbom").await;
    let engine = engine();
    let go = async |attached| {
        let options = Options { attached, ..Options::default() };
        engine.copy(&a.source("app", "v1"), &b.destination("app", &["v1"]), &options).await.unwrap()
    };
    let digests = |report: &crate::transfer::TransferReport| {
        report.attached.iter().map(|item| (item.digest.clone(), item.present)).collect::<Vec<_>>()
    };
    let report = go(Attached::Image).await;
    assert_eq!(report.attached.len(), 2, "{:?}", report.attached);
    for artifact in [&signature, &of_signature] {
        assert_eq!(manifest_at(&b, "app", artifact.digest()).await.bytes(), artifact.bytes());
    }
    let report = go(Attached::All).await;
    assert!(digests(&report).contains(&(of_child.digest().clone(), false)));
    assert!(digests(&report).contains(&(signature.digest().clone(), true)));

    let late = builder.attach(&root, b"late").await;
    a.requests();
    b.requests();
    let report = go(Attached::Image).await;
    assert_eq!(report.manifests, 1);
    assert!(digests(&report).contains(&(late.digest().clone(), false)));
    let report = go(Attached::Image).await;
    assert!(report.unchanged && report.attached.len() == 3);
}

#[tokio::test]
async fn without_a_list_of_referrers_cosigns_tags_are_looked_for() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let image = builder.image(&[b"layer"], "").await;
    builder.tag(&image, "v1").await;
    let signature = builder.image(&[b"signature"], "").await;
    let sig_tag = format!("sha256-{}.sig", image.digest().hex());
    builder.tag(&signature, &sig_tag).await;
    a.fault(|faults| faults.no_referrers = true);
    let options = Options { attached: Attached::Image, ..Options::default() };
    let report = engine().copy(&a.source("app", "v1"), &b.destination("app", &["v1"]), &options).await.unwrap();
    assert_eq!(report.attached.len(), 1);
    assert_eq!(b.tagged("app", &sig_tag).await.as_ref(), Some(signature.digest()));
    assert_eq!(a.requests(), "3 blob, 2 manifest, 2 referrers, 3 resolve", "three looks for tags");
}

#[tokio::test]
async fn several_images_share_their_work_and_one_that_fails_stops_no_other() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    for repository in ["one", "two"] {
        let builder = Builder::new(&a, repository);
        let image = builder.image(&[b"shared by both", repository.as_bytes()], "").await;
        builder.tag(&image, "v1").await;
    }
    let job = |from: &str, to: &str| Job {
        source: a.source(from, "v1"),
        destinations: vec![b.destination(to, &["v1"])],
        options: Options::default(),
    };
    let jobs = [job("one", "x"), job("none", "x"), job("two", "y")];
    let mut results = Vec::new();
    engine().copy_each(&jobs, |job, _, result| results.push((job.source.shown.clone(), result))).await;
    assert_eq!(
        results.iter().map(|(shown, _)| shown.as_str()).collect::<Vec<_>>(),
        ["a/one:v1", "a/none:v1", "a/two:v1"]
    );
    assert_eq!(results[1].1.as_ref().expect_err("it is not there").kind(), FailureKind::NotFound);
    let sent = |n: usize| results[n].1.as_ref().unwrap().blobs;
    assert_eq!(sent(0).sent.count + sent(2).sent.count, 4, "the shared two went once");
    assert_eq!(sent(0).mounted.count + sent(2).mounted.count, 2);
}

#[tokio::test]
async fn a_tag_that_is_not_to_be_moved_stays() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let (_, _) = index(&a, "app").await;
    let other = Builder::new(&b, "app").image(&[b"other"], "").await;
    Builder::new(&b, "app").tag(&other, "v1").await;
    let options = Options { clobber: Clobber::Refuse, ..Options::default() };
    let error =
        engine().copy(&a.source("app", "v1"), &b.destination("app", &["v1"]), &options).await.expect_err("it is there");
    assert!(error.to_string().starts_with("the tag `v1` exists"), "{error}");
    assert_eq!(b.tagged("app", "v1").await.as_ref(), Some(other.digest()));
    engine().copy(&a.source("app", "v1"), &b.destination("app", &["v2"]), &options).await.unwrap();
    let again = engine().copy(&a.source("app", "v1"), &b.destination("app", &["v2"]), &options).await.unwrap();
    assert!(again.unchanged, "what points there already is no conflict");
}

#[tokio::test]
async fn what_is_there_already_is_named_when_it_comes_by_its_digest() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Arc::new(LocalDisk)).unwrap();
    let a = Place::new("a");
    let (index, [child, _]) = index(&a, "app").await;
    let into = |tags: &[&str]| Destination { registry: Arc::new(store.clone()), ..a.destination("app", tags) };
    copy(&a.source("app", "v1"), &into(&["v1"])).await.unwrap();
    for image in [&index, &child, &child] {
        let report = copy(&a.source("app", &image.digest().to_string()), &into(&[])).await.unwrap();
        assert!(report.unchanged);
    }
    store.remove_tag(&name("app"), &"v1".parse().unwrap()).await.unwrap();
    let mut kept: Vec<Digest> =
        store.images(Untagged::Hidden).await.unwrap().into_iter().map(|image| image.digest).collect();
    let mut named = [index.digest().clone(), child.digest().clone()];
    kept.sort();
    named.sort();
    assert_eq!(kept, named);
}

#[tokio::test]
async fn foreign_layers_stay_where_they_are() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let foreign = Descriptor {
        media_type: crate::image::MediaType::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        urls: vec!["http://169.254.169.254/layer".to_owned()],
        ..Descriptor::of(crate::image::MediaType::oci_config(), b"not here")
    };
    let (config, layer) = (builder.blob(b"{}").await, builder.blob(b"layer").await);
    let image = builder.image_of(&config, &[foreign, layer], "").await;
    builder.tag(&image, "v1").await;
    let report = copy(&a.source("app", "v1"), &b.destination("app", &["v1"])).await.unwrap();
    assert_eq!((report.blobs.sent.count, report.blobs.skipped.count, report.blobs.skipped.bytes), (2, 1, 8));
}

#[tokio::test]
async fn what_is_foreign_in_one_place_alone_travels() {
    let (a, b) = (Place::new("a"), Place::new("b"));
    let builder = Builder::new(&a, "app");
    let (config, layer) = (builder.blob(b"{}").await, builder.blob(b"layer").await);
    let foreign = Descriptor {
        media_type: crate::image::MediaType::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        urls: vec!["https://example.com/layer".to_owned()],
        ..layer.clone()
    };
    let image = builder.image_of(&config, &[foreign, layer], "").await;
    builder.tag(&image, "v1").await;
    let report = copy(&a.source("app", "v1"), &b.destination("app", &["v1"])).await.unwrap();
    assert_eq!((report.blobs.sent.count, report.blobs.skipped.count), (2, 0));
    assert_eq!(b.requests(), "2 begin, push, resolve");
}

#[test]
fn a_copy_can_be_moved_between_threads() {
    fn sendable<T: Send>(_: T) {}
    let place = Place::new("a");
    let (source, destination, options) = (place.source("a", "b"), place.destination("a", &["b"]), Options::default());
    let engine = engine();
    sendable(engine.copy(&source, &destination, &options));
    let jobs = [Job { source: source.clone(), destinations: vec![destination.clone()], options: options.clone() }];
    sendable(engine.copy_each(&jobs, |_, _, _| {}));
}
