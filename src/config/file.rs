//! The configuration file: read whole, changed under a lock, written whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::ConfigError;
use super::model::Config;
use super::schema;
use crate::files::{Access, Disk, FileError, Lock, Sharing, write_atomically};
use crate::yaml::{self, Completeness, Document, EditError, Origin, Place, Problem, Reader, YamlError, located};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a change is made, or only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is written.
    Apply,
    /// It is checked and nothing is written.
    Validate,
}

/// The configuration file of one user. Reads it anew for each question; holds nothing.
#[derive(Clone)]
pub struct ConfigFile {
    path: PathBuf,
    /// Whether the user named it, so that it has to be there to be read.
    is_named: bool,
    disk: Arc<dyn Disk>,
}

impl ConfigFile {
    /// The file at `path`, which need not exist.
    #[must_use]
    pub fn new(path: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { path: path.to_owned(), is_named: false, disk }
    }

    /// The same file, as one that the user named: who reads it is told where it is missing. A change makes it.
    #[must_use]
    pub fn named(self) -> Self {
        Self { is_named: true, ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it. A missing file is an empty configuration, unless the user named it.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong: everything that is, each with its line.
    pub fn load(&self) -> Result<Config, ConfigError> {
        Ok(self.read(&self.document()?)?.0)
    }

    /// Reads it to change it: a missing file is an empty configuration.
    ///
    /// # Errors
    /// As [`ConfigFile::load`].
    pub fn load_for_change(&self) -> Result<Config, ConfigError> {
        Ok(self.read(&self.parse(&self.text()?)?)?.0)
    }

    /// The text, byte for byte; empty where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, is longer than 4 MiB or is not UTF-8.
    pub fn text(&self) -> Result<String, ConfigError> {
        let mut text = String::new();
        let limit = yaml::MAX_BYTES as u64 + 1;
        match File::open(&self.path).and_then(|file| file.take(limit).read_to_string(&mut text)) {
            Ok(_) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(FileError::new("read", &self.path, error).into()),
        }
    }

    /// Puts `after` in the place of the whole text, as a person edited it, where it still is `before`.
    /// What the text was before need not be right.
    ///
    /// # Errors
    /// `after` is wrong, someone else changed the file meanwhile, or it cannot be written.
    pub fn rewrite(&self, before: &str, after: &str) -> Result<(), ConfigError> {
        self.read(&self.parse(after)?)?;
        let (target, _lock) = self.lock()?;
        if self.text()? != before {
            let changed = io::Error::new(io::ErrorKind::ResourceBusy, "it was changed in the meantime");
            return Err(FileError::new("write", &self.path, changed).into());
        }
        Ok(self.write(&target, after)?)
    }

    /// Changes the document: under the lock, on what the file says now, checked, and written whole or not at all.
    /// Comments and the order of what `change` does not touch stay.
    pub(super) fn edit<T>(
        &self,
        mode: Mode,
        change: impl FnOnce(&mut Document, &Config) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let lock = (mode == Mode::Apply).then(|| self.lock()).transpose()?;
        let before = self.parse(&self.text()?)?;
        let (config, _) = self.read(&before)?;
        let mut after = before.clone();
        let answer = change(&mut after, &config)?;
        self.check_edited(&after)?;
        match lock {
            Some((target, _lock)) if after.text() != before.text() => {
                self.write(&target, after.text())?;
            }
            _ => {}
        }
        Ok(answer)
    }

    /// A change that was good by itself can be wrong in its place; its lines are in no file then.
    fn check_edited(&self, document: &Document) -> Result<(), ConfigError> {
        match self.read(document) {
            Err(ConfigError::Invalid(mut problems)) => {
                for problem in &mut problems {
                    problem.origin = Origin::Value("with this change".to_owned());
                    problem.line = None;
                }
                Err(ConfigError::Invalid(problems))
            }
            other => other.map(drop),
        }
    }

    /// The place that is written: behind links, so that a linked file stays one; and the lock on it.
    fn lock(&self) -> Result<(PathBuf, Lock), ConfigError> {
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(".lock");
        let lock = Lock::take(&target.with_file_name(name), Sharing::Exclusive, PATIENCE)?;
        Ok((target, lock))
    }

    /// Writes the whole; who may read it stays as it was.
    fn write(&self, target: &Path, text: &str) -> Result<(), FileError> {
        let access = if is_private(target) { Access::Private } else { Access::Shared };
        write_atomically(&*self.disk, target, text.as_bytes(), access)
    }

    /// The document, for those who only look at it.
    pub(super) fn document(&self) -> Result<Document, ConfigError> {
        let text = self.text()?;
        if text.is_empty() && self.is_named && !self.path.exists() {
            return Err(ConfigError::Absent(self.path.clone()));
        }
        self.parse(&text)
    }

    fn parse(&self, text: &str) -> Result<Document, ConfigError> {
        Document::parse(text).map_err(|error| not_yaml(Origin::File(self.path.clone()), error))
    }

    /// What a document says, and what in it has no meaning.
    pub(super) fn read(&self, document: &Document) -> Result<(Config, Vec<Problem>), ConfigError> {
        let base = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let base = base.parent().unwrap_or(&self.path);
        let mut reader = Reader::new(Completeness::Whole);
        let place = Place { value: document.value(), path: Vec::new() };
        let config = schema::read_config(&mut reader, place, base);
        let origin = Origin::File(self.path.clone());
        if !reader.problems.is_empty() {
            return Err(ConfigError::Invalid(located(reader.problems, &origin, || document.positions())));
        }
        Ok((config, located(reader.ignored, &origin, || document.positions())))
    }

    /// For `map_err`: names the file in which an edit failed.
    pub(super) fn edit_error(&self) -> impl Fn(EditError) -> ConfigError + use<'_> {
        |source| ConfigError::Edit { path: self.path.clone(), source }
    }
}

/// Whether a file is there that its owner alone may read.
fn is_private(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The last six bits are the rights of the group and of others.
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode().trailing_zeros() >= 6)
    }
    #[cfg(not(unix))]
    {
        // Elsewhere a file has the rights of its directory.
        let _ = path;
        false
    }
}

/// A text that is no document, as a problem of its origin.
pub(super) fn not_yaml(origin: Origin, error: YamlError) -> ConfigError {
    ConfigError::Invalid(vec![Problem { origin, line: error.line, what: error.what }])
}
