use futures_util::StreamExt as _;

use super::*;
use crate::registry::{Catalog as _, ErrorKind};

async fn tags(server: &Scripted) -> Result<Vec<String>> {
    let client = client(server);
    let repository = repository();
    let mut listed = Vec::new();
    let mut pages = client.tags(&repository);
    while let Some(page) = pages.next().await {
        listed.extend(page?.iter().map(ToString::to_string));
    }
    Ok(listed)
}

fn page(tags: &str) -> Answer {
    Answer::status(200).body(format!(r#"{{"name":"a/b","tags":{tags}}}"#))
}

// Fault 48; quirks 25, 31, 32, 33, 35, 37, 40.
#[tokio::test]
async fn pages_are_followed_in_every_form() {
    let links = [
        "</v2/a/b/tags/list?last=two&n=2>; rel=\"next\"",
        "<?last=two>; rel=next",
        "</wrong/prefix/tags/list?next_page=opaque>; rel=\"next\"",
        "<http://HOST/elsewhere?last=two>; rel=\"next\"",
        "<http://127.0.0.1/v2/a/b/tags/list?last=two>; rel=\"next\"",
    ];
    for link in links {
        let server = Scripted::start(move |asked| {
            if asked.target == "/v2/a/b/tags/list?n=1000" {
                let link = link.replace("HOST", asked.header("host").unwrap());
                return page(r#"["one",null,"two","sha256:x"]"#).header("link", link);
            }
            assert!(asked.target.starts_with("/v2/a/b/tags/list?"), "{}", asked.target);
            page(r#"["two","a3"]"#)
        })
        .await;
        assert_eq!(tags(&server).await.unwrap(), ["one", "two", "a3"], "{link}");
        assert!(server.asked().iter().all(|asked| asked.header("accept") == Some("application/json")));
    }
}

#[tokio::test]
async fn a_page_size_that_is_refused_is_left_out() {
    for status in [400, 413] {
        let server = Scripted::start(move |asked| match asked.target.as_str() {
            "/v2/a/b/tags/list" => page(r#"["one"]"#),
            _ => refusal(status, "PAGINATION_NUMBER_INVALID"),
        })
        .await;
        assert_eq!(tags(&server).await.unwrap(), ["one"]);
    }
}

// Quirk 34.
#[tokio::test]
async fn a_full_page_may_not_be_the_last() {
    let full: Vec<String> = (0..1000).map(|n| format!("\"t{n}\"")).collect();
    let full = format!("[{}]", full.join(","));
    let server = Scripted::start(
        move |asked| {
            if asked.target.contains("last=t999") { page(r#"["more"]"#) } else { page(&full) }
        },
    )
    .await;
    assert_eq!(tags(&server).await.unwrap().len(), 1001);
    assert_eq!(server.asked().len(), 2);
}

// S10, S11.
#[tokio::test]
async fn lists_that_lead_away_or_nowhere_are_errors() {
    let evil = Scripted::start_at("127.0.0.2", |_| page("[]")).await;
    let away = format!("<{}/v2/a/b/tags/list?last=x>; rel=next", evil.url());
    let server = Scripted::start(move |_| page(r#"["one"]"#).header("link", away.clone())).await;
    assert_eq!(tags(&server).await.unwrap_err().kind(), ErrorKind::Policy);
    assert!(evil.asked().is_empty());

    let itself =
        Scripted::start(|asked| page(r#"["one"]"#).header("link", format!("<{}>; rel=next", asked.target))).await;
    assert_eq!(tags(&itself).await.unwrap_err().kind(), ErrorKind::Nonsense);
    let ever_new = Scripted::start(|asked| {
        page("[]")
            .header("link", format!("<?last=x{}>; rel=next", asked.target.len()))
            .header("x", asked.target.clone())
    })
    .await;
    assert_eq!(tags(&ever_new).await.unwrap_err().kind(), ErrorKind::Nonsense);
    assert!(ever_new.asked().len() < 12, "{}", ever_new.asked().len());
}

// Quirk 38.
#[tokio::test]
async fn a_registry_without_a_catalogue_is_explained() {
    let server = Scripted::start(|_| refusal(404, "NOT_FOUND")).await;
    let client = client(&server);
    let error = client.repositories().next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("does not show its repositories"), "{error}");
}
