//! `push`: images of the store to registries.

use clap::Args;

use super::flags::{ContentFlags, RegistryFlags};
use super::kept::kept;
use super::moving::{Moves, options};
use super::{CommandResult, cannot};
use crate::image::{Location, Selector, StoreSelector};
use crate::session::{Access, Session, SessionError};
use crate::transfer::{Clobber, Source};

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
    let location = kept(&args.image, session).await.map_err(cannot(doing()))?;
    let source = session.source(&location, &Access::default()).await.map_err(cannot(doing()))?;
    let clobber = if args.no_clobber { Clobber::Refuse } else { Clobber::Move };
    let options = options(&args.content, clobber, session).map_err(cannot(doing()))?;
    let destinations = match args.destinations.as_slice() {
        [] => vec![origin(&location, &source, session).map_err(cannot(doing()))?],
        named => named.to_vec(),
    };
    let mut moves = Moves::new(session, "push");
    moves.add_each(&source, &destinations, &args.registry.access(), &options).await;
    if args.dry_run { moves.outline().await } else { Ok(moves.run().await?.outcome()) }
}

/// The registry in the name of an image of the store. What goes by its digest gets no tag there.
fn origin(location: &Location, source: &Source, session: &Session) -> Result<String, SessionError> {
    let Location::Store { repository, selector } = location else {
        return Err(SessionError::NoOrigin(location.to_string()));
    };
    let selector = match selector {
        StoreSelector::Tag(tag) | StoreSelector::Digest(_, Some(tag)) => &Selector::Tag(tag.clone()),
        StoreSelector::Digest(_, None) | StoreSelector::Prefix(_) => &source.selector,
    };
    session.origin_of(repository, selector).map(|reference| reference.to_string())
}
