use std::sync::atomic::{AtomicUsize, Ordering};

use super::scripted::{Answer, Scripted};
use super::*;
use crate::progress::Silent;

fn outbound(home: &str) -> Outbound {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_static("key"));
    let retries = Retries { first_pause: Duration::from_millis(5), ..Retries::default() };
    let timeouts = Timeouts { connect: Duration::from_secs(2), idle: Duration::from_millis(300) };
    Outbound::new(OutboundSettings {
        home: Origin::of(&home.parse().unwrap()).unwrap(),
        tls: TlsSettings::new(Certificates::Verified),
        headers,
        token_realms: Vec::new(),
        timeouts,
        retries,
        pace: Arc::default(),
        progress: Arc::new(Silent),
    })
}

fn request(outbound: &Outbound, method: Method) -> Request {
    let permit = outbound.at_home("/v2/").unwrap();
    Request::new(method, permit).authorization(HeaderValue::from_static("Basic canary"))
}

/// Answers `first` so often, then 200.
async fn flaky(times: usize, first: impl Fn() -> Answer + Send + Sync + 'static) -> Scripted {
    let count = AtomicUsize::new(0);
    Scripted::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        n if n < times => first(),
        _ => Answer::status(200).body("fine"),
    })
    .await
}

// Faults 4, 14.
#[tokio::test]
async fn what_may_pass_is_tried_again_six_times_at_most() {
    for (times, status) in [(1, 500), (5, 503)] {
        let server = flaky(times, move || Answer::status(status)).await;
        let outbound = outbound(&server.url());
        assert_eq!(outbound.send(request(&outbound, Method::PUT)).await.unwrap().status(), 200);
        assert_eq!(server.asked().len(), times + 1);
    }
    let server = flaky(100, Answer::lost).await;
    let outbound = outbound(&server.url());
    let error = outbound.send(request(&outbound, Method::GET)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Broken { .. }), "{error}");
    // An idle connection that was closed is tried anew by the pool itself; the first of all is not.
    assert_eq!(server.asked().len(), 6);
    let before = server.asked().len();
    let once = request(&outbound, Method::PUT).replay(Replay::UnlessHeard);
    assert!(outbound.send(once).await.unwrap_err().may_have_arrived());
    assert_eq!(server.asked().len(), before + 1);
}

// Fault 15.
#[tokio::test]
async fn too_many_requests_are_waited_for_up_to_a_limit() {
    for after in ["0", "garbage", ""] {
        let server = flaky(1, move || Answer::status(429).header("retry-after", after)).await;
        let outbound = outbound(&server.url());
        let stream = request(&outbound, Method::GET).replay(Replay::Never);
        assert_eq!(outbound.send(stream).await.unwrap().status(), 200, "{after}");
    }
    let server = flaky(1, || Answer::status(429).header("retry-after", "1000000000")).await;
    let outbound = outbound(&server.url());
    let error = outbound.send(request(&outbound, Method::GET)).await.unwrap_err();
    assert!(matches!(error, OutboundError::RateLimited { .. }), "{error}");
}

// S3, S4, S14.
#[tokio::test]
async fn a_redirect_to_another_origin_takes_nothing_along() {
    let other = Scripted::start_at("127.0.0.2", |_| Answer::status(200).body("blob")).await;
    let target = format!("{}/blob?sig=1", other.url());
    let server = Scripted::start(move |_| Answer::status(307).header("location", target.clone())).await;
    let outbound = outbound(&server.url());
    let asked = request(&outbound, Method::GET)
        .header(header::RANGE, HeaderValue::from_static("bytes=1-"))
        .header(header::COOKIE, HeaderValue::from_static("canary"));
    let response = outbound.send(asked).await.unwrap();
    assert!(!response.is_home());
    assert_eq!(response.whole(10).await.unwrap(), "blob");
    let [seen] = other.asked().try_into().unwrap();
    assert_eq!(seen.header("range"), Some("bytes=1-"));
    for name in ["authorization", "x-api-key", "cookie", "referer"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let [home] = server.asked().try_into().unwrap();
    assert_eq!(server.lines(), ["GET /v2/"]);
    assert_eq!((home.header("authorization"), home.header("x-api-key")), (Some("Basic canary"), Some("key")));
    assert_eq!(home.header("accept-encoding"), Some("identity"));

    let error = outbound.send(request(&outbound, Method::PUT)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Refused(Refusal::Elsewhere { .. })), "{error}");
    assert_eq!(other.asked().len(), 1, "what writes is not redirected to others");
}

#[tokio::test]
async fn redirects_end() {
    let server = Scripted::start(|_| Answer::status(302).header("location", "/v2/")).await;
    let outbound = outbound(&server.url());
    let error = outbound.send(request(&outbound, Method::GET)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Redirects(_)), "{error}");
    assert_eq!(server.asked().len(), MAX_REDIRECTS + 1);
}

// Faults 1, 5; S20.
#[tokio::test]
async fn bodies_have_a_bound_and_an_end_to_patience() {
    let server = Scripted::start(|asked| match asked.header("x-case").unwrap() {
        "cut" => Answer::status(200).body("0123456789").cut_at(4),
        "stall" => Answer::status(200).body("0123456789").stall_at(4, Duration::from_secs(5)),
        _ => Answer::status(200).body("0123456789"),
    })
    .await;
    let outbound = outbound(&server.url());
    let ask = async |case: &'static str, at_most| {
        let name = http::HeaderName::from_static("x-case");
        let asked = request(&outbound, Method::GET).header(name, HeaderValue::from_static(case));
        outbound.send(asked).await.unwrap().whole(at_most).await
    };
    assert_eq!(ask("whole", 10).await.unwrap().len(), 10);
    assert!(matches!(ask("whole", 9).await, Err(OutboundError::TooLong { .. })));
    assert!(matches!(ask("cut", 10).await, Err(OutboundError::Broken { .. })));
    assert!(matches!(ask("stall", 10).await, Err(OutboundError::Silent { .. })));
}

#[tokio::test]
async fn who_is_not_there_is_named() {
    let outbound = outbound("http://127.0.0.1:1");
    let error = outbound.send(request(&outbound, Method::GET)).await.unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:1") && error.contains("refused"), "{error}");
    assert!(outbound.at_home("//evil.example/v2/").is_err());
}

#[tokio::test]
async fn a_body_of_known_length_is_sent_with_it() {
    let server = Scripted::start(|_| Answer::status(201)).await;
    let outbound = outbound(&server.url());
    let pieces = vec![bytes::Bytes::from(vec![7; 300_000]), bytes::Bytes::from_static(b"end")];
    let whole = request(&outbound, Method::PUT).body(RequestBody::Whole(pieces.clone()));
    assert_eq!(outbound.send(whole).await.unwrap().status(), 201);
    let bytes = Box::pin(futures_util::stream::iter(pieces.into_iter().map(Ok)));
    let stream = request(&outbound, Method::PUT).body(RequestBody::Stream { length: 300_003, bytes });
    assert_eq!(outbound.send(stream).await.unwrap().status(), 201);
    for asked in server.asked() {
        assert_eq!((asked.body.len(), asked.header("content-length")), (300_003, Some("300003")));
    }
}
