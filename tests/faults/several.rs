//! Faults that meet one of two destinations, or the source of both.

use super::reading::{flipped, ranges};
use super::{Scene, Sink};
use crate::support::program::Output;
use crate::support::scripted::{Act, when};

impl Scene {
    /// Brings the image to the registry and to the store in one run.
    fn bring_to_both(&self) -> Output {
        let [mut words, to_store] = [Sink::Registry, Sink::Store].map(|sink| self.words(sink));
        words.extend(to_store.last().cloned());
        self.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn f07_a_flipped_byte_is_read_once_more_for_both_and_refused_by_both() {
    let scene = Scene::new(&[2_000_000]);
    scene.source.rule(when("GET", scene.layer_word()).once(), flipped(1_000_000));
    let output = scene.arrived(Sink::Registry, scene.bring_to_both());
    let output = scene.arrived(Sink::Store, output);
    assert_eq!(ranges(&scene), [None, None]);
    assert_eq!(output.stderr.matches("is read once more from the start").count(), 1, "{}", output.shown());

    let scene = Scene::new(&[2_000_000]);
    scene.source.rule(when("GET", scene.layer_word()), flipped(1_000_000));
    let output = scene.bring_to_both();
    assert_eq!(ranges(&scene), [None, None]);
    assert_eq!(scene.standing(Sink::Store), scene.old.digest());
    scene.failed(Sink::Registry, output, 6).says(&scene.layer().digest);
    assert_eq!(scene.standing(Sink::Store), scene.old.digest());
}

#[test]
fn f23_an_upload_that_is_cut_goes_on_and_the_other_destination_does_not_notice() {
    let scene = Scene::new(&[9_000_000]);
    scene.destination.rule(when("PUT", scene.layer_word()).once(), Act::reset_request_after(5_000_000));
    let output = scene.arrived(Sink::Registry, scene.bring_to_both());
    scene.arrived(Sink::Store, output);
    let asked = ranges(&scene);
    // Behind the last kept state of the comparison, which is at four MiB or a piece farther.
    assert!(asked.len() == 2 && asked[0].is_none(), "{asked:?}");
    assert!(asked[1].as_ref().is_some_and(|range| range.starts_with("bytes=4")), "{asked:?}");
}

#[test]
fn f14_a_destination_that_refuses_leaves_the_other_alone() {
    let scene = Scene::new(&[2_000_000, 30_000]);
    scene.destination.rule(when("*", "/uploads/"), Act::status(403));
    let output = scene.bring_to_both().code(7);
    assert_eq!(scene.standing(Sink::Registry), scene.old.digest());
    assert_eq!(scene.standing(Sink::Store), scene.image.digest());
    assert!(output.stderr.contains(&scene.destination.address()), "{}", output.shown());
    scene.destination.behave();
    scene.source.forget_requests();
    scene.arrived(Sink::Registry, scene.bring_to_both());
}
