//! `tranship serve` against the text of the OCI distribution specification 1.1 (and what its main branch adds),
//! section by section: every endpoint, status and header.

mod discovery;
mod errors;
mod management;
mod pull;
mod push;

use crate::support::program::Program;
use crate::support::push::{Answer, Registry};
use crate::support::served::Served;

/// A registry with an empty store.
struct Empty {
    /// Keeps the home for as long as it is served.
    _program: Program,
    /// Keeps it running.
    _served: Served,
    registry: Registry,
}

impl Empty {
    fn start() -> Self {
        let program = Program::new();
        let served = Served::of(&program);
        let registry = served.registry();
        Self { _program: program, _served: served, registry }
    }
}

/// The code of the first error of an answer's body.
fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    body["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
}
