//! `append`: an image with more layers on top.

use std::path::PathBuf;

use clap::Args;

use super::flags::{RegistryFlags, SideFlags};
use super::making::{NewLayer, StampFlags, document, layer_of, put};
use super::picked::Picked;
use super::{CommandResult, cannot};
use crate::compression::Packing;
use crate::draft::{Blob, ConfigDraft, Draft, Family, Parts, Step, manifest_of};
use crate::image::{Descriptor, Platform};
use crate::session::Session;

/// Flags of `append`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship append alpine:3.20 site.tar.gz --to registry.example.com/site:1\n  \
    $ tranship append store:base:1 build/ --to store:app:2 --message 'the build of today'\n\n\
    LAYER is a tar archive, plain or packed, a directory, or - for standard input.")]
pub(crate) struct AppendArgs {
    /// The image underneath
    #[arg(value_name = "BASE")]
    base: String,

    /// What comes on top, lowest first
    #[arg(value_name = "LAYER", required = true)]
    layers: Vec<PathBuf>,

    /// Where the new image goes
    #[arg(long, value_name = "DST")]
    to: String,

    /// Which image of an index (default: this machine's, else the first)
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,

    /// What the history says of it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// How the new layers are packed [default: as they are, else gzip]
    #[arg(long, value_name = "HOW")]
    compress: Option<Packing>,

    #[command(flatten)]
    stamp: StampFlags,

    #[command(flatten)]
    registry: RegistryFlags,

    #[command(flatten)]
    sides: SideFlags,
}

/// Makes the image and puts it there; layers of the base travel only where they are not there.
///
/// # Errors
/// The base or a layer is not there, or the place refuses.
pub(super) async fn run(args: AppendArgs, session: &Session) -> CommandResult {
    let doing = format!("append to `{}`", args.base.escape_debug());
    session.location(&args.to).map_err(cannot(&doing))?;
    let access = args.sides.source(&args.registry);
    let picked = Picked::find(&args.base, args.platform.as_ref(), &access, session, &doing).await?;
    let image = picked.image(&doing)?;
    let family = Family::of(picked.one.media_type());
    let mut config = ConfigDraft::parse(&picked.config_bytes(&doing).await?).map_err(cannot(&doing))?;
    let mut draft = Draft::over(&picked.source);
    let mut layers = image.layers.clone();
    let created = args.stamp.time();
    for path in args.layers {
        let by = format!("tranship append {}", path.display());
        let made = layer_of(path, args.compress, family, args.stamp.clone(), session.spool().to_owned());
        let NewLayer { descriptor, diff_id, blob } = made.await.map_err(cannot(&doing))?;
        config.push_layer(&diff_id);
        config.push_step(&Step { created, by, comment: args.message.clone(), made_layer: true });
        draft.add_blob(descriptor.digest.clone(), blob);
        layers.push(descriptor);
    }
    config.set_created(created);
    let bytes = config.bytes();
    let config = Descriptor::of(image.config.media_type.clone(), &bytes);
    draft.add_blob(config.digest.clone(), Blob::Bytes(bytes.into()));
    let parts = Parts { annotations: image.annotations.clone(), ..Parts::of_image(config, layers) };
    draft.add_manifest(manifest_of(family, &parts).map_err(document(&doing))?);
    put(draft, "append", &args.base, &args.to, &args.sides.destination(&args.registry), session).await
}
