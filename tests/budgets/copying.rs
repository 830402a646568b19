//! What it costs to copy.

use super::counted::{ALL, Counted, Door, assert_cost, program};
use crate::support::images::{Content, Image, image, index};
use crate::support::program::Program;
use crate::support::scripted::{Ability, Scripted};

/// Two registries of one make, and the program that knows both.
struct Pair {
    from: Counted,
    to: Counted,
    tokens: usize,
}

impl Pair {
    fn each(mut test: impl FnMut(&Self)) {
        for (make, door) in ALL {
            // A challenge and a token of either side.
            let tokens = if door == Door::Tokens { 4 } else { 0 };
            test(&Self { from: Counted::start(make, door), to: Counted::start(make, door), tokens });
        }
    }

    fn both(&self) -> [&Counted; 2] {
        [&self.from, &self.to]
    }

    fn names(&self) -> (String, String) {
        (format!("{}/team/app", self.from.address()), format!("{}/mirror/app", self.to.address()))
    }

    /// Copies `team/app` to `mirror/app` with a program that knows nothing yet, and asserts the cost.
    #[track_caller]
    fn assert(&self, image: &Image, selector: &str, without_tokens: usize) {
        let (from, to) = self.names();
        let program = program(&self.both(), "");
        let words = ["copy", &format!("{from}{selector}"), &format!("{to}:v1")];
        assert_cost(&program, &self.both(), &words, without_tokens + self.tokens);
        assert!(self.to.holds("mirror/app", image));
    }
}

fn five_layers() -> Image {
    image().layers(&[100, 200, 300, 400, 500]).build()
}

#[test]
fn nothing_changed_is_a_look_at_both_sides() {
    needs!("docker-registry");
    Pair::each(|pair| {
        let images = [five_layers(), index(vec![image().build(), image().architecture("arm64").build()])];
        for image in images {
            pair.from.put("team/app", &image, &["v1"]);
            pair.to.put("mirror/app", &image, &["v1"]);
            pair.assert(&image, ":v1", 2);
        }
    });
}

#[test]
fn nothing_changed_by_digest_is_a_look_at_the_destination() {
    needs!("docker-registry");
    Pair::each(|pair| {
        let image = five_layers();
        pair.from.put("team/app", &image, &["v1"]);
        pair.to.put("mirror/app", &image, &["v1"]);
        let (from, to) = pair.names();
        let program = program(&pair.both(), "");
        let words = ["copy", &format!("{from}@{}", image.digest()), &format!("{to}:v1")];
        assert_cost(&program, &pair.both(), &words, 1 + pair.tokens / 2);
    });
}

#[test]
fn blobs_that_are_there_cost_one_request_each() {
    needs!("docker-registry");
    Pair::each(|pair| {
        let image = five_layers();
        pair.to.put("mirror/app", &image, &["v0"]);
        // Another manifest of the same blobs, under a new tag and under one that stands elsewhere.
        let other = other_manifest_of(&image);
        pair.from.put("team/app", &other, &["v1"]);
        pair.assert(&other, ":v1", 3 + 6);
        let third = other_manifest_of(&other);
        pair.from.put("team/app", &third, &["v1"]);
        pair.assert(&third, ":v1", 4 + 6);
    });
}

/// An image of the same blobs under another manifest.
fn other_manifest_of(image: &Image) -> Image {
    let mut document = image.document();
    document["annotations"]["org.example.made-from"] = image.digest().into();
    Image { manifest: Content::new(&image.manifest.media_type, document.to_string()), ..image.clone() }
}

#[test]
fn into_a_fresh_repository_a_blob_costs_three_requests() {
    needs!("docker-registry");
    Pair::each(|pair| {
        let image = five_layers();
        pair.from.put("team/app", &image, &["v1"]);
        pair.assert(&image, ":v1", 3 * 6 + 4);
    });
}

#[test]
fn a_small_blob_costs_two_requests_once_it_is_known_to_go_with_the_first() {
    let (from, to) = (Scripted::start(), Scripted::settings().with(Ability::WholePost).start());
    let image = five_layers();
    from.put("team/app", &image, &["v1"]);
    let program = Program::new();
    let cost = |repository: &str| {
        from.forget_requests();
        to.forget_requests();
        let names = [format!("{}/team/app:v1", from.address()), format!("{}/{repository}:v1", to.address())];
        program.run(&["copy", "--attached", "none", &names[0], &names[1]]).success();
        assert!(to.holds(repository, &image));
        [from.lines(), to.lines()].concat()
    };
    // The first blob finds out that the repository is fresh, one further how it takes small blobs. Those that begin
    // before its answer do not wait for it.
    let first = cost("mirror/app");
    assert!(first.len() < 3 * 6 + 4, "{first:#?}");
    let second = cost("mirror/other");
    assert_eq!(second.len(), 2 * 6 + 5, "{second:#?}");
}

