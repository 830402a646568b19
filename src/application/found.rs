//! What is found in a spec: where it names images, and where it does without.

use std::ops::Range;

use super::error::ImageError;
use crate::image::{Digest, ImageReference, Naming};
use crate::yaml::Node;

/// A place in a spec that names an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The image, as it is written.
    pub image: String,
    /// Who runs it: `Deployment/web, container app`, `service web`.
    pub user: String,
    /// The line on which it stands, counted from 1.
    pub line: usize,
    /// Where its words stand in the text; `None` where they cannot be told from what is around them.
    pub(super) words: Option<Range<usize>>,
}

impl Mention {
    /// The image that is meant; a short name is completed by `naming`.
    ///
    /// # Errors
    /// A variable stands in it that nobody filled in, or it breaks a rule of references.
    pub fn reference(&self, naming: &Naming) -> Result<ImageReference, ImageError> {
        if self.image.contains(['$', '{']) {
            return Err(ImageError::Variable(self.image.clone()));
        }
        Ok(ImageReference::parse(&self.image, naming)?)
    }

    /// The words with the digest that is to stand there, for the image `reference` that they mean: registry and
    /// repository as they are written, and always a tag where the reference has one.
    #[must_use]
    pub fn pinned(&self, reference: &ImageReference, digest: &Digest) -> String {
        let name = self.image.split_once('@').map_or(self.image.as_str(), |(name, _)| name);
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        match reference.tag() {
            Some(tag) if !last.contains(':') => format!("{name}:{tag}@{digest}"),
            Some(_) | None => format!("{name}@{digest}"),
        }
    }
}

/// Something that runs, and of which no image is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The line, counted from 1.
    pub line: usize,
    /// What it is, and why.
    pub text: String,
}

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) mentions: Vec<Mention>,
    pub(super) notes: Vec<Note>,
}

impl Found {
    /// Takes note of the image that `user` runs.
    pub(super) fn image(&mut self, node: Node<'_>, user: impl Into<String>) {
        let (user, line) = (user.into(), node.line());
        let image = node.text().unwrap_or_default().trim();
        if image.is_empty() || node.is_null() {
            return self.note(node, format!("{user}: the image is left open"));
        }
        self.mentions.push(Mention { image: image.to_owned(), user, line, words: node.words() });
    }

    /// Takes note of something that names no image.
    pub(super) fn note(&mut self, node: Node<'_>, text: impl Into<String>) {
        self.notes.push(Note { line: node.line(), text: text.into() });
    }
}
