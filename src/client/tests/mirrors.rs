use super::*;
use crate::registry::{ByteRange, Error, ErrorKind, ImageSource, read_verified};

const BLOB: &[u8] = b"the blob";

/// A registry with one mirror.
fn mirrored(origin: &Scripted, mirror: &Scripted) -> Mirrored {
    let path = format!("{}/mirror", mirror.address).parse().unwrap();
    Mirrored::new(Arc::new(client(origin)), vec![(path, Arc::new(client(mirror)))], Arc::new(Silent))
}

/// A registry that answers every request for a blob with these bytes.
async fn serving(bytes: &'static [u8]) -> Scripted {
    Scripted::start(move |_| Answer::status(200).body(bytes)).await
}

async fn read(source: &Mirrored) -> bool {
    let blob = blob_of(BLOB);
    let reader = source.blob(&repository(), &blob, ByteRange::ALL).await.unwrap();
    read_verified(reader, &blob, 100).await.is_ok()
}

#[tokio::test]
async fn a_mirror_serves_the_same_blob_as_often_as_it_is_wanted() {
    let (origin, mirror) = (serving(BLOB).await, serving(BLOB).await);
    let source = mirrored(&origin, &mirror);
    assert!(read(&source).await && read(&source).await);
    assert_eq!(mirror.lines(), vec![format!("GET /v2/mirror/a/b/blobs/{}", Digest::of(BLOB)); 2]);
    assert_eq!(origin.asked().len(), 0);
}

#[tokio::test]
async fn a_mirror_that_served_wrong_content_is_left_out() {
    let (origin, mirror) = (serving(BLOB).await, serving(b"not that").await);
    let source = mirrored(&origin, &mirror);
    assert!(!read(&source).await);
    source.distrust(&Digest::of(BLOB), &Error::new(ErrorKind::Corrupt, "it is wrong"));
    assert!(read(&source).await && read(&source).await);
    assert_eq!((mirror.asked().len(), origin.asked().len()), (1, 2));
}

#[tokio::test]
async fn a_tag_is_a_mirrors_word_only_where_the_registry_is_out_of_reach() {
    let (origin, mirror) = (Scripted::start(|_| found(&manifest_text(""))).await, serving(BLOB).await);
    assert!(mirrored(&origin, &mirror).resolve(&repository(), &tag()).await.unwrap().is_some());
    assert_eq!(mirror.asked().len(), 0);
    let (origin, mirror) = (Scripted::start(|_| Answer::status(503)).await, origin);
    let source = mirrored(&origin, &mirror);
    let manifest = source.manifest(&repository(), &tag()).await.unwrap();
    assert_eq!(manifest.digest(), raw(&manifest_text("")).digest());
}