#[test]
fn into_any_repository_a_blob_costs_three_requests_once_mounts_are_known_to_tell() {
    needs!("docker-registry");
    Pair::each(|pair| {
        let (old, new, newer) = (five_layers(), five_layers(), five_layers());
        pair.to.put("mirror/app", &old, &["v0"]);
        for (image, tag) in [(&old, "v0"), (&new, "v1"), (&newer, "v2")] {
            pair.from.put("team/app", &other_manifest_of(image), &[tag]);
        }
        let (from, to) = pair.names();
        let program = program(&pair.both(), "");
        let copy = |tag: &str| ["copy".to_owned(), format!("{from}:{tag}"), format!("{to}:{tag}")];
        let cost = |tag: &str, expected: usize| {
            let words = copy(tag);
            assert_cost(&program, &pair.both(), &words.each_ref().map(String::as_str), expected);
        };
        // Nothing is known of the registry yet, and the repository is not fresh: one blob finds out.
        cost("v1", 3 * 6 + 5 + pair.tokens);
        // Its blobs are there, and a mount says so.
        cost("v0", 4 + 6);
        cost("v2", 3 * 6 + 3);
    });
}

#[test]
fn where_mounts_tell_nothing_a_blob_costs_four_requests() {
    let (from, to) = (Scripted::start(), Scripted::settings().without(Ability::Mount).start());
    let (old, new) = (five_layers(), five_layers());
    from.put("team/app", &new, &["v1"]);
    to.put("mirror/app", &old, &["v0"]);
    let names = [format!("{}/team/app:v1", from.address()), format!("{}/mirror/app:v1", to.address())];
    let program = Program::new();
    program.run(&["copy", "--attached", "none", &names[0], &names[1]]).success();
    assert!(to.holds("mirror/app", &new));
    let requests = [from.lines(), to.lines()].concat();
    // One blob went ahead without being asked for.
    assert_eq!(requests.len(), 4 * 6 + 3, "{requests:#?}");
    assert_eq!(to.open_uploads(), 0);
}

#[test]
fn a_new_index_shares_what_is_asked_once() {
    needs!("docker-registry");
    Pair::each(|pair| {
        let child = |architecture: &str| image().layers(&[100, 200, 300]).architecture(architecture).build();
        let image = index(vec![child("amd64"), child("arm64")]);
        pair.from.put("team/app", &image, &["v1"]);
        pair.assert(&image, ":v1", 32);
    });
}

#[test]
fn within_one_registry_blobs_are_mounted() {
    needs!("docker-registry");
    for (make, door) in ALL {
        let registry = Counted::start(make, door);
        let image = five_layers();
        registry.put("team/app", &image, &["v1"]);
        let program = program(&[&registry], "");
        let (from, to) =
            (format!("{}/team/app:v1", registry.address()), format!("{}/mirror/app:v1", registry.address()));
        let tokens = if door == Door::Tokens { 2 } else { 0 };
        assert_cost(&program, &[&registry], &["copy", &from, &to], 9 + tokens);
        assert!(registry.holds("mirror/app", &image));
    }
}

#[test]
fn another_tag_moves_the_manifest_alone() {
    needs!("docker-registry");
    for (make, door) in ALL {
        let registry = Counted::start(make, door);
        let image = five_layers();
        registry.put("team/app", &image, &["v1"]);
        let name = |tag: &str| format!("{}/team/app:{tag}", registry.address());
        let tokens = if door == Door::Tokens { 2 } else { 0 };
        assert_cost(&program(&[&registry], ""), &[&registry], &["copy", &name("v1"), &name("v2")], 2 + tokens);
        assert_cost(&program(&[&registry], ""), &[&registry], &["tag", &name("v1"), "v3"], 2 + tokens);
    }
}

#[test]
fn with_kept_tokens_it_is_the_work_alone_that_costs() {
    needs!("docker-registry");
    Pair::each(|pair| {
        let (old, new) = (five_layers(), five_layers());
        pair.from.put("team/app", &old, &["v1"]);
        pair.from.put("team/app", &new, &["v2"]);
        let (from, to) = pair.names();
        let [v1, v2, v3] = ["v1", "v2", "v3"].map(|tag| format!("{to}:{tag}"));
        let program = program(&pair.both(), "");
        let cost = |words: &[&str], expected: usize| assert_cost(&program, &pair.both(), words, expected);
        cost(&["copy", &format!("{from}:v1"), &v1], 3 * 6 + 4 + pair.tokens);
        cost(&["copy", &format!("{from}:v2"), &v2], 3 * 6 + 5);
        cost(&["copy", &format!("{from}:v2"), &v2], 2);
        cost(&["copy", &format!("{from}@{}", new.digest()), &v2], 1);
        cost(&["copy", &v2, &v3], 2);
        cost(&["tag", &v1, "v4"], 2);
        cost(&["resolve", &v1], 1);
        cost(&["inspect", &v1], 2);
        // Another set of scopes is another token.
        let other = format!("{}/other/app:v2", pair.to.address());
        cost(&["copy", &v2, &other], 9 + pair.tokens / 4);
        assert!(pair.to.holds("other/app", &new));
    });
}
