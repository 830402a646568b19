//! What the tests stand on: real registries, a scripted one, images, the program in an empty home.
//!
//! Nothing here tests anything; `harness` tests what is here. Everything binds to loopback on ports that the
//! system picks, keeps its files in temporary directories, and ends with the value that started it.

#[macro_use]
pub(crate) mod parts;

pub(crate) mod archive;
pub(crate) mod certificates;
pub(crate) mod content;
pub(crate) mod docker_registry;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod images;
pub(crate) mod keyring;
pub(crate) mod layout;
pub(crate) mod object_storage;
pub(crate) mod program;
pub(crate) mod push;
pub(crate) mod relay;
pub(crate) mod scripted;
pub(crate) mod served;
pub(crate) mod server;
pub(crate) mod skopeo;
pub(crate) mod tarball;
pub(crate) mod token_server;
pub(crate) mod tree;
pub(crate) mod tunnel;

use std::time::{Duration, Instant};

/// Waits until something is so.
///
/// # Panics
/// It is not so after half a minute; `what` says what was waited for.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
