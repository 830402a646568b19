//! What `mutate` changes in the layers of an image: their base, their number, how they are packed.

use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use crate::command::making::{LayerFileError, NewLayer, StampFlags, repack};
use crate::command::picked::Picked;
use crate::command::{CommandError, cannot};
use crate::compression::Packing;
use crate::draft::{Blob, ConfigDraft, Family, Step, pack, packed_with};
use crate::failure::FailureKind;
use crate::filesystem::{Fetching, Filesystem};
use crate::image::{Descriptor, Digest, ImageManifest, Platform};
use crate::session::{Access, Session};
use crate::transfer::Source;

/// What happens to the layers.
#[derive(Args, Debug)]
#[command(next_help_heading = "Layers")]
pub(super) struct LayerFlags {
    /// Pack layers anew: gzip, gzip:9, zstd, zstd:19, none; without a level, those alone that are packed otherwise
    #[arg(long, value_name = "HOW")]
    compress: Option<String>,

    /// Make one layer of all of them
    #[arg(long)]
    squash: bool,

    /// Put what is on top of the image OLD on top of the image NEW
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    rebase: Vec<String>,
}

/// What changing layers takes.
pub(super) struct Means<'a> {
    pub(super) family: Family,
    pub(super) stamp: &'a StampFlags,
    pub(super) session: &'a Session,
    pub(super) access: &'a Access,
    pub(super) doing: &'a str,
}

/// A layer with both of its digests.
#[derive(Clone)]
pub(super) struct Layer {
    pub(super) descriptor: Descriptor,
    pub(super) diff_id: Digest,
    source: Source,
}

/// The layers of an image that are being changed.
pub(super) struct Stack {
    pub(super) layers: Vec<Layer>,
    pub(super) history: Vec<Value>,
    pub(super) blobs: Vec<(Digest, Blob)>,
    source: Source,
}

impl Stack {
    /// The layers as they are.
    pub(super) fn new(
        source: &Source,
        image: &ImageManifest,
        diff_ids: Vec<Digest>,
        history: Vec<Value>,
        doing: &str,
    ) -> Result<Self, CommandError> {
        if diff_ids.len() != image.layers.len() {
            let message = format!(
                "cannot {doing}: its manifest names {} layers, its config {}",
                image.layers.len(),
                diff_ids.len()
            );
            return Err(CommandError::plain(FailureKind::Corrupt, message));
        }
        let layer = |(descriptor, diff_id): (&Descriptor, Digest)| Layer {
            descriptor: descriptor.clone(),
            diff_id,
            source: source.clone(),
        };
        let layers = image.layers.iter().zip(diff_ids).map(layer).collect();
        Ok(Self { layers, history, blobs: Vec::new(), source: source.clone() })
    }

