//! Locations become sides: sources, destinations, places.

use std::sync::Arc;

use super::clients::Role;
use super::{Access, Session, SessionError};
use crate::archive::{Archive, Ending, Layout, Pack, PlainDirectory, Selection};
use crate::client::{Client, Mirrored};
use crate::files::LocalDisk;
use crate::image::{
    ArchiveFile, ArchiveForm, Digest, ImageReference, LayoutSelector, Location, ReferenceError, RegistryPath,
    RepositoryName, Selector, StoreSelector, Tag,
};
use crate::registry::{ImageDestination, ImageSource, Registry};
use crate::transfer::{Destination, Source};
use crate::wire::{Action, Scope};

/// One image at a place that can do everything.
pub struct Place {
    /// The place.
    pub registry: Arc<dyn Registry>,
    /// The repository there.
    pub repository: RepositoryName,
    /// Which image of it.
    pub selector: Selector,
    /// The image as it is shown.
    pub shown: String,
    /// The repository as it is shown, with its registry.
    pub shown_repository: String,
}

/// What a place is opened for, so that one token does for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Reading, and what needs rights of its own.
    Reading,
    /// Reading and writing.
    Writing,
}

impl Place {
    /// The place as something to read from.
    #[must_use]
    pub fn source(&self) -> &dyn ImageSource {
        &*self.registry
    }
}

impl Session {
    /// An image to read.
    ///
    /// # Errors
    /// The place cannot be opened.
    pub async fn source(&self, location: &Location, access: &Access) -> Result<Source, SessionError> {
        let shown = location.to_string();
        match location {
            Location::Stream(reference) => {
                let image = Location::Registry(self.stream_image(reference)?);
                Ok(Source { shown, ..Box::pin(self.source(&image, access)).await? })
            }
            Location::Layout { directory, selector } => {
                of_files(Layout::open_source(directory, selector).await?, shown)
            }
            Location::Archive { form, file, selector } => {
                of_files(self.archive(file, *form).await?.select(selector).await?, shown)
            }
            Location::Directory(directory) => of_files(PlainDirectory::open_source(directory).await?, shown),
            Location::Store { .. } => {
                let place = self.place(location, access, Purpose::Reading).await?;
                Ok(Source { registry: place.registry, repository: place.repository, selector: place.selector, shown })
            }
            Location::Registry(reference) => {
                let client = self.client(&reference.registry, Some(&reference.repository), access).await?;
                client.will([Scope::repository(&reference.repository, [Action::Pull])]);
                let registry = self.mirrored(client, reference, access).await?;
                Ok(Source { registry, repository: reference.repository.clone(), selector: reference.selector(), shown })
            }
        }
    }

    /// An archive to read images from.
    ///
    /// # Errors
    /// It cannot be opened, or is none.
    pub async fn archive(&self, file: &ArchiveFile, form: ArchiveForm) -> Result<Archive, SessionError> {
        Ok(Archive::open(file, form, self.spool()).await?)
    }

    /// An archive to write images into.
    ///
    /// # Errors
    /// The file cannot be written, or standard output is a terminal.
    pub async fn pack(&self, file: &ArchiveFile, form: ArchiveForm) -> Result<Pack, SessionError> {
        match file {
            ArchiveFile::Path(path) => Ok(Pack::to_file(path, form, Arc::new(LocalDisk)).await?),
            ArchiveFile::Standard => Ok(Pack::to_stream(self.console.take_results()?, form)),
        }
    }

    /// An image of an archive that was opened.
    ///
    /// # Errors
    /// It is not there.
    pub async fn source_in(
        &self,
        archive: &Archive,
        digest: &Digest,
        name: Option<&str>,
    ) -> Result<Source, SessionError> {
        let selector = LayoutSelector::Digest(digest.clone());
        let image = archive.select(&selector).await?;
        let shown = name.map_or_else(|| selector.to_string(), |name| format!(":{name}"));
        let shown = format!("{}{shown}", image.identity());
        of_files(image, shown)
    }

    /// A place for one of several images in an archive that is being written.
    ///
    /// # Errors
    /// None, as long as names are names.
    pub fn packed(&self, pack: &Pack, name: Option<&str>) -> Result<Destination, SessionError> {
        let selector = name.map_or(LayoutSelector::Only, |name| LayoutSelector::Name(name.to_owned()));
        let image = pack.image(&selector, Ending::WhenTold)?;
        let shown = format!("{}{selector}", image.identity());
        Ok(into_files(Arc::new(image), "new-archive".parse()?, shown))
    }

    /// Puts the mirrors that are configured for a registry before it.
    async fn mirrored(
        &self,
        client: Arc<Client>,
        reference: &ImageReference,
        access: &Access,
    ) -> Result<Arc<dyn ImageSource>, SessionError> {
        let mut mirrors: Vec<(RegistryPath, Arc<dyn ImageSource>)> = Vec::new();
        let paths = self.config()?.registry(&reference.registry).map(|entry| entry.mirrors.clone());
        for path in paths.unwrap_or_default() {
            let repository = path.repository(&reference.repository)?;
            // What the command says of the registry does not hold for its mirrors.
            let access = Access { authfile: access.authfile.clone(), ..Access::default() };
            let mirror = self.client_as(Role::Mirror, &path.registry, Some(&repository), &access).await?;
            mirrors.push((path, mirror));
        }
        if mirrors.is_empty() {
            return Ok(client);
        }
        Ok(Arc::new(Mirrored::new(client, mirrors, self.console.progress())))
    }

