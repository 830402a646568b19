use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::registry::{Begun, Error, ErrorKind, ImageDestination as _, Remover as _, TagCondition, UploadState};

/// A registry that keeps one upload. `limit` is the longest body that it takes.
struct Sink {
    limit: usize,
    held: Mutex<Vec<u8>>,
    location: &'static str,
    /// Answers to be given first, by the method that they are for.
    faults: Mutex<VecDeque<(&'static str, Answer)>>,
}

impl Sink {
    async fn start(limit: usize, location: &'static str, faults: Vec<(&'static str, Answer)>) -> Scripted {
        let sink = Self { limit, held: Mutex::default(), location, faults: Mutex::new(faults.into()) };
        Scripted::start(move |asked| sink.answer(asked)).await
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let mut faults = self.faults.lock().unwrap();
        if faults.front().is_some_and(|(method, _)| *method == asked.method) {
            return faults.pop_front().unwrap().1;
        }
        let mut held = self.held.lock().unwrap();
        let location = self.location.replace("HOST", asked.header("host").unwrap());
        let goes_on = |answer: Answer| answer.header("location", location.clone());
        match asked.method.as_str() {
            _ if asked.body.len() > self.limit => Answer::status(413),
            "HEAD" => Answer::status(404),
            "GET" if asked.target.contains("tags/list") => page_of_tags(),
            "GET" => goes_on(Answer::status(204)).header("range", format!("0-{}", held.len().saturating_sub(1))),
            "POST" => goes_on(Answer::status(202)),
            "PATCH" => {
                let start = held.len();
                held.extend(&asked.body);
                assert_eq!(asked.header("content-range"), Some(&*format!("{start}-{}", held.len() - 1)));
                goes_on(Answer::status(202))
            }
            "PUT" => {
                held.extend(&asked.body);
                let digest = asked.target.split("digest=").nth(1).unwrap().replace("%3A", ":");
                Answer::status(if Digest::of(&held).to_string() == digest { 201 } else { 400 })
            }
            _ => Answer::status(204),
        }
    }
}

