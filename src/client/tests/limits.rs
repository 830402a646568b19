use bytes::Bytes;

use super::*;
use crate::registry::{Begun, BlobReader, ByteRange, ErrorKind, ImageDestination as _, ImageSource as _};

const SOON: Duration = Duration::from_millis(100);

fn at_most(server: &Scripted, number: usize) -> Client {
    let mut settings = settings(&server.address);
    settings.registry.limits.concurrency = Some(number);
    Client::new(settings).unwrap()
}

async fn read_to_end(mut reader: BlobReader) {
    while reader.next().await.unwrap().is_some() {}
}

// Fault 16.
#[tokio::test]
async fn half_as_many_blobs_are_read_at_once_after_too_many_requests() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let server = Scripted::start(move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        4 => Answer::status(429).header("retry-after", "0"),
        _ => Answer::status(200).body("x"),
    })
    .await;
    let (client, repository, blob) = (at_most(&server, 5), repository(), blob_of(b"x"));
    let open = || client.blob(&repository, &blob, ByteRange::ALL);
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(open().await.unwrap());
    }
    // Two of the five remain.
    for left in [4, 3, 2] {
        assert!(tokio::time::timeout(SOON, open()).await.is_err(), "{left}");
        read_to_end(readers.pop().unwrap()).await;
    }
    assert_eq!(server.asked().len(), 6, "the one that was too many came again, and nothing else was asked");
    readers.pop();
    open().await.unwrap();
}

#[tokio::test]
async fn who_writes_waits_for_a_turn_and_gives_it_back_whatever_comes_of_it() {
    let server = Scripted::start(|asked| match asked.method.as_str() {
        "POST" => Answer::status(202).header("location", "/up/1"),
        "PUT" => Answer::status(201),
        "GET" if asked.target.contains("/blobs/") => Answer::status(200).body("x"),
        _ => Answer::status(404),
    })
    .await;
    let (client, repository) = (at_most(&server, 1), repository());
    let blobs = [1, 2, 3, 4].map(|letter| blob_of(&vec![letter; 100_000]));
    let begin = |number: usize| client.begin_blob(&repository, &blobs[number], None, None);
    let Begun::Upload(mut first) = begin(0).await.unwrap() else { panic!("it is not there") };
    assert!(tokio::time::timeout(SOON, begin(1)).await.is_err());
    let other = blob_of(b"x");
    let reader = client.blob(&repository, &other, ByteRange::ALL);
    read_to_end(tokio::time::timeout(Duration::from_secs(5), reader).await.unwrap().unwrap()).await;
    first.write(Bytes::from(vec![1; 100_000])).await.unwrap();
    first.commit().await.unwrap();
    let Begun::Upload(second) = begin(1).await.unwrap() else { panic!("it is not there") };
    drop(second);
    let Begun::Upload(third) = begin(2).await.unwrap() else { panic!("it is not there") };
    third.abort().await;
    assert!(matches!(begin(3).await.unwrap(), Begun::Upload(_)));
}

// Quirk 57.
#[tokio::test]
async fn what_is_used_up_is_not_asked_for_again() {
    let server = Scripted::start(|_| {
        let refused = refusal(429, "TOOMANYREQUESTS").header("ratelimit-limit", "100;w=21600");
        refused.header("ratelimit-remaining", "0;w=21600")
    })
    .await;
    let error = client(&server).manifest(&repository(), &tag()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.to_string().contains("all 100 in 6 h are used up"), "{error}");
    assert_eq!((server.asked().len(), error.retry_after()), (1, Some(Duration::from_hours(6))));
}

#[tokio::test]
async fn long_chunks_are_held_one_after_the_other() {
    let server = Scripted::start(|asked| match asked.method.as_str() {
        "POST" => Answer::status(202).header("location", "/up/1").header("oci-chunk-min-length", "67108864"),
        _ => Answer::status(404),
    })
    .await;
    let (client, repository) = (client(&server), repository());
    client.exchange.learnt.learn(|hints| hints.longest_body = Some(4_000_000)).await;
    let begin = async |content: &[u8], size: u64| {
        let blob = Descriptor { size, ..blob_of(content) };
        let begun = client.begin_blob(&repository, &blob, None, None);
        tokio::time::timeout(SOON, begun).await.ok().map(|begun| {
            let Begun::Upload(upload) = begun.unwrap() else { panic!("it is not there") };
            upload
        })
    };
    // Chunks are no longer than their blob: these fit in together, and one more does not.
    let (long, short) = (begin(b"a", 40 << 20).await.unwrap(), begin(b"b", 20 << 20).await.unwrap());
    assert!(begin(b"c", 10 << 20).await.is_none());
    assert!(begin(b"d", 1000).await.is_some(), "what is small is not held up");
    drop(short);
    drop(begin(b"e", 20 << 20).await.unwrap());
    drop(long);
    assert!(begin(b"f", 1 << 40).await.is_some(), "the longest chunk has room");
}
