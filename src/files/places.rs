//! Where things are kept, on each platform.

use std::env;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, FailureKind};

/// The directories and files of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration file.
    pub config_file: PathBuf,
    /// Whether the user said where it is.
    pub is_config_named: bool,
    /// What is kept for good: the store's default place, vault files.
    pub data: PathBuf,
    /// What is kept for the next run: tokens, journals, what was learnt of registries.
    pub state: PathBuf,
}

impl Places {
    /// The places of this user: `config_file` where it is given, then `TRANSHIP_CONFIG`, then the platform's.
    /// `TRANSHIP_HOME`, where it is set, holds everything else.
    ///
    /// # Errors
    /// The platform does not say where the user's directories are (no `HOME`).
    pub fn find(config_file: Option<&Path>) -> Result<Self, PlacesError> {
        let named = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = named("TRANSHIP_HOME");
        let below = |directory: Option<PathBuf>| directory.map(|path| path.join("tranship"));
        let named_file = config_file.map(Path::to_owned).or_else(|| named("TRANSHIP_CONFIG"));
        let is_config_named = named_file.is_some();
        let config_file = match named_file {
            Some(file) => file,
            None => home
                .clone()
                .or_else(|| below(dirs::config_dir()))
                .ok_or(PlacesError("configuration"))?
                .join("config.yaml"),
        };
        let data = home.clone().or_else(|| below(dirs::data_dir())).ok_or(PlacesError("data"))?;
        let state = match home {
            Some(home) => home.join("state"),
            None => below(dirs::state_dir().or_else(dirs::data_local_dir)).ok_or(PlacesError("state"))?,
        };
        Ok(Self { config_file, is_config_named, data, state })
    }

    /// Everything below one directory: for tests.
    #[must_use]
    pub fn below(directory: &Path) -> Self {
        Self {
            config_file: directory.join("config.yaml"),
            is_config_named: false,
            data: directory.join("data"),
            state: directory.join("state"),
        }
    }

    /// The local store: where `TRANSHIP_STORE` says, then where the configuration says, then among the data.
    #[must_use]
    pub fn store(&self, configured: Option<&Path>) -> PathBuf {
        match env::var_os("TRANSHIP_STORE").filter(|value| !value.is_empty()) {
            Some(store) => store.into(),
            None => configured.map_or_else(|| self.data.join("store"), Path::to_owned),
        }
    }
}

/// The platform does not say where something of this user belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this user has no {0} directory, because HOME is not set")]
pub struct PlacesError(&'static str);

impl Failure for PlacesError {
    fn kind(&self) -> FailureKind {
        FailureKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["set HOME, or TRANSHIP_HOME to a directory for everything that tranship keeps".to_owned()]
    }
}
