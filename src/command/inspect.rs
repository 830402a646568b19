//! `inspect`: what an image consists of.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::{CommandResult, Outcome, cannot};
use crate::image::{
    Annotations, Descriptor, Digest, ImageConfig, ImageManifest, Manifest, MediaType, Platform, RawManifest,
    RepositoryName, Selector,
};
use crate::output::{Page, Report, Shown, Table, age, size};
use crate::registry::{ByteRange, Error, ErrorKind, ImageSource, read_verified};
use crate::session::Session;
use crate::transfer::Source;

/// The longest image config that is read.
const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;

/// Flags of `inspect`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship inspect docker.io/library/alpine:3.20\n  \
    $ tranship inspect oci:images:app --platform linux/arm64 -o json\n  \
    $ tranship inspect registry.example.com/app:1.4 --raw | sha256sum")]
pub(crate) struct InspectArgs {
    /// The image
    #[arg(value_name = "IMAGE")]
    image: String,

    /// Print the manifest's exact bytes
    #[arg(long, conflicts_with = "image_config")]
    raw: bool,

    /// Print the config's exact bytes
    #[arg(long)]
    image_config: bool,

    /// Which image of an index to look into (default: this machine's, else the first)
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Reads the manifest, and the config of one image.
///
/// # Errors
/// The image or the platform is not there, or its content is not what it says.
pub(super) async fn run(args: InspectArgs, session: &Session) -> CommandResult {
    let doing = || format!("inspect `{}`", args.image.escape_debug());
    let location = session.location(&args.image).map_err(cannot(doing()))?;
    let source = session.source(&location, &args.registry.access()).await.map_err(cannot(doing()))?;
    let root = read(&source, &source.selector).await.map_err(cannot(doing()))?;
    if let Some(warning) = root.warning() {
        session.console().warn(&warning.to_string());
    }
    if args.raw && args.platform.is_none() {
        return exact(root.bytes(), session);
    }
    let chosen = choose(&root, args.platform.as_ref()).map_err(cannot(doing()))?;
    let one = match &chosen {
        Some(child) => read(&source, &Selector::Digest(child.digest.clone())).await.map_err(cannot(doing()))?,
        None => root.clone(),
    };
    if args.raw {
        return exact(one.bytes(), session);
    }
    let (config, bytes) = match one.manifest() {
        Manifest::Image(image) => config_of(&source, image).await.map_err(cannot(doing()))?,
        Manifest::Index(_) => (None, None),
    };
    if args.image_config {
        let bytes = bytes.ok_or_else(|| absent("it has no image config")).map_err(cannot(doing()))?;
        return exact(&bytes, session);
    }
    Ok(Outcome::done(InspectReport::new(location.to_string(), &root, chosen.as_ref(), &one, config.as_ref())))
}

async fn read(source: &Source, selector: &Selector) -> Result<RawManifest, Error> {
    source.registry.manifest(&source.repository, selector).await
}

fn absent(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::NotFound, message)
}

/// Prints bytes as they are, whatever the format.
fn exact(bytes: &[u8], session: &Session) -> CommandResult {
    session.console().write(bytes).map_err(cannot("write the result"))?;
    Ok(Outcome::printed())
}

/// The child of an index to look into; `None` for an image.
pub(super) fn choose(root: &RawManifest, wanted: Option<&Platform>) -> Result<Option<Descriptor>, Error> {
    let Manifest::Index(index) = root.manifest() else { return Ok(None) };
    let offered = || index.manifests.iter().filter(|child| child.media_type.is_manifest());
    let fits = |wanted: &Platform| {
        let mut all = offered();
        all.find(|child| child.platform.as_ref().is_some_and(|platform| wanted.accepts(platform))).cloned()
    };
    let Some(wanted) = wanted else {
        let images = || offered().filter(|child| !child.platform.as_ref().is_some_and(Platform::is_unknown));
        return Ok(Platform::of_this_machine()
            .and_then(|platform| fits(&platform))
            .or_else(|| images().next().cloned()));
    };
    fits(wanted).map(Some).ok_or_else(|| {
        let platforms: Vec<String> = offered().filter_map(|c| c.platform.as_ref()).map(ToString::to_string).collect();
        absent(format!("there is no image for {wanted}; there are {}", platforms.join(", ").escape_debug()))
    })
}

/// The config of an image, as far as it can be understood, and its exact bytes; neither where it has none.
pub(super) async fn config_of(
    source: &Source,
    image: &ImageManifest,
) -> Result<(Option<ImageConfig>, Option<Bytes>), Error> {
    if !image.config.media_type.is_image_config() {
        return Ok((None, None));
    }
    let reader = source.registry.blob(&source.repository, &image.config, ByteRange::ALL).await?;
    let bytes = read_verified(reader, &image.config, MAX_CONFIG_BYTES).await?;
    // A config that cannot be read is shown as what it is by `--image-config`; the rest is worth showing all the same.
    Ok((ImageConfig::parse(&bytes).ok(), Some(bytes)))
}

