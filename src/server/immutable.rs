//! Tags that are made once: whoever comes first wins, and what they point at stays.
//!
//! A tag that is there already is no obstacle to whoever puts the same manifest again, as a push that is repeated
//! does. That of several who come at once only one wins is the place's doing ([`TagCondition::Absent`]).

use http::StatusCode;
use tokio::sync::RwLock;

use super::Server;
use super::answer::{Code, Refusal, refused};
use crate::config::TagPattern;
use crate::image::{Digest, RawManifest, RepositoryName, Selector, Tag};
use crate::registry::{ErrorKind, ImageSource, TagCondition};

/// Which tags are made once.
#[derive(Debug)]
pub(super) struct Immutable {
    patterns: Vec<TagPattern>,
    /// Written by who removes a manifest with its tags, so that no tag is made between the look and the removal.
    changes: RwLock<()>,
}

impl Immutable {
    pub(super) fn new(patterns: Vec<TagPattern>) -> Self {
        Self { patterns, changes: RwLock::default() }
    }

    fn is(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_for(repository, tag))
    }
}

impl Server {
    /// Puts a manifest under its digest and these tags; those that are immutable first, each by itself.
    pub(super) async fn place(
        &self,
        repository: &RepositoryName,
        manifest: &RawManifest,
        tags: &[Tag],
    ) -> Result<(), Refusal> {
        let (fixed, free): (Vec<Tag>, Vec<Tag>) =
            tags.iter().cloned().partition(|tag| self.immutable.is(repository, tag));
        let _changing = if fixed.is_empty() { None } else { Some(self.immutable.changes.read().await) };
        // All are looked at before one is made, so that what is refused mostly changes nothing.
        let mut new = Vec::new();
        for tag in fixed {
            match self.target(repository, &tag).await? {
                Some(found) if found != *manifest.digest() => return Err(stays(repository, &tag)),
                Some(_) => {}
                None => new.push(tag),
            }
        }
        for tag in new {
            let one = std::slice::from_ref(&tag);
            match self.host.push_manifest(repository, manifest, one, TagCondition::Absent).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    if self.target(repository, &tag).await?.as_ref() != Some(manifest.digest()) {
                        return Err(stays(repository, &tag));
                    }
                }
                put => put.map_err(refused(Code::ManifestUnknown))?,
            }
        }
        let put = self.host.push_manifest(repository, manifest, &free, TagCondition::Always).await;
        put.map_err(refused(Code::ManifestUnknown))
    }

    /// Removes a tag, or a manifest with all its tags, unless one of them stays.
    pub(super) async fn remove(&self, repository: &RepositoryName, selector: &Selector) -> Result<(), Refusal> {
        let removed = match selector {
            Selector::Tag(tag) if self.immutable.is(repository, tag) => return Err(stays(repository, tag)),
            Selector::Tag(tag) => self.host.remove_tag(repository, tag).await,
            Selector::Digest(digest) => {
                let some = !self.immutable.patterns.is_empty();
                let _changing = if some { Some(self.immutable.changes.write().await) } else { None };
                if let Some(tag) = self.fixed_tag_of(repository, digest).await? {
                    return Err(stays(repository, &tag));
                }
                self.host.remove_manifest(repository, digest).await
            }
        };
        removed.map_err(refused(Code::ManifestUnknown))
    }

    /// An immutable tag that points at a manifest.
    async fn fixed_tag_of(&self, repository: &RepositoryName, digest: &Digest) -> Result<Option<Tag>, Refusal> {
        if self.immutable.patterns.is_empty() {
            return Ok(None);
        }
        for tag in self.all_tags(repository).await? {
            if self.immutable.is(repository, &tag) && self.target(repository, &tag).await?.as_ref() == Some(digest) {
                return Ok(Some(tag));
            }
        }
        Ok(None)
    }

    /// What a tag points at.
    async fn target(&self, repository: &RepositoryName, tag: &Tag) -> Result<Option<Digest>, Refusal> {
        let found = ImageSource::resolve(&*self.host, repository, &Selector::Tag(tag.clone())).await;
        Ok(found.map_err(refused(Code::ManifestUnknown))?.map(|found| found.digest))
    }
}

fn stays(repository: &RepositoryName, tag: &Tag) -> Refusal {
    let message = format!("the tag {tag} of {repository} is immutable: it stays where it points");
    Refusal::new(StatusCode::FORBIDDEN, Code::Denied, message)
}
