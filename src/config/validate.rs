//! What `config validate` looks at beyond the text: the files that it names, and whether its names meet.

use std::path::Path;

use super::error::ConfigError;
use super::file::ConfigFile;
use super::model::{Config, RemoteRegistry};
use super::schema::check_certificates;
use crate::files::FileError;
use crate::yaml::{Finding, Origin, Problem, Step, located};

/// The largest certificate file.
const MAX_CERTIFICATES: u64 = 1 << 20;

impl ConfigFile {
    /// Looks at everything that can be told without a network. Answers what has no effect or may be meant otherwise.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line; or the file cannot be read.
    pub fn validate(&self) -> Result<Vec<Problem>, ConfigError> {
        let document = self.document()?;
        let (config, mut warnings) = self.read(&document)?;
        let origin = Origin::File(self.path().to_owned());
        let wrong = unreadable_files(&config);
        if !wrong.is_empty() {
            return Err(ConfigError::Invalid(located(wrong, &origin, || document.positions())));
        }
        warnings.extend(located(unmet_names(&config), &origin, || document.positions()));
        Ok(warnings)
    }
}

fn place(index: usize, key: &str) -> Vec<Step> {
    vec!["remote-registries".into(), index.into(), key.into()]
}

fn unreadable_files(config: &Config) -> Vec<Finding> {
    let certificates = |path: &Path| read(path).and_then(|bytes| check_certificates(&bytes));
    let present = |path: &Path| read(path).map(drop);
    let mut found = Vec::new();
    for (index, entry) in config.remote_registries.iter().enumerate() {
        let RemoteRegistry { ca_cert_file, client_cert_file, client_key_file, .. } = entry;
        let files = [
            ("ca-cert-file", ca_cert_file.as_deref().map(certificates)),
            ("client-cert-file", client_cert_file.as_deref().map(certificates)),
            ("client-key-file", client_key_file.as_deref().map(present)),
        ];
        for (key, checked) in files {
            let wrong = checked.and_then(Result::err);
            found.extend(wrong.map(|what| Finding { path: place(index, key), what: format!("`{key}`: {what}") }));
        }
    }
    found
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_CERTIFICATES).read_to_end(&mut bytes));
    read.map_err(|error| format!("{}: {error}", FileError::new("read", path, std::io::Error::from(error.kind()))))?;
    Ok(bytes)
}

fn unmet_names(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, entry) in config.remote_registries.iter().enumerate() {
        for (number, rule) in entry.credentials.iter().enumerate() {
            if !config.has_vault(&rule.vault) {
                let path = [place(index, "credentials"), vec![number.into(), "vault".into()]].concat();
                found.push(Finding { path, what: format!("there is no vault `{}` under `vaults`", rule.vault) });
            }
        }
    }
    found
}
