//! `distribute`: each image read once, every site for itself, and again at any time.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Sites, compose, configuration};
use crate::support::docker_registry::DockerRegistry;
use crate::support::eventually;
use crate::support::images::{Image, image, index};
use crate::support::program::{Output, Program};
use crate::support::push::Registry;
use crate::support::relay::{Line, Relay};
use crate::support::scripted::{Act, when};
use crate::support::served::Served;

/// The bytes of an image's blobs and manifests.
fn bytes(image: &Image) -> u64 {
    let blobs = image.all_blobs().into_iter().chain(image.all_manifests());
    blobs.map(|content| content.bytes.len() as u64).sum()
}

/// The bytes that a run sent to each site, by name.
fn sent(run: &Output, site: &str) -> u64 {
    let images = run.json()["images"].as_array().unwrap().clone();
    let own = images.iter().filter(|image| image["site"] == site);
    own.map(|image| image["blobs"]["sent"]["bytes"].as_u64().unwrap()).sum()
}

/// One home and eight sites: docker-registry and `tranship serve` in turn, one of them over a slow line, one down.
#[test]
fn a_site_that_is_down_gets_what_it_lacks_at_the_next_run_and_nobody_else_gets_anything() {
    needs!("docker-registry");
    let home = DockerRegistry::open();
    let from_home = Relay::to(home.address());
    let docker: Vec<DockerRegistry> = (0..4).map(|_| DockerRegistry::open()).collect();
    let programs: Vec<Program> = (0..3).map(|_| Program::new()).collect();
    let served: Vec<Served> = programs.iter().map(Served::of).collect();
    let slow = Relay::over(docker[3].address(), Line { rate: Some(1_000_000), ..Line::default() });
    // An address that is nobody's until it is this test's again.
    let down = TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap().to_string();
    let names = ["boden", "falun", "kiruna", "lund", "malmo", "sveg", "umea", "visby"];
    let addresses = [
        docker[0].address(),
        served[0].address(),
        &down,
        docker[1].address(),
        served[1].address(),
        docker[2].address(),
        served[2].address(),
        slow.address(),
    ];
    let program = Program::new();
    let sites = configuration(names.into_iter().zip(addresses.map(str::to_owned)));
    program.configure(&format!("settings: {{home-registry: '{}'}}\n{sites}", from_home.address()));
    let images =
        [image().layers(&[200_000, 3000]).build(), index(vec![image().layers(&[50_000]).build(), image().build()])];
    let at_home = Registry::at(&home.url());
    at_home.push("team/app", &images[0], &["1.4"]);
    at_home.push("docker.io/library/tool", &images[1], &["2"]);
    let spec = compose(&[format!("{}/team/app:1.4", from_home.address()), "docker.io/library/tool:2".to_owned()]);
    std::fs::write(program.home().join("app.yaml"), spec).unwrap();
    let distribute = ["distribute", "-f", "app.yaml", "--all", "--attached", "none", "--retries", "1", "-o", "json"];

    let first = program.run(&distribute).code(7);
    assert_eq!(first.stderr.matches("kiruna").count(), 1, "named once: {}", first.shown());
    assert!(first.stderr.contains("cannot distribute 2 images to kiruna"), "{}", first.shown());
    assert!(!names.iter().any(|name| *name != "kiruna" && first.stderr.contains(name)), "{}", first.shown());
    assert_eq!(first.json()["images"].as_array().unwrap().len(), 14);
    let whole: u64 = images.iter().map(bytes).sum();
    assert_eq!(from_home.downloaded(), whole, "each read once: {:?}", from_home.lines());
    let held = |address: &str| {
        let registry = Registry::at(&format!("http://{address}"));
        let tagged = |repository: &str, tag: &str| registry.manifest(repository, tag).map(|found| found.digest);
        registry.holds("team/app", &images[0])
            && registry.holds("docker.io/library/tool", &images[1])
            && tagged("team/app", "1.4").as_deref() == Some(images[0].digest())
            && tagged("docker.io/library/tool", "2").as_deref() == Some(images[1].digest())
    };
    let up: Vec<&str> = addresses.into_iter().filter(|address| *address != down).collect();
    assert!(up.iter().all(|address| held(address)));

    let late = Program::new();
    let _kiruna = Served::at(&late, &down);
    from_home.forget();
    let second = program.run(&distribute).success();
    for name in names {
        let blobs: u64 = images.iter().map(|image| bytes(image) - manifests(image)).sum();
        assert_eq!(sent(&second, name), if name == "kiruna" { blobs } else { 0 }, "{name}: {}", second.shown());
    }
    assert_eq!(from_home.downloaded(), whole, "{:?}", from_home.lines());
    assert!(held(&down));
    from_home.forget();
    let third = program.run(&distribute).success();
    assert!(third.json()["images"].as_array().unwrap().iter().all(|image| image["unchanged"] == true));
    assert_eq!(from_home.count("GET", "/blobs/"), 0, "{:?}", from_home.lines());
}

fn manifests(image: &Image) -> u64 {
    image.all_manifests().iter().map(|manifest| manifest.bytes.len() as u64).sum()
}

