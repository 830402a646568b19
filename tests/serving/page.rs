//! The page for people at `/`, as a browser shows it and as somebody hostile would like it to be.

use std::process::Command;

use super::access::{RULES, owner, ruled, user};
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::push::{Answer, Registry};
use crate::support::served::Served;

fn text(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; "), "{policy}");
    String::from_utf8(answer.body.clone()).unwrap()
}

fn page(registry: &Registry, path: &str) -> String {
    let answer = registry.get(path);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    text(&answer)
}

#[test]
fn everything_that_is_served_can_be_looked_at() {
    let program = Program::new();
    let served = Served::of(&program);
    let registry = served.registry();
    assert!(page(&registry, "/").contains("There is nothing to see yet"));
    let one = image().layers(&[1000, 20]).label("org.example.team", "harbour").build();
    let platforms = index(vec![image().build(), image().architecture("arm64").build()]);
    registry.push("team/app", &one, &["v1", "latest"]);
    registry.push("os/base", &platforms, &["3.20"]);
    let first = page(&registry, "/");
    assert!(first.contains("href=\"/images/team/app\"") && first.contains("href=\"/images/os/base\""), "{first}");
    let tags = page(&registry, "/images/team/app");
    assert!(tags.contains("href=\"/images/team/app:v1\"") && tags.contains("2 tags"), "{tags}");
    assert!(tags.contains(&format!("docker pull {}/team/app:latest", served.address())), "{tags}");
    let shown = page(&registry, "/images/team/app:v1");
    for word in [one.digest(), "linux/amd64", "KiB", "harbour", "docker pull", "Layers"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert_eq!(shown, page(&registry, "/images/team/app:v1"), "the same is shown the same way");
    let shown = page(&registry, "/images/os/base:3.20");
    assert!(shown.contains("linux/arm64"), "{shown}");
    let child = &platforms.all_manifests()[0].digest;
    assert!(shown.contains(&format!("href=\"/images/os/base@{child}\"")), "{shown}");
    assert!(page(&registry, &format!("/images/os/base@{child}")).contains("linux/amd64"));
    for missing in ["/images/nowhere", "/images/team/app:v9", "/images/team", "/images/Team/App", "/images/"] {
        let answer = registry.get(missing);
        assert_eq!(answer.status, 404, "{missing}");
        text(&answer);
    }
    let style = registry.get("/style.css");
    assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(registry.request(method, "/images/team/app", &[], b"").status, 405, "{method}");
    }
    let head = registry.request("HEAD", "/images/team/app:v1", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let silent = Served::with(&program, &["--no-web"]);
    for path in ["/", "/images/team/app", "/style.css", "/login"] {
        assert_eq!(silent.registry().get(path).status, 404, "{path}");
    }
}

#[test]
fn long_lists_come_in_pages() {
    let program = Program::new();
    let served = Served::of(&program);
    let (registry, image) = (served.registry(), image().build());
    let tags: Vec<String> = (0..120).map(|number| format!("v{number:03}")).collect();
    registry.push("a", &image, &tags.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut path, mut seen) = ("/images/a".to_owned(), Vec::new());
    loop {
        let shown = page(&registry, &path);
        assert!(shown.contains("120 tags"));
        seen.extend(tags.iter().filter(|tag| shown.contains(&format!("href=\"/images/a:{tag}\""))).cloned());
        let Some((_, next)) = shown.split_once("class=\"next\" href=\"") else { break };
        path = next.split_once('"').unwrap().0.to_owned();
    }
    assert_eq!(seen, tags);
}

#[test]
fn a_visitor_sees_what_may_be_pulled_and_no_more() {
    let program = Program::new();
    let rules = RULES.replace("- to: [users]\n  allow: [pull]\n", "");
    let served = ruled(&program, &rules, &[]);
    let (owner, image) = (owner(&program, &served), image().build());
    for repository in ["public/app", "team-a/app", "secret/app"] {
        owner.push(repository, &image, &["v1"]);
    }
    let (nobody, alice) = (served.registry(), user(&served, "alice"));
    let first = page(&nobody, "/");
    assert!(first.contains("public/app") && !first.contains("team-a") && !first.contains("secret"), "{first}");
    let first = page(&alice, "/");
    assert!(first.contains("team-a/app") && !first.contains("secret") && first.contains("alice"), "{first}");
    for path in ["secret/app", "secret/app:v1", "secret/nowhere", "nowhere:v1"] {
        let path = format!("/images/{path}");
        let (theirs, hers) = (nobody.get(&path), alice.get(&path));
        // There or not, it looks the same.
        assert_eq!((theirs.status, hers.status), (401, 404), "{path}");
        assert!(theirs.header("www-authenticate").unwrap().starts_with("Basic "));
        assert!(!text(&theirs).contains("secret") && !text(&hers).contains("secret"));
    }
    assert_eq!(served.registry().basic("alice", "wrong").get("/").status, 401);
    let closed = Served::with(&program, &["--anonymous", "none"]);
    assert_eq!(closed.registry().get("/").status, 401);
}

#[test]
fn s55_a_login_leads_to_the_beginning_and_nowhere_else() {
    let program = Program::new();
    let served = ruled(&program, RULES, &[]);
    for path in ["/login", "/login?next=https://evil.example", "/login?//evil.example", "/login?return=/%5cevil"] {
        assert_eq!(served.registry().get(path).status, 401, "{path}");
        let led = user(&served, "alice").get(path);
        assert_eq!((led.status, led.header("location")), (303, Some("/")), "{path}");
    }
    for path in ["//evil.example", "/images//evil.example", "/images/..%2f..", "/\\evil.example"] {
        let answer = user(&served, "alice").get(path);
        assert!(answer.status >= 400 && answer.header("location").is_none(), "{path}: {answer:?}");
    }
}

#[test]
fn s54_what_an_image_says_of_itself_is_text_and_never_markup() {
    let program = Program::new();
    let served = Served::of(&program);
    let registry = served.registry();
    let evil = "</td></table><script>alert(1)</script><img src=x onerror=alert(1)>\"'><style>*{display:none}</style>";
    let link = "javascript:alert(1)";
    let hostile = image()
        .label(evil, evil)
        .label("org.opencontainers.image.url", link)
        .annotation(evil, evil)
        .annotation("bidi", "abc\u{202e}cba\u{1b}[31m")
        .build();
    registry.push("a", &hostile, &["v1"]);
    let shown = page(&registry, "/images/a:v1");
    assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{shown}");
    for bad in ["<script", "<img", "<style>", "href=\"javascript", "\u{202e}", "\u{1b}"] {
        assert!(!shown.contains(bad), "{bad}: {shown}");
    }
    // A blob that is a page is none.
    let page = crate::support::images::Content::new("text/html", b"<script>alert(1)</script>".to_vec());
    registry.push_blob("a", &page);
    let blob = registry.get(&format!("/v2/a/blobs/{}", page.digest));
    assert_eq!(blob.header("content-type"), Some("application/octet-stream"));
    assert_eq!(blob.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(blob.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    // Nor does the name under which it is asked for get into a page as markup.
    let host = [("Host", "localhost\"><script>")];
    let answer = registry.request("GET", "/", &host, b"");
    assert!(!String::from_utf8_lossy(&answer.body).contains("<script"), "{answer:?}");
}

#[test]
fn a_browser_shows_it() {
    needs!("chromium");
    let program = Program::new();
    let served = Served::of(&program);
    let registry = served.registry();
    let base =
        image().label("org.opencontainers.image.source", "https://git.example/team/app").layers(&[3_400_000, 51_200]);
    let app = base.annotation("org.opencontainers.image.version", "2.4.1").build();
    registry.push("team-a/shop/frontend", &app, &["2.4.1", "2.4", "latest"]);
    registry.push("os/base", &index(vec![image().build(), image().architecture("arm64").build()]), &["3.20"]);
    registry.push("docker.io/library/alpine", &image().build(), &["3.20"]);
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, path) in [
        ("repositories", "/"),
        ("tags", "/images/team-a/shop/frontend"),
        ("image", "/images/team-a/shop/frontend:2.4.1"),
    ] {
        let shot = folder.join(format!("{name}.png"));
        let _ = std::fs::remove_file(&shot);
        let profile = program.path("chromium");
        let run = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"])
            .args(["--hide-scrollbars", "--window-size=1100,900"])
            .arg(format!("--user-data-dir={profile}"))
            .arg(format!("--screenshot={}", shot.display()))
            .arg(format!("http://{}{path}", served.address()))
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        // A page without its style would be as good as empty: black on white has few colours.
        assert!(std::fs::metadata(&shot).is_ok_and(|picture| picture.len() > 10_000), "{}", shot.display());
    }
    let log = served.end("TERM");
    assert!(log.contains("GET /style.css") && !log.contains("status=404"), "{log}");
}
