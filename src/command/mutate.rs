//! `mutate`: an image that says something else, is packed otherwise, or stands on another base.

mod edits;
mod layers;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::flags::{RegistryFlags, SideFlags};
use super::making::{StampFlags, document, put};
use super::picked::Picked;
use super::{CommandError, CommandResult, cannot};
use crate::draft::{Blob, ConfigDraft, Draft, Family, Parts, index_of, manifest_of};
use crate::image::{Descriptor, ImageManifest, Manifest, Platform, RawManifest, Selector};
use crate::session::Session;

use edits::EditFlags;
use layers::{LayerFlags, Means, Stack};

/// Flags of `mutate`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  $ tranship mutate registry.example.com/app:1 --to registry.example.com/app:1-debug \
    --env LOG=debug\n  $ tranship mutate store:app:1 --to store:app:1-small --squash --compress zstd:19\n  \
    $ tranship mutate localhost:5000/app:1 --to store:app:2 --rebase alpine:3.19 alpine:3.20\n\n\
    Of an index, every image is changed, unless --platform picks one."
)]
pub(crate) struct MutateArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Where the new image goes
    #[arg(long, value_name = "DST")]
    to: String,

    /// Change the image for this platform alone, and leave the others out
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,

    #[command(flatten)]
    edits: EditFlags,

    #[command(flatten)]
    layers: LayerFlags,

    /// Whose media types the documents have
    #[arg(long, value_name = "FAMILY", value_parser = family())]
    media_types: Option<Family>,

    #[command(flatten)]
    stamp: StampFlags,

    #[command(flatten)]
    registry: RegistryFlags,

    #[command(flatten)]
    sides: SideFlags,
}

/// Reads a family, and offers the words in help and completion.
pub(super) fn family() -> impl TypedValueParser<Value = Family> {
    let of = |word: String| if word == "docker" { Family::Docker } else { Family::Oci };
    PossibleValuesParser::new(["oci", "docker"]).map(of)
}

/// Makes the image and puts it there.
///
/// # Errors
/// The image is not there, cannot be changed so, or the place refuses.
pub(super) async fn run(args: MutateArgs, session: &Session) -> CommandResult {
    let doing = format!("mutate `{}`", args.image.escape_debug());
    session.location(&args.to).map_err(cannot(&doing))?;
    let access = args.sides.source(&args.registry);
    let picked = Picked::find(&args.image, args.platform.as_ref(), &access, session, &doing).await?;
    let changes = args.edits.changes().map_err(|error| CommandError::usage(format!("cannot {doing}: {error}")))?;
    let mut work = Work { draft: Draft::over(&picked.source), args: &args, changes, session, doing: &doing };
    let whole = args.platform.is_none();
    match picked.root.manifest() {
        Manifest::Index(index) if whole => {
            let mut entries = Vec::new();
            for entry in &index.manifests {
                entries.extend(work.entry(&picked, entry).await?);
            }
            let family = args.media_types.unwrap_or_else(|| Family::of(picked.root.media_type()));
            let mut annotations = index.annotations.clone();
            args.edits.annotate(&mut annotations);
            let index = index_of(family, &entries, &annotations).map_err(document(&doing))?;
            work.draft.add_manifest(index);
        }
        _ => {
            let image = picked.image(&doing)?;
            work.image(&picked, &picked.one, image).await?;
        }
    }
    let draft = work.draft;
    put(draft, "mutate", &args.image, &args.to, &args.sides.destination(&args.registry), session).await
}

/// An image, or all images of an index, that are being changed.
struct Work<'a> {
    draft: Draft,
    args: &'a MutateArgs,
    changes: Vec<crate::draft::Change>,
    session: &'a Session,
    doing: &'a str,
}

impl Work<'_> {
    /// Changes an entry of an index; `None` where it is about an image that is no more.
    async fn entry(&mut self, picked: &Picked, entry: &Descriptor) -> Result<Option<Descriptor>, CommandError> {
        if entry.platform.as_ref().is_some_and(Platform::is_unknown) {
            let warning = format!("{} is about an image that was changed, and stays behind", entry.digest);
            self.session.console().warn(&warning);
            return Ok(None);
        }
        let source = &picked.source;
        let selector = Selector::Digest(entry.digest.clone());
        let child = source.registry.manifest(&source.repository, &selector).await.map_err(cannot(self.doing))?;
        let Manifest::Image(image) = child.manifest() else { return Ok(Some(entry.clone())) };
        let changed = self.image(picked, &child, image).await?;
        let annotations = entry.annotations.clone();
        let platform = self.args.edits.image_platform().cloned().or_else(|| entry.platform.clone());
        Ok(Some(Descriptor { annotations, platform, ..changed.descriptor() }))
    }

    /// Changes one image, and adds it to the draft.
    async fn image(
        &mut self,
        picked: &Picked,
        manifest: &RawManifest,
        image: &ImageManifest,
    ) -> Result<RawManifest, CommandError> {
        let (args, doing) = (self.args, self.doing);
        let old = Family::of(manifest.media_type());
        let family = args.media_types.unwrap_or(old);
        let bytes = picked.config_bytes_of(image, doing).await?;
        let mut config = ConfigDraft::parse(&bytes).map_err(cannot(doing))?;
        let diff_ids = config.diff_ids().map_err(cannot(doing))?;
        let mut stack = Stack::new(&picked.source, image, diff_ids, config.history().to_vec(), doing)?;
        let means = Means { family, stamp: &args.stamp, session: self.session, access: &picked.access, doing };
        stack.change(&args.layers, &means).await?;
        for (digest, blob) in stack.blobs {
            self.draft.add_blob(digest, blob);
        }
        let diff_ids: Vec<_> = stack.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        config.set_layers(&diff_ids, stack.history);
        for change in &self.changes {
            config.change(change);
        }
        if let Some(platform) = args.edits.image_platform() {
            config.set_platform(platform);
        }
        if args.stamp.source_date_epoch.is_some() {
            config.set_created(args.stamp.time());
        }
        let bytes = config.bytes();
        let config = Descriptor::of(family.config(), &bytes);
        self.draft.add_blob(config.digest.clone(), Blob::Bytes(bytes.into()));
        let mut annotations = image.annotations.clone();
        args.edits.annotate(&mut annotations);
        if family == Family::Docker && !annotations.is_empty() {
            self.session.console().warn("Docker's manifests have no annotations; they stay behind");
            annotations.clear();
        }
        let layers = stack.layers.into_iter().map(|layer| layer.descriptor).collect();
        let parts = Parts { annotations, ..Parts::of_image(config, layers) };
        let changed = manifest_of(family, &parts).map_err(document(doing))?;
        self.draft.add_manifest(changed.clone());
        Ok(changed)
    }
}
