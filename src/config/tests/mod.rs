//! The document as a whole: what is read and refused, what the verbs do, and that nothing is lost on the way.

mod changing;
mod durability;
mod reading;

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::files::LocalDisk;

/// A configuration file in a directory of its own.
struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn with(text: &str) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        if !text.is_empty() {
            std::fs::write(home.path(), text).unwrap();
        }
        home
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("config.yaml")
    }

    fn file(&self) -> ConfigFile {
        ConfigFile::new(&self.path(), Arc::new(LocalDisk))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap_or_default()
    }
}

fn path(text: &str) -> DocumentPath {
    DocumentPath::parse(&text.split_whitespace().collect::<Vec<_>>()).unwrap()
}

fn body(text: &str) -> Body {
    Body::parse(text).unwrap()
}