/// What `tags -l` and `images` show of an image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    /// Its digest.
    pub(super) digest: Digest,
    /// When it was made, as its config or its annotations say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<Timestamp>,
    /// The bytes of its config and layers; for an index those of the image that is looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    /// What it runs on, each as `OS/ARCHITECTURE[/VARIANT]`.
    pub(super) platforms: Vec<String>,
}

/// Looks at an image: manifest, one child of an index, and that one's config.
pub(super) async fn overview(
    source: &(impl ImageSource + ?Sized),
    repository: &RepositoryName,
    selector: &Selector,
) -> Result<Overview, Error> {
    let root = source.manifest(repository, selector).await?;
    let child = choose(&root, None).ok().flatten();
    let one = match &child {
        Some(child) => source.manifest(repository, &Selector::Digest(child.digest.clone())).await?,
        None => root.clone(),
    };
    let mut overview = Overview { digest: root.digest().clone(), created: None, size: None, platforms: Vec::new() };
    if let Manifest::Image(image) = one.manifest() {
        overview.size = Some(image_size(image));
        let config = image_config(source, repository, image).await?;
        overview.created = config.as_ref().and_then(created);
        overview.platforms = config.iter().map(|config| config.platform().to_string()).collect();
    }
    if let Manifest::Index(index) = root.manifest() {
        let platforms = index.manifests.iter().filter_map(|child| child.platform.as_ref());
        overview.platforms = platforms.filter(|platform| !platform.is_unknown()).map(ToString::to_string).collect();
    }
    Ok(overview)
}

/// Reads the config of an image; `None` where it has none, or none that can be understood.
pub(super) async fn image_config(
    source: &(impl ImageSource + ?Sized),
    repository: &RepositoryName,
    image: &ImageManifest,
) -> Result<Option<ImageConfig>, Error> {
    if !image.config.media_type.is_image_config() {
        return Ok(None);
    }
    let reader = source.blob(repository, &image.config, ByteRange::ALL).await?;
    Ok(ImageConfig::parse(&read_verified(reader, &image.config, MAX_CONFIG_BYTES).await?).ok())
}

/// The bytes of an image's config and layers, as they travel.
pub(super) fn image_size(image: &ImageManifest) -> u64 {
    image.layers.iter().chain([&image.config]).fold(0, |sum, blob| sum.saturating_add(blob.size))
}

fn created(config: &ImageConfig) -> Option<Timestamp> {
    config.document().created().as_deref().and_then(|time| time.parse().ok())
}

/// Everything about an image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InspectReport {
    reference: String,
    digest: Digest,
    media_type: MediaType,
    manifest_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Digest>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: Annotations,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    platforms: Vec<PlatformEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<ImageDetail>,
}

/// One entry of an index.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlatformEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    digest: Digest,
    media_type: MediaType,
    size: u64,
}

/// One image: its layers and what its config says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageDetail {
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The digest of the config.
    id: Digest,
    config_media_type: MediaType,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    /// The bytes of config and layers, as they travel.
    size: u64,
    layers: Vec<LayerEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<oci_spec::image::Config>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    history: Vec<oci_spec::image::History>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerEntry {
    digest: Digest,
    size: u64,
    media_type: MediaType,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
}

impl InspectReport {
    fn new(
        reference: String,
        root: &RawManifest,
        chosen: Option<&Descriptor>,
        one: &RawManifest,
        config: Option<&ImageConfig>,
    ) -> Self {
        let entry = |child: &Descriptor| PlatformEntry {
            platform: child.platform.as_ref().map(ToString::to_string),
            digest: child.digest.clone(),
            media_type: child.media_type.clone(),
            size: child.size,
        };
        let image = match one.manifest() {
            Manifest::Image(image) => Some(ImageDetail::new(one.digest(), image, chosen, config)),
            Manifest::Index(_) => None,
        };
        Self {
            reference,
            digest: root.digest().clone(),
            media_type: root.media_type().clone(),
            manifest_size: root.bytes().len() as u64,
            artifact_type: root.manifest().artifact_type().map(str::to_owned),
            subject: root.manifest().subject().map(|subject| subject.digest.clone()),
            annotations: root.manifest().annotations().clone(),
            platforms: root.manifest().children().iter().map(entry).collect(),
            image,
        }
    }
}

