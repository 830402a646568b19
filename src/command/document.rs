//! A report that is a YAML document for people too, as supctl shows what it finds.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use crate::output::{Page, Report};
use crate::yaml::{Document, Value, YamlError};

/// A part of the configuration, or what an action answered.
pub(super) struct DocumentReport {
    document: Document,
    names: Vec<String>,
}

impl DocumentReport {
    /// A report of `value`; `names` are its essential words, for `-q`.
    ///
    /// # Errors
    /// The value has a form that YAML cannot hold.
    pub(super) fn new(value: &impl Serialize, names: Vec<String>) -> Result<Self, YamlError> {
        Ok(Self { document: Document::of(value)?, names })
    }
}

impl Serialize for DocumentReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.value().serialize(serializer)
    }
}

impl Report for DocumentReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        match self.document.value() {
            Value::Null => Ok(()),
            Value::Mapping(mapping) if mapping.is_empty() => Ok(()),
            Value::Sequence(items) if items.is_empty() => Ok(()),
            _ => page.write_all(self.document.text().as_bytes()),
        }
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.names.iter().try_for_each(|name| writeln!(page, "{name}"))
    }
}
