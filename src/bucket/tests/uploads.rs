//! Uploads: at several servers, after kills, and two requests at one.

use super::*;
use crate::image::Digest;
use crate::registry::ErrorKind;

const MIB: usize = 1024 * 1024;

/// Bytes that differ from place to place.
fn noise(length: usize) -> Bytes {
    (0..length).map(|at| ((at * 31) ^ (at >> 8) ^ (at >> 17)).to_le_bytes()[0]).collect()
}

async fn begin(bucket: &Bucket) -> Box<dyn HostedUpload> {
    bucket.begin_upload(&name("a"), "alice").await.unwrap()
}

/// Writes in the pieces that a connection gives.
async fn write(upload: &mut Box<dyn HostedUpload>, bytes: &Bytes) {
    for at in (0..bytes.len()).step_by(300_000) {
        upload.write(bytes.slice(at..bytes.len().min(at + 300_000))).await.unwrap();
    }
}

async fn read(bucket: &Bucket, digest: &Digest, length: usize, range: ByteRange) -> Vec<u8> {
    let blob = Descriptor::new(layer_type(), digest.clone(), length as u64);
    let mut reader = bucket.blob(&name("a"), &blob, range).await.unwrap();
    let mut found = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        found.extend_from_slice(&piece);
    }
    found
}

/// The keys in the bucket that begin so.
async fn keys(bucket: &Bucket, directory: &str) -> Vec<String> {
    use futures_util::TryStreamExt as _;
    bucket.shared.objects.list(directory).map_ok(|found| found.key).try_collect().await.unwrap()
}

async fn is_clean(bucket: &Bucket) -> bool {
    keys(bucket, "uploads").await.is_empty() && keys(bucket, "rests").await.is_empty()
}

