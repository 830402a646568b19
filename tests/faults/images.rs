//! Images that are incomplete, move, or come from several places.

use super::{SINKS, Scene, Sink, assert_store_holds};
use crate::support::images::{image, index};
use crate::support::program::Program;
use crate::support::scripted::{Act, Scripted, when};
use crate::support::server::{Delivery, Request, Response};

#[test]
fn f34_a_tag_that_moves_meanwhile_does_not_mix_two_images() {
    for sink in SINKS {
        let scene = Scene::of(index(vec![image().build(), image().architecture("arm64").build()]));
        let other = index(vec![image().build(), image().architecture("arm64").build()]);
        scene.source.put("a", &other, &["other"]);
        // From the second look at the tag on, it is another image.
        let by_tag = Act::change(move |_: &Request, response: Response| {
            let response = response.header("Docker-Content-Digest", &other.manifest.digest);
            if response.body.is_empty() { response } else { response.body(other.manifest.bytes.clone()) }
        });
        scene.source.rule(when("*", "/manifests/v1").skip(usize::from(sink == Sink::Registry) + 1), by_tag);
        scene.arrived(sink, scene.bring(sink));
    }
}

#[test]
fn f35_an_index_without_one_of_its_children_is_not_copied() {
    for sink in SINKS {
        let child = image().architecture("arm64").build();
        let scene = Scene::of(index(vec![image().build(), child.clone()]));
        scene.source.rule(when("*", child.digest()), Act::respond(Response::error(404, "MANIFEST_UNKNOWN")));
        scene.failed(sink, scene.bring(sink), 3).says(child.digest());
    }
}

#[test]
fn f47_of_several_mirrors_the_next_is_asked_where_one_fails() {
    let authored = image().layers(&[100_000]).build();
    let wrong = |_: &Request, mut response: Response| {
        response.body.iter_mut().for_each(|byte| *byte ^= 1);
        response
    };
    for fault in ["dead", "slow", "wrong bytes", "errors"] {
        let (registry, good) = (Scripted::start(), Scripted::start());
        let bad = Scripted::settings().ip("127.0.0.2").start();
        for place in [&registry, &good, &bad] {
            place.put("a", &authored, &["v1"]);
        }
        let address = bad.address();
        match fault {
            "dead" => drop(bad),
            "slow" => drop(bad.rule(when("*", ""), Act::deliver(Delivery::Silence)).requests()),
            "errors" => drop(bad.rule(when("*", ""), Act::respond(Response::error(403, "DENIED"))).requests()),
            _ => drop(bad.rule(when("GET", "/blobs/"), Act::change(wrong)).requests()),
        }
        let program = Program::new();
        program.configure(&format!(
            "remote-registries:\n- address: {}\n  mirrors: ['{address}', '{}']\n",
            registry.address(),
            good.address()
        ));
        let name = format!("{}/a:v1", registry.address());
        let words = ["copy", "--attached", "none", "--timeout", "1", "--retries", "0", &name, "store:b:v1"];
        let output = program.run(&words).success().says(&format!("the mirror {address} is left out"));
        assert_store_holds(program.home(), &authored);
        assert!(good.count("GET", "/blobs/") > 0, "{fault}: {}", output.shown());
        assert_eq!(registry.count("GET", "/blobs/"), 0, "{fault}");
    }
}

#[test]
fn f48_pages_may_be_empty_repeat_and_have_no_order() {
    let registry = Scripted::start();
    registry.put("a", &image().build(), &["x"]);
    let page = |names: &[&str], next: &str| {
        let response = Response::json(200, &serde_json::json!({"tags": names}));
        if next.is_empty() { response } else { response.header("Link", &format!("<?c={next}>; rel=next")) }
    };
    let pages = [
        ("c=1", page(&[], "2")),
        ("c=2", page(&["z", "b"], "3")),
        ("c=3", page(&["b", "a"], "4")),
        ("c=4", page(&["y"], "")),
    ];
    for (fragment, page) in pages {
        registry.rule(when("GET", fragment), Act::respond(page));
    }
    registry.rule(when("GET", "n="), Act::respond(Response::error(400, "PAGINATION_NUMBER_INVALID")));
    registry.rule(when("GET", "/tags/list"), Act::respond(page(&["m", "z"], "1")));
    let output = Program::new().run(&["tags", &format!("{}/a", registry.address())]).success();
    assert_eq!(output.lines(), ["m", "z", "b", "a", "y"]);
}

#[test]
fn f49_images_that_fail_stop_no_other_and_the_next_run_does_the_rest() {
    const IMAGES: usize = 200;
    let registry = Scripted::start();
    let names: Vec<String> = (0..IMAGES).map(|number| format!("app-{number}")).collect();
    for name in &names {
        registry.put(name, &image().build(), &["v1"]);
    }
    let fails = |target: &str| (3..IMAGES).step_by(20).any(|number| target.contains(&format!("/v2/app-{number}/")));
    let refuse = move |request: &Request| {
        (request.target.contains("/blobs/") && fails(&request.target)).then(|| Response::error(403, "DENIED"))
    };
    registry.rule(when("GET", ""), Act::answer_if(refuse));
    let images: Vec<String> = names.iter().map(|name| format!("{}/{name}:v1", registry.address())).collect();
    let words: Vec<&str> =
        ["pull", "--attached", "none"].into_iter().chain(images.iter().map(String::as_str)).collect();
    let program = Program::new();
    let output = program.run(&words).code(7).says("app-3:v1").says("app-183:v1");
    assert_eq!(output.lines().len(), IMAGES - 10);
    assert_eq!(output.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 10, "{}", output.stderr);
    registry.behave();
    registry.forget_requests();
    program.run(&words).success();
    let blobs: Vec<Request> =
        registry.requests().into_iter().filter(|request| request.target.contains("/blobs/")).collect();
    assert_eq!(blobs.len(), 10 * 3, "config and two layers of those that failed");
    assert!(blobs.iter().all(|request| fails(&request.target)));
}