impl ImageDetail {
    fn new(digest: &Digest, image: &ImageManifest, chosen: Option<&Descriptor>, config: Option<&ImageConfig>) -> Self {
        let history = config.and_then(|config| config.document().history().clone()).unwrap_or_default();
        // Steps that made no layer stand in the history too; the others are the layers, in order.
        let mut steps = history.iter().filter(|step| step.empty_layer() != Some(true));
        let layers = image.layers.iter().map(|layer| LayerEntry {
            digest: layer.digest.clone(),
            size: layer.size,
            media_type: layer.media_type.clone(),
            created_by: steps.next().and_then(|step| step.created_by().clone()),
        });
        let named = chosen.and_then(|child| child.platform.as_ref()).map(ToString::to_string);
        Self {
            digest: digest.clone(),
            platform: named.or_else(|| config.map(|config| config.platform().to_string())),
            id: image.config.digest.clone(),
            config_media_type: image.config.media_type.clone(),
            created: config.and_then(created),
            size: image_size(image),
            layers: layers.collect(),
            config: config.and_then(|config| config.document().config().clone()),
            history,
        }
    }
}

impl Report for InspectReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        field(page, "Reference", &self.reference)?;
        field(page, "Digest", &self.digest.to_string())?;
        field(page, "Media type", self.media_type.as_str())?;
        optional(page, "Artifact type", self.artifact_type.as_deref())?;
        optional(page, "Refers to", self.subject.as_ref().map(ToString::to_string).as_deref())?;
        pairs(page, "Annotations", self.annotations.iter())?;
        if !self.platforms.is_empty() {
            writeln!(page, "\nPlatforms:")?;
            let mut table = Table::new(["PLATFORM", "DIGEST", "MEDIA TYPE"]);
            for entry in &self.platforms {
                let platform = entry.platform.as_deref().unwrap_or("-");
                table.row([platform, &entry.digest.to_string(), entry.media_type.as_str()]);
            }
            page.table(&table)?;
        }
        self.image.as_ref().map_or(Ok(()), |image| image.text(page, !self.platforms.is_empty()))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.digest)
    }
}

impl ImageDetail {
    fn text(&self, page: &mut Page<'_>, of_index: bool) -> io::Result<()> {
        if of_index {
            writeln!(page, "\nImage for {}:", Shown(self.platform.as_deref().unwrap_or("an unknown platform")))?;
            field(page, "Digest", &self.digest.to_string())?;
        } else {
            optional(page, "Platform", self.platform.as_deref())?;
        }
        let id = if self.config_media_type.is_image_config() { "Image id" } else { "Config" };
        field(page, id, &self.id.to_string())?;
        let created = self.created.map(|time| format!("{time} ({})", age(time, Timestamp::now())));
        optional(page, "Created", created.as_deref())?;
        let layers = if self.layers.len() == 1 { "layer" } else { "layers" };
        field(page, "Size", &format!("{} in {} {layers}", size(self.size), self.layers.len()))?;
        if let Some(config) = &self.config {
            settings(page, config)?;
        }
        writeln!(page, "\nLayers:")?;
        let mut table = Table::new(["DIGEST", "SIZE", "CREATED BY"]);
        for layer in &self.layers {
            let by = layer.created_by.as_deref().unwrap_or("-");
            table.row([&layer.digest.to_string(), &size(layer.size), &shortened(by)]);
        }
        page.table(&table)
    }
}

/// What the config says about running the image.
fn settings(page: &mut Page<'_>, config: &oci_spec::image::Config) -> io::Result<()> {
    let words = |words: &Option<Vec<String>>| {
        words.as_ref().filter(|words| !words.is_empty()).map(|words| format!("{words:?}"))
    };
    optional(page, "Entrypoint", words(config.entrypoint()).as_deref())?;
    optional(page, "Command", words(config.cmd()).as_deref())?;
    optional(page, "User", config.user().as_deref().filter(|user| !user.is_empty()))?;
    optional(page, "Directory", config.working_dir().as_deref().filter(|directory| !directory.is_empty()))?;
    optional(page, "Stop signal", config.stop_signal().as_deref())?;
    optional(page, "Ports", config.exposed_ports().as_ref().map(|ports| ports.join(", ")).as_deref())?;
    optional(page, "Volumes", config.volumes().as_ref().map(|volumes| volumes.join(", ")).as_deref())?;
    for variable in config.env().iter().flatten() {
        field(page, "Environment", variable)?;
    }
    let labels: BTreeMap<&String, &String> = config.labels().iter().flatten().collect();
    pairs(page, "Labels", labels.into_iter())
}

/// A command of the history, short enough for a line.
fn shortened(text: &str) -> String {
    const MOST: usize = 100;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}

fn field(page: &mut Page<'_>, name: &str, value: &str) -> io::Result<()> {
    writeln!(page, "{:<15}{}", format!("{name}:"), Shown(value))
}

fn optional(page: &mut Page<'_>, name: &str, value: Option<&str>) -> io::Result<()> {
    value.map_or(Ok(()), |value| field(page, name, value))
}

fn pairs<'a>(page: &mut Page<'_>, name: &str, pairs: impl Iterator<Item = (&'a String, &'a String)>) -> io::Result<()> {
    for (number, (key, value)) in pairs.enumerate() {
        if number == 0 {
            writeln!(page, "{name}:")?;
        }
        writeln!(page, "  {}={}", Shown(key), Shown(value))?;
    }
    Ok(())
}
