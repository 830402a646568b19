//! What is found in specs of every kind, and what is left alone when they are written.

use super::*;
use crate::failure::Failure as _;
use crate::image::{Digest, Naming};

const TICKETS: &str = include_str!("../../examples/applications/ticket-manager.yaml");
const SHOP: &str = include_str!("../../examples/applications/shop.yaml");
const COMPOSE: &str = include_str!("../../examples/applications/compose.yaml");

fn spec(text: &str) -> Spec {
    Spec::read("app.yaml", text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Everything that is found, one a line.
fn found(text: &str) -> String {
    let spec = spec(text);
    let short = |image: &str| image.replace("registry.example.com/", "");
    let mentions = spec.mentions().iter().map(|m| (m.line, format!("{}: {}: {}", m.line, m.user, short(&m.image))));
    let notes = spec.notes().iter().map(|note| (note.line, format!("{}: ({})", note.line, note.text)));
    let mut lines: Vec<(usize, String)> = mentions.chain(notes).collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line + "\n").collect()
}

#[test]
fn an_avassa_application() {
    insta::assert_snapshot!(found(TICKETS), @r"
    16: service ticket-office, container ticket-manager: theatre/ticket-manager:v1.4
    25: service ticket-office, container log-shipper: tools/log-shipper:2.2
    29: service seat-display, container display: theatre/seat-display
    ");
}

#[test]
fn kubernetes_objects_of_every_kind() {
    insta::assert_snapshot!(found(SHOP), @r"
    12: Pod/debug, container prepare: tools/toolbox:1
    15: Pod/debug, container debugger: tools/toolbox:2
    15: Pod/debug, container shell: tools/toolbox:2
    22: Pod/debug, volume catalogue: shop/catalogue:2026.11
    32: Deployment/web, container web: shop/web:4.1.0
    35: Deployment/web, container proxy: tools/proxy:1.9
    44: StatefulSet/database, container database: shop/database:17
    50: DaemonSet/logs, container ship: tools/log-shipper:2.2
    61: ReplicaSet/cache, container cache: shop/cache:7
    70: ReplicationController/legacy, container legacy: shop/legacy
    81: Job/migrate-, container migrate: shop/web:4.1.0
    95: CronJob/report, container report: shop/report:1.0
    104: PodTemplate/worker, container worker: shop/worker:3
    120: Pod/first, container a: shop/worker:3
    129: Rollout/canary, container web: shop/web:4.2.0-rc.1
    ");
}

#[test]
fn a_compose_file() {
    insta::assert_snapshot!(found(COMPOSE), @r"
    5: service invoices: shop/worker:3
    5: service mail: shop/worker:3
    10: service web: shop/web:4.1.0
    14: service web, volume /catalogue: shop/catalogue:2026.11
    23: (service admin is built where it runs, and names no image)
    24: service cache: shop/cache:7
    ");
}

#[test]
fn what_an_image_may_lack() {
    let kubernetes = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n  - name: b\n    image: \"\"\n";
    insta::assert_snapshot!(found(kubernetes), @r"
    6: (Pod/p, container a: there is no image)
    8: (Pod/p, container b: the image is left open)
    ");
    let compose = "include: [other.yaml]\nservices:\n  a: {extends: {file: base.yaml, service: a}}\n  b: {}\n  c: {extends: {service: b}}\n";
    insta::assert_snapshot!(found(compose), @r"
    1: (other files are included, and not looked at: name them too, or `docker compose config | … -f -`)
    3: (service a has its image from base.yaml, which is not looked at: name it too)
    4: (service b names no image)
    ");
}

#[test]
fn json_is_read_and_written_too() {
    let text =
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"containers\":[{\"image\":\"a.b\\/c:1\",\"name\":\"x\"}]}}";
    let spec = spec(text);
    assert_eq!(spec.mentions()[0].image, "a.b/c:1");
    let written = spec.rewritten(|_| Some("a.b/c:2".to_owned())).unwrap();
    assert_eq!(written, text.replace("a.b\\/c:1", "a.b/c:2"));
}

/// The lines that differ.
fn changed<'a>(old: &'a str, new: &'a str) -> Vec<(&'a str, &'a str)> {
    old.lines().zip(new.lines()).filter(|(old, new)| old != new).collect()
}

#[test]
fn a_pinned_file_differs_in_the_words_of_images_alone() {
    let digest = Digest::of(b"x");
    for text in [TICKETS, SHOP, COMPOSE] {
        for text in [text.to_owned(), format!("\u{feff}{}", text.replace('\n', "\r\n"))] {
            let spec = spec(&text);
            let pinned = spec.rewritten(|mention| Some(format!("{}@{digest}", mention.image))).unwrap();
            let places: std::collections::BTreeSet<usize> =
                spec.mentions().iter().map(|m| m.words.clone().unwrap().start).collect();
            assert_eq!(pinned.matches(&format!("@{digest}")).count(), places.len());
            assert_eq!(pinned.replace(&format!("@{digest}"), ""), text, "and every other byte stays");
            assert_eq!(changed(&text, &pinned).len(), places.len());
            let again = self::spec(&pinned);
            assert_eq!(again.rewritten(|_| None).unwrap(), pinned);
        }
    }
}

#[test]
fn a_block_is_written_in_place_whatever_its_comment_says() {
    let text = "services:\n- containers:\n  - image: >- # a.b/c:1\n      a.b/c:1\n";
    let written = spec(text).rewritten(|_| Some("a.b/c:2".to_owned())).unwrap();
    assert_eq!(written, text.replace("  a.b/c:1", "  a.b/c:2"));
}

#[test]
fn what_is_no_spec_says_so() {
    for (bytes, part) in [
        (&b"a: [\n"[..], "app.yaml:2: this is not YAML"),
        (b"\xff\xfe", "this is not text"),
        (b"image: x\n", "app.yaml:1: this is neither"),
        (b"services: x\n", "this is neither"),
        (b"apiVersion: v1\nkind: Pod\n---\n- 1\n", "app.yaml:4: this is neither"),
    ] {
        let error = Spec::read("app.yaml", bytes, None).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let template = Spec::read("t", b"kind: Pod\nname: {{ .Values.name }}\n", None).unwrap_err();
    assert!(template.hints()[0].contains("helm template"), "{template}");
    assert!(Spec::read("x", b"services:\n  a: {image: b}\n", Some(Kind::Compose)).is_ok());
    assert_eq!(Spec::read("x", b"", None).unwrap().mentions(), []);
}

#[test]
fn names_become_references_and_pins_keep_their_words() {
    let naming = Naming { default: Some("docker.io".parse().unwrap()), ..Naming::default() };
    let digest = Digest::of(b"x");
    for (image, meant, pinned) in [
        ("nginx", "docker.io/library/nginx:latest", format!("nginx:latest@{digest}")),
        ("store:1.0", "docker.io/library/store:1.0", format!("store:1.0@{digest}")),
        ("LOCALHOST:5000/a/b", "localhost:5000/a/b:latest", format!("LOCALHOST:5000/a/b:latest@{digest}")),
        ("[::1]:5000/x:1", "[::1]:5000/x:1", format!("[::1]:5000/x:1@{digest}")),
    ] {
        let mention = Mention { image: image.to_owned(), user: String::new(), line: 1, words: None };
        let reference = mention.reference(&naming).unwrap();
        assert_eq!((reference.to_string().as_str(), mention.pinned(&reference, &digest)), (meant, pinned));
        let renewed = Mention { image: mention.pinned(&reference, &Digest::of(b"y")), ..mention.clone() };
        let again = renewed.reference(&naming).unwrap();
        assert_eq!(renewed.pinned(&again, &digest), mention.pinned(&reference, &digest));
    }
    let bare = Mention { image: format!("a.b/c@{digest}"), user: String::new(), line: 1, words: None };
    assert_eq!(bare.pinned(&bare.reference(&naming).unwrap(), &digest), bare.image);
    for image in ["${IMAGE}", "a:$TAG", "a:{{ .Values.tag }}"] {
        let mention = Mention { image: image.to_owned(), user: String::new(), line: 1, words: None };
        let error = mention.reference(&naming).unwrap_err();
        assert!(error.to_string().contains("not filled in") && error.hints().len() == 1, "{error}");
    }
}
