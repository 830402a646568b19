//! Image streams: files in OpenShift's form, imports, tags, histories, what is done when a tag moves.

mod documents;
mod importing;
mod refreshing;
mod surviving;
mod tagging;
mod triggers;

use serde_yaml::Value;

use crate::support::images::{Image, image};
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// A registry with an image under `app:stable`, and a stream with it as `app:prod`.
pub(crate) fn imported(image: &Image) -> (Scripted, Program) {
    let registry = Scripted::start();
    registry.put("app", image, &["stable"]);
    let program = Program::new();
    let from = format!("{}/app:stable", registry.address());
    program.run(&["stream", "import", "app:prod", "--from", &from, "--scheduled", "--confirm"]).success();
    (registry, program)
}

/// Another image under `app:stable`.
pub(crate) fn moved(registry: &Scripted) -> Image {
    let image = image().build();
    registry.put("app", &image, &["stable"]);
    image
}

/// The file of a stream.
pub(crate) fn file(program: &Program, name: &str) -> String {
    program.path(&format!("data/tranship/streams/{name}.yaml"))
}

/// What the file of a stream says.
pub(crate) fn document(program: &Program, name: &str) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(file(program, name)).unwrap()).unwrap()
}

/// The digests of a tag's history, the current one first.
pub(crate) fn digests(program: &Program, target: &str) -> Vec<String> {
    let run = program.run(&["stream", "history", target, "-q"]).success();
    run.lines().into_iter().map(str::to_owned).collect()
}
