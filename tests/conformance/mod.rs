//! `tranship serve` against the text of the OCI distribution specification 1.1 (and what its main branch adds),
//! section by section: every endpoint, status and header, on a store of this computer and on object storage.

/// Makes tests of functions: one on a store of this computer, one on a bucket.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod local {
            $(#[test]
            fn $name() {
                super::$name(&super::Empty::local());
            })+
        }

        mod bucket {
            $(#[test]
            fn $name() {
                needs!("moto_server");
                super::$name(&super::Empty::in_a_bucket());
            })+
        }
    };
}

mod discovery;
mod errors;
mod management;
mod pull;
mod push;

use crate::support::object_storage::{self, Bucket};
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
    /// On a store of this computer.
    fn local() -> Self {
        let program = Program::new();
        let served = Served::of(&program);
        Self::served(program, served)
    }

    /// On object storage.
    fn in_a_bucket() -> Self {
        let mut program = Program::new();
        object_storage::let_in(&mut program);
        let served = Bucket::new().served_by(&program);
        Self::served(program, served)
    }

    fn served(program: Program, served: Served) -> Self {
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