    /// A name to write an image to.
    ///
    /// # Errors
    /// The place cannot be opened, or the location names what is there already.
    pub async fn destination(&self, location: &Location, access: &Access) -> Result<Destination, SessionError> {
        let shown = location.to_string();
        match location {
            Location::Stream(_) => Err(SessionError::Stream(shown)),
            Location::Layout { directory, selector } => {
                let layout = Layout::create_destination(directory, selector, Arc::new(LocalDisk)).await?;
                Ok(into_files(Arc::new(layout), nameless()?, shown))
            }
            Location::Archive { form, file, selector } => {
                let image = self.pack(file, *form).await?.image(selector, Ending::WithImage)?;
                // Not the repository of a source, because an archive that is read is another than what replaces it.
                Ok(into_files(Arc::new(image), "new-archive".parse()?, shown))
            }
            Location::Directory(directory) => {
                let directory = PlainDirectory::create_destination(directory, Arc::new(LocalDisk)).await?;
                Ok(into_files(Arc::new(directory), nameless()?, shown))
            }
            Location::Store { repository, selector } => {
                let tags = match selector {
                    StoreSelector::Tag(tag) => vec![tag.clone()],
                    StoreSelector::Digest(_, tag) => tag.iter().cloned().collect(),
                    StoreSelector::Prefix(prefix) => return Err(SessionError::Truncated(prefix.to_string())),
                };
                let named_by_digest = matches!(selector, StoreSelector::Digest(..));
                let (registry, repository) = (Arc::new(self.store()?), repository.clone());
                Ok(Destination { registry, repository, tags, expected: None, named_by_digest, shown })
            }
            Location::Registry(reference) => {
                let client = self.client(&reference.registry, Some(&reference.repository), access).await?;
                client.will([Scope::repository(&reference.repository, [Action::Pull, Action::Push])]);
                let tags = reference.tag().into_iter().cloned().collect();
                let repository = reference.repository.clone();
                Ok(Destination { registry: client, repository, tags, expected: None, named_by_digest: false, shown })
            }
        }
    }

    /// An image at a place that can do everything: a registry or the store.
    ///
    /// # Errors
    /// The place cannot be opened, or is a layout.
    pub async fn place(&self, location: &Location, access: &Access, purpose: Purpose) -> Result<Place, SessionError> {
        let shown = location.to_string();
        match location {
            Location::Layout { .. } => Err(SessionError::Files { shown, what: "a layout" }),
            Location::Archive { .. } => Err(SessionError::Files { shown, what: "an archive" }),
            Location::Directory(_) => Err(SessionError::Files { shown, what: "a directory" }),
            Location::Stream(_) => Err(SessionError::Stream(shown)),
            Location::Store { repository, selector } => {
                let store = self.store()?;
                let selector = store.select(repository, selector).await?;
                let shown_repository = format!("store:{repository}");
                let repository = repository.clone();
                Ok(Place { registry: Arc::new(store), repository, selector, shown, shown_repository })
            }
            Location::Registry(reference) => {
                let (registry, repository) = (&reference.registry, reference.repository.clone());
                let client = self.client(registry, Some(&repository), access).await?;
                if purpose == Purpose::Writing {
                    client.will([Scope::repository(&repository, [Action::Pull, Action::Push])]);
                }
                let shown_repository = format!("{registry}/{repository}");
                Ok(Place { registry: client, repository, selector: reference.selector(), shown, shown_repository })
            }
        }
    }

    /// A repository of a registry, or of the store (`store:NAME`).
    ///
    /// # Errors
    /// The text breaks a rule, or the place cannot be opened.
    pub async fn repository(
        &self,
        text: &str,
        access: &Access,
    ) -> Result<(Arc<dyn Registry>, RepositoryName), SessionError> {
        if let Some(name) = text.strip_prefix("store:") {
            return Ok((Arc::new(self.store()?), name.parse().map_err(ReferenceError::from)?));
        }
        let of_files = [
            ("oci:", "a layout"),
            ("oci-archive:", "an archive"),
            ("docker-archive:", "an archive"),
            ("dir:", "a directory"),
        ];
        if let Some((_, what)) = of_files.into_iter().find(|(kind, _)| text.starts_with(kind)) {
            return Err(SessionError::Files { shown: text.to_owned(), what });
        }
        if text.starts_with("stream:") {
            return Err(SessionError::Stream(text.to_owned()));
        }
        let text = text.strip_prefix("docker://").unwrap_or(text);
        let (registry, repository) = ImageReference::parse_repository(text, &self.config()?.naming())?;
        let client = self.client(&registry, Some(&repository), access).await?;
        Ok((client, repository))
    }
}

/// An image in files as a source.
fn of_files(image: Selection, shown: String) -> Result<Source, SessionError> {
    let selector = Selector::Tag(Tag::latest());
    Ok(Source { registry: Arc::new(image), repository: nameless()?, selector, shown })
}

/// A place for an image in files as a destination.
fn into_files(registry: Arc<dyn ImageDestination>, repository: RepositoryName, shown: String) -> Destination {
    let tags = vec![Tag::latest()];
    Destination { registry, repository, tags, expected: None, named_by_digest: false, shown }
}

/// The repository of a layout, which has none: the name of its image was bound when it was opened, and any
/// repository and tag mean that one.
fn nameless() -> Result<RepositoryName, ReferenceError> {
    Ok("layout".parse()?)
}
