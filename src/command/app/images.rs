//! `app images`: every image that specs name, resolved.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::command::flags::RegistryFlags;
use crate::command::resolve::look;
use crate::command::several::several;
use crate::command::specs::{Images, Named, SpecFlags, Use, read_all, tell_notes, users};
use crate::command::{CommandError, CommandResult, Outcome};
use crate::image::{Digest, Location, MediaType};
use crate::output::{Page, Report, Table};
use crate::session::Session;

/// Flags of `app images`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  $ tranship app images -f app.yaml\n  $ helm template shop | tranship app images -f - -q\n\n\
    With -q each is printed as NAME:TAG@DIGEST."
)]
pub(crate) struct ImagesArgs {
    #[command(flatten)]
    specs: SpecFlags,

    /// Ask no registry: list the names alone
    #[arg(long)]
    no_resolve: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Looks the images up side by side, and lists them in the order of the specs.
///
/// # Errors
/// A spec cannot be read; images are reported one by one.
pub(super) async fn run(args: ImagesArgs, session: &Session) -> CommandResult {
    let specs = read_all(&args.specs.files, args.specs.kind.kind)?;
    tell_notes(&specs, session.console());
    let Images { named, mut failures, .. } = Images::of(&specs, session)?;
    let (images, unresolved) = several(named.into_iter().map(|image| describe(image, &args, session))).await;
    failures.extend(unresolved);
    let succeeded = images.len();
    if failures.is_empty() {
        return Ok(Outcome::done(ImagesReport { images }));
    }
    Ok(Outcome::of_several(ImagesReport { images }, succeeded, failures))
}

async fn describe(image: Named, args: &ImagesArgs, session: &Session) -> Result<Listed, CommandError> {
    let reference = image.reference.to_string();
    let mut listed = Listed { reference, digest: None, media_type: None, size: None, uses: image.uses };
    if !args.no_resolve {
        let doing = format!("resolve `{}`", listed.reference);
        let found = look(&doing, &Location::Registry(image.reference), &args.registry.access(), session).await?;
        listed.digest = Some(found.digest);
        listed.media_type = Some(found.media_type);
        listed.size = Some(found.size);
    }
    Ok(listed)
}

/// An image of the specs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    /// The image as it was named, completed.
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    /// The bytes of its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    uses: Vec<Use>,
}

#[derive(Debug, Serialize)]
struct ImagesReport {
    images: Vec<Listed>,
}

impl Report for ImagesReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["image", "digest", "used by"]);
        for image in &self.images {
            let name = image.reference.split_once('@').map_or(image.reference.as_str(), |(name, _)| name);
            let digest = image.digest.as_ref().map_or("", Digest::short);
            table.row([name, digest, &users(&image.uses)]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            match &image.digest {
                Some(digest) => {
                    let name = image.reference.split_once('@').map_or(image.reference.as_str(), |(name, _)| name);
                    writeln!(page, "{name}@{digest}")?;
                }
                None => writeln!(page, "{}", image.reference)?,
            }
        }
        Ok(())
    }
}
