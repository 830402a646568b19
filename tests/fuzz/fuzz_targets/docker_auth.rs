//! The files of docker and podman: any content gives a credential, none, or an error that shows nothing of it.

#![no_main]

use std::io;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tranship::credentials::{Backend, Prompt, Secret, Surroundings, Variables, Vaults, Wanted};
use tranship::files::{LocalDisk, Places};

static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("there is a place for temporary files"));

struct Nobody;

impl Prompt for Nobody {
    fn ask(&self, _: &str) -> io::Result<Secret> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fuzz_target!(|bytes: &[u8]| {
    // Whatever helper is named would be looked for, and perhaps found.
    if bytes.windows(4).any(|word| word.eq_ignore_ascii_case(b"cred")) || bytes.contains(&b'\\') {
        return;
    }
    let path = HOME.path().join("config.json");
    std::fs::write(&path, bytes).expect("it can be written");
    let places = Places::below(HOME.path());
    let surroundings = Surroundings {
        variables: Variables::default(),
        authfile: Some(path),
        ..Surroundings::of_process(places, Arc::new(LocalDisk), Arc::new(Nobody))
    };
    let vaults = Vaults::new(surroundings, Vec::new(), Backend::Docker);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be made");
    let (registry, repository) = ("a.io".parse().expect("it is well formed"), "b".parse().expect("it is well formed"));
    let chosen = runtime.block_on(vaults.choose(&Wanted::Configured, &registry, Some(&repository), &[]));
    if let Err(error) = chosen {
        assert!(!error.to_string().is_empty());
    }
});
