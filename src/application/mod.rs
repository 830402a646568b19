//! Application specs: which images a file names, and the same file with other words for them.
//!
//! Avassa applications, Kubernetes manifests and Compose files, several documents in one file, in YAML or JSON. A
//! file is another's property: nothing of it is written but the words of images, byte for byte. Nothing here asks a
//! registry or knows the configuration; `command` resolves what is named.

mod avassa;
mod compose;
mod error;
mod found;
mod kind;
mod kubernetes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::yaml::{Stream, YamlError, replace_words};

pub use error::{ImageError, SpecError};
pub use found::{Mention, Note};
pub use kind::{Kind, KindError};

use error::What;
use found::Found;

/// A file that says what should run.
#[derive(Clone, Debug)]
pub struct Spec {
    file: String,
    kind: Option<Kind>,
    stream: Stream,
    found: Found,
}

impl Spec {
    /// Reads a spec. `file` is its name in messages; each document is of `kind`, or of the one that it looks like.
    ///
    /// # Errors
    /// It is not text, not YAML, or a document is of no kind that is known here; says where.
    pub fn read(file: &str, bytes: &[u8], kind: Option<Kind>) -> Result<Self, SpecError> {
        let wrong = |line, what| SpecError { file: file.to_owned(), line, what };
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(None, What::NotText(error)))?;
        let has_template = text.contains("{{");
        let not_yaml = |error: YamlError| wrong(error.line, What::NotYaml { error, has_template });
        let stream = Stream::parse(text).map_err(not_yaml)?;
        let mut found = Found::default();
        for document in stream.documents().filter(|document| !document.is_null()) {
            let kind = kind.or_else(|| Kind::of(document));
            match kind.ok_or_else(|| wrong(Some(document.line()), What::NoKind { has_template }))? {
                Kind::Avassa => avassa::read(document, &mut found),
                Kind::Kubernetes => kubernetes::read(document, &mut found),
                Kind::Compose => compose::read(document, &mut found),
            }
        }
        found.mentions.sort_by_key(|mention| mention.line);
        Ok(Self { file: file.to_owned(), kind, stream, found })
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The text, byte for byte.
    #[must_use]
    pub fn text(&self) -> &str {
        self.stream.text()
    }

    /// Every mention of an image, in the order of the file. Several can be the same words, by way of an alias.
    #[must_use]
    pub fn mentions(&self) -> &[Mention] {
        &self.found.mentions
    }

    /// What runs and names no image, and why.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.found.notes
    }

    /// The text with other words for images; `None` leaves an image's words as they are.
    ///
    /// # Errors
    /// Words stand in a form in which they cannot be replaced without touching more.
    pub fn rewritten(&self, new: impl Fn(&Mention) -> Option<String>) -> Result<String, SpecError> {
        let mut places = BTreeMap::new();
        for mention in self.mentions() {
            let Some(word) = new(mention).filter(|word| *word != mention.image) else { continue };
            let range = mention.words.clone().ok_or_else(|| self.form(mention))?;
            places.insert(range.start, (range, word));
        }
        let places: Vec<_> = places.into_values().collect();
        let text = replace_words(self.text(), &places);
        // What was written is read again: each image is what it was to be, and nothing else is one.
        let again = Self::read(&self.file, text.as_bytes(), self.kind)?;
        if again.mentions().len() != self.mentions().len() {
            return Err(SpecError { file: self.file.clone(), line: None, what: What::Form });
        }
        for (mention, written) in self.mentions().iter().zip(again.mentions()) {
            if written.image != new(mention).unwrap_or_else(|| mention.image.clone()) {
                return Err(self.form(mention));
            }
        }
        Ok(text)
    }

    fn form(&self, mention: &Mention) -> SpecError {
        SpecError { file: self.file.clone(), line: Some(mention.line), what: What::Form }
    }
}
