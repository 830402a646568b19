use bytes::BytesMut;

use super::*;
use crate::files::{Failing, FaultyDisk, LocalDisk};
use crate::image::MediaType;
use crate::registry::{BlobUpload as _, ByteRange};

fn directory(root: &Path) -> BlobDirectory {
    BlobDirectory::new(root, Arc::new(LocalDisk))
}

fn blob(content: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::new("application/octet-stream"), content)
}

/// Content that spans several batches and pieces.
fn long() -> Bytes {
    (0..3_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into()
}

async fn begin(directory: &BlobDirectory, descriptor: &Descriptor) -> Box<BlobWrite> {
    match directory.begin(descriptor).await.unwrap() {
        BlobBegun::Write(write) => write,
        BlobBegun::Present => panic!("present"),
    }
}

async fn read(directory: &BlobDirectory, descriptor: &Descriptor, range: ByteRange) -> Result<Bytes> {
    let mut reader = directory.open(descriptor, range).await?;
    let mut whole = BytesMut::new();
    while let Some(piece) = reader.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[tokio::test]
async fn what_is_written_can_be_read_in_parts() {
    let home = tempfile::tempdir().unwrap();
    let (directory, content) = (directory(home.path()), long());
    let descriptor = blob(&content);
    let mut write = begin(&directory, &descriptor).await;
    for start in (0..content.len()).step_by(70_000) {
        write.write(content.slice(start..content.len().min(start + 70_000))).await.unwrap();
    }
    assert_eq!(write.offset(), descriptor.size);
    write.commit().await.unwrap();
    assert!(directory.has(&descriptor).unwrap() && directory.verify(&descriptor).unwrap());
    assert!(matches!(directory.begin(&descriptor).await.unwrap(), BlobBegun::Present));
    assert_eq!(read(&directory, &descriptor, ByteRange::ALL).await.unwrap(), content);
    assert_eq!(read(&directory, &descriptor, ByteRange::from(2_999_999)).await.unwrap(), content[2_999_999..]);
    let middle = ByteRange { from: 600_000, to: Some(1_800_001) };
    assert_eq!(read(&directory, &descriptor, middle).await.unwrap(), content[600_000..1_800_001]);
    assert!(read(&directory, &descriptor, ByteRange::from(descriptor.size)).await.unwrap().is_empty());
    let error = read(&directory, &descriptor, ByteRange::from(descriptor.size + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(std::fs::read_dir(home.path().join("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn an_interrupted_blob_is_gone_on_with() {
    let home = tempfile::tempdir().unwrap();
    let (directory, content) = (directory(home.path()), long());
    let descriptor = blob(&content);
    let mut write = begin(&directory, &descriptor).await;
    write.write(content.slice(..1_000_000)).await.unwrap();
    write.write(content.slice(1_000_000..2_000_000)).await.unwrap();
    drop(write);
    let mut write = begin(&directory, &descriptor).await;
    let offset = usize::try_from(write.offset()).unwrap();
    assert!(offset >= 1_000_000, "{offset}");
    write.write(content.slice(offset..)).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(read(&directory, &descriptor, ByteRange::ALL).await.unwrap(), content);
}

#[tokio::test]
async fn wrong_content_never_gets_the_name() {
    let home = tempfile::tempdir().unwrap();
    let directory = directory(home.path());
    let descriptor = blob(b"right");
    for wrong in [&b"wrong"[..], b"right and more"] {
        let mut write = begin(&directory, &descriptor).await;
        write.write(Bytes::copy_from_slice(wrong)).await.unwrap();
        assert_eq!(write.commit().await.unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(!directory.has(&descriptor).unwrap());
    }
    let uploads = home.path().join("uploads");
    assert_eq!(std::fs::read_dir(&uploads).unwrap().count(), 0);
    // What a broken machine left under the name of an upload is found out, however much of it there is.
    for left in ["wrong", "wrong and more"] {
        std::fs::write(uploads.join(format!("sha256-{}", descriptor.digest.hex())), left).unwrap();
        assert_eq!(begin(&directory, &descriptor).await.offset(), 0);
    }
    std::fs::write(uploads.join(format!("sha256-{}", descriptor.digest.hex())), "right").unwrap();
    assert!(matches!(directory.begin(&descriptor).await.unwrap(), BlobBegun::Present));
}

#[tokio::test]
async fn an_aborted_blob_leaves_nothing_and_an_empty_one_needs_no_bytes() {
    let home = tempfile::tempdir().unwrap();
    let directory = directory(home.path());
    let mut write = begin(&directory, &blob(b"content")).await;
    write.write(Bytes::from_static(b"cont")).await.unwrap();
    write.abort().await;
    assert_eq!(std::fs::read_dir(home.path().join("uploads")).unwrap().count(), 0);
    assert!(matches!(directory.begin(&blob(b"")).await.unwrap(), BlobBegun::Present));
}

#[tokio::test]
async fn who_comes_second_waits_and_finds_the_blob() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (directory(home.path()), directory(home.path()));
    let descriptor = blob(b"content");
    let mut write = begin(&first, &descriptor).await;
    let waiting = tokio::spawn({
        let descriptor = descriptor.clone();
        async move { matches!(second.begin(&descriptor).await.unwrap(), BlobBegun::Present) }
    });
    tokio::time::sleep(std::time::Duration::from_millis(80)).await;
    assert!(!waiting.is_finished());
    write.write(Bytes::from_static(b"content")).await.unwrap();
    write.commit().await.unwrap();
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn what_did_not_come_to_its_end_is_listed_and_cleaned_unless_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    let directory = directory(home.path());
    assert!(directory.partial_blobs().unwrap().is_empty());
    let (cut, content) = (blob(&long()), long());
    let mut write = begin(&directory, &cut).await;
    write.write(content.slice(..1_000_000)).await.unwrap();
    write.write(content.slice(1_000_000..2_000_000)).await.unwrap();
    drop(write);
    // A thread may still be at the last bytes of it: who begins again waits for that.
    drop(begin(&directory, &cut).await);
    let written = begin(&directory, &blob(b"content")).await;
    let uploads = home.path().join("uploads");
    std::fs::write(uploads.join(format!("sha256-{}.0123", cut.digest.hex())), "beside").unwrap();
    let of_others = uploads.join("incoming-0123");
    std::fs::write(&of_others, "of a client of the registry of one's own").unwrap();
    let listed = directory.partial_blobs().unwrap();
    let of = |digest: &Digest| listed.iter().filter(|partial| partial.digest == *digest).collect::<Vec<_>>();
    assert_eq!(of(&cut.digest).iter().map(|partial| partial.in_use).collect::<Vec<_>>(), [false, false]);
    assert!(of(&cut.digest)[0].bytes >= 1_000_000 && of(&blob(b"content").digest)[0].in_use);
    assert!(directory.clean_partial_blobs(std::time::Duration::from_hours(1)).unwrap().is_empty());
    assert_eq!(directory.clean_partial_blobs(std::time::Duration::ZERO).unwrap().len(), 2);
    assert_eq!(directory.partial_blobs().unwrap().len(), 1);
    written.abort().await;
    assert!(of_others.exists());
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 1);
}

#[tokio::test]
async fn whichever_call_fails_a_blob_is_whole_or_not_there_and_a_rerun_succeeds() {
    let content = long();
    let descriptor = blob(&content);
    for failing in Failing::ALL {
        for fails_at in 0.. {
            let home = tempfile::tempdir().unwrap();
            let disk = FaultyDisk::new(fails_at, failing, io::ErrorKind::StorageFull);
            let faulty = BlobDirectory::new(home.path(), Arc::new(disk.clone()));
            let written = put(&faulty, &descriptor, &content).await;
            assert_eq!(written.is_err(), disk.has_failed(), "{failing:?} {fails_at}");
            let healthy = BlobDirectory::new(home.path(), Arc::new(FaultyDisk::healthy()));
            if healthy.has(&descriptor).unwrap() {
                assert_eq!(read(&healthy, &descriptor, ByteRange::ALL).await.unwrap(), content);
            }
            put(&healthy, &descriptor, &content).await.unwrap();
            assert_eq!(read(&healthy, &descriptor, ByteRange::ALL).await.unwrap(), content);
            if !disk.has_failed() {
                break;
            }
        }
    }
}

async fn put(directory: &BlobDirectory, descriptor: &Descriptor, content: &Bytes) -> Result<()> {
    let BlobBegun::Write(mut write) = directory.begin(descriptor).await? else { return Ok(()) };
    let offset = usize::try_from(write.offset()).unwrap();
    for start in (offset..content.len()).step_by(400_000) {
        write.write(content.slice(start..content.len().min(start + 400_000))).await?;
    }
    write.commit().await
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_or_a_pipe_under_the_name_of_a_blob_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let directory = directory(home.path());
    let descriptor = blob(b"canary");
    let path = directory.path(&descriptor.digest);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(home.path().join("canary"), "canary").unwrap();
    std::os::unix::fs::symlink(home.path().join("canary"), &path).unwrap();
    assert!(read(&directory, &descriptor, ByteRange::ALL).await.is_err());
    assert!(directory.has(&descriptor).is_err() && directory.document(&descriptor.digest).is_err());
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(read(&directory, &descriptor, ByteRange::ALL).await.is_err());
}

#[test]
fn a_document_is_verified_when_it_is_read() {
    let home = tempfile::tempdir().unwrap();
    let directory = directory(home.path());
    let digest = Digest::of(b"document");
    assert!(directory.document(&digest).unwrap().is_none());
    directory.put_document(&digest, b"document").unwrap();
    assert_eq!(directory.document(&digest).unwrap().unwrap(), &b"document"[..]);
    std::fs::write(directory.path(&digest), "damaged!").unwrap();
    assert_eq!(directory.document(&digest).unwrap_err().kind(), ErrorKind::Corrupt);
    directory.put_document(&digest, b"document").unwrap();
    assert!(directory.document(&digest).unwrap().is_some());
    let too_long = Descriptor { size: 9, ..blob(b"document") };
    assert!(!directory.has(&too_long).unwrap());
}

#[test]
fn an_index_keeps_what_others_wrote() {
    let home = tempfile::tempdir().unwrap();
    prepare(&LocalDisk, home.path()).unwrap();
    let foreign = format!(
        r#"{{"schemaVersion":2,"annotations":{{"x":"y"}},"manifests":[{{"mediaType":"a/b","digest":"{}","size":3,"data":"eHl6","annotations":{{"{REF_NAME}":"theirs"}}}}]}}"#,
        Digest::of(b"xyz")
    );
    std::fs::write(home.path().join("index.json"), foreign).unwrap();
    let ours = blob(b"one");
    for descriptor in [blob(b"zero"), ours.clone()] {
        update_index(&LocalDisk, home.path(), |index| {
            let mut index = index?;
            index.put(Some("ours"), &descriptor)?;
            Ok(index)
        })
        .unwrap();
    }
    let text = std::fs::read_to_string(home.path().join("index.json")).unwrap();
    assert!(text.contains(r#""data":"eHl6""#) && text.contains(r#""annotations":{"x":"y"}"#), "{text}");
    let index = read_index(home.path()).unwrap();
    let names: Vec<_> = index.entries().iter().filter_map(Entry::name).collect();
    assert_eq!(names, ["theirs", "ours"]);
    assert_eq!(index.entries()[1].descriptor().digest, ours.digest);
    assert_eq!(index.of(&ours.digest).count(), 1);
}

#[test]
fn writers_of_an_index_lose_nothing_of_each_other() {
    let home = tempfile::tempdir().unwrap();
    prepare(&LocalDisk, home.path()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let root = home.path();
            scope.spawn(move || {
                for round in 0..5 {
                    let name = format!("{writer}-{round}");
                    let change = |index: Result<Index>| {
                        let mut index = index?;
                        index.put(Some(&name), &blob(name.as_bytes()))?;
                        Ok(index)
                    };
                    update_index(&LocalDisk, root, change).unwrap();
                }
            });
        }
    });
    assert_eq!(read_index(home.path()).unwrap().entries().len(), 20);
}
