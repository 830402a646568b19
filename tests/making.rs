//! Images that are made here: of archives, of other images, of images for other platforms.

mod bundling;
mod importing;
mod mutating;

use serde_json::Value;

use crate::support::program::Program;

/// What `inspect` finds of an image.
#[track_caller]
fn look(program: &Program, image: &str) -> Value {
    program.run(&["inspect", image, "-o", "json"]).success().json()
}

/// Extracts an image into a directory of the home.
#[track_caller]
fn extract(program: &Program, image: &str, name: &str) -> std::path::PathBuf {
    program.run(&["extract", image, name]).success();
    program.home().join(name)
}