#[tokio::test]
async fn any_server_goes_on_with_an_upload_and_each_part_of_the_blob_can_be_read() {
    let access = Arc::default();
    let servers = [server(&access).await, server(&access).await];
    let content = noise(17 * MIB + 5);
    let word = {
        let upload = begin(&servers[0]).await;
        let word = upload.name().to_owned();
        upload.rest().await.unwrap();
        word
    };
    let mut written = 0;
    for (turn, to) in [6 * MIB, 7 * MIB, 7 * MIB + 1, 12 * MIB, content.len()].into_iter().enumerate() {
        let mut upload = reopen(&servers[turn % 2], &word).await;
        assert_eq!(upload.offset(), written as u64);
        write(&mut upload, &content.slice(written..to)).await;
        assert_eq!(upload.offset(), to as u64);
        upload.rest().await.unwrap();
        written = to;
    }
    let digest = Digest::of(&content);
    reopen(&servers[1], &word).await.commit(&digest).await.unwrap();
    assert!(is_clean(&servers[0]).await);
    assert_eq!(read(&servers[0], &digest, content.len(), ByteRange::ALL).await, content);
    for (from, to) in [(0, Some(10)), (5 * MIB - 1, Some(5 * MIB + 1)), (12 * MIB, None), (content.len(), None)] {
        let range = ByteRange { from: from as u64, to: to.map(|to| to as u64) };
        let found = read(&servers[1], &digest, content.len(), range).await;
        assert_eq!(found, content[from..to.unwrap_or(content.len())]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_of_a_server_that_was_killed_goes_on_at_the_last_part() {
    let access = Arc::default();
    let (killed, other) = (server(&access).await, server(&access).await);
    let content = noise(13 * MIB);
    let mut upload = begin(&killed).await;
    let word = upload.name().to_owned();
    write(&mut upload, &content.slice(..12 * MIB)).await;
    drop(upload);
    let mut upload = reopen(&other, &word).await;
    let arrived = usize::try_from(upload.offset()).unwrap();
    assert!([5 * MIB, 10 * MIB].contains(&arrived), "what was told when it died are whole parts: {arrived}");
    write(&mut upload, &content.slice(arrived..)).await;
    let digest = Digest::of(&content);
    upload.commit(&digest).await.unwrap();
    assert_eq!(read(&killed, &digest, content.len(), ByteRange::ALL).await, content);
    assert!(is_clean(&other).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_taken_for_dead_and_lives_changes_nothing() {
    let access = Arc::default();
    let (slow, quick) = (server(&access).await, server(&access).await);
    let content = noise(11 * MIB);
    let mut taken = begin(&slow).await;
    let word = taken.name().to_owned();
    write(&mut taken, &content.slice(..6 * MIB)).await;
    let mut upload = reopen(&quick, &word).await;
    let arrived = usize::try_from(upload.offset()).unwrap();
    write(&mut upload, &content.slice(arrived..)).await;
    let error = taken.commit(&Digest::of(&content.slice(..6 * MIB))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let digest = Digest::of(&content);
    upload.commit(&digest).await.unwrap();
    assert_eq!(read(&slow, &digest, content.len(), ByteRange::ALL).await, content);
}

#[tokio::test]
async fn of_two_requests_at_one_upload_one_gets_on() {
    let access = Arc::default();
    let (one, two) = (server(&access).await, server(&access).await);
    let upload = begin(&one).await;
    let word = upload.name().to_owned();
    upload.rest().await.unwrap();
    let (mut first, mut second) = (reopen(&one, &word).await, reopen(&two, &word).await);
    first.write(Bytes::from_static(b"first")).await.unwrap();
    let error = second.write(Bytes::from_static(b"second")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    first.commit(&Digest::of(b"first")).await.unwrap();
    assert!(two.reopen_upload(&name("a"), "alice", &word).await.unwrap().is_none());
}

#[tokio::test]
async fn an_upload_is_its_owners_and_becomes_only_what_its_digest_says() {
    let access = Arc::default();
    let bucket = server(&access).await;
    let mut upload = begin(&bucket).await;
    let word = upload.name().to_owned();
    upload.write(Bytes::from_static(b"content")).await.unwrap();
    upload.rest().await.unwrap();
    for (repository, owner, word) in [("b", "alice", word.as_str()), ("a", "bob", &word), ("a", "alice", "../x")] {
        assert!(bucket.reopen_upload(&name(repository), owner, word).await.unwrap().is_none());
    }
    let error = reopen(&bucket, &word).await.commit(&Digest::of(b"other")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(bucket.reopen_upload(&name("a"), "alice", &word).await.unwrap().is_none());
    assert!(is_clean(&bucket).await && keys(&bucket, "content").await.is_empty());
    for digest in [Digest::of(b"content"), Digest::of(b"other")] {
        assert_eq!(bucket.blob_size(&name("a"), &digest).await.unwrap(), None);
    }
    // What is there already is no help to whoever does not have it.
    let mut theirs = bucket.begin_upload(&name("b"), "bob").await.unwrap();
    theirs.write(Bytes::from_static(b"secret")).await.unwrap();
    theirs.commit(&Digest::of(b"secret")).await.unwrap();
    let mut upload = begin(&bucket).await;
    upload.write(Bytes::from_static(b"SECRET")).await.unwrap();
    assert_eq!(upload.commit(&Digest::of(b"secret")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(bucket.blob_size(&name("a"), &Digest::of(b"secret")).await.unwrap(), None);
    let upload = begin(&bucket).await;
    upload.cancel().await.unwrap();
    assert!(is_clean(&bucket).await);
}

#[tokio::test]
async fn content_goes_by_sha512_too() {
    let access = Arc::default();
    let bucket = server(&access).await;
    for (content, right) in [(noise(6 * MIB), true), (noise(10), true), (noise(11), false)] {
        let digest = Algorithm::Sha512.digest(if right { &content } else { b"other" });
        let mut upload = begin(&bucket).await;
        write(&mut upload, &content).await;
        assert_eq!(upload.commit(&digest).await.is_ok(), right);
        assert_eq!(bucket.blob_size(&name("a"), &digest).await.unwrap().is_some(), right);
        assert!(is_clean(&bucket).await);
    }
    assert_eq!(keys(&bucket, "content").await.len(), 2);
}

#[tokio::test]
async fn a_push_of_our_own_is_resumed_by_what_it_says_of_itself() {
    let access = Arc::default();
    let bucket = server(&access).await;
    let content = noise(100);
    let blob = Descriptor::of(layer_type(), &content);
    let begin = async |resume: Option<&crate::registry::UploadState>| match bucket
        .begin_blob(&name("a"), &blob, None, resume)
        .await
        .unwrap()
    {
        Begun::Upload(upload) => upload,
        Begun::Present | Begun::Mounted => panic!("it is there already"),
    };
    let mut upload: Box<dyn BlobUpload> = begin(None).await;
    upload.write(content.slice(..10)).await.unwrap();
    assert_eq!((upload.offset(), upload.verifies()), (10, true));
    let error = upload.commit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "it is too short");
    let upload = begin(None).await;
    let state = upload.state().unwrap();
    drop(upload);
    let mut upload = begin(Some(&state)).await;
    assert_eq!(upload.state().unwrap().session, state.session);
    upload.write(content.clone()).await.unwrap();
    upload.commit().await.unwrap();
    assert!(matches!(bucket.begin_blob(&name("a"), &blob, None, None).await.unwrap(), Begun::Present));
    assert!(matches!(bucket.begin_blob(&name("b"), &blob, None, None).await.unwrap(), Begun::Mounted));
    assert_eq!(keys(&bucket, "content").await.len(), 1);
}
