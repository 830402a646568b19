//! Changes of the configuration file: supctl's verbs, and the same by type for the commands.

use super::document::{List, Target, check, entries, merge, with_key};
use super::error::ConfigError;
use super::file::{ConfigFile, Mode, not_yaml};
use super::model::{RemoteRegistry, Site, SiteName};
use super::path::{DocumentPath, Verb};
use super::setting::SettingKey;
use super::write;
use crate::credentials::{Backend, VaultName, VaultSettings};
use crate::image::RegistryAddress;
use crate::yaml::{Completeness, Document, EditError, Mapping, Origin, Problem, Step, Value, at};

/// What a command was given on its standard input, for a verb that takes a body.
#[derive(Clone, Debug)]
pub struct Body(Document);

impl Body {
    /// Reads it.
    ///
    /// # Errors
    /// It is not YAML; says on which line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Document::parse(text).map(Self).map_err(|error| not_yaml(Origin::Input, error))
    }

    /// Whether it says nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.value().is_null()
    }
}

/// A change of the document in supctl's words.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds an entry to a list, an error where its key is there; sets what is given of an object.
    Create(DocumentPath, Body),
    /// Puts the whole in the place of what is there.
    Replace(DocumentPath, Body),
    /// Replaces scalars and ordered lists, merges keyed lists, removes nothing.
    Merge(DocumentPath, Body),
    /// Removes what is there.
    Delete(DocumentPath),
}

impl Change {
    fn split(&self) -> (Verb, &DocumentPath, Option<&Document>) {
        match self {
            Self::Create(path, body) => (Verb::Create, path, Some(&body.0)),
            Self::Replace(path, body) => (Verb::Replace, path, Some(&body.0)),
            Self::Merge(path, body) => (Verb::Merge, path, Some(&body.0)),
            Self::Delete(path) => (Verb::Delete, path, None),
        }
    }
}

impl ConfigFile {
    /// What stands at `path`. Settings and lists that are not there are empty.
    ///
    /// # Errors
    /// The file is wrong, the entry is not there, or the path leads into a vault.
    pub fn show(&self, path: &DocumentPath) -> Result<Value, ConfigError> {
        let document = self.document()?;
        self.read(&document)?;
        if *path == DocumentPath::Whole {
            let nothing = document.value().is_null();
            return Ok(if nothing { Value::Mapping(Mapping::new()) } else { document.value().clone() });
        }
        let target = Target::of(Verb::Show, path)?;
        let found = target.place(&document).and_then(|place| at(document.value(), &place).cloned());
        match (found, &target) {
            (Some(value), _) => Ok(value),
            (None, Target::Settings) => Ok(Value::Mapping(Mapping::new())),
            (None, Target::List(_)) => Ok(Value::Sequence(Vec::new())),
            (None, Target::Setting(_) | Target::Entry(..)) => Err(missing(&target)),
        }
    }

