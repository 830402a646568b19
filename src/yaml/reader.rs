//! Strict reading: every key is known, every value is taken or named as a problem, and all problems are found.
//!
//! The configuration is read so, and every other file of keys that a person writes. Which keys there are, whoever
//! reads says by a [`Kind`]. None of these files holds a secret, and one that is found is refused.

use std::fmt::Display;
use std::str::FromStr;

use super::problem::{Finding, suggestion};
use super::{Mapping, Step, Value};

/// What a mapping is and which keys it can have.
pub(crate) struct Kind {
    /// What to call it: `a remote registry`.
    pub(crate) shown: &'static str,
    /// The keys that it can have.
    pub(crate) known: &'static [&'static str],
    /// Keys of Avassa's model that have no meaning here.
    pub(crate) ignored: &'static [&'static str],
}

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Place<'v> {
    pub(crate) value: &'v Value,
    pub(crate) path: Vec<Step>,
}

impl<'v> Place<'v> {
    /// What stands one step below.
    pub(crate) fn below(&self, step: impl Into<Step>, value: &'v Value) -> Self {
        Self { value, path: self.path.iter().cloned().chain([step.into()]).collect() }
    }
}

/// Whether keys may be missing that an entry needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// None may.
    Whole,
    /// They may: the value is merged into one that is there.
    Part,
}

/// What was found so far.
pub(crate) struct Reader {
    pub(crate) completeness: Completeness,
    pub(crate) problems: Vec<Finding>,
    /// Keys without a meaning here: the path of each.
    pub(crate) ignored: Vec<Finding>,
}

impl Reader {
    pub(crate) const fn new(completeness: Completeness) -> Self {
        Self { completeness, problems: Vec::new(), ignored: Vec::new() }
    }

    pub(crate) fn problem(&mut self, place: &Place<'_>, what: impl Into<String>) {
        self.problems.push(Finding { path: place.path.clone(), what: what.into() });
    }

    /// The mapping at `place`, after a look at its keys. Nothing at all counts as an empty one.
    pub(crate) fn fields<'r, 'v>(&'r mut self, place: Place<'v>, kind: &Kind) -> Option<Fields<'r, 'v>> {
        let mapping = match place.value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Null => None,
            _ => {
                self.problem(&place, format!("keys and values are expected for {}", kind.shown));
                return None;
            }
        };
        for (key, value) in mapping.into_iter().flatten() {
            self.check_key(&place, key, value, kind);
        }
        Some(Fields { reader: self, mapping, place })
    }

    fn check_key(&mut self, place: &Place<'_>, key: &Value, value: &Value, kind: &Kind) {
        let Some(word) = key.as_str() else {
            return self.problem(place, format!("a key of {} is no word", kind.shown));
        };
        let below = place.below(word, value);
        if kind.known.contains(&word) {
            return;
        }
        let shown = word.escape_debug();
        if kind.ignored.contains(&word) {
            let what = format!("`{shown}` of {} has no meaning here and is ignored", kind.shown);
            self.ignored.push(Finding { path: below.path, what });
        } else if names_a_secret(word) {
            self.problem(&below, refusal(&format!("`{shown}` of {}", kind.shown)));
        } else {
            let suggestion = suggestion(word, kind.known);
            self.problem(&below, format!("unknown key `{shown}` in {}{suggestion}", kind.shown));
        }
    }

    /// The items of the list at `place`; nothing at all counts as an empty one.
    pub(crate) fn items<'v>(&mut self, place: &Place<'v>, what: &str) -> Vec<Place<'v>> {
        match place.value {
            Value::Null => Vec::new(),
            Value::Sequence(items) => items.iter().enumerate().map(|(index, item)| place.below(index, item)).collect(),
            _ => {
                self.problem(place, format!("`{what}` is a list"));
                Vec::new()
            }
        }
    }

    /// The scalar at `place` as text, parsed. Numbers are taken where they are meant: YAML would turn the name
    /// `1.10` into 1.1.
    pub(crate) fn parse<T>(
        &mut self,
        place: &Place<'_>,
        key: &str,
        scalar: Scalar,
        parse: impl FnOnce(&str) -> Read<T>,
    ) -> Option<T> {
        let text = match (place.value, scalar) {
            (Value::String(text), _) => Ok(text.clone()),
            (Value::Number(number), Scalar::Amount) => Ok(number.to_string()),
            (Value::Number(_) | Value::Bool(_), _) => Err("is a number or a truth value here; put it in quotes"),
            (Value::Null, _) => Err("has no value"),
            (Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_), _) => Err("is one plain value"),
        };
        let text = match text {
            Ok(text) => text,
            Err(what) => {
                self.problem(place, format!("`{}` {what}", key.escape_debug()));
                return None;
            }
        };
        if holds_a_secret(&text) {
            self.problem(place, refusal(&format!("the value of `{}`", key.escape_debug())));
            return None;
        }
        match parse(&text) {
            Ok(value) => Some(value),
            Err(what) => {
                self.problem(place, format!("`{}`: {what}", key.escape_debug()));
                None
            }
        }
    }
}

/// What kind of scalar is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// A name, an address, a word.
    Text,
    /// A number, with or without a unit.
    Amount,
}

