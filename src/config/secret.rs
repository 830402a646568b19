//! The body for a path into a vault: read here, handed to the vault by the command, kept by neither.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::file::not_yaml;
use crate::credentials::{KeyName, SecretData, SecretName};
use crate::yaml::{Completeness, Document, Kind, Origin, Place, Positions, Problem, Reader, Value, from_text, located};

const SECRET: Kind = Kind {
    shown: "a secret",
    known: &["name", "data", "base64-data"],
    ignored: &["allow-image-access", "cas", "delete-version-after", "distribute", "version"],
};

/// What is written for `strongbox vaults VAULT secrets`: a secret's name and values.
#[derive(Debug)]
pub struct SecretBody {
    /// The name, which may stand in the path instead.
    pub name: Option<SecretName>,
    /// The values; of a key in both, that of `base64-data`.
    pub values: SecretData,
    /// What has no meaning here.
    pub warnings: Vec<Problem>,
}

impl SecretBody {
    /// Reads it.
    ///
    /// # Errors
    /// Every key that is unknown and every value that cannot be taken, each with its line and never with its value.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text).map_err(|error| not_yaml(Origin::Input, error))?;
        let mut reader = Reader::new(Completeness::Whole);
        let mut body = Self { name: None, values: SecretData::default(), warnings: Vec::new() };
        let place = Place { value: document.value(), path: Vec::new() };
        if let Some(mut fields) = reader.fields(place, &SECRET) {
            body.name = fields.optional("name", from_text);
            let lists = [("data", Encoding::Text), ("base64-data", Encoding::Base64)];
            let lists = lists.map(|(key, encoding)| (fields.place(key), encoding));
            for (place, encoding) in lists {
                let Some(place) = place else { continue };
                body.read_values(&mut reader, &place, encoding, || document.positions());
            }
        }
        if !reader.problems.is_empty() {
            return Err(ConfigError::Invalid(located(reader.problems, &Origin::Input, || document.positions())));
        }
        body.warnings = located(reader.ignored, &Origin::Input, || document.positions());
        Ok(body)
    }

    fn read_values(
        &mut self,
        reader: &mut Reader,
        place: &Place<'_>,
        encoding: Encoding,
        positions: impl Fn() -> Positions,
    ) {
        let Value::Mapping(mapping) = place.value else {
            return reader.problem(place, "keys and values are expected for the values");
        };
        for (key, value) in mapping {
            let key = key.as_str().unwrap_or_default();
            let below = Place { value, path: place.path.iter().cloned().chain([key.into()]).collect() };
            // A number is taken as it is written: `0123` is four characters.
            let text = match value {
                Value::String(text) => Some(Zeroizing::new(text.clone())),
                Value::Number(_) | Value::Bool(_) => positions().scalar(&below.path).map(Zeroizing::new),
                _ => None,
            };
            let bytes = text.ok_or("it is no text").and_then(|text| encoding.bytes(&text));
            match (key.parse::<KeyName>(), bytes) {
                (Ok(name), Ok(bytes)) => self.values.set(name, bytes.to_vec()),
                (Err(error), _) => reader.problem(&below, error.to_string()),
                (Ok(name), Err(what)) => reader.problem(&below, format!("the value of `{name}`: {what}")),
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Encoding {
    Text,
    Base64,
}

impl Encoding {
    fn bytes(self, text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        match self {
            Self::Text => Ok(Zeroizing::new(text.as_bytes().to_vec())),
            Self::Base64 => {
                let packed: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
                STANDARD.decode(packed.as_bytes()).map(Zeroizing::new).map_err(|_| "it is no base64")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are_written() {
        let text = "name: s\nallow-image-access: ['*']\ndata:\n  username: bob\n  password: 0123\n  both: x\nbase64-data:\n  both: AP8=\n";
        let body = SecretBody::parse(text).unwrap();
        let value = |key: &str| body.values.bytes(key).unwrap().to_vec();
        assert_eq!(body.name, Some("s".parse().unwrap()));
        assert_eq!(
            (value("username"), value("password"), value("both")),
            (b"bob".to_vec(), b"0123".to_vec(), vec![0, 255])
        );
        assert_eq!(body.warnings.len(), 1);
        assert_eq!(body.warnings[0].line, Some(2));
        assert!(!format!("{body:?}").contains("bob"));
    }

    #[test]
    fn what_is_refused_shows_no_value() {
        for (text, part) in [
            ("data:\n  a: [canary]\n", "standard input:2: the value of `a`: it is no text"),
            ("base64-data: {a: 'canary!'}\n", "it is no base64"),
            ("data: canary\n", "keys and values are expected"),
            ("values: {a: canary}\n", "unknown key `values` in a secret"),
            ("data: {'a b': canary}\n", "cannot stand in the key"),
            ("data: {a: 'canary\n", "this is not YAML"),
        ] {
            let error = SecretBody::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
