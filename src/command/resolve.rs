//! `resolve`: the digests that images have now.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::several::several;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::image::{Descriptor, Digest, Location, MediaType};
use crate::output::{Page, Report};
use crate::registry::{Error, ErrorKind, Remedy};
use crate::session::{Access, Session};

/// Flags of `resolve`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  $ tranship resolve docker.io/library/alpine:3.20\n  \
    docker.io/library/alpine:3.20@sha256:beefdbd8a1da6d2915566fde36db9db0b524eb737fc57cd1367effd16dc0d06d\n\n\
    Each is printed as NAME:TAG@DIGEST, which is a reference that stays; also with -q.")]
pub(crate) struct ResolveArgs {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,

    /// Print 12 hex digits of the digest alone
    #[arg(long)]
    short: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Looks the images up side by side, one request each where a token is at hand, and reports them in order.
///
/// # Errors
/// None as a whole: images are reported one by one.
pub(super) async fn run(args: ResolveArgs, session: &Session) -> CommandResult {
    let (images, failures) = several(args.images.iter().map(|text| resolve(text, &args, session))).await;
    let succeeded = images.len();
    Ok(Outcome::of_several(ResolveReport { images, short: args.short }, succeeded, failures))
}

async fn resolve(text: &str, args: &ResolveArgs, session: &Session) -> Result<Resolved, CommandError> {
    let doing = format!("resolve `{}`", text.escape_debug());
    let location = session.image_location(text).map_err(cannot(&doing))?;
    let found = look(&doing, &location, &args.registry.access(), session).await?;
    Ok(Resolved::new(&location, &found))
}

/// Looks up what an image is now; `doing` says for what.
///
/// # Errors
/// It is not there, or its place cannot be asked.
pub(super) async fn look(
    doing: &str,
    location: &Location,
    access: &Access,
    session: &Session,
) -> Result<Descriptor, CommandError> {
    let source = session.source(location, access).await.map_err(cannot(doing))?;
    let found = source.registry.resolve(&source.repository, &source.selector).await.map_err(cannot(doing))?;
    found.ok_or_else(|| CommandError::new(format!("cannot {doing}"), missing(location)))
}

/// The error for an image that is not there.
pub(super) fn missing(location: &Location) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("there is no image `{location}`"));
    match location {
        Location::Registry(reference) => {
            let repository = format!("{}/{}", reference.registry, reference.repository);
            error.at(reference.registry.to_string()).with_remedy(Remedy::ListTags(repository))
        }
        Location::Stream(reference) => {
            let name = &reference.name;
            error.with_remedy(Remedy::Other(format!("see what it had: `tranship stream history {name}`")))
        }
        Location::Store { .. } | Location::Layout { .. } | Location::Archive { .. } | Location::Directory(_) => {
            error.with_remedy(Remedy::Other("see what the store holds: `tranship images`".to_owned()))
        }
    }
}

/// One image and the digest that it has now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    /// The image as it was named, completed, without its digest.
    reference: String,
    digest: Digest,
    media_type: MediaType,
    size: u64,
}

impl Resolved {
    fn new(location: &Location, descriptor: &Descriptor) -> Self {
        let shown = location.to_string();
        let reference = shown.split_once('@').map_or(shown.as_str(), |(name, _)| name).to_owned();
        Self {
            reference,
            digest: descriptor.digest.clone(),
            media_type: descriptor.media_type.clone(),
            size: descriptor.size,
        }
    }
}

#[derive(Debug, Serialize)]
struct ResolveReport {
    images: Vec<Resolved>,
    #[serde(skip)]
    short: bool,
}

impl Report for ResolveReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            if self.short {
                writeln!(page, "{}", image.digest.short())?;
            } else {
                writeln!(page, "{}@{}", image.reference, image.digest)?;
            }
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.text(page)
    }
}
