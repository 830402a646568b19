//! `list-remote-images`: what a remote registry has under a name, in the form that supctl shows.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use crate::command::document::DocumentReport;
use crate::command::inspect::{image_config, image_size};
use crate::command::{CommandResult, Outcome, cannot};
use crate::image::{Descriptor, Digest, ImageReference, Location, Manifest, Platform, RepositoryName, Selector, Tag};
use crate::output::size;
use crate::registry::{self, Registry};
use crate::session::{Access, Session, SessionError};

/// How many images are looked at at once.
const LOOKS: usize = 4;

/// How much is shown of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its name, digest and type.
    Brief,
    /// What is in it too.
    Full,
}

/// How much is shown of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DigestLength(usize);

impl FromStr for DigestLength {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match (text, text.parse::<u8>()) {
            ("full", _) => Ok(Self(usize::MAX)),
            ("short", _) => Ok(Self(12)),
            (_, Ok(length)) if length > 0 => Ok(Self(length.into())),
            _ => Err("it is full, short, or a number from 1 to 255"),
        }
    }
}

impl DigestLength {
    /// The digest with so many of its hex digits, in the form that a truncated digest is written.
    fn cut(self, digest: &Digest) -> String {
        let text = digest.to_string();
        let (algorithm, hex) = text.split_once(':').unwrap_or((&text, ""));
        format!("{algorithm}:{}", &hex[..self.0.min(hex.len())])
    }
}

/// What the registry has, as supctl shows it.
#[derive(Serialize)]
struct Answer {
    images: Vec<RemoteImage>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RemoteImage {
    name: String,
    digest: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<PlatformImage>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PlatformImage {
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    image_id: String,
    compressed_size: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

/// Lists the image of a reference, or those of every tag of a repository.
///
/// # Errors
/// There is none, or the registry does not show it.
pub(super) async fn list(
    text: &str,
    depth: Depth,
    length: DigestLength,
    access: &Access,
    session: &Session,
) -> CommandResult {
    let doing = format!("list the remote images of `{}`", text.escape_debug());
    let look = Look::open(text, depth, length, access, session).await.map_err(cannot(&doing))?;
    let images = look.images(text, session).await.map_err(cannot(&doing))?;
    let names = images.iter().map(|image| format!("{}@{}", image.name, image.digest)).collect();
    Ok(Outcome::done(DocumentReport::new(&Answer { images }, names).map_err(cannot(&doing))?))
}

/// A repository, and what of it is shown.
struct Look {
    registry: Arc<dyn Registry>,
    shown: String,
    repository: RepositoryName,
    depth: Depth,
    length: DigestLength,
}

impl Look {
    async fn open(
        text: &str,
        depth: Depth,
        length: DigestLength,
        access: &Access,
        session: &Session,
    ) -> Result<Self, SessionError> {
        let (address, repository) = match ImageReference::parse_repository(text, &session.config()?.naming()) {
            Ok(repository) => repository,
            Err(_) => match session.location(text)? {
                Location::Registry(reference) => (reference.registry, reference.repository),
                _ => return Err(SessionError::NotRemote(text.to_owned())),
            },
        };
        let shown = format!("{address}/{repository}");
        let (registry, repository) = session.repository(&shown, access).await?;
        Ok(Self { registry, shown, repository, depth, length })
    }

    /// The images that `text` names, in the registry's order.
    async fn images(&self, text: &str, session: &Session) -> Result<Vec<RemoteImage>, SessionError> {
        let naming = session.config()?.naming();
        if ImageReference::parse_repository(text, &naming).is_err() {
            let selector = ImageReference::parse(text, &naming)?.selector();
            return Ok(vec![self.image(selector).await?]);
        }
        let tags: Vec<Vec<Tag>> = self.registry.tags(&self.repository).try_collect().await?;
        let tags = tags.into_iter().flatten().map(Selector::Tag);
        let images = futures_util::stream::iter(tags).map(|tag| self.image(tag)).buffered(LOOKS);
        Ok(images.try_collect().await?)
    }

    async fn image(&self, selector: Selector) -> registry::Result<RemoteImage> {
        let root = self.registry.manifest(&self.repository, &selector).await?;
        let name = match &selector {
            Selector::Tag(tag) => format!("{}:{tag}", self.shown),
            Selector::Digest(_) => self.shown.clone(),
        };
        let mut images = Vec::new();
        match root.manifest() {
            _ if self.depth == Depth::Brief => {}
            Manifest::Image(_) => images.extend(self.platform_image(root.digest(), None).await?),
            Manifest::Index(index) => {
                let unknown = |child: &&Descriptor| child.platform.as_ref().is_some_and(Platform::is_unknown);
                let children = index.manifests.iter().filter(|child| child.media_type.is_manifest() && !unknown(child));
                let looks = children.map(|child| self.platform_image(&child.digest, child.platform.as_ref()));
                let found = futures_util::stream::iter(looks).buffered(LOOKS).try_collect::<Vec<_>>().await?;
                images.extend(found.into_iter().flatten());
            }
        }
        let kind = if matches!(root.manifest(), Manifest::Index(_)) { "image-index" } else { "image" };
        Ok(RemoteImage { name, digest: self.length.cut(root.digest()), kind, images })
    }

    /// One image; `None` where it is an index again.
    async fn platform_image(
        &self,
        digest: &Digest,
        platform: Option<&Platform>,
    ) -> registry::Result<Option<PlatformImage>> {
        let raw = self.registry.manifest(&self.repository, &Selector::Digest(digest.clone())).await?;
        let Manifest::Image(image) = raw.manifest() else { return Ok(None) };
        let config = image_config(&*self.registry, &self.repository, image).await?;
        let labels = config.as_ref().and_then(|config| config.document().config().as_ref()?.labels().clone());
        let own = config.as_ref().map(|config| config.platform().to_string());
        Ok(Some(PlatformImage {
            digest: self.length.cut(digest),
            platform: platform.map(ToString::to_string).or(own),
            image_id: self.length.cut(&image.config.digest),
            compressed_size: size(image_size(image)),
            labels: labels.into_iter().flatten().collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_cut_as_truncated_digests_are_written() {
        let digest = Digest::of(b"");
        let cut = |length: &str| length.parse::<DigestLength>().unwrap().cut(&digest);
        assert_eq!(cut("full"), digest.to_string());
        assert_eq!(cut("short"), "sha256:e3b0c44298fc");
        assert_eq!(cut("7"), "sha256:e3b0c44");
        assert_eq!(cut("255"), digest.to_string());
        for length in ["", "0", "256", "long", "-1"] {
            assert!(length.parse::<DigestLength>().is_err(), "{length}");
        }
    }
}
