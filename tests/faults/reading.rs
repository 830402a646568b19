//! Bodies that are cut, stalled, damaged or not what they should be.

use std::time::Duration;

use super::{SINKS, Scene, Sink};
use crate::support::certificates::{Authority, LOOPBACK};
use crate::support::content::noise;
use crate::support::images::{Content, Image, image, index};
use crate::support::program::Program;
use crate::support::scripted::{Ability, Act, Scripted, when};
use crate::support::server::{Delivery, Request, Response};

/// The layer of most tests.
const SIZE: usize = 300_000;

pub(super) fn flipped(at: usize) -> Act {
    Act::change(move |_, mut response: Response| {
        if let Some(byte) = response.body.get_mut(at) {
            *byte ^= 1;
        }
        response
    })
}

/// The `Range` of every request for the layer.
pub(super) fn ranges(scene: &Scene) -> Vec<Option<String>> {
    let requests = scene.source.requests().into_iter();
    let requests = requests.filter(|request| request.method == "GET" && request.target.contains(scene.layer_word()));
    requests.map(|request| request.header("range").map(str::to_owned)).collect()
}

#[test]
fn f01_a_body_that_was_cut_goes_on_where_it_was_cut() {
    for sink in SINKS {
        for per_mille in [0, 1, 500, 999] {
            let scene = Scene::new(&[SIZE]);
            let length = scene.layer().bytes.len();
            let cut = length * per_mille / 1000;
            scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::CutAfter(cut)));
            scene.arrived(sink, scene.bring(sink));
            let second = (cut > 0).then(|| format!("bytes={cut}-"));
            assert_eq!(ranges(&scene), [None, second], "nothing comes twice");
        }
    }
}

#[test]
fn f02_as_long_as_a_stream_gets_on_it_is_taken_up_again() {
    let scene = Scene::new(&[8 * 1024 * 1024]);
    scene.source.rule(when("GET", scene.layer_word()), Act::deliver(Delivery::CutAfter(1024 * 1024)));
    scene.arrived(Sink::Registry, scene.bring(Sink::Registry));
    assert_eq!(ranges(&scene).len(), 9, "more often than anything that gets nowhere is tried");
}

#[test]
fn f03_a_stream_that_never_gets_on_is_given_up() {
    let scene = Scene::new(&[SIZE]);
    scene.source.rule(when("GET", scene.layer_word()), Act::deliver(Delivery::CutAfter(0)));
    let output = scene.bring(Sink::Store);
    assert_eq!(ranges(&scene).len(), 6);
    scene.source.forget_requests();
    scene.failed(Sink::Store, output, 5).says(&scene.layer().digest);
}

#[test]
fn f05_a_stalled_body_is_taken_up_again_after_the_time_limit() {
    for (sink, bytes) in [(Sink::Registry, 1000), (Sink::Store, 200_000)] {
        let scene = Scene::new(&[SIZE]);
        scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::StallAfter(bytes)));
        scene.arrived(sink, scene.bring(sink));
        assert_eq!(ranges(&scene), [None, Some(format!("bytes={bytes}-"))]);
    }
    let scene = Scene::new(&[SIZE]);
    scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::Silence));
    scene.arrived(Sink::Store, scene.bring(Sink::Store));
}

#[test]
fn f06_a_slow_body_is_waited_for_as_long_as_something_comes() {
    let scene = Scene::new(&[10]);
    let slowly = Delivery::Drip(scene.layer().bytes.len() / 5, Duration::from_millis(300));
    scene.source.rule(when("GET", scene.layer_word()), Act::deliver(slowly));
    scene.arrived(Sink::Store, scene.bring(Sink::Store));
    assert_eq!(ranges(&scene), [None], "the limit is one of silence");
}

#[test]
fn f07_a_flipped_byte_is_found_and_the_blob_read_once_more() {
    for sink in SINKS {
        let scene = Scene::new(&[SIZE]);
        scene.source.rule(when("GET", scene.layer_word()).once(), flipped(SIZE / 2));
        scene.arrived(sink, scene.bring(sink)).says("is read once more from the start");
        assert_eq!(ranges(&scene), [None, None]);

        let scene = Scene::new(&[SIZE]);
        scene.source.rule(when("GET", scene.layer_word()), flipped(SIZE / 2));
        let output = scene.bring(sink);
        assert_eq!(ranges(&scene), [None, None]);
        scene.failed(sink, output, 6).says(&scene.layer().digest);
    }
}

#[test]
fn f07_a_flipped_byte_in_a_manifest_is_found() {
    for sink in SINKS {
        for what in ["a manifest by tag", "a child", "a config"] {
            let child = image().build();
            let scene = Scene::of(index(vec![child.clone(), image().architecture("arm64").build()]));
            let fragment = match what {
                "a manifest by tag" => format!("/manifests/{}", scene.image.digest()),
                "a child" => format!("/manifests/{}", child.digest()),
                _ => format!("/blobs/{}", child.blobs[0].digest),
            };
            scene.source.rule(when("GET", &fragment), flipped(30));
            scene.source.rule(when("GET", "/manifests/v1"), flipped(30));
            scene.failed(sink, scene.bring(sink), 6);
        }
    }
}

#[test]
fn f08_a_flipped_byte_behind_a_cut_is_found() {
    for sink in SINKS {
        let scene = Scene::new(&[SIZE]);
        scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::CutAfter(SIZE / 2)));
        scene.source.rule(when("GET", scene.layer_word()).skip(1).once(), flipped(1000));
        scene.arrived(sink, scene.bring(sink));
        assert_eq!(ranges(&scene).last(), Some(&None), "from the first byte");
    }
}

