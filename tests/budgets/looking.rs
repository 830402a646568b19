//! What it costs to look: `resolve`, `inspect`, `tags`.

use super::counted::{ALL, Counted, Door, Make, assert_cost, program};
use crate::support::images::image;

#[test]
fn resolving_is_one_request_and_with_a_cold_token_three() {
    needs!("docker-registry");
    for (make, door) in ALL {
        let registry = Counted::start(make, door);
        let image = image().build();
        registry.put("team/app", &image, &["v1"]);
        let program = program(&[&registry], "");
        let name = format!("{}/team/app:v1", registry.address());
        let cold = if door == Door::Tokens { 3 } else { 1 };
        let output = assert_cost(&program, &[&registry], &["resolve", &name, "--no-token-cache"], cold);
        assert_eq!(output.lines(), [format!("{name}@{}", image.digest())]);
        // The challenge is known from the earlier run, the token is not.
        let known = if door == Door::Tokens { 2 } else { 1 };
        assert_cost(&program, &[&registry], &["resolve", &name], known);
        // The token is kept.
        assert_cost(&program, &[&registry], &["resolve", &name], 1);
    }
}

#[test]
fn a_second_image_of_a_repository_is_one_request_more() {
    for door in [Door::Open, Door::Tokens] {
        let registry = Counted::start(Make::Scripted, door);
        registry.put("team/app", &image().build(), &["v1", "v2"]);
        let program = program(&[&registry], "");
        let names = ["v1", "v2"].map(|tag| format!("{}/team/app:{tag}", registry.address()));
        let cold = if door == Door::Tokens { 4 } else { 2 };
        assert_cost(&program, &[&registry], &["resolve", &names[0], &names[1]], cold);
    }
}

#[test]
fn inspecting_reads_the_manifest_and_the_config() {
    needs!("docker-registry");
    for (make, door) in ALL {
        let registry = Counted::start(make, door);
        registry.put("team/app", &image().build(), &["v1"]);
        let program = program(&[&registry], "");
        let name = format!("{}/team/app:v1", registry.address());
        let cold = if door == Door::Tokens { 4 } else { 2 };
        assert_cost(&program, &[&registry], &["inspect", &name], cold);
        assert_cost(&program, &[&registry], &["inspect", &name], 2);
        assert_cost(&program, &[&registry], &["inspect", "--raw", &name], 1);
    }
}

#[test]
fn listing_tags_is_one_request_a_page() {
    needs!("docker-registry");
    for (make, door) in ALL {
        let registry = Counted::start(make, door);
        let tags = ["a", "b", "c", "d", "e"];
        registry.put("team/app", &image().build(), &tags);
        let program = program(&[&registry], "");
        let name = format!("{}/team/app", registry.address());
        // The scripted one puts two on a page.
        let pages = if make == Make::Scripted { 3 } else { 1 };
        let cold = if door == Door::Tokens { pages + 2 } else { pages };
        let output = assert_cost(&program, &[&registry], &["tags", &name], cold);
        // In the server's order, which the real one does not keep.
        let mut listed = output.lines();
        listed.sort_unstable();
        assert_eq!(listed, tags);
        assert_cost(&program, &[&registry], &["tags", &name], pages);
    }
}
