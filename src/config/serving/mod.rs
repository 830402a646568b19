//! The file of `serve --serve-config`: everything that can be said of the registry of one's own, in one document.
//!
//! It is read as strictly as the configuration: an unknown key is an error with its line and the nearest key.
//! [`Serving`] is also what the flags of `serve` become; laid [`over`](Serving::over) the file, they win.

mod model;
mod read;
#[cfg(test)]
mod tests;
mod upkeep;

use std::path::Path;

pub use model::{
    AccessRule, AccessRuleError, Group, LogForm, Permission, Rights, Scheme, Serving, ServingLimits, TagPattern,
    TagPatternError, WebhookEntry, Who,
};

pub use upkeep::{RetentionEntry, ServingUpkeep, ServingUpstream};

use super::error::ConfigError;
use super::file::not_yaml;
use crate::files;
use crate::yaml::{self, Completeness, Document, Origin, Place, Reader, located};

/// Reads the file. Relative paths in it start at its directory.
///
/// # Errors
/// It is not there, cannot be read, or something in it is wrong: everything that is, each with its line.
pub fn load_serving(path: &Path) -> Result<Serving, ConfigError> {
    let bytes = files::read_following_links(path, yaml::MAX_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| ConfigError::NoSuchFile(path.to_owned()))?;
    let base = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    read_serving(&String::from_utf8_lossy(&bytes), path, base.parent().unwrap_or(path))
}

fn read_serving(text: &str, path: &Path, base: &Path) -> Result<Serving, ConfigError> {
    let origin = Origin::Given(path.to_owned());
    let document = Document::parse(text).map_err(|error| not_yaml(origin.clone(), error))?;
    let mut reader = Reader::new(Completeness::Whole);
    let serving = read::serving(&mut reader, Place { value: document.value(), path: Vec::new() }, base);
    if reader.problems.is_empty() {
        return Ok(serving);
    }
    Err(ConfigError::Invalid(located(reader.problems, &origin, || document.positions())))
}