#[test]
fn f09_a_server_without_ranges_is_read_from_the_start() {
    for sink in SINKS {
        let new = image().layers(&[SIZE]).build();
        let scene = Scene::with(new, Scripted::settings().without(Ability::Ranges), Scripted::settings());
        scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::CutAfter(SIZE / 2)));
        scene.arrived(sink, scene.bring(sink));
        assert_eq!(ranges(&scene).len(), 2);
    }
}

#[test]
fn f10_another_part_than_was_asked_for_is_not_spliced_in() {
    let length = |scene: &Scene| scene.layer().bytes.len();
    for sink in SINKS {
        for lie in ["start", "total", "end", "none"] {
            let scene = Scene::new(&[SIZE]);
            let (cut, total) = (SIZE / 2, length(&scene));
            let range = match lie {
                "start" => format!("bytes {}-{}/{total}", cut - 7, total - 1),
                "total" => format!("bytes {cut}-{}/{}", total - 1, total + 7),
                "end" => format!("bytes {cut}-{}/{total}", total - 8),
                _ => String::new(),
            };
            scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::CutAfter(cut)));
            scene.source.rule(
                when("GET", scene.layer_word()),
                Act::change(move |request: &Request, response: Response| match request.header("range") {
                    Some(_) if range.is_empty() => response.without_header("Content-Range"),
                    Some(_) => response.header("Content-Range", &range),
                    None => response,
                }),
            );
            scene.arrived(sink, scene.bring(sink));
            assert_eq!(ranges(&scene), [None, Some(format!("bytes={cut}-")), None], "{lie}");
        }
    }
}

#[test]
fn f11_a_range_that_cannot_be_satisfied_is_asked_for_whole() {
    for sink in SINKS {
        let scene = Scene::new(&[SIZE]);
        scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::CutAfter(SIZE / 2)));
        let ranged = |request: &Request| request.header("range").map(|_| Response::new(416));
        scene.source.rule(when("GET", scene.layer_word()), Act::answer_if(ranged));
        scene.arrived(sink, scene.bring(sink));
        assert_eq!(ranges(&scene).last(), Some(&None));
    }
}

#[test]
fn f12_a_blob_that_changes_between_its_parts_is_found() {
    let scene = Scene::new(&[SIZE]);
    let other = noise(7, SIZE * 2);
    scene.source.rule(when("GET", scene.layer_word()).once(), Act::deliver(Delivery::CutAfter(SIZE / 2)));
    let changed = move |_: &Request, mut response: Response| {
        response.body = other[..response.body.len()].to_vec();
        response
    };
    scene.source.rule(when("GET", scene.layer_word()).skip(1).once(), Act::change(changed));
    scene.arrived(Sink::Store, scene.bring(Sink::Store));
}

/// An image whose layer is so many bytes longer or shorter than its descriptor says.
fn lying(by: isize) -> (Scene, Content) {
    let scene = Scene::new(&[SIZE]);
    let layer = scene.layer().clone();
    let mut bytes = layer.bytes.clone();
    bytes.resize(bytes.len().checked_add_signed(by).unwrap(), 7);
    scene.source.put_blob("a", &Content { bytes, ..layer.clone() });
    (scene, layer)
}

#[test]
fn f13_a_body_of_another_length_than_was_announced_is_refused() {
    for sink in SINKS {
        for (by, delivery) in [
            (1, Delivery::Whole),
            (1, Delivery::Chunked),
            (100_000, Delivery::Chunked),
            (-1, Delivery::Whole),
            (-1000, Delivery::Whole),
            (-1000, Delivery::Chunked),
        ] {
            let (scene, layer) = lying(by);
            scene.source.rule(when("GET", scene.layer_word()), Act::deliver(delivery.clone()));
            let output = scene.bring(sink).code(6).says(&layer.digest);
            assert!(ranges(&scene).len() <= 2, "{by} {delivery:?}: read once more, and no more: {:?}", ranges(&scene));
            scene.source.put_blob("a", &layer);
            scene.failed(sink, output, 6);
        }
    }
}

#[test]
fn f13_a_manifest_of_another_length_than_its_index_says_is_refused() {
    for sink in SINKS {
        let child = image().build();
        let mut document = index(vec![child.clone()]).document();
        document["manifests"][0]["size"] = serde_json::json!(child.manifest.bytes.len() + 1);
        let media_type = crate::support::images::OCI_INDEX;
        let manifest = Content::new(media_type, document.to_string());
        let scene = Scene::of(Image { manifest, blobs: Vec::new(), children: vec![child] });
        scene.bring(sink).code(6).says("is said to be");
        assert_eq!(scene.standing(sink), scene.old.digest());
    }
}

#[test]
fn f46_tls_that_ends_without_a_word_is_no_harm_to_a_body_that_is_whole() {
    let authority = Authority::new();
    let registry = Scripted::settings().tls(authority.server(&LOOPBACK)).start();
    let image = image().layers(&[SIZE]).build();
    registry.put("a", &image, &["v1"]);
    let program = Program::new();
    let ends = |with_length: bool| {
        Act::change(move |_: &Request, response: Response| {
            if with_length {
                let length = response.body.len();
                return response.deliver(Delivery::CutAfter(length));
            }
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n";
            let raw = [head.as_bytes(), &response.body].concat();
            response.deliver(Delivery::Raw(raw))
        })
    };
    for with_length in [true, false] {
        registry.behave();
        registry.rule(when("GET", "/blobs/"), ends(with_length));
        let name = format!("{}/a:v1", registry.address());
        let to = format!("store:b{with_length}:v1");
        program.run(&["copy", "--attached", "none", "--tls", "skip-verify", &name, &to]).success();
        super::assert_store_holds(program.home(), &image);
    }
    assert!(registry.count("GET", "/blobs/") <= 4, "{:?}", registry.lines());
}
