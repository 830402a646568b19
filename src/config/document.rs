//! supctl's verbs on the document: what each does to the text.

use std::path::Path;

use super::error::ConfigError;
use super::path::{DocumentPath, Verb};
use super::schema::{self, same_key};
use crate::yaml::{
    Completeness, Document, EditError, Finding, Mapping, Origin, Place, Problem, Reader, Step, Value, at, located,
};

/// One of the keyed lists at the top of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    RemoteRegistries,
    Sites,
    Vaults,
}

impl List {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RemoteRegistries => "remote-registries",
            Self::Sites => "sites",
            Self::Vaults => "vaults",
        }
    }

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::RemoteRegistries => "address",
            Self::Sites | Self::Vaults => "name",
        }
    }

    /// What to call one entry.
    pub(super) fn entry(self, key: &str) -> String {
        let kind = match self {
            Self::RemoteRegistries => "remote registry",
            Self::Sites => "site",
            Self::Vaults => "vault",
        };
        format!("{kind} `{}`", key.escape_debug())
    }

    fn read(self, reader: &mut Reader, place: Place<'_>) {
        match self {
            Self::RemoteRegistries => drop(schema::read_registry(reader, place, Path::new(""))),
            Self::Sites => drop(schema::read_site(reader, place)),
            Self::Vaults => drop(schema::read_vault(reader, place)),
        }
    }

    pub(super) fn path(self) -> [Step; 1] {
        [self.name().into()]
    }

    /// Where the entry with this key stands, where it does.
    pub(super) fn find(self, document: &Document, key: &str) -> Option<Vec<Step>> {
        let index = index_of(document, &self.path(), self.key(), key)?;
        Some(vec![self.name().into(), index.into()])
    }
}

/// The field by which the entries of a list are told apart, for lists that have one.
fn key_of(list: &str) -> Option<&'static str> {
    match list {
        "remote-registries" => Some("address"),
        "sites" | "vaults" => Some("name"),
        "credentials" => Some("repository"),
        _ => None,
    }
}

fn index_of(document: &Document, list: &[Step], field: &str, key: &str) -> Option<usize> {
    let entry =
        |item: &Value| item.get(field).and_then(Value::as_str).is_some_and(|text| same_key(text) == same_key(key));
    at(document.value(), list)?.as_sequence()?.iter().position(entry)
}

/// What a path means in the document itself.
pub(super) enum Target {
    Settings,
    Setting(&'static str),
    List(List),
    Entry(List, String),
}

impl Target {
    /// The part of the document that `path` names.
    ///
    /// # Errors
    /// It names everything, or what is in a vault.
    pub(super) fn of(verb: Verb, path: &DocumentPath) -> Result<Self, ConfigError> {
        Ok(match path {
            DocumentPath::Settings => Self::Settings,
            DocumentPath::Setting(key) => Self::Setting(key.word()),
            DocumentPath::RemoteRegistries => Self::List(List::RemoteRegistries),
            DocumentPath::RemoteRegistry(address) => Self::Entry(List::RemoteRegistries, address.to_string()),
            DocumentPath::Sites => Self::List(List::Sites),
            DocumentPath::Site(name) => Self::Entry(List::Sites, name.to_string()),
            DocumentPath::Vaults => Self::List(List::Vaults),
            DocumentPath::Vault(name) => Self::Entry(List::Vaults, name.to_string()),
            DocumentPath::Whole | DocumentPath::Secrets(_) | DocumentPath::Secret(_) => {
                return Err(ConfigError::Verb { verb, path: path.to_string() });
            }
        })
    }