    /// The keys of what stands at `path`: of a list its entries' keys, of an object its own.
    ///
    /// # Errors
    /// As [`ConfigFile::show`].
    pub fn list(&self, path: &DocumentPath) -> Result<Vec<String>, ConfigError> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(match (self.show(path)?, Target::of(Verb::List, path)) {
            (Value::Sequence(items), Ok(Target::List(list))) => {
                items.iter().filter_map(|item| item.get(list.key()).and_then(text)).collect()
            }
            (Value::Mapping(mapping), _) => mapping.keys().filter_map(text).collect(),
            (_, Err(error)) => return Err(error),
            (_, Ok(_)) => Vec::new(),
        })
    }

    /// Makes a change. Answers what was given and has no meaning here.
    ///
    /// # Errors
    /// The change or the file is wrong, what should be made is there, what should be removed is not, or the file
    /// cannot be written. The file is whole then, and as it was.
    pub fn change(&self, change: &Change, mode: Mode) -> Result<Vec<Problem>, ConfigError> {
        let (verb, path, body) = change.split();
        let target = Target::of(verb, path)?;
        let Some(body) = body else {
            return self.edit(mode, |document, _| self.delete(document, &target)).map(|()| Vec::new());
        };
        let partial = verb == Verb::Merge || matches!(target, Target::Entry(..) | Target::Setting(_));
        let completeness = if partial { Completeness::Part } else { Completeness::Whole };
        let (body, warnings) = check(body, &target, completeness)?;
        self.edit(mode, |document, _| self.put(document, verb, &target, &body))?;
        Ok(warnings)
    }

    fn delete(&self, document: &mut Document, target: &Target) -> Result<(), ConfigError> {
        let place = target.place(document).filter(|place| at(document.value(), place).is_some());
        document.remove(&place.ok_or_else(|| missing(target))?).map_err(self.edit_error())
    }

    fn put(&self, document: &mut Document, verb: Verb, target: &Target, body: &Document) -> Result<(), ConfigError> {
        match target {
            Target::Entry(list, key) => {
                let entry = with_key(body, *list, key)?;
                self.put_entry(document, verb, *list, key, &entry)
            }
            Target::List(list) if verb == Verb::Replace => {
                let items = if body.value().is_mapping() { body.as_item() } else { Ok(body.clone()) };
                items.and_then(|items| document.replace(&list.path(), &items)).map_err(self.edit_error())
            }
            Target::List(list) => entries(body, *list)?
                .iter()
                .try_for_each(|(key, entry)| self.put_entry(document, verb, *list, key, entry)),
            Target::Settings if verb != Verb::Replace => {
                merge(document, &["settings".into()], body).map_err(self.edit_error())
            }
            Target::Settings if body.value().is_null() => {
                let nothing = self.body(&Value::Mapping(Mapping::new()))?;
                document.replace(&["settings".into()], &nothing).map_err(self.edit_error())
            }
            Target::Settings | Target::Setting(_) => {
                let place = target.place(document).unwrap_or_default();
                document.replace(&place, body).map_err(self.edit_error())
            }
        }
    }

    fn put_entry(
        &self,
        document: &mut Document,
        verb: Verb,
        list: List,
        key: &str,
        entry: &Document,
    ) -> Result<(), ConfigError> {
        match (list.find(document, key), verb) {
            (Some(_), Verb::Create) => Err(ConfigError::Exists { what: format!("the {}", list.entry(key)) }),
            (Some(place), Verb::Merge) => merge(document, &place, entry).map_err(self.edit_error()),
            (Some(place), _) => document.replace(&place, entry).map_err(self.edit_error()),
            (None, _) => {
                document.push(&list.path(), entry).map_err(self.edit_error())?;
                if list == List::Vaults { self.settle_backend(document, key) } else { Ok(()) }
            }
        }
    }

    /// Writes down where a new vault is, where its entry leaves that open: the setting may change later.
    fn settle_backend(&self, document: &mut Document, vault: &str) -> Result<(), ConfigError> {
        let place = List::Vaults.find(document, vault).map(|place| below(&place, "backend"));
        let Some(place) = place.filter(|place| at(document.value(), place).is_none()) else { return Ok(()) };
        let set = at(document.value(), &["settings".into(), "vault-backend".into()]).and_then(Value::as_str);
        let backend = self.body(&set.unwrap_or(Backend::default().as_str()).into())?;
        document.put(&place, &backend).map_err(self.edit_error())
    }

    /// Sets one of the settings to what the command line says; a list is written with commas.
    ///
    /// # Errors
    /// The value is wrong, which names the key; else as [`ConfigFile::change`].
    pub fn set_setting(&self, key: SettingKey, text: &str) -> Result<(), ConfigError> {
        let value = match text.parse::<u64>() {
            Ok(number) if matches!(key, SettingKey::Concurrency | SettingKey::Retries) => Value::from(number),
            _ if key.is_list() => Value::Sequence(text.split(',').map(|item| Value::from(item.trim())).collect()),
            _ => Value::from(text),
        };
        let body = self.body(&value)?;
        let change = Change::Replace(DocumentPath::Setting(key), Body(body));
        match self.change(&change, Mode::Apply) {
            Err(ConfigError::Invalid(mut problems)) => {
                for problem in problems.iter_mut().filter(|problem| problem.origin == Origin::Input) {
                    problem.origin = Origin::Value("the setting".to_owned());
                    problem.line = None;
                }
                Err(ConfigError::Invalid(problems))
            }
            other => other.map(drop),
        }
    }

    /// Sets one of the settings back to its default.
    ///
    /// # Errors
    /// It is not set; else as [`ConfigFile::change`].
    pub fn unset_setting(&self, key: SettingKey) -> Result<(), ConfigError> {
        self.change(&Change::Delete(DocumentPath::Setting(key)), Mode::Apply).map(drop)
    }

    /// Adds a remote registry.
    ///
    /// # Errors
    /// Its address is there; else as [`ConfigFile::change`].
    pub fn add_registry(&self, entry: &RemoteRegistry) -> Result<(), ConfigError> {
        self.add(List::RemoteRegistries, &entry.address.to_string(), &write::registry(entry))
    }

    /// Changes a remote registry: `change` gets what is configured, and what it alters is written.
    ///
    /// # Errors
    /// The address is not there; else as [`ConfigFile::change`].
    pub fn set_registry(
        &self,
        address: &RegistryAddress,
        change: impl FnOnce(&mut RemoteRegistry),
    ) -> Result<(), ConfigError> {
        let list = List::RemoteRegistries;
        self.edit(Mode::Apply, |document, config| {
            let not_there = || ConfigError::Missing { what: list.entry(&address.to_string()) };
            let place = list.find(document, &address.to_string()).ok_or_else(not_there)?;
            let mut entry = config.registry(address).ok_or_else(not_there)?.clone();
            let old = write::registry(&entry);
            change(&mut entry);
            entry.address = address.clone();
            let new = write::registry(&entry);
            for (key, _) in fields(&old).filter(|(key, _)| new.get(key).is_none()) {
                document.remove(&below(&place, key)).map_err(self.edit_error())?;
            }
            for (key, value) in fields(&new).filter(|(key, value)| old.get(key) != Some(value)) {
                document.replace(&below(&place, key), &self.body(value)?).map_err(self.edit_error())?;
            }
            Ok(())
        })
    }

    /// Removes a remote registry.
    ///
    /// # Errors
    /// The address is not there; else as [`ConfigFile::change`].
    pub fn remove_registry(&self, address: &RegistryAddress) -> Result<(), ConfigError> {
        self.change(&Change::Delete(DocumentPath::RemoteRegistry(address.clone())), Mode::Apply).map(drop)
    }

    /// Adds a site.
    ///
    /// # Errors
    /// Its name is there; else as [`ConfigFile::change`].
    pub fn add_site(&self, site: &Site) -> Result<(), ConfigError> {
        self.add(List::Sites, site.name.as_str(), &write::site(site))
    }

    /// Removes a site.
    ///
    /// # Errors
    /// The name is not there; else as [`ConfigFile::change`].
    pub fn remove_site(&self, name: &SiteName) -> Result<(), ConfigError> {
        self.change(&Change::Delete(DocumentPath::Site(name.clone())), Mode::Apply).map(drop)
    }

    /// Adds a vault to the document; its secrets are the vault's own.
    ///
    /// # Errors
    /// Its name is there; else as [`ConfigFile::change`].
    pub fn add_vault(&self, vault: &VaultSettings) -> Result<(), ConfigError> {
        self.add(List::Vaults, vault.name.as_str(), &write::vault(vault))
    }

    /// The vault called `name`, which is added with `settings.vault-backend` where it is missing.
    ///
    /// # Errors
    /// As [`ConfigFile::change`].
    pub fn ensure_vault(&self, name: &VaultName, mode: Mode) -> Result<VaultSettings, ConfigError> {
        self.edit(mode, |document, config| {
            if let Some(vault) = config.vaults.iter().find(|vault| vault.name == *name) {
                return Ok(vault.clone());
            }
            let vault = VaultSettings { name: name.clone(), backend: config.settings.vault_backend };
            let entry = self.body(&write::vault(&vault))?;
            document.push(&List::Vaults.path(), &entry).map_err(self.edit_error())?;
            Ok(vault)
        })
    }

    /// Removes a vault from the document; what is in it stays there.
    ///
    /// # Errors
    /// The name is not there; else as [`ConfigFile::change`].
    pub fn remove_vault(&self, name: &VaultName) -> Result<(), ConfigError> {
        self.change(&Change::Delete(DocumentPath::Vault(name.clone())), Mode::Apply).map(drop)
    }

    fn add(&self, list: List, key: &str, entry: &Value) -> Result<(), ConfigError> {
        let entry = self.body(entry)?;
        self.edit(Mode::Apply, |document, _| self.put_entry(document, Verb::Create, list, key, &entry))
    }

    fn body(&self, value: &Value) -> Result<Document, ConfigError> {
        Document::of(value).map_err(EditError::from).map_err(self.edit_error())
    }
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_mapping().into_iter().flatten().filter_map(|(key, value)| Some((key.as_str()?, value)))
}

fn below(place: &[Step], key: &str) -> Vec<Step> {
    place.iter().cloned().chain([key.into()]).collect()
}

fn missing(target: &Target) -> ConfigError {
    let what = match target {
        Target::Settings => "setting".to_owned(),
        Target::Setting(key) => format!("value for the setting `{key}`"),
        Target::List(list) => format!("entry in `{}`", list.name()),
        Target::Entry(list, key) => list.entry(key),
    };
    ConfigError::Missing { what }
}