    /// Does what the flags say: another base first, then one layer, then packed anew.
    pub(super) async fn change(&mut self, flags: &LayerFlags, means: &Means<'_>) -> Result<(), CommandError> {
        let doing = means.doing;
        let packing: Option<Packing> = flags
            .compress
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error| CommandError::usage(format!("cannot {doing}: {error}")))?;
        if let [old, new] = &flags.rebase[..] {
            self.rebase(old, new, means).await?;
        }
        if flags.squash {
            let packing = packing.unwrap_or(Packing::GZIP);
            self.squash(packing, means).await?;
        } else if let Some(packing) = packing {
            let always = flags.compress.as_deref().is_some_and(|text| text.contains(':'));
            self.compress(packing, always, means).await?;
        }
        self.convert(means.family, doing)
    }

    /// Replaces the layers of one image at the bottom by those of another.
    async fn rebase(&mut self, old: &str, new: &str, means: &Means<'_>) -> Result<(), CommandError> {
        let Means { session, access, doing, .. } = *means;
        let platform: Option<&Platform> = None;
        let old_base = Picked::find(old, platform, access, session, doing).await?;
        let new_base = Picked::find(new, platform, access, session, doing).await?;
        let below = &old_base.image(doing)?.layers;
        let same = |(mine, theirs): (&Layer, &Descriptor)| mine.descriptor.digest == theirs.digest;
        if below.len() > self.layers.len() || !self.layers.iter().zip(below).all(same) {
            let message = format!("cannot {doing}: it does not stand on `{}`", old.escape_debug());
            return Err(CommandError::plain(FailureKind::Failed, message)
                .with_hint(format!("see what it stands on: `tranship diff {old} IMAGE`")));
        }
        let old_config = ConfigDraft::parse(&old_base.config_bytes(doing).await?).map_err(cannot(doing))?;
        let new_config = ConfigDraft::parse(&new_base.config_bytes(doing).await?).map_err(cannot(doing))?;
        let new_image = new_base.image(doing)?;
        let diff_ids = new_config.diff_ids().map_err(cannot(doing))?;
        let base = Self::new(&new_base.source, new_image, diff_ids, new_config.history().to_vec(), doing)?;
        let elsewhere = |layer: &Layer| (layer.descriptor.digest.clone(), Blob::Elsewhere(layer.source.clone()));
        self.blobs.extend(base.layers.iter().map(elsewhere));
        let mine = self.layers.split_off(below.len());
        let steps = self.history.split_off(old_config.history().len().min(self.history.len()));
        self.layers = base.layers.into_iter().chain(mine).collect();
        self.history = base.history.into_iter().chain(steps).collect();
        Ok(())
    }

    async fn squash(&mut self, packing: Packing, means: &Means<'_>) -> Result<(), CommandError> {
        let Means { family, stamp, session, doing, .. } = *means;
        if self.layers.is_empty() {
            return Ok(());
        }
        let union = self.unite(session, doing)?;
        let spool = session.spool().to_owned();
        // The archive goes through a pipe of the system, from one thread to another, and is never whole anywhere.
        let (reader, writer) = std::io::pipe()
            .map_err(|error| CommandError::plain(FailureKind::Failed, format!("cannot {doing}: {error}")))?;
        let packed = tokio::task::spawn_blocking(move || {
            pack::<LayerFileError>(packing, &spool, |out| {
                let mut reader = reader;
                std::io::copy(&mut reader, out)
                    .map(drop)
                    .map_err(|error| LayerFileError::Read("a layer".to_owned(), error))
            })
        });
        union.export(writer).await.map(drop).map_err(cannot(doing))?;
        let packed = packed.await.unwrap_or(Err(LayerFileError::BrokenOff)).map_err(cannot(doing))?;
        let new = NewLayer::of(packed, packing.compression(), family).ok_or_else(|| no_type(doing))?;
        let step =
            Step { created: stamp.time(), by: "tranship mutate --squash".to_owned(), comment: None, made_layer: true };
        self.history = vec![step.value()];
        self.layers.clear();
        self.push(new);
        Ok(())
    }

    fn unite(&self, session: &Session, doing: &str) -> Result<Filesystem, CommandError> {
        let sources = self.layers.iter().map(|layer| (layer.descriptor.clone(), layer.source.clone())).collect();
        Filesystem::of_layers(sources, &self.source.shown, session.spool(), session.console().progress())
            .map_err(cannot(doing))
    }

    async fn compress(&mut self, packing: Packing, always: bool, means: &Means<'_>) -> Result<(), CommandError> {
        let Means { family, session, doing, .. } = *means;
        for layer in std::mem::take(&mut self.layers) {
            let is_so = packed_with(&layer.descriptor.media_type) == Some(packing.compression());
            if layer.descriptor.is_foreign() || is_so && !always {
                self.layers.push(layer);
                continue;
            }
            let (spool, progress) = (session.spool().to_owned(), session.console().progress());
            let fetching = Arc::new(Fetching::new(&layer.source, &spool, progress));
            let blob = layer.descriptor.clone();
            let work = move || -> Result<_, CommandError> {
                let mut opened = fetching.open(&blob).map_err(cannot("open a layer"))?;
                let packed = repack(&mut opened, packing, &spool).map_err(cannot("pack a layer"))?;
                opened.finish().map_err(cannot("read a layer"))?;
                Ok(packed)
            };
            let broken =
                || Err(CommandError::plain(FailureKind::Failed, format!("cannot {doing}: the work broke off")));
            let packed = tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| broken())?;
            self.push(NewLayer::of(packed, packing.compression(), family).ok_or_else(|| no_type(doing))?);
        }
        Ok(())
    }

    fn push(&mut self, new: NewLayer) {
        self.blobs.push((new.descriptor.digest.clone(), new.blob));
        self.layers.push(Layer { descriptor: new.descriptor, diff_id: new.diff_id, source: self.source.clone() });
    }

    /// Gives every layer the type that the family has for it.
    fn convert(&mut self, family: Family, doing: &str) -> Result<(), CommandError> {
        for layer in self.layers.iter_mut().filter(|layer| !layer.descriptor.is_foreign()) {
            let is_of = Family::of(&layer.descriptor.media_type);
            if is_of != family && layer.descriptor.media_type.is_layer() {
                let known = packed_with(&layer.descriptor.media_type).and_then(|packed| family.layer(packed));
                layer.descriptor.media_type = known.ok_or_else(|| no_type(doing))?;
            }
        }
        Ok(())
    }
}

fn no_type(doing: &str) -> CommandError {
    CommandError::usage(format!("cannot {doing}: Docker's types have none for layers packed with Zstandard"))
        .with_hint("pack them anew: `--compress gzip`, or stay with `--media-types oci`")
}
