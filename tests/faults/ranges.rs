//! Big blobs that come in several ranges at once, and what goes wrong with one of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::{Scene, Sink};
use crate::support::images::{Image, image};
use crate::support::program::Output;
use crate::support::scripted::{Act, when};
use crate::support::server::{Delivery, Response};

const MIB: usize = 1024 * 1024;

/// Big enough for several ranges. It is the same in all tests here, because making it takes time.
static BIG: LazyLock<Image> = LazyLock::new(|| image().layers(&[80 * MIB]).build());

/// 12.5 MB in a second.
fn slowly() -> Delivery {
    Delivery::Drip(MIB / 8, Duration::from_millis(10))
}

/// A scene whose source gives each connection so many bytes in a second and no more, until a range went wrong: what
/// it answers to the range with a number, counted from 0, goes through `fault`, together with the bytes of the whole.
/// Streams to the end of the blob behind the first are fast.
fn scene(fault: impl Fn(usize, &[u8], Response) -> Response + Send + Sync + 'static) -> Scene {
    let scene = Scene::of(BIG.clone());
    let whole = Arc::new(scene.layer().bytes.clone());
    let (ranges, streams) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let act = Act::change(move |request, response| {
        if request.header("range").is_some_and(|range| !range.ends_with('-')) {
            let number = ranges.fetch_add(1, Ordering::SeqCst);
            return fault(number, &whole, response.deliver(slowly()));
        }
        let is_first = streams.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { response.deliver(slowly()) } else { response }
    });
    scene.source.rule(when("GET", scene.layer_word()), act);
    scene
}

/// The ranges that were asked for, each as its first and last byte.
fn ranges(scene: &Scene) -> Vec<(usize, Option<usize>)> {
    let requests = scene.source.requests().into_iter();
    let requests = requests.filter(|request| request.method == "GET" && request.target.contains(scene.layer_word()));
    let parsed = requests.filter_map(|request| {
        let (first, last) = request.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().unwrap(), last.parse().ok()))
    });
    let mut parsed: Vec<_> = parsed.collect();
    // Those that are asked for at once arrive in any order.
    parsed.sort_unstable();
    parsed
}

/// Brings the image to the store, and asserts that it came over more than one connection at once.
#[track_caller]
fn arrives(scene: &Scene) -> Output {
    let output = scene.arrived(Sink::Store, scene.bring(Sink::Store));
    assert!(scene.source.most_long_bodies() >= 2, "{:?}", ranges(scene));
    output
}

#[test]
fn f12_a_source_that_is_slow_for_each_connection_is_read_over_several() {
    let scene = scene(|_, _, response| response);
    let before = scene.source.sent();
    let peak = arrives(&scene).peak;
    let plain = Scene::of(BIG.clone());
    let alone = plain.arrived(Sink::Store, plain.bring(Sink::Store)).peak;
    // 40 MiB that are held, and what allocating them in pieces costs.
    assert!(peak < alone + 48 * 1024 * 1024, "{peak} bytes of memory, and {alone} for one stream");
    let (asked, size) = (ranges(&scene), scene.layer().bytes.len());
    // The sixth is the first stream, until the source sees that it was cut.
    assert!((2..=6).contains(&scene.source.most_long_bodies()), "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[0].1 == Some(pair[1].0 - 1)), "one behind the other: {asked:?}");
    assert_eq!(asked.last().unwrap().1, Some(size - 1));
    // What was on its way when the first stream was cut is all that came in vain.
    let sent = usize::try_from(scene.source.sent() - before).unwrap();
    assert!(sent < size + 4 * MIB, "{sent} bytes for {size}");
    assert!(scene.source.connections() < 12, "connections are used again: {}", scene.source.connections());
}

#[test]
fn f12_a_source_that_is_fast_sees_one_request() {
    let scene = Scene::of(BIG.clone());
    scene.arrived(Sink::Store, scene.bring(Sink::Store));
    assert_eq!(scene.source.count("GET", scene.layer_word()), 1);
}

#[test]
fn f01_a_range_that_was_cut_goes_on_where_it_was_cut() {
    let scene = scene(|number, _, response| match number {
        2 | 5 => response.deliver(Delivery::CutAfter(3 * MIB)),
        _ => response,
    });
    let before = scene.source.sent();
    arrives(&scene);
    let asked = ranges(&scene);
    let resumed = |pair: &&[(usize, Option<usize>)]| pair[0].1 == pair[1].1 && pair[0].0 + 3 * MIB == pair[1].0;
    assert_eq!(asked.windows(2).filter(resumed).count(), 2, "{asked:?}");
    assert!(usize::try_from(scene.source.sent() - before).unwrap() < scene.layer().bytes.len() + 4 * MIB);
}

#[test]
fn f08_a_flipped_byte_in_one_range_is_found() {
    let scene = scene(|number, _, mut response| {
        if number == 3 {
            response.body[MIB] ^= 1;
        }
        response
    });
    scene.arrived(Sink::Store, scene.bring(Sink::Store)).says("is read once more from the start");
}

#[test]
fn f09_a_source_that_stops_doing_ranges_is_one_stream_again() {
    for from in [0, 3] {
        let scene = scene(move |number, whole, response| {
            if number < from {
                return response;
            }
            let response = response.without_header("Content-Range").body(whole).deliver(Delivery::Whole);
            Response { status: 200, ..response }
        });
        arrives(&scene);
    }
}

#[test]
fn f10_another_range_than_was_asked_for_is_not_spliced_in() {
    for lie in ["bytes 5-8388612/", "bytes 0-8388607/"] {
        let scene = scene(move |number, whole, response| match number {
            2 => response.header("Content-Range", &format!("{lie}{}", whole.len())),
            _ => response,
        });
        arrives(&scene);
    }
}

#[test]
fn f11_a_range_that_cannot_be_satisfied_does_not_fail_the_blob() {
    let scene = scene(|number, _, response| if number == 2 { Response::new(416) } else { response });
    arrives(&scene);
}

#[test]
fn f12_a_blob_that_changes_between_its_ranges_is_found() {
    let changed = |response: Response| {
        let body: Vec<u8> = response.body.iter().map(|byte| byte ^ 0x55).collect();
        response.body(body)
    };
    let scene = scene(move |number, _, response| if number > 2 { changed(response) } else { response });
    scene.arrived(Sink::Store, scene.bring(Sink::Store)).says("is read once more from the start");
}
