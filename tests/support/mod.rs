//! What the tests stand on: real registries, a scripted one, images, the program in an empty home.
//!
//! Nothing here tests anything; `harness` tests what is here. Everything binds to loopback on ports that the
//! system picks, keeps its files in temporary directories, and ends with the value that started it.

#[macro_use]
pub(crate) mod parts;

pub(crate) mod certificates;
pub(crate) mod content;
pub(crate) mod docker_registry;
pub(crate) mod http;
pub(crate) mod images;
pub(crate) mod keyring;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod push;
pub(crate) mod relay;
pub(crate) mod scripted;
pub(crate) mod server;
pub(crate) mod skopeo;
pub(crate) mod token_server;