fn page_of_tags() -> Answer {
    Answer::status(200).body(r#"{"tags":["x"]}"#)
}

async fn upload(client: &Client, content: &[u8], resume: Option<&UploadState>) -> Result<()> {
    let blob = blob_of(content);
    match client.begin_blob(&repository(), &blob, None, resume).await? {
        Begun::Present | Begun::Mounted => Ok(()),
        Begun::Upload(mut upload) => {
            let start = usize::try_from(upload.offset()).unwrap();
            for piece in content[start..].chunks(70_000) {
                upload.write(Bytes::copy_from_slice(piece)).await?;
            }
            upload.commit().await
        }
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

// Fault 29; quirk 39.
#[tokio::test]
async fn blobs_arrive_whole_wherever_the_upload_goes_on() {
    let locations = ["/up/1", "/up/1?_state=x%2By", "http://HOST/up/1?_state=x", "http://127.0.0.1/up/1"];
    for location in locations {
        for length in [0, 1, 3_000_000] {
            let server = Sink::start(usize::MAX, location, Vec::new()).await;
            upload(&client(&server), &content(length), None).await.unwrap();
            let put = server.asked().pop().unwrap();
            assert_eq!((put.method.as_str(), put.body.len()), ("PUT", length));
            assert!(!location.contains("_state") || put.target.contains("_state=x"), "{}", put.target);
        }
    }
}

// Fault 27; quirk 44.
#[tokio::test]
async fn what_is_too_long_for_one_body_goes_in_chunks() {
    for (limit, length) in [(300_000, 1_000_000), (1_048_576, 1_048_576 * 3)] {
        let server = Sink::start(limit, "/up/1", Vec::new()).await;
        let client = client(&server);
        let content = content(length);
        if let Err(error) = upload(&client, &content, None).await {
            // The stream cannot be sent again: whoever reads the blob begins again, and chunks follow.
            assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
            upload(&client, &content, None).await.unwrap();
        }
        assert!(client.exchange.learnt.hints().longest_body.unwrap() <= limit as u64);
    }
}

// Faults 22, 23, 24.
#[tokio::test]
async fn chunks_go_on_where_the_registry_is() {
    let goes_on = |status| Answer::status(status).header("location", "/up/1");
    let cases = [
        (vec![("PATCH", Answer::lost())], None),
        (vec![("PATCH", Answer::status(416))], None),
        (
            vec![("PATCH", Answer::status(416)), ("GET", goes_on(204).header("range", "0-99999999"))],
            Some(ErrorKind::Gone),
        ),
        (vec![("PATCH", refusal(404, "BLOB_UPLOAD_UNKNOWN"))], Some(ErrorKind::Gone)),
        (vec![("PATCH", Answer::lost()), ("GET", Answer::status(404))], Some(ErrorKind::Gone)),
        (vec![("PATCH", Answer::status(503))], None),
    ];
    for (faults, expected) in cases {
        let server = Sink::start(usize::MAX, "/up/1", faults).await;
        let client = client(&server);
        client.exchange.learnt.learn(|hints| hints.longest_body = Some(400_000)).await;
        let uploaded = upload(&client, &content(1_500_000), None).await;
        let lines = server.lines();
        assert_eq!(uploaded.as_ref().err().map(Error::kind), expected, "{uploaded:?} {lines:?}");
    }
}

// Fault 25.
#[tokio::test]
async fn a_lost_answer_to_the_last_request_is_looked_for() {
    for length in [10, 2_000_000] {
        let faults = vec![("PUT", Answer::lost()), ("HEAD", Answer::status(200))];
        let server = Sink::start(usize::MAX, "/up/1", faults).await;
        let client = client(&server);
        // Not asked by HEAD before: a mount tells.
        client.exchange.learnt.learn(|hints| hints.tells_by_mount = Some(true)).await;
        upload(&client, &content(length), None).await.unwrap();
        assert_eq!(server.asked().iter().filter(|asked| asked.method == "PUT").count(), 1);
    }
}

// Quirk 63.
#[tokio::test]
async fn an_upload_of_earlier_goes_on_where_it_is_or_begins_again() {
    let server = Sink::start(usize::MAX, "/up/1", Vec::new()).await;
    let content = content(2_000_000);
    let state = UploadState { session: format!("{}/up/1", server.url()), offset: 7 };
    upload(&client(&server), &content, Some(&state)).await.unwrap();
    assert!(server.lines()[0].starts_with("GET /up/1"));
    let elsewhere = UploadState { session: "http://127.0.0.2:1/up/1".to_owned(), offset: 7 };
    let server = Sink::start(usize::MAX, "/up/1", Vec::new()).await;
    upload(&client(&server), &content, Some(&elsewhere)).await.unwrap();
    assert!(server.lines()[0].starts_with("POST"), "{:?}", server.lines());
}

// S9.
#[tokio::test]
async fn no_body_goes_to_another_place_in_the_clear() {
    let evil = Scripted::start_at("127.0.0.2", |_| Answer::status(201)).await;
    let location = format!("{}/up", evil.url());
    let server = Scripted::start(move |asked| match asked.method.as_str() {
        "POST" => Answer::status(202).header("location", location.clone()),
        _ => Answer::status(404),
    })
    .await;
    let error = upload(&client(&server), b"secret", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy, "{error}");
    assert!(evil.asked().is_empty());
}

// Fault 30; quirks 41, 42, 43.
#[tokio::test]
async fn a_refused_mount_is_an_upload() {
    for status in [400, 401, 403, 405, 500] {
        let server = Sink::start(usize::MAX, "/up/1", vec![("POST", Answer::status(status))]).await;
        let from = "c/d".parse().unwrap();
        let blob = blob_of(&content(100_000));
        let begun = client(&server).begin_blob(&repository(), &blob, Some(&from), None).await.unwrap();
        assert!(matches!(begun, Begun::Upload(_)), "{status}");
        assert!(server.lines()[0].contains("&from=c%2Fd"), "{:?}", server.lines());
        assert_eq!(server.lines().last().unwrap(), "POST /v2/a/b/blobs/uploads/");
    }
}

// Quirk 60.
#[tokio::test]
async fn whether_a_mount_tells_is_learnt_by_asking() {
    let tells = Scripted::start(|asked| match asked.method.as_str() {
        "POST" => Answer::status(201),
        _ => Answer::status(404),
    })
    .await;
    let client_of_one = client(&tells);
    for _ in 0..2 {
        let begun = client_of_one.begin_blob(&repository(), &blob_of(b"x"), None, None).await.unwrap();
        assert!(matches!(begun, Begun::Present));
    }
    assert_eq!(tells.asked().len(), 2);
    let silent = Scripted::start(|asked| match asked.method.as_str() {
        "POST" => Answer::status(202).header("location", "/up/1"),
        _ => Answer::status(200),
    })
    .await;
    let client_of_other = client(&silent);
    for _ in 0..2 {
        let blob = blob_of(&content(100_000));
        let begun = client_of_other.begin_blob(&repository(), &blob, None, None).await.unwrap();
        assert!(matches!(begun, Begun::Present));
    }
    let methods: Vec<String> = silent.asked().into_iter().map(|asked| asked.method).collect();
    assert_eq!(methods, ["POST", "HEAD", "DELETE", "HEAD"]);
}

// Quirk 60.
#[tokio::test]
async fn one_small_blob_goes_ahead_and_the_next_finds_out() {
    for (status, expected) in [
        (201, "POST x from itself, PUT, POST x from itself, POST y from itself, PUT"),
        (202, "POST x from itself, PUT, POST x from itself, HEAD, PUT"),
        (405, "POST x from itself, PUT, POST x from itself, HEAD, POST, PUT"),
    ] {
        let there = Mutex::new(false);
        let x = Digest::of(b"x").hex().to_owned();
        let server = Scripted::start(move |asked| {
            let mut there = there.lock().unwrap();
            match asked.method.as_str() {
                "POST" if *there && asked.target.contains(&x) => Answer::status(status).header("location", "/up/2"),
                "POST" => Answer::status(202).header("location", "/up/1"),
                "PUT" => {
                    *there = true;
                    Answer::status(201)
                }
                _ => Answer::status(404),
            }
        })
        .await;
        let client = client(&server);
        let Begun::Upload(mut ahead) = client.begin_blob(&repository(), &blob_of(b"x"), None, None).await.unwrap()
        else {
            panic!("sent without being asked for")
        };
        let go_ahead = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            ahead.write(Bytes::from_static(b"x")).await.unwrap();
            ahead.commit().await.unwrap();
        };
        let ((), next) = tokio::join!(go_ahead, upload(&client, b"y", None));
        next.unwrap();
        let told = server.asked().into_iter().map(|asked| {
            let named = ["x", "y"].into_iter().find(|name| asked.target.contains(Digest::of(name.as_bytes()).hex()));
            match asked.method.as_str() {
                "POST" if asked.target.contains("mount=") => format!("POST {} from itself", named.unwrap()),
                method => method.to_owned(),
            }
        });
        assert_eq!(told.collect::<Vec<_>>().join(", "), expected);
    }
}

// Faults 26, 31.
#[tokio::test]
async fn manifests_are_put_once_and_what_they_lack_is_named() {
    let manifest = raw(&manifest_text(""));
    let config = Digest::of(b"{}");
    let lacking = format!(r#"{{"errors":[{{"code":"MANIFEST_BLOB_UNKNOWN","detail":{{"digest":"{config}"}}}}]}}"#);
    let server = Scripted::start(move |_| Answer::status(404).body(lacking.clone())).await;
    let push = async |server: &Scripted, tags: &[&str], condition| {
        let tags: Vec<_> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        client(server).push_manifest(&repository(), &manifest, &tags, condition).await
    };
    let error = push(&server, &["v1"], TagCondition::Always).await.unwrap_err();
    assert_eq!((error.kind(), error.missing()), (ErrorKind::MissingBlobs, &[config][..]));

    let text = manifest_text("");
    let lost = Scripted::start(move |asked| if asked.method == "PUT" { Answer::lost() } else { found(&text) }).await;
    push(&lost, &["v1"], TagCondition::Always).await.unwrap();
    assert_eq!(lost.lines(), ["PUT /v2/a/b/manifests/v1", "HEAD /v2/a/b/manifests/v1"]);

    let taken = Scripted::start(|asked| match asked.method.as_str() {
        "HEAD" if asked.target.ends_with("v1") => found(&manifest_text(r#""annotations":{"a":"b"},"#)),
        "HEAD" => Answer::status(404),
        _ => Answer::status(201),
    })
    .await;
    push(&taken, &["v2"], TagCondition::Absent).await.unwrap();
    let error = push(&taken, &["v2", "v1"], TagCondition::Absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    push(&taken, &[], TagCondition::Always).await.unwrap();
    let put = taken.lines().pop().unwrap();
    assert_eq!(put, format!("PUT /v2/a/b/manifests/{}", manifest.digest()));
}

// Quirk 55.
#[tokio::test]
async fn a_referrer_is_listed_where_the_registry_does_not() {
    let subject = Digest::of(b"subject");
    let text = manifest_text(&format!(
        r#""artifactType":"a/sbom","subject":{{"mediaType":"{OCI_MANIFEST}","digest":"{subject}","size":7}},"#
    ));
    let manifest = raw(&text);
    for lists in [true, false] {
        let header = subject.to_string();
        let server = Scripted::start(move |asked| match asked.method.as_str() {
            "PUT" if lists => Answer::status(201).header("oci-subject", header.clone()),
            "PUT" => Answer::status(201),
            _ => Answer::status(404),
        })
        .await;
        client(&server)
            .push_manifest(&repository(), &manifest, &["v1".parse().unwrap()], TagCondition::Always)
            .await
            .unwrap();
        let puts: Vec<Asked> = server.asked().into_iter().filter(|asked| asked.method == "PUT").collect();
        assert_eq!(puts.len(), if lists { 1 } else { 2 });
        if !lists {
            assert_eq!(puts[1].target, format!("/v2/a/b/manifests/sha256-{}", subject.hex()));
            let listed = String::from_utf8(puts[1].body.clone()).unwrap();
            assert!(listed.contains(&manifest.digest().to_string()) && listed.contains("a/sbom"), "{listed}");
        }
    }
}

// Quirks 50, 51, 53.
#[tokio::test]
async fn what_cannot_be_removed_is_explained() {
    let server = Scripted::start(|_| refusal(400, "DIGEST_INVALID")).await;
    let error = client(&server).remove_tag(&repository(), &"v1".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("removes no single tag"), "{error}");
    let server = Scripted::start(|_| refusal(405, "UNSUPPORTED")).await;
    let error = client(&server).remove_manifest(&repository(), &Digest::of(b"x")).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unsupported, Some(405)));
    let server = Scripted::start(|_| Answer::status(202)).await;
    client(&server).remove_tag(&repository(), &"v1".parse().unwrap()).await.unwrap();
}