#[test]
fn no_image_waits_for_a_site_that_is_slow_with_another_one() {
    let sites = Sites::of(&["fast", "slow"]);
    let images: Vec<Image> = (0..9).map(|_| image().layers(&[2000]).build()).collect();
    let names: Vec<String> = images.iter().enumerate().map(|(n, image)| sites.put(&format!("a{n}:1"), image)).collect();
    let released = Arc::new(AtomicBool::new(false));
    sites.registries[1].rule(when("PUT", "/blobs/uploads/"), hold_until(&released));
    let words = [&["distribute", "--attached", "none", "--to", "fast", "slow", "--timeout", "50s", "--"][..]];
    let words = [words.concat(), names.iter().map(String::as_str).collect()].concat();
    let running = sites.program.invoke(&words).start();
    let there: Vec<String> = (0..9).map(|n| sites.there(&format!("a{n}"))).collect();
    eventually("the fast site has all", || there.iter().all(|name| sites.registries[0].tag(name, "1").is_some()));
    assert!(there.iter().all(|name| sites.registries[1].tag(name, "1").is_none()));
    released.store(true, Ordering::SeqCst);
    let run = running.finish().success();
    assert_eq!(run.lines().len(), 3, "{}", run.shown());
    assert!(images.iter().zip(&there).all(|(image, name)| sites.registries[1].holds(name, image)));
}

#[test]
fn what_is_told_of_every_registry() {
    let sites = Sites::of(&["kiruna", "stockholm", "stockholm"]);
    let app = sites.put("app:1", &image().seed(1).layers(&[100_000]).build());
    sites.program.run(&["distribute", "-q", &app, "--to", "stockholm"]).success();
    let run = sites.program.run(&["distribute", &app, &format!("{app}x"), "--all"]).code(7);
    let text: Vec<String> =
        run.shown().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    exit 7
    --- stdout
    SITE REGISTRY SENT THERE FAILED BYTES
    kiruna 127.0.0.1:PORT 1 0 0 99.8 KiB
    stockholm 127.0.0.1:PORT 0 1 0 0 B
    stockholm 127.0.0.1:PORT 0 1 0 0 B
    --- stderr
    error: cannot find `127.0.0.1:PORT/app:1x`: it is neither at home nor where it comes from
    ");
    let dry = sites.program.run(&["distribute", &app, "--all", "--dry-run"]).success();
    assert_eq!(dry.stdout.matches("nothing to do").count(), 3, "{}", dry.shown());
}

#[test]
fn images_are_read_from_the_home_and_else_from_where_they_come() {
    let sites = Sites::of(&["kiruna"]);
    let (old, new) = (image().build(), image().build());
    let app = sites.put("app:1", &old);
    sites.program.run(&["pull", "-q", &app]).success();
    // What is at home is what was meant, whatever the tag points at now.
    sites.put("app:1", &new);
    let other = sites.put("other:1", &new);
    sites.origin.forget_requests();
    let run = sites.program.run(&["distribute", "-q", &app, &other, "--all"]).success();
    let mut digests = run.lines();
    digests.sort_unstable();
    let mut expected = [old.digest(), new.digest()];
    expected.sort_unstable();
    assert_eq!(digests, expected);
    assert_eq!(sites.registries[0].tag(&sites.there("app"), "1").as_deref(), Some(old.digest()));
    assert_eq!(sites.origin.count("GET", "/v2/app/"), 0, "{:?}", sites.origin.lines());
    // An image of the store has the name there that it has in the store.
    sites.program.run(&["tag", &format!("store:{}:1", sites.there("app")), "2"]).success();
    sites.program.run(&["distribute", &format!("store:{}:2", sites.there("app")), "--all"]).success();
    assert_eq!(sites.registries[0].tags(&sites.there("app")), ["1", "2"]);
    sites.program.run(&["distribute", "oci:somewhere", "--all"]).code(2);
    sites
        .program
        .run(&["distribute", &format!("{app}none"), "--all"])
        .code(3)
        .says("neither at home nor where it comes from");
}

#[test]
fn what_is_named_by_its_digest_has_a_tag_all_the_same() {
    let sites = Sites::of(&["kiruna"]);
    let (one, two) = (image().build(), image().build());
    let app = sites.put("app:1", &one);
    let bare = format!("{}@{}", app.strip_suffix(":1").unwrap(), one.digest());
    sites.program.run(&["distribute", &bare, "--all"]).success();
    let there = sites.there("app");
    let tag = format!("digest-{}", &one.digest()["sha256:".len()..][..12]);
    assert_eq!(sites.registries[0].tag(&there, &tag).as_deref(), Some(one.digest()));
    // Two digests under one tag: both arrive, and one has the tag.
    sites.origin.put("app", &two, &["1"]);
    let pins = [&one, &two].map(|image| format!("{app}@{}", image.digest()));
    sites.program.run(&["distribute", &pins[1], &pins[0], "--all"]).success();
    assert_eq!(sites.registries[0].tag(&there, "1").as_deref(), Some(two.digest()));
    assert!(sites.registries[0].holds(&there, &one) && sites.registries[0].holds(&there, &two));
}

#[test]
fn a_site_that_is_dead_is_asked_once_however_many_images_there_are() {
    let sites = Sites::of(&["kiruna", "lund"]);
    let released = Arc::new(AtomicBool::new(false));
    sites.registries[0].rule(when("*", "/v2/"), hold_until(&released));
    let names: Vec<String> = (0..5).map(|n| sites.put(&format!("a{n}:1"), &image().build())).collect();
    let flags = ["distribute", "--attached", "none", "--all", "--timeout", "2s", "--retries", "0"];
    let words = [&flags[..], &names.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    let run = sites.program.run(&words).code(7).says("cannot distribute 5 images to kiruna");
    released.store(true, Ordering::SeqCst);
    assert!(run.stdout.contains("lund"), "{}", run.shown());
    assert_eq!(run.stderr.matches("error:").count(), 1, "{}", run.shown());
    let asked = sites.registries[0].lines();
    assert!(asked.iter().all(|line| line.contains("/a0/")), "one image finds out for all: {asked:?}");
}

/// Answers nothing until it is released, and then what is right.
fn hold_until(released: &Arc<AtomicBool>) -> Act {
    let gate = Arc::clone(released);
    Act::answer_if(move |_| {
        while !gate.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    })
}
