use super::*;
use crate::registry::{ByteRange, ErrorKind, ImageDestination, ImageSource, ReferrersFrom, read_verified};

// Fault 33; quirks 19, 22, 23, 24.
#[tokio::test]
async fn what_head_does_not_tell_get_does() {
    let heads = [
        Answer::status(405),
        Answer::status(501),
        Answer::status(200).header("content-length", "10"),
        Answer::status(200).header("content-type", OCI_MANIFEST),
        Answer::status(200)
            .header("content-type", "text/plain")
            .header("docker-content-digest", Digest::of(b"x").to_string())
            .header("content-length", "1"),
    ];
    for head in heads {
        let server = Scripted::start(move |asked| match asked.method.as_str() {
            "HEAD" => head.clone(),
            _ => found(&manifest_text("")),
        })
        .await;
        let found = ImageSource::resolve(&client(&server), &repository(), &tag()).await.unwrap().unwrap();
        assert_eq!(found, raw(&manifest_text("")).descriptor());
        assert_eq!(server.asked().len(), 2);
        assert!(server.asked().iter().all(|asked| asked.header("accept").unwrap().matches(", ").count() == 3));
    }
}

#[tokio::test]
async fn forbidden_is_unknown_to_who_writes_and_an_error_to_who_reads() {
    let server = Scripted::start(|_| refusal(403, "DENIED")).await;
    assert!(ImageDestination::resolve(&client(&server), &repository(), &tag()).await.unwrap().is_none());
    let error = ImageSource::resolve(&client(&server), &repository(), &tag()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let server = Scripted::start(|_| refusal(403, "MANIFEST_UNKNOWN")).await;
    assert!(ImageSource::resolve(&client(&server), &repository(), &tag()).await.unwrap().is_none());
    let server = Scripted::start(|_| refusal(404, "UNKNOWN")).await;
    assert!(ImageSource::resolve(&client(&server), &repository(), &tag()).await.unwrap().is_none());
    let error = client(&server).manifest(&repository(), &tag()).await.unwrap_err();
    let message = format!("the registry does not have the manifest {}/a/b:v1: UNKNOWN, no (HTTP 404)", server.address);
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::NotFound, message));
}

// S18, S20.
#[tokio::test]
async fn manifests_are_hashed_whatever_the_header_says() {
    let text = manifest_text("");
    let other = Digest::of(b"other");
    let wrong_header = other.to_string();
    let server = Scripted::start(move |asked| {
        let answer = Answer::status(200).header("content-type", OCI_MANIFEST);
        match asked.target.rsplit('/').next().unwrap() {
            "long" => answer.body(vec![b' '; 5 << 20]),
            "lies" => answer.header("docker-content-digest", wrong_header.clone()).body(manifest_text("")),
            _ => answer.body(manifest_text("")),
        }
    })
    .await;
    let client = client(&server);
    for (selector, kind) in [
        (Selector::Digest(other), ErrorKind::Corrupt),
        (Selector::Tag("lies".parse().unwrap()), ErrorKind::Corrupt),
        (Selector::Tag("long".parse().unwrap()), ErrorKind::Nonsense),
    ] {
        let error = client.manifest(&repository(), &selector).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{selector}: {error}");
    }
    let digest = Digest::of(text.as_bytes());
    let read = client.manifest(&repository(), &Selector::Digest(digest.clone())).await.unwrap();
    assert_eq!((read.digest(), read.bytes().as_ref()), (&digest, text.as_bytes()));
}

