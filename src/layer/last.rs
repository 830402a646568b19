//! Hands directories on behind everything else.

use std::io::Read;

use super::replay::{Sink, Special};
use super::{Attributes, Content, LayerError, MemberPath};

/// Holds directories back until everything else went to another sink.
///
/// What several layers put into one directory does not stand together in an archive of all of them. GNU tar gives a
/// directory its time when it believes that nothing more comes for it; only behind everything is that true.
pub struct DirectoriesLast<S> {
    sink: S,
    held: Vec<(MemberPath, Attributes)>,
}

impl<S: Sink> DirectoriesLast<S> {
    /// Nothing was held back yet.
    pub const fn new(sink: S) -> Self {
        Self { sink, held: Vec::new() }
    }

    /// Hands the directories on, in the order of names, and gives the sink back.
    ///
    /// # Errors
    /// The sink cannot take one.
    pub fn finish(mut self) -> Result<S, LayerError> {
        self.held.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (path, attributes) in &self.held {
            self.sink.directory(path, Some(attributes))?;
        }
        Ok(self.sink)
    }
}

impl<S: Sink> Sink for DirectoriesLast<S> {
    fn directory(&mut self, path: &MemberPath, attributes: Option<&Attributes>) -> Result<(), LayerError> {
        self.held.extend(attributes.map(|attributes| (path.clone(), attributes.clone())));
        Ok(())
    }

    fn file(
        &mut self,
        path: &MemberPath,
        attributes: &Attributes,
        content: &Content,
        stored: &mut dyn Read,
    ) -> Result<(), LayerError> {
        self.sink.file(path, attributes, content, stored)
    }

    fn symlink(&mut self, path: &MemberPath, attributes: &Attributes, target: &[u8]) -> Result<(), LayerError> {
        self.sink.symlink(path, attributes, target)
    }

    fn special(&mut self, path: &MemberPath, attributes: &Attributes, special: Special) -> Result<(), LayerError> {
        self.sink.special(path, attributes, special)
    }

    fn link(&mut self, path: &MemberPath, attributes: &Attributes, target: &MemberPath) -> Result<(), LayerError> {
        self.sink.link(path, attributes, target)
    }
}
