//! The first look at both sides: what is to arrive, and what of it is there.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::graph::{AT_ONCE, child_of};
use super::narrow::{Narrowed, narrow};
use super::{Clobber, Destination, Error, Options, Source};
use crate::image::{Descriptor, Digest, ImageConfig, Manifest, MediaType, RawManifest, Selector, Tag};
use crate::registry::{ByteRange, read_verified};

/// The longest config that is read to learn its platform.
const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// What is to arrive. From here on everything goes by its digest, however tags move.
pub(super) struct Aim {
    pub(super) digest: Digest,
    /// The manifest, where it had to be read to know the digest.
    pub(super) manifest: Option<RawManifest>,
    /// What an index says of it, where one names it.
    pub(super) said: Option<Descriptor>,
    pub(super) narrowed_from: Option<Digest>,
    /// Whether the source does not have it: an index that was narrowed here.
    pub(super) made_here: bool,
}

impl Aim {
    pub(super) const fn known(digest: Digest) -> Self {
        Self { digest, manifest: None, said: None, narrowed_from: None, made_here: false }
    }

    fn narrowed(root: RawManifest, options: &Options) -> Result<Self, Error> {
        let from = root.digest().clone();
        Ok(match narrow(root, &options.platforms)? {
            Narrowed::Whole(root) => Self { manifest: Some(root), ..Self::known(from) },
            Narrowed::Child(child) => {
                Self { said: Some(child.clone()), narrowed_from: Some(from), ..Self::known(child.digest) }
            }
            Narrowed::Index(index) => Self {
                digest: index.digest().clone(),
                manifest: Some(index),
                said: None,
                narrowed_from: Some(from),
                made_here: true,
            },
        })
    }

    /// The manifest itself, read where it was not.
    pub(super) async fn manifest(self, source: &Source) -> Result<RawManifest, Error> {
        match (self.manifest, self.said) {
            (Some(manifest), _) => Ok(manifest),
            (None, Some(said)) => child_of(source, said).await,
            (None, None) => source.manifest(&Selector::Digest(self.digest)).await,
        }
    }
}

/// What both sides have.
pub(super) struct Sight {
    pub(super) aim: Aim,
    /// The tags that do not point there yet.
    pub(super) lacking: Vec<Tag>,
    /// Whether the destination has all that the manifest names.
    pub(super) content_held: bool,
    /// Whether it has the manifest itself.
    pub(super) root_held: bool,
    pub(super) media_type: Option<MediaType>,
}

/// A tag at the destination, and what it points at.
type Standing = Vec<(Tag, Option<Descriptor>)>;

/// Looks at both sides, with as few requests as the answer takes.
///
/// # Errors
/// As `TransferPlan::make`.
pub(super) async fn look(source: &Source, destination: &Destination, options: &Options) -> Result<Sight, Error> {
    let same_repository = destination.is_repository_of(source);
    let (aim, standing) = both(source, destination, options).await?;
    let lacking = lacking(destination, &standing, &aim.digest, options.clobber)?;
    let there = standing.into_iter().filter_map(|(_, found)| found).find(|found| found.digest == aim.digest);
    let there = match there {
        Some(there) => Some(there),
        None if same_repository => None,
        // By digest the manifest is all that can be there; on this computer the look is free.
        None if destination.tags.is_empty() || destination.registry.identity().local => {
            destination.resolve(&Selector::Digest(aim.digest.clone())).await?
        }
        None => None,
    };
    Ok(Sight {
        lacking,
        content_held: there.is_some() || same_repository,
        root_held: there.is_some() || same_repository && !aim.made_here,
        media_type: there.map(|there| there.media_type),
        aim,
    })
}

async fn both(source: &Source, destination: &Destination, options: &Options) -> Result<(Aim, Standing), Error> {
    if destination.is_repository_of(source) && options.clobber == Clobber::Move {
        // To put a tag in place costs as much as to look where it points.
        return Ok((aim(source, options, Want::Manifest).await?, Vec::new()));
    }
    // The destination first: where it lacks the tag, the source's manifest is read without a look at its digest.
    let standing = standing(destination).await?;
    let lacks = !standing.is_empty() && standing.iter().all(|(_, found)| found.is_none());
    let want = if lacks { Want::Manifest } else { Want::Digest };
    Ok((aim(source, options, want).await?, standing))
}

/// What has to be known of the source's image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// Its digest will do.
    Digest,
    /// Its manifest will be needed anyway.
    Manifest,
}

async fn aim(source: &Source, options: &Options, want: Want) -> Result<Aim, Error> {
    match &source.selector {
        Selector::Digest(digest) if options.platforms.is_empty() => Ok(Aim::known(digest.clone())),
        Selector::Tag(_) if options.platforms.is_empty() && want == Want::Digest => {
            let found = source.registry.resolve(&source.repository, &source.selector).await;
            let found = found.map_err(|error| source.failed(error))?;
            Ok(Aim::known(found.ok_or_else(|| absent(source))?.digest))
        }
        selector => {
            let root = source.manifest(selector).await?;
            check_platform(source, &root, options).await?;
            Aim::narrowed(root, options)
        }
    }
}

/// Makes sure that an image which is no index is for one of the wanted platforms, as its config says.
async fn check_platform(source: &Source, root: &RawManifest, options: &Options) -> Result<(), Error> {
    let (Some(wanted), Manifest::Image(image)) = (options.platforms.first(), root.manifest()) else { return Ok(()) };
    if !image.config.media_type.is_image_config() {
        return Ok(());
    }
    let reader = source.registry.blob(&source.repository, &image.config, ByteRange::ALL).await;
    let reader = reader.map_err(|error| source.failed(error))?;
    let config = read_verified(reader, &image.config, MAX_CONFIG_BYTES).await;
    let config = config.map_err(|error| source.failed(error))?;
    // A config that says nothing of a platform is for whoever asks.
    let Ok(config) = ImageConfig::parse(&config) else { return Ok(()) };
    let found = config.platform();
    if options.platforms.iter().any(|wanted| wanted.accepts(&found)) {
        return Ok(());
    }
    Err(Error::NoPlatform { wanted: Box::new(wanted.clone()), offered: vec![found] })
}

fn absent(source: &Source) -> Error {
    let identity = source.registry.identity();
    let repository = (!identity.local).then(|| format!("{}/{}", identity.place, source.repository));
    Error::Absent { shown: source.shown.clone(), repository }
}

async fn standing(destination: &Destination) -> Result<Standing, Error> {
    let look = async |tag: Tag| {
        let found = destination.resolve(&Selector::Tag(tag.clone())).await?;
        Ok((tag, found))
    };
    stream::iter(destination.tags.clone()).map(look).buffered(AT_ONCE).try_collect().await
}

/// The tags that do not point at `digest`.
fn lacking(
    destination: &Destination,
    standing: &Standing,
    digest: &Digest,
    clobber: Clobber,
) -> Result<Vec<Tag>, Error> {
    let mut lacking = Vec::new();
    for tag in &destination.tags {
        let found = standing.iter().find(|(name, _)| name == tag).and_then(|(_, found)| found.as_ref());
        match found {
            Some(found) if found.digest == *digest => {}
            Some(found) if clobber == Clobber::Refuse => {
                return Err(Error::TagExists { tag: tag.clone(), found: found.digest.clone() });
            }
            _ if lacking.contains(tag) => {}
            _ => lacking.push(tag.clone()),
        }
    }
    Ok(lacking)
}
