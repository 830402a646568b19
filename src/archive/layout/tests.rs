use bytes::Bytes;

use super::*;
use crate::archive::selection::is_of_attached;
use crate::blobs::{REF_NAME, update_index};
use crate::files::{Failing, FaultyDisk};
use crate::image::{Algorithm, MediaType, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{Begun, ByteRange, ImageDestination, ImageSource, Keep, TagCondition, read_verified};

const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;

struct Sample {
    blobs: [(Descriptor, Bytes); 2],
    manifest: RawManifest,
}

fn sample(layer: &str) -> Sample {
    sample_with(layer, "")
}

fn sample_with(layer: &str, fields: &str) -> Sample {
    let config = Descriptor::of(MediaType::oci_config(), CONFIG);
    let layer_type = MediaType::new("application/vnd.oci.image.layer.v1.tar");
    let layer = (Descriptor::of(layer_type, layer.as_bytes()), Bytes::copy_from_slice(layer.as_bytes()));
    let json = |descriptor| serde_json::to_string(descriptor).unwrap();
    let text = format!(r#"{{"schemaVersion":2,{fields}"config":{},"layers":[{}]}}"#, json(&config), json(&layer.0));
    let manifest = RawManifest::parse(text.into(), Some(&MediaType::oci_manifest()), Algorithm::Sha256).unwrap();
    Sample { blobs: [(config, Bytes::from_static(CONFIG)), layer], manifest }
}

fn any() -> RepositoryName {
    "any".parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn named(name: &str) -> LayoutSelector {
    LayoutSelector::Name(name.to_owned())
}

async fn source(root: &Path, selector: LayoutSelector) -> Result<Selection> {
    Layout::open_source(root, &selector).await
}

async fn destination(root: &Path, selector: &LayoutSelector) -> Layout {
    Layout::create_destination(root, selector, Arc::new(LocalDisk)).await.unwrap()
}

/// Pushes an image as a transfer does.
async fn push(layout: &Layout, image: &Sample, tags: &[Tag]) -> Result<()> {
    let session = layout.begin_session(&any()).await?;
    for (blob, bytes) in &image.blobs {
        if let Begun::Upload(mut upload) = layout.begin_blob(&any(), blob, None, None).await? {
            upload.write(bytes.slice(usize::try_from(upload.offset()).unwrap()..)).await?;
            upload.commit().await?;
        }
    }
    layout.push_manifest(&any(), &image.manifest, tags, TagCondition::Always).await?;
    session.finish(image.manifest.digest(), Keep::ForItsTags).await
}

/// The digest of the image that a selector picks, after everything in it was read and verified.
async fn read(root: &Path, selector: LayoutSelector) -> Result<Digest> {
    let layout = source(root, selector).await?;
    let manifest = layout.manifest(&any(), &Selector::Tag(Tag::latest())).await?;
    for blob in manifest.manifest().blobs() {
        read_verified(layout.blob(&any(), blob, ByteRange::ALL).await?, blob, 1 << 20).await?;
    }
    Ok(manifest.digest().clone())
}

#[tokio::test]
async fn images_are_written_and_read_under_their_names() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("a/layout");
    let (one, two) = (sample("one"), sample("two"));
    push(&destination(&root, &named("docker.io/library/a:1")).await, &one, &[tag("x")]).await.unwrap();
    assert_eq!(read(&root, LayoutSelector::Only).await.unwrap(), *one.manifest.digest());
    // Without a tag the image gets its name at the end, and a name that is used again moves.
    push(&destination(&root, &named("../../b")).await, &one, &[]).await.unwrap();
    push(&destination(&root, &named("../../b")).await, &two, &[tag("x")]).await.unwrap();
    assert_eq!(read(&root, named("docker.io/library/a:1")).await.unwrap(), *one.manifest.digest());
    assert_eq!(read(&root, named("../../b")).await.unwrap(), *two.manifest.digest());
    let by_digest = LayoutSelector::Digest(two.manifest.digest().clone());
    assert_eq!(read(&root, by_digest).await.unwrap(), *two.manifest.digest());

    let mut files: Vec<_> = root.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["blobs", "index.json", "oci-layout"], "nothing but a layout is left behind");
    assert_eq!(home.path().read_dir().unwrap().count(), 1, "names are no paths");
}

#[tokio::test]
async fn what_is_not_clear_is_an_error_that_lists_the_names() {
    let home = tempfile::tempdir().unwrap();
    for (name, layer) in [("a", "one"), ("b\u{1b}[31m", "two")] {
        push(&destination(home.path(), &named(name)).await, &sample(layer), &[tag("x")]).await.unwrap();
    }
    for (selector, kind) in [(LayoutSelector::Only, ErrorKind::Conflict), (named("c"), ErrorKind::NotFound)] {
        let error = source(home.path(), selector).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let hints = crate::failure::Failure::hints(&error).join("");
        assert!(hints.contains(":a`") && hints.contains(":b\\u{1b}[31m`") && !hints.contains('\u{1b}'), "{hints}");
    }
    let absent = LayoutSelector::Digest(Digest::of(b"absent"));
    assert_eq!(source(home.path(), absent).await.map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
    let blob = LayoutSelector::Digest(sample("one").blobs[0].0.digest.clone());
    assert_eq!(source(home.path(), blob).await.map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_image_without_a_name_replaces_the_last_one() {
    let home = tempfile::tempdir().unwrap();
    let layout = destination(home.path(), &LayoutSelector::Only).await;
    assert_eq!(ImageDestination::resolve(&layout, &any(), &Selector::Tag(tag("x"))).await.unwrap(), None);
    for layer in ["one", "two"] {
        push(&layout, &sample(layer), &[tag("x")]).await.unwrap();
    }
    let two = sample("two").manifest;
    assert_eq!(read(home.path(), LayoutSelector::Only).await.unwrap(), *two.digest());
    let error = layout.push_manifest(&any(), &two, &[tag("x")], TagCondition::Absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let by_digest = LayoutSelector::Digest(two.digest().clone());
    let refused = Layout::create_destination(home.path(), &by_digest, Arc::new(LocalDisk)).await;
    assert_eq!(refused.map(|_| ()).unwrap_err().kind(), ErrorKind::Rejected);
}

#[tokio::test]
async fn attached_things_stand_beside_the_image() {
    let home = tempfile::tempdir().unwrap();
    let layout = destination(home.path(), &LayoutSelector::Only).await;
    let image = sample("layer");
    push(&layout, &image, &[tag("x")]).await.unwrap();
    let subject = serde_json::to_string(&image.manifest.descriptor()).unwrap();
    let referrer = sample_with("sbom", &format!(r#""subject":{subject},"artifactType":"a/b","#));
    let signature = sample("signature");
    let signature_tag = tag(&format!("sha256-{}.sig", image.manifest.digest().hex()));
    for (attached, tags) in [(&referrer, &[][..]), (&signature, std::slice::from_ref(&signature_tag))] {
        for (blob, bytes) in &attached.blobs {
            if let Begun::Upload(mut upload) = layout.begin_blob(&any(), blob, None, None).await.unwrap() {
                upload.write(bytes.clone()).await.unwrap();
                upload.commit().await.unwrap();
            }
        }
        layout.push_manifest(&any(), &attached.manifest, tags, TagCondition::Always).await.unwrap();
    }
    assert_eq!(read(home.path(), LayoutSelector::Only).await.unwrap(), *image.manifest.digest());
    let layout = source(home.path(), LayoutSelector::Only).await.unwrap();
    let find = async |kind| layout.referrers(&any(), image.manifest.digest(), kind).await.unwrap().manifests;
    assert_eq!(find(Some("a/b")).await, [referrer.manifest.descriptor()]);
    assert!(find(Some("c/d")).await.is_empty());
    let found = ImageSource::resolve(&layout, &any(), &Selector::Tag(signature_tag)).await.unwrap();
    assert_eq!(found.unwrap().digest, *signature.manifest.digest());
    // Another image in its place leaves them where they are.
    push(&destination(home.path(), &LayoutSelector::Only).await, &sample("new"), &[tag("x")]).await.unwrap();
    assert_eq!(read_index(home.path()).unwrap().entries().len(), 3);
}

#[tokio::test]
async fn containerds_names_count_and_names_that_mean_two_things_do_not() {
    let home = tempfile::tempdir().unwrap();
    push(&destination(home.path(), &named("latest")).await, &sample("one"), &[tag("x")]).await.unwrap();
    let path = home.path().join("index.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let both = format!(r#""io.containerd.image.name":"docker.io/library/a:latest","{REF_NAME}""#);
    std::fs::write(&path, text.replace(&format!(r#""{REF_NAME}""#), &both)).unwrap();
    assert_eq!(read(home.path(), named("docker.io/library/a:latest")).await.unwrap(), *sample("one").manifest.digest());
    push(&destination(home.path(), &named("other")).await, &sample("two"), &[tag("x")]).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(r#""other""#, r#""latest""#)).unwrap();
    let error = source(home.path(), named("latest")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn other_directories_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let open = async || source(home.path(), LayoutSelector::Only).await.map(|_| ()).unwrap_err();
    assert_eq!(open().await.kind(), ErrorKind::NotFound);
    std::fs::write(home.path().join("thesis.tex"), "").unwrap();
    let refused = Layout::create_destination(home.path(), &named("x"), Arc::new(LocalDisk)).await;
    assert_eq!(refused.map(|_| ()).unwrap_err().kind(), ErrorKind::Conflict);
    std::fs::write(home.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert_eq!(open().await.kind(), ErrorKind::Unsupported);
    std::fs::write(home.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    std::fs::write(home.path().join("index.json"), "[".repeat(1_000_000)).unwrap();
    assert_eq!(open().await.kind(), ErrorKind::Corrupt);
}

#[cfg(unix)]
#[tokio::test]
async fn rows_s16_s25_and_s26_a_strangers_layout_leads_nowhere_else() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("layout");
    let image = sample("layer");
    push(&destination(&root, &named("x")).await, &image, &[tag("x")]).await.unwrap();
    let index = root.join("index.json");
    let good = std::fs::read_to_string(&index).unwrap();

    std::fs::write(&index, good.replace(image.manifest.digest().hex(), "../../canary")).unwrap();
    assert_eq!(read(&root, named("x")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    std::fs::write(&index, good.replace(r#""size":"#, r#""size":9"#)).unwrap();
    assert_eq!(read(&root, named("x")).await.unwrap_err().kind(), ErrorKind::Corrupt);

    std::fs::write(&index, &good).unwrap();
    let layer = root.join("blobs/sha256").join(image.blobs[1].0.digest.hex());
    std::fs::rename(&layer, home.path().join("layer")).unwrap();
    std::os::unix::fs::symlink(home.path().join("layer"), &layer).unwrap();
    assert_eq!(read(&root, named("x")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    std::fs::remove_file(&layer).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&layer).status().unwrap().success());
    assert_eq!(read(&root, named("x")).await.unwrap_err().kind(), ErrorKind::Corrupt);

    std::fs::rename(&index, home.path().join("index.json")).unwrap();
    std::os::unix::fs::symlink(home.path().join("index.json"), &index).unwrap();
    assert_eq!(read(&root, named("x")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    std::fs::remove_file(&index).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &index).unwrap();
    assert_eq!(read(&root, named("x")).await.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_blob_that_is_there_is_verified_before_it_is_taken_for_present() {
    let home = tempfile::tempdir().unwrap();
    let image = sample("layer");
    let layout = destination(home.path(), &named("x")).await;
    push(&layout, &image, &[tag("x")]).await.unwrap();
    let path = home.path().join("blobs/sha256").join(image.blobs[1].0.digest.hex());
    std::fs::write(&path, "LAYER").unwrap();
    push(&layout, &image, &[tag("x")]).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"layer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_at_the_same_time_lose_nothing_of_each_other() {
    let home = tempfile::tempdir().unwrap();
    let mut pushes = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let layout = destination(home.path(), &named(&format!("{writer}"))).await;
        pushes.spawn(async move {
            for _ in 0..3 {
                push(&layout, &sample("shared"), &[tag("x")]).await.unwrap();
                push(&layout, &sample(&format!("{writer}")), &[tag("x")]).await.unwrap();
            }
        });
    }
    pushes.join_all().await;
    for writer in 0..4 {
        let expected = sample(&format!("{writer}"));
        assert_eq!(read(home.path(), named(&format!("{writer}"))).await.unwrap(), *expected.manifest.digest());
    }
}

#[tokio::test]
async fn rows_36_and_37_whichever_call_fails_the_layout_is_valid_and_a_rerun_succeeds() {
    let (old, new, x) = (sample("old"), sample("new"), named("x"));
    for failing in Failing::ALL {
        for fails_at in 0.. {
            let home = tempfile::tempdir().unwrap();
            let healthy = || Layout::create_destination(home.path(), &x, Arc::new(FaultyDisk::healthy()));
            push(&healthy().await.unwrap(), &old, &[tag("x")]).await.unwrap();
            let disk = FaultyDisk::new(fails_at, failing, std::io::ErrorKind::StorageFull);
            let layout = Layout::create_destination(home.path(), &x, Arc::new(disk.clone())).await.unwrap();
            let pushed = push(&layout, &new, &[tag("x")]).await;
            assert!(pushed.is_ok() || disk.has_failed(), "{failing:?} {fails_at}");
            let now = read(home.path(), x.clone()).await.unwrap();
            assert!(now == *new.manifest.digest() || pushed.is_err() && now == *old.manifest.digest());
            push(&healthy().await.unwrap(), &new, &[tag("x")]).await.unwrap();
            assert_eq!(read(home.path(), x.clone()).await.unwrap(), *new.manifest.digest());
            if !disk.has_failed() {
                break;
            }
        }
    }
}

#[test]
fn tags_of_attached_things_are_told_from_others() {
    let hex = Digest::of(b"").hex().to_owned();
    for (text, expected) in [
        (format!("sha256-{hex}"), true),
        (format!("sha256-{hex}.sig"), true),
        ("sha256-abc".to_owned(), false),
        ("latest".to_owned(), false),
        (hex, false),
    ] {
        assert_eq!(is_of_attached(&tag(&text)), expected, "{text}");
    }
    // Nothing here changes an index that it cannot write.
    let home = tempfile::tempdir().unwrap();
    blobs::prepare(&LocalDisk, home.path()).unwrap();
    let refused = update_index(&LocalDisk, home.path(), |_| Err(Error::new(ErrorKind::Conflict, "no")));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
}
