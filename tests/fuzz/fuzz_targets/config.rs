//! The configuration document: any text is read, or refused with the lines where it is wrong.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tranship::config::ConfigFile;
use tranship::files::LocalDisk;

static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("there is a place for temporary files"));

fuzz_target!(|text: &str| {
    let path = HOME.path().join("config.yaml");
    std::fs::write(&path, text).expect("it can be written");
    let file = ConfigFile::new(&path, Arc::new(LocalDisk));
    match file.load() {
        Ok(config) => {
            let _ = config.naming();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert_eq!(file.text().ok().as_deref(), Some(text));
});
