//! `pull`: images from remote registries into the home.

use clap::Args;

use super::flags::{ContentFlags, RegistryFlags, SideFlags};
use super::moving::{Moves, options};
use super::{CommandError, CommandResult, cannot};
use crate::image::{ImageReference, Location};
use crate::session::{Session, SessionError};
use crate::transfer::{Clobber, Destination, Source};

/// Flags of `pull`.
#[derive(Args, Debug)]
#[command(
    after_help = "The home is the local store, or the registry that `settings.home-registry` names. There an image is\n\
    called HOST/REPOSITORY, a port written HOST_PORT, unless --to says otherwise.\n\n\
    Examples:\n  $ tranship pull docker.io/library/alpine:3.20\n  \
    $ tranship pull registry.example.com/app@sha256:… --to app:blessed"
)]
pub(crate) struct PullArgs {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,

    /// The name at home, REPOSITORY[:TAG]; with one image
    #[arg(long, value_name = "NAME")]
    to: Option<String>,

    #[command(flatten)]
    content: ContentFlags,

    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    registry: RegistryFlags,

    #[command(flatten)]
    sides: SideFlags,
}

impl PullArgs {
    /// What `config do image-registry pull` asks for.
    pub(super) fn of_action(image: String, to: Option<String>, content: ContentFlags, registry: RegistryFlags) -> Self {
        let sides = SideFlags::default();
        Self { images: vec![image], to, content, dry_run: false, registry, sides }
    }
}

/// Brings every image home.
///
/// # Errors
/// Wrong usage; images are reported one by one.
pub(super) async fn run(args: PullArgs, session: &Session) -> CommandResult {
    if args.to.is_some() && args.images.len() > 1 {
        return Err(CommandError::usage("`--to` names one image at home, and several are to be pulled")
            .with_hint("pull them one by one, or leave `--to` out"));
    }
    let options = options(&args.content, Clobber::Move, session).map_err(cannot("pull"))?;
    let mut moves = Moves::new(session, "pull");
    for text in &args.images {
        match sides(text, &args, session).await {
            Ok((source, destination)) => moves.add(source, destination, options.clone()),
            Err(error) => moves.failed(text, error),
        }
    }
    if args.dry_run { moves.outline().await } else { Ok(moves.run().await?.outcome()) }
}

async fn sides(text: &str, args: &PullArgs, session: &Session) -> Result<(Source, Destination), SessionError> {
    let reference = remote(text, session)?;
    let location = Location::Registry(reference.clone());
    let source = session.source(&location, &args.sides.source(&args.registry)).await?;
    let home = session.home_name(&reference, args.to.as_deref())?;
    let destination = session.destination(&home, &args.sides.destination(&args.registry)).await?;
    Ok((source, destination))
}

fn remote(text: &str, session: &Session) -> Result<ImageReference, SessionError> {
    match session.image_location(text)? {
        Location::Registry(reference) => Ok(reference),
        Location::Store { .. }
        | Location::Layout { .. }
        | Location::Archive { .. }
        | Location::Directory(_)
        | Location::Stream(_) => Err(SessionError::NotRemote(text.to_owned())),
    }
}
