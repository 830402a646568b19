//! Results as JSON and YAML: keys in the order of the report's fields, hidden characters as their codes.

use std::io::Write;

use super::escape::{Escaping, Notation, is_hidden};
use super::{OutputError, OutputFormat};

/// The value as JSON for people and programs, indented, without a last line feed.
pub(super) fn json(value: &dyn erased_serde::Serialize) -> Result<String, OutputError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| unserialisable(OutputFormat::Json, error))?;
    Ok(escaped(&text, Notation::Json))
}

/// The value as JSON on one line.
pub(super) fn json_line(value: &dyn erased_serde::Serialize) -> Result<String, OutputError> {
    let text = serde_json::to_string(value).map_err(|error| unserialisable(OutputFormat::Json, error))?;
    Ok(escaped(&text, Notation::Json))
}

/// The value as YAML, without a last line feed.
///
/// Block YAML has no codes outside of quotes: what holds a hidden character is written in the flow form
/// instead, which looks like JSON and is YAML as well.
pub(super) fn yaml(value: &dyn erased_serde::Serialize) -> Result<String, OutputError> {
    let mut text = serde_yaml::to_string(value).map_err(|error| unserialisable(OutputFormat::Yaml, error))?;
    if text.contains(|c| c != '\n' && is_hidden(c)) {
        let flow = serde_json::to_string_pretty(value).map_err(|error| unserialisable(OutputFormat::Yaml, error))?;
        return Ok(escaped(&flow, Notation::Yaml));
    }
    text.truncate(text.trim_end_matches('\n').len());
    Ok(text)
}

fn escaped(text: &str, notation: Notation) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    // Writing to memory cannot fail.
    let _ = Escaping::new(&mut bytes, notation).write_all(text.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unserialisable(format: OutputFormat, error: impl std::error::Error + Send + Sync + 'static) -> OutputError {
    OutputError::Serialise { format, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};
    use std::collections::BTreeMap;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sample {
        zone: String,
        last_tag: Option<String>,
        labels: BTreeMap<String, String>,
    }

    fn sample(text: &str) -> Sample {
        Sample { zone: text.to_owned(), last_tag: None, labels: BTreeMap::from([(text.to_owned(), text.to_owned())]) }
    }

    #[test]
    fn keys_keep_the_order_of_the_fields() {
        assert_eq!(json_line(&sample("a")).unwrap(), r#"{"zone":"a","lastTag":null,"labels":{"a":"a"}}"#);
        assert_eq!(yaml(&sample("a")).unwrap(), "zone: a\nlastTag: null\nlabels:\n  a: a");
    }

    #[test]
    fn hidden_characters_are_codes_in_yaml_too() {
        let text = yaml(&sample("v1\u{202e}")).unwrap();
        assert!(text.contains(r#""zone": "v1\u202e""#), "{text}");
    }

    proptest! {
        #[test]
        fn both_forms_keep_the_value_and_hide_nothing(text in any::<String>()) {
            let value = sample(&text);
            let json = json(&value).unwrap();
            prop_assert!(!json.contains(|c| c != '\n' && is_hidden(c)));
            prop_assert_eq!(&serde_json::from_str::<Sample>(&json).unwrap(), &value);
            let yaml = yaml(&value).unwrap();
            prop_assert!(!yaml.contains(|c| c != '\n' && is_hidden(c)), "{:?}", yaml);
            prop_assert_eq!(&serde_yaml::from_str::<Sample>(&yaml).unwrap(), &value);
        }
    }
}
