//! `import`: a root file system as an image of one layer.

use std::path::PathBuf;

use clap::Args;

use super::flags::RegistryFlags;
use super::making::{StampFlags, layer_of, put};
use super::{CommandError, CommandResult, cannot};
use crate::compression::Packing;
use crate::draft::{Blob, Change, ConfigDraft, Draft, Family, Parts, Step, manifest_of};
use crate::image::{Descriptor, ImageReference, Location, Naming, Platform};
use crate::session::{Session, SessionError};

/// Flags of `import`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship import rootfs.tar.xz debian:mine --change 'CMD [\"bash\"]'\n  \
    $ docker export web | tranship import - registry.example.com/web:saved --message 'after the fix'\n  \
    $ tranship import rootfs/ oci:images:base --image-platform linux/arm64\n\n\
    FILE is a tar archive, plain or packed with gzip, zstd, xz or bzip2, a directory, or - for\nstandard input.\n\
    REF without a kind of place is a name at home, from where `tranship push` sends it on.")]
pub(crate) struct ImportArgs {
    /// The root file system
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The image's name or place
    #[arg(value_name = "REF")]
    to: String,

    /// A Dockerfile instruction for the image's config, e.g. 'ENV A=b' (repeatable)
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,

    /// What the history says of it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// What it runs on
    #[arg(long, value_name = "PLATFORM")]
    image_platform: Option<Platform>,

    /// How the layer is packed, e.g. gzip:9, zstd, none
    #[arg(long, value_name = "HOW", default_value = "gzip")]
    compress: Packing,

    #[command(flatten)]
    stamp: StampFlags,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Makes the image and puts it there.
///
/// # Errors
/// The file is no archive, an instruction is wrong, or the place refuses.
pub(super) async fn run(args: ImportArgs, session: &Session) -> CommandResult {
    let shown = args.file.display().to_string();
    let doing = format!("import `{}`", shown.escape_debug());
    let platform = args.image_platform.or_else(Platform::of_this_machine).ok_or_else(|| {
        CommandError::usage(format!("cannot {doing}: say what it runs on: --image-platform OS/ARCHITECTURE"))
    })?;
    let mut config = ConfigDraft::new(&platform);
    for text in &args.changes {
        let changes = Change::parse(text);
        let changes = changes.map_err(|error| CommandError::usage(format!("cannot {doing}: {error}")))?;
        for change in &changes {
            config.change(change);
        }
    }
    let to = home(&args.to, session).map_err(cannot(&doing))?;
    session.location(&to).map_err(cannot(&doing))?;
    let spool = session.spool().to_owned();
    let layer = layer_of(args.file, Some(args.compress), Family::Oci, args.stamp.clone(), spool);
    let layer = layer.await.map_err(cannot(&doing))?;
    let created = args.stamp.time();
    config.set_created(created);
    config.push_layer(&layer.diff_id);
    config.push_step(&Step { created, by: "tranship import".to_owned(), comment: args.message, made_layer: true });
    let bytes = config.bytes();
    let config = Descriptor::of(Family::Oci.config(), &bytes);
    let mut draft = Draft::new();
    draft.add_blob(config.digest.clone(), Blob::Bytes(bytes.into()));
    draft.add_blob(layer.descriptor.digest.clone(), layer.blob);
    let parts = Parts::of_image(config, vec![layer.descriptor]);
    draft.add_manifest(manifest_of(Family::Oci, &parts).map_err(super::making::document(&doing))?);
    put(draft, "import", &shown, &to, &args.registry.access(), session).await
}

/// The place that a word means: a location where it says its kind, else a name at home.
fn home(text: &str, session: &Session) -> Result<String, SessionError> {
    if text.starts_with("docker://") {
        return Ok(text.to_owned());
    }
    if let Ok(location) = session.location(text)
        && !matches!(location, Location::Registry(_))
    {
        return Ok(text.to_owned());
    }
    // A name that begins with a registry is found at home under that registry.
    let naming = Naming { default: None, ..session.config()?.naming() };
    match ImageReference::parse(text, &naming) {
        Ok(reference) => Ok(match session.home_name(&reference, None)? {
            Location::Registry(reference) => format!("docker://{reference}"),
            location => location.to_string(),
        }),
        Err(_) => Ok(format!("store:{text}")),
    }
}