/// What a parser of scalars answers: the value, or what is wrong.
pub(crate) type Read<T> = Result<T, String>;

/// A parser of scalars from the type's own.
pub(crate) fn from_text<T: FromStr<Err: Display>>(text: &str) -> Read<T> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// The keys of one mapping, and where to say what is wrong with them.
pub(crate) struct Fields<'r, 'v> {
    pub(crate) reader: &'r mut Reader,
    mapping: Option<&'v Mapping>,
    place: Place<'v>,
}

impl<'v> Fields<'_, 'v> {
    /// The value of `key`, where it is there.
    pub(crate) fn place(&self, key: &str) -> Option<Place<'v>> {
        Some(self.place.below(key, self.mapping?.get(key)?))
    }

    /// Says what is wrong with the whole.
    pub(crate) fn problem(&mut self, what: impl Into<String>) {
        self.reader.problem(&self.place.clone(), what);
    }

    /// The text of `key`, parsed.
    pub(crate) fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Read<T>) -> Option<T> {
        self.scalar(key, Scalar::Text, parse)
    }

    /// The amount of `key`, parsed.
    pub(crate) fn amount<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Read<T>) -> Option<T> {
        self.scalar(key, Scalar::Amount, parse)
    }

    fn scalar<T>(&mut self, key: &str, scalar: Scalar, parse: impl FnOnce(&str) -> Read<T>) -> Option<T> {
        let place = self.place(key).filter(|place| !place.value.is_null())?;
        self.reader.parse(&place, key, scalar, parse)
    }

    /// The truth value of `key`.
    pub(crate) fn switch(&mut self, key: &str) -> Option<bool> {
        let place = self.place(key).filter(|place| !place.value.is_null())?;
        let value = place.value.as_bool();
        if value.is_none() {
            self.reader.problem(&place, format!("`{key}` is `true` or `false`"));
        }
        value
    }

    /// The text of `key`, parsed, which has to be there.
    pub(crate) fn required<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Read<T>) -> Option<T> {
        if self.place(key).is_none_or(|place| place.value.is_null()) {
            if self.reader.completeness == Completeness::Whole {
                self.problem(format!("`{key}` is missing"));
            }
            return None;
        }
        self.optional(key, parse)
    }

    /// The items of the list `key`, parsed.
    pub(crate) fn list<T>(&mut self, key: &str, parse: impl Fn(&str) -> Read<T>) -> Vec<T> {
        let items = self.items(key);
        items.iter().filter_map(|item| self.reader.parse(item, key, Scalar::Text, &parse)).collect()
    }

    /// The values of `key`, parsed: those of a list, or the one that stands there. An empty list is a problem,
    /// because it could mean all as well as none.
    pub(crate) fn several<T>(&mut self, key: &str, parse: impl Fn(&str) -> Read<T>) -> Option<Vec<T>> {
        let place = self.place(key)?;
        let items = match place.value {
            Value::Sequence(items) if items.is_empty() => {
                self.reader.problem(&place, format!("`{key}` is empty; leave it out, or name at least one"));
                return None;
            }
            Value::Sequence(_) => self.reader.items(&place, key),
            _ => vec![place],
        };
        Some(items.iter().filter_map(|item| self.reader.parse(item, key, Scalar::Text, &parse)).collect())
    }

    /// The items of the list `key`, as they are.
    pub(crate) fn items(&mut self, key: &str) -> Vec<Place<'v>> {
        self.place(key).map(|place| self.reader.items(&place, key)).unwrap_or_default()
    }
}

fn refusal(what: &str) -> String {
    format!(
        "{what} looks like a secret, and the configuration holds none; keep it with `tranship secret set VAULT/SECRET`"
    )
}

/// Whether a key's name says that its value is to be kept secret.
pub(crate) fn names_a_secret(key: &str) -> bool {
    const WORDS: [&str; 11] = [
        "password",
        "passwd",
        "passphrase",
        "token",
        "secret",
        "username",
        "apikey",
        "accesskey",
        "privatekey",
        "auth",
        "cookie",
    ];
    let bare: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    matches!(bare.as_str(), "data" | "base64data") || WORDS.iter().any(|word| bare.contains(word))
}

/// Whether a value is a secret whatever its key: a private key, or a URL with a password.
fn holds_a_secret(text: &str) -> bool {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = after_scheme.split('/').next().unwrap_or_default();
    let password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    password || text.contains("PRIVATE KEY-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_that_are_secrets() {
        for key in ["password", "Password", "registry_token", "secret", "user-name", "data", "base64-data", "api-key"] {
            assert!(names_a_secret(key), "{key}");
        }
        for key in ["address", "adress", "mirror", "client-key", "database"] {
            assert!(!names_a_secret(key), "{key}");
        }
        for value in ["https://bob:pass@host/x", "bob:pass@host", "-----BEGIN EC PRIVATE KEY-----\nx"] {
            assert!(holds_a_secret(value), "{value}");
        }
        for value in ["host:5000/x", "https://host/x", "bob@host", "-----BEGIN CERTIFICATE-----", "a@b/c:d@e"] {
            assert!(!holds_a_secret(value), "{value}");
        }
    }
}
