//! `check`: reads everything of images and compares it with what is said of it.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::inspect::config_of;
use super::{CommandError, CommandResult, Outcome, cannot};
use crate::draft::ConfigDraft;
use crate::failure::FailureKind;
use crate::filesystem::Fetching;
use crate::image::{Descriptor, Digest, ImageManifest, Manifest, RawManifest, Selector};
use crate::output::{Page, Report, Shown, size};
use crate::session::{Access, Session};
use crate::transfer::Source;

/// How deep indexes may lie in each other.
const MAX_DEPTH: usize = 8;

/// Flags of `check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship check registry.example.com/app:1.4\n  \
    $ tranship check store:app:1.4 oci:images:app -o json\n\n\
    Every digest, every size, and the digest of every unpacked layer are compared. What is wrong\n\
    ends in exit code 6.")]
pub(crate) struct CheckArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Reads all of them.
///
/// # Errors
/// None as a whole: what is wrong with an image is its own failure.
pub(super) async fn run(args: CheckArgs, session: &Session) -> CommandResult {
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    let access = args.registry.access();
    for image in &args.images {
        match check(image, &access, session).await {
            Ok(checked) => images.push(checked),
            Err(error) => failures.push(error),
        }
    }
    let good = images.len();
    Ok(Outcome::of_several(CheckReport { images }, good, failures))
}

async fn check(image: &str, access: &Access, session: &Session) -> Result<Checked, CommandError> {
    let doing = format!("vouch for `{}`", image.escape_debug());
    let location = session.location(image).map_err(cannot(&doing))?;
    let source = session.source(&location, access).await.map_err(cannot(&doing))?;
    let root = source.registry.manifest(&source.repository, &source.selector).await.map_err(cannot(&doing))?;
    let fetching = Arc::new(Fetching::new(&source, session.spool(), session.console().progress()));
    let report = Checked {
        image: location.to_string(),
        digest: root.digest().clone(),
        manifests: 0,
        blobs: 0,
        bytes: 0,
        elsewhere: 0,
    };
    let mut work = Work { source, fetching, seen: HashSet::new(), report, doing };
    let mut level = vec![root];
    for _ in 0..MAX_DEPTH {
        let mut below = Vec::new();
        for manifest in level {
            below.extend(work.manifest(&manifest).await?);
        }
        if below.is_empty() {
            return Ok(work.report);
        }
        level = below;
    }
    Err(work.wrong("indexes lie in it more than 8 deep"))
}

/// What is being checked.
struct Work {
    source: Source,
    fetching: Arc<Fetching>,
    seen: HashSet<Digest>,
    report: Checked,
    doing: String,
}

impl Work {
    fn wrong(&self, what: &str) -> CommandError {
        CommandError::plain(FailureKind::Corrupt, format!("cannot {}: {what}", self.doing))
    }

    /// Checks what a manifest names; the manifests among that are handed back.
    async fn manifest(&mut self, manifest: &RawManifest) -> Result<Vec<RawManifest>, CommandError> {
        self.report.manifests += 1;
        self.report.bytes += manifest.bytes().len() as u64;
        match manifest.manifest() {
            Manifest::Image(image) => self.image(image).await.map(|()| Vec::new()),
            Manifest::Index(index) => {
                let mut children = Vec::new();
                for entry in &index.manifests {
                    if self.seen.insert(entry.digest.clone()) {
                        children.push(self.child(entry).await?);
                    }
                }
                Ok(children)
            }
        }
    }

    async fn child(&self, entry: &Descriptor) -> Result<RawManifest, CommandError> {
        let selector = Selector::Digest(entry.digest.clone());
        let child = self.source.registry.manifest(&self.source.repository, &selector).await;
        let child = child.map_err(cannot(&self.doing))?;
        let length = child.bytes().len() as u64;
        if length != entry.size {
            return Err(self.wrong(&format!("{} has {length} bytes, and its index says {}", entry.digest, entry.size)));
        }
        Ok(child)
    }

    async fn image(&mut self, image: &ImageManifest) -> Result<(), CommandError> {
        let (_, bytes) = config_of(&self.source, image).await.map_err(cannot(&self.doing))?;
        let Some(bytes) = bytes else {
            for blob in std::iter::once(&image.config).chain(&image.layers) {
                self.blob(blob).await?;
            }
            return Ok(());
        };
        if self.seen.insert(image.config.digest.clone()) {
            self.count(&image.config);
        }
        let diff_ids = ConfigDraft::parse(&bytes).and_then(|config| config.diff_ids()).map_err(cannot(&self.doing))?;
        if diff_ids.len() != image.layers.len() {
            let (layers, known) = (image.layers.len(), diff_ids.len());
            return Err(self.wrong(&format!("its manifest names {layers} layers, and its config {known}")));
        }
        for (layer, diff_id) in image.layers.iter().zip(diff_ids) {
            self.layer(layer, &diff_id).await?;
        }
        Ok(())
    }

    async fn layer(&mut self, layer: &Descriptor, expected: &Digest) -> Result<(), CommandError> {
        if layer.is_foreign() {
            self.report.elsewhere += 1;
            return Ok(());
        }
        if !layer.media_type.is_layer() {
            return self.blob(layer).await;
        }
        let found = Fetching::diff_id(&self.fetching, layer).await.map_err(cannot(&self.doing))?;
        if found != *expected {
            return Err(
                self.wrong(&format!("the layer {} unpacks to {found}, and its config says {expected}", layer.digest))
            );
        }
        if self.seen.insert(layer.digest.clone()) {
            self.count(layer);
        }
        Ok(())
    }

    async fn blob(&mut self, blob: &Descriptor) -> Result<(), CommandError> {
        if !self.seen.insert(blob.digest.clone()) {
            return Ok(());
        }
        Fetching::verify(&self.fetching, blob).await.map_err(cannot(&self.doing))?;
        self.count(blob);
        Ok(())
    }

    const fn count(&mut self, blob: &Descriptor) {
        self.report.blobs += 1;
        self.report.bytes += blob.size;
    }
}

#[derive(Debug, Serialize)]
struct CheckReport {
    images: Vec<Checked>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    image: String,
    digest: Digest,
    manifests: u64,
    blobs: u64,
    bytes: u64,
    /// Layers that their maker hands out elsewhere, which were not read.
    elsewhere: u64,
}

impl Report for CheckReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            let Checked { manifests, blobs, bytes, .. } = image;
            let plural = |count: &u64| if *count == 1 { "" } else { "s" };
            let (many, more) = (plural(manifests), plural(blobs));
            let words = format!("{manifests} manifest{many}, {blobs} blob{more}, {}", size(*bytes));
            writeln!(page, "{}  good ({words})", Shown(&image.image))?;
        }
        Ok(())
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.images.iter().try_for_each(|image| writeln!(page, "{}", image.digest))
    }
}