    /// Where it stands, also where nothing stands there yet; `None` for an entry that is not there.
    pub(super) fn place(&self, document: &Document) -> Option<Vec<Step>> {
        match self {
            Self::Settings => Some(vec!["settings".into()]),
            Self::Setting(key) => Some(vec!["settings".into(), (*key).into()]),
            Self::List(list) => Some(list.path().to_vec()),
            Self::Entry(list, key) => list.find(document, key),
        }
    }
}

/// What a command was given on its standard input, checked: unknown keys and bad values are refused with the line,
/// what has no meaning here is taken out with a warning.
pub(super) fn check(
    body: &Document,
    target: &Target,
    completeness: Completeness,
) -> Result<(Document, Vec<Problem>), ConfigError> {
    let mut reader = Reader::new(completeness);
    let place = Place { value: body.value(), path: Vec::new() };
    match target {
        Target::Settings => drop(schema::read_settings(&mut reader, place, Path::new(""))),
        Target::Setting(key) => {
            let wrapped = Value::Mapping(Mapping::from_iter([((*key).into(), body.value().clone())]));
            drop(schema::read_settings(&mut reader, Place { value: &wrapped, path: Vec::new() }, Path::new("")));
        }
        Target::List(list) | Target::Entry(list, _) if body.value().is_sequence() => {
            reader.items(&place, list.name()).into_iter().for_each(|item| list.read(&mut reader, item));
        }
        Target::List(list) | Target::Entry(list, _) => list.read(&mut reader, place),
    }
    if !reader.problems.is_empty() {
        return Err(ConfigError::Invalid(located(reader.problems, &Origin::Input, || body.positions())));
    }
    let mut stripped = body.clone();
    for Finding { path, .. } in &reader.ignored {
        of_input(stripped.remove(path))?;
    }
    Ok((stripped, located(reader.ignored, &Origin::Input, || body.positions())))
}

/// Says of an edit that failed that it was one of what was given, not of the file.
fn of_input<T>(edited: Result<T, EditError>) -> Result<T, ConfigError> {
    let problem = |error: EditError| Problem { origin: Origin::Input, line: None, what: error.to_string() };
    edited.map_err(|error| ConfigError::Invalid(vec![problem(error)]))
}

/// The body as the entry that a path names: with its key, and no other.
pub(super) fn with_key(body: &Document, list: List, key: &str) -> Result<Document, ConfigError> {
    let problem = |what: String| ConfigError::Invalid(vec![Problem { origin: Origin::Input, line: Some(1), what }]);
    match body.value().get(list.key()).and_then(Value::as_str) {
        Some(found) if same_key(found) == same_key(key) => Ok(body.clone()),
        Some(_) => Err(problem(format!("`{}` is not the one of the path, `{key}`", list.key()))),
        None if body.value().is_null() || body.value().is_mapping() => {
            let head = Mapping::from_iter([(list.key().into(), key.into())]);
            let mut entry = of_input(Document::of(&head).map_err(EditError::from))?;
            of_input(merge(&mut entry, &[], body))?;
            Ok(entry)
        }
        None => Err(problem(format!("keys and values are expected for the {}", list.entry(key)))),
    }
}

/// The entries that a body for a list holds: one, or several as a sequence.
pub(super) fn entries(body: &Document, list: List) -> Result<Vec<(String, Document)>, ConfigError> {
    let parts = match body.value() {
        Value::Null => Vec::new(),
        Value::Sequence(items) => {
            of_input((0..items.len()).map(|index| body.part(&[index.into()])).collect::<Result<_, _>>())?
        }
        _ => vec![of_input(body.part(&[]))?],
    };
    let keyed = |part: Document| {
        let key = part.value().get(list.key()).and_then(Value::as_str).map(str::to_owned);
        let what = || format!("`{}` is missing", list.key());
        let missing = || ConfigError::Invalid(vec![Problem { origin: Origin::Input, line: None, what: what() }]);
        Ok((key.ok_or_else(missing)?, part))
    };
    parts.into_iter().map(keyed).collect()
}

/// Puts what `part` says into what stands at `path`: scalars and ordered lists are replaced, mappings and keyed
/// lists merged, nothing is removed.
pub(super) fn merge(document: &mut Document, path: &[Step], part: &Document) -> Result<(), EditError> {
    match (at(document.value(), path), part.value()) {
        (_, Value::Null) => Ok(()),
        (Some(Value::Mapping(_)), Value::Mapping(new)) => {
            let keys: Vec<String> = new.keys().filter_map(Value::as_str).map(str::to_owned).collect();
            for key in keys {
                let inner = part.part(&[key.as_str().into()])?;
                let place = below(path, key.as_str().into());
                match key_of(&key).filter(|_| inner.value().is_sequence()) {
                    Some(field) => merge_list(document, &place, field, &inner)?,
                    None => merge(document, &place, &inner)?,
                }
            }
            Ok(())
        }
        _ => document.replace(path, part),
    }
}

fn merge_list(document: &mut Document, list: &[Step], field: &str, items: &Document) -> Result<(), EditError> {
    let count = items.value().as_sequence().map_or(0, Vec::len);
    for index in 0..count {
        let item = items.part(&[index.into()])?;
        let key = item.value().get(field).and_then(Value::as_str).unwrap_or_default();
        match index_of(document, list, field, key) {
            Some(index) => merge(document, &below(list, index.into()), &item)?,
            None => document.push(list, &item)?,
        }
    }
    Ok(())
}

fn below(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}