// Faults 1, 5, 9, 10, 11, 13; S19.
#[tokio::test]
async fn a_part_of_a_blob_is_what_was_asked_for_or_the_whole() {
    let content = b"0123456789";
    let whole = || Answer::status(200).body(&content[..]);
    let part = |range: &str, body: &'static [u8]| Answer::status(206).header("content-range", range).body(body);
    let cases = [
        (part("bytes 4-9/10", b"456789"), 4, 1),
        (whole(), 0, 1),
        (Answer::status(416), 0, 2),
        (part("bytes 3-9/10", b"3456789"), 0, 2),
        (part("bytes 4-9/11", b"456789"), 0, 2),
        (Answer::status(206).body("456789"), 0, 2),
    ];
    for (answer, start, requests) in cases {
        let server =
            Scripted::start(move |asked| if asked.header("range").is_some() { answer.clone() } else { whole() }).await;
        let mut reader = client(&server).blob(&repository(), &blob_of(content), ByteRange::from(4)).await.unwrap();
        assert_eq!((reader.start(), server.asked().len()), (start, requests));
        let mut read = Vec::new();
        while let Some(bytes) = reader.next().await.unwrap() {
            read.extend(bytes);
        }
        assert_eq!(read, &content[usize::try_from(start).unwrap()..]);
    }
}

#[tokio::test]
async fn bodies_that_end_early_or_late_are_told_apart() {
    let content = b"0123456789";
    let cases = [
        (Answer::status(200).body("01234"), ErrorKind::Corrupt),
        (Answer::status(200).body("0123456789").cut_at(5), ErrorKind::Cut),
        (Answer::status(200).body("0123456789").stall_at(5, Duration::from_secs(9)), ErrorKind::TimedOut),
        (Answer::status(200).body("0123456789A"), ErrorKind::Corrupt),
        (Answer::status(200).body("0123456780"), ErrorKind::Corrupt),
    ];
    for (answer, kind) in cases {
        let server = Scripted::start(move |_| answer.clone()).await;
        let blob = blob_of(content);
        let read = match client(&server).blob(&repository(), &blob, ByteRange::ALL).await {
            Ok(reader) => read_verified(reader, &blob, 100).await,
            // A length that is not the announced one is told before anything is read.
            Err(error) => Err(error),
        };
        let error = read.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

// Quirk 55.
#[tokio::test]
async fn without_the_api_referrers_come_from_the_tag() {
    let subject = Digest::of(b"subject");
    let entry = format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{subject}","size":7,"artifactType":"a/sbom"}}"#);
    let index =
        format!(r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{entry}]}}"#);
    for api in [Answer::status(404), Answer::status(200).header("content-type", "text/html").body("<html>")] {
        let (index, tag) = (index.clone(), format!("/manifests/sha256-{}", subject.hex()));
        let server = Scripted::start(move |asked| {
            if asked.target.ends_with(&tag) {
                Answer::status(200)
                    .header("content-type", "application/vnd.oci.image.index.v1+json")
                    .body(index.clone())
            } else {
                api.clone()
            }
        })
        .await;
        let client = client(&server);
        let found = client.referrers(&repository(), &subject, Some("a/sbom")).await.unwrap();
        assert_eq!((found.manifests.len(), found.from), (1, ReferrersFrom::FallbackTag));
        assert!(client.referrers(&repository(), &subject, Some("other")).await.unwrap().manifests.is_empty());
        assert_eq!(server.asked().len(), 3, "the API is asked for once");
    }
}

#[tokio::test]
async fn a_warning_of_the_registry_is_passed_on_once() {
    #[derive(Default)]
    struct Heard(std::sync::Mutex<Vec<crate::progress::Event>>);
    impl Progress for Heard {
        fn observe(&self, event: &crate::progress::Event) {
            self.0.lock().unwrap().push(event.clone());
        }
    }
    let server = Scripted::start(|_| found(&manifest_text("")).header("warning", "299 - \"moves soon\"")).await;
    let heard = Arc::new(Heard::default());
    let mut settings = settings(&server.address);
    settings.progress = Arc::clone(&heard) as Arc<dyn Progress>;
    let client = Client::new(settings).unwrap();
    for _ in 0..2 {
        client.manifest(&repository(), &tag()).await.unwrap();
    }
    let heard = heard.0.lock().unwrap();
    let [crate::progress::Event::Warning(text)] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(*text, format!("{} says: moves soon", server.address));
}
