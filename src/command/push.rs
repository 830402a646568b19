//! `push`: images of the store to registries.

use clap::Args;

use super::flags::{ContentFlags, RegistryFlags};
use super::moving::{Moves, options};
use super::{CommandResult, cannot};
use crate::image::{Location, RepositoryName, StoreSelector, Tag};
use crate::session::{Access, Session, SessionError};
use crate::transfer::Clobber;

/// Flags of `push`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship push registry.example.com/app:1.4\n  \
    $ tranship push docker.io/library/alpine:3.20 registry.example.com/os/alpine:3.20")]
pub(crate) struct PushArgs {
    /// The image, as the store names it
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Where to; without it the registry in the image's name
    #[arg(value_name = "DST")]
    destinations: Vec<String>,

    #[command(flatten)]
    content: ContentFlags,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Leave a tag alone that exists and points elsewhere, and fail
    #[arg(long)]
    no_clobber: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Sends the image to every destination.
///
/// # Errors
/// The image is not in the store; destinations are reported one by one.
pub(super) async fn run(args: PushArgs, session: &Session) -> CommandResult {
    let doing = || format!("push `{}`", args.image.escape_debug());
    let location = kept(&args.image, session).map_err(cannot(doing()))?;
    let source = session.source(&location, &Access::default()).await.map_err(cannot(doing()))?;
    let clobber = if args.no_clobber { Clobber::Refuse } else { Clobber::Move };
    let options = options(&args.content, clobber, session).map_err(cannot(doing()))?;
    let destinations = match args.destinations.as_slice() {
        [] => vec![origin(&location, session).map_err(cannot(doing()))?],
        named => named.to_vec(),
    };
    let mut moves = Moves::new(session, "push");
    moves.add_each(&source, &destinations, &args.registry.access(), &options).await;
    if args.dry_run { moves.outline().await } else { Ok(moves.run().await?.outcome()) }
}

/// Where the store has an image that is named as in its registry, or as in the store.
fn kept(text: &str, session: &Session) -> Result<Location, SessionError> {
    match session.location(text)? {
        Location::Registry(reference) => {
            let selector = match (reference.digest(), reference.tag()) {
                (Some(digest), tag) => StoreSelector::Digest(digest.clone(), tag.cloned()),
                (None, Some(tag)) => StoreSelector::Tag(tag.clone()),
                (None, None) => StoreSelector::Tag(Tag::latest()),
            };
            Ok(Location::Store {
                repository: RepositoryName::at_home(&reference.registry, &reference.repository)?,
                selector,
            })
        }
        other => Ok(other),
    }
}

/// The registry in the name of an image of the store.
fn origin(location: &Location, session: &Session) -> Result<String, SessionError> {
    match location {
        Location::Store { repository, selector } => {
            let tag = match selector {
                StoreSelector::Tag(tag) => Some(tag),
                StoreSelector::Digest(_, tag) => tag.as_ref(),
                StoreSelector::Prefix(_) => None,
            };
            session.origin_of(repository, tag).map(|reference| reference.to_string())
        }
        other => Err(SessionError::NoOrigin(other.to_string())),
    }
}
