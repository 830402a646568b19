//! Images that the store may have, as users name them.

use crate::image::{ImageReference, Location, Naming, RepositoryName, StoreSelector, Tag};
use crate::session::{Access, Session, SessionError};

/// Where the store has an image that is named as in its registry, or as `tranship images` lists it.
///
/// # Errors
/// The name breaks a rule, or the store cannot be read.
pub(super) async fn kept(text: &str, session: &Session) -> Result<Location, SessionError> {
    let listed = Location::parse(&format!("store:{text}"), &Naming::default());
    let at_home = match session.location(text) {
        Ok(Location::Registry(reference)) => home_of(&reference)?,
        Ok(other) => return Ok(other),
        Err(error) => return listed.map_err(|_| error),
    };
    match listed {
        Ok(listed) if !is_there(&at_home, session).await? && is_there(&listed, session).await? => Ok(listed),
        _ => Ok(at_home),
    }
}

/// Where an image is that may be in the store: there where it is, else in its registry. `docker://` in front means
/// the registry.
///
/// # Errors
/// The name breaks a rule, or the store cannot be read.
pub(super) async fn kept_or_remote(text: &str, session: &Session) -> Result<Location, SessionError> {
    let location = session.location(text);
    if text.starts_with("docker://") || matches!(&location, Ok(other) if !matches!(other, Location::Registry(_))) {
        return location;
    }
    match kept(text, session).await {
        Ok(kept) if is_there(&kept, session).await? => Ok(kept),
        _ => location,
    }
}

/// Where an image of a registry stands in the store.
fn home_of(reference: &ImageReference) -> Result<Location, SessionError> {
    let selector = match (reference.digest(), reference.tag()) {
        (Some(digest), tag) => StoreSelector::Digest(digest.clone(), tag.cloned()),
        (None, tag) => StoreSelector::Tag(tag.cloned().unwrap_or_else(Tag::latest)),
    };
    Ok(Location::Store { repository: RepositoryName::at_home(&reference.registry, &reference.repository)?, selector })
}

async fn is_there(location: &Location, session: &Session) -> Result<bool, SessionError> {
    let source = session.source(location, &Access::default()).await?;
    Ok(source.registry.resolve(&source.repository, &source.selector).await?.is_some())
}
