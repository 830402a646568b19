//! `index`: images for several platforms under one name.

use clap::{Args, Subcommand};

use super::flags::{RegistryFlags, SideFlags};
use super::making::{document, put};
use super::picked::Picked;
use super::{CommandError, CommandResult, cannot};
use crate::draft::{Blob, Draft, Family, index_of};
use crate::failure::FailureKind;
use crate::image::{Annotations, Descriptor, IndexManifest, Manifest, Platform, RawManifest, Selector};
use crate::session::Session;
use crate::transfer::Source;

/// The commands of `index`.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Example:\n  $ tranship index create localhost:5000/app:1 localhost:5000/app:1-amd64 oci:built/arm64"
)]
pub(crate) enum IndexCommand {
    /// Make an index of images
    #[command(
        after_help = "Example:\n  $ tranship index create localhost:5000/app:1 localhost:5000/app:1-amd64 oci:built/arm64"
    )]
    Create(CreateArgs),
    /// Add images to an index, in the place of those for the same platform
    #[command(after_help = "Example:\n  $ tranship index add registry.example.com/app:1 oci:built/riscv64")]
    Add(AddArgs),
    /// Remove images from an index
    #[command(after_help = "Example:\n  $ tranship index remove registry.example.com/app:1 linux/s390x")]
    Remove(RemoveArgs),
    /// Set notes on an index, or on one of its entries
    #[command(
        after_help = "Example:\n  $ tranship index annotate localhost:5000/app:1 org.opencontainers.image.version=1"
    )]
    Annotate(AnnotateArgs),
}

/// Flags of all of them.
#[derive(Args, Debug)]
pub(crate) struct CommonFlags {
    #[command(flatten)]
    registry: RegistryFlags,

    #[command(flatten)]
    sides: SideFlags,
}

/// Flags of `index create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Where the index goes
    #[arg(value_name = "DST")]
    to: String,

    /// The images; of an index, all of its images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,

    /// A note on the index (repeatable)
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = pair)]
    annotations: Vec<(String, String)>,

    /// Whose media type the index has
    #[arg(long, value_name = "FAMILY", value_parser = super::mutate::family(), default_value = "oci")]
    media_types: Family,

    #[command(flatten)]
    common: CommonFlags,
}

/// Flags of `index add`.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// The index
    #[arg(value_name = "INDEX")]
    index: String,

    /// The images; of an index, all of its images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,

    /// Where the new index goes [default: where the old one is]
    #[arg(long, value_name = "DST")]
    to: Option<String>,

    #[command(flatten)]
    common: CommonFlags,
}

/// Flags of `index remove`.
#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// The index
    #[arg(value_name = "INDEX")]
    index: String,

    /// The platforms or digests of what goes
    #[arg(value_name = "ENTRY", required = true)]
    entries: Vec<String>,

    /// Where the new index goes [default: where the old one is]
    #[arg(long, value_name = "DST")]
    to: Option<String>,

    #[command(flatten)]
    common: CommonFlags,
}

/// Flags of `index annotate`.
#[derive(Args, Debug)]
pub(crate) struct AnnotateArgs {
    /// The index
    #[arg(value_name = "INDEX")]
    index: String,

    /// The notes; KEY= takes one away
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
    annotations: Vec<(String, String)>,

    /// The platform or digest of the entry that they are on, rather than the index
    #[arg(long, value_name = "ENTRY")]
    entry: Option<String>,

    /// Where the new index goes [default: where the old one is]
    #[arg(long, value_name = "DST")]
    to: Option<String>,

    #[command(flatten)]
    common: CommonFlags,
}

/// Reads `KEY=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{}` is not KEY=VALUE", text.escape_debug())),
    }
}

/// Sets and removes notes.
pub(super) fn annotate(notes: &mut Annotations, changes: Vec<(String, String)>) {
    for (key, value) in changes {
        if value.is_empty() {
            notes.remove(&key);
        } else {
            notes.insert(key, value);
        }
    }
}

/// Carries one of them out.
///
/// # Errors
/// An image or an entry is not there, or the place refuses.
pub(super) async fn run(command: IndexCommand, session: &Session) -> CommandResult {
    match command {
        IndexCommand::Create(args) => create(args, session).await,
        IndexCommand::Add(args) => add(args, session).await,
        IndexCommand::Remove(args) => remove(args, session).await,
        IndexCommand::Annotate(args) => annotate_index(args, session).await,
    }
}

async fn create(args: CreateArgs, session: &Session) -> CommandResult {
    let doing = format!("make the index `{}`", args.to.escape_debug());
    let mut work = Work { draft: None, entries: Vec::new() };
    for image in &args.images {
        work.add(image, &args.common, session, &doing).await?;
    }
    let mut annotations = Annotations::new();
    annotate(&mut annotations, args.annotations);
    let shown = args.images.join(", ");
    work.put(args.media_types, &annotations, &shown, &args.to, &args.common, session, &doing).await
}

async fn add(args: AddArgs, session: &Session) -> CommandResult {
    let doing = format!("add to the index `{}`", args.index.escape_debug());
    let (mut work, root, old) = Work::of(&args.index, &args.common, session, &doing).await?;
    for image in &args.images {
        work.add(image, &args.common, session, &doing).await?;
    }
    let to = args.to.as_ref().unwrap_or(&args.index);
    let family = Family::of(root.media_type());
    work.put(family, &old.annotations, &args.index, to, &args.common, session, &doing).await
}

async fn remove(args: RemoveArgs, session: &Session) -> CommandResult {
    let doing = format!("remove from the index `{}`", args.index.escape_debug());
    let (mut work, root, old) = Work::of(&args.index, &args.common, session, &doing).await?;
    for entry in &args.entries {
        let number = work.number(entry, &doing)?;
        work.entries.remove(number);
    }
    let to = args.to.as_ref().unwrap_or(&args.index);
    let family = Family::of(root.media_type());
    work.put(family, &old.annotations, &args.index, to, &args.common, session, &doing).await
}

async fn annotate_index(args: AnnotateArgs, session: &Session) -> CommandResult {
    let doing = format!("annotate the index `{}`", args.index.escape_debug());
    let (mut work, root, mut old) = Work::of(&args.index, &args.common, session, &doing).await?;
    match &args.entry {
        Some(entry) => {
            let number = work.number(entry, &doing)?;
            annotate(&mut work.entries[number].annotations, args.annotations);
        }
        None => annotate(&mut old.annotations, args.annotations),
    }
    let to = args.to.as_ref().unwrap_or(&args.index);
    let family = Family::of(root.media_type());
    work.put(family, &old.annotations, &args.index, to, &args.common, session, &doing).await
}

/// An index that is being made.
struct Work {
    draft: Option<Draft>,
    entries: Vec<Descriptor>,
}

impl Work {
    /// Begins with an index that there is.
    async fn of(
        index: &str,
        common: &CommonFlags,
        session: &Session,
        doing: &str,
    ) -> Result<(Self, RawManifest, IndexManifest), CommandError> {
        let access = common.sides.source(&common.registry);
        let location = session.location(index).map_err(cannot(doing))?;
        let source = session.source(&location, &access).await.map_err(cannot(doing))?;
        let root = source.registry.manifest(&source.repository, &source.selector).await.map_err(cannot(doing))?;
        let Manifest::Index(old) = root.manifest() else {
            return Err(CommandError::plain(
                FailureKind::Failed,
                format!("cannot {doing}: it is one image, and no index"),
            )
            .with_hint(format!("make one of it: `tranship index create DST {index}`")));
        };
        let old = old.clone();
        let work = Self { draft: Some(Draft::over(&source)), entries: old.manifests.clone() };
        Ok((work, root, old))
    }

    /// Adds an image, or all images of an index.
    async fn add(
        &mut self,
        image: &str,
        common: &CommonFlags,
        session: &Session,
        doing: &str,
    ) -> Result<(), CommandError> {
        let access = common.sides.source(&common.registry);
        let location = session.location(image).map_err(cannot(doing))?;
        let picked = Picked::at(&location, None, &access, session, doing).await?;
        if let Manifest::Index(index) = picked.root.manifest() {
            for entry in &index.manifests {
                let selector = Selector::Digest(entry.digest.clone());
                let (registry, repository) = (&picked.source.registry, &picked.source.repository);
                let child = registry.manifest(repository, &selector).await.map_err(cannot(doing))?;
                self.take(&picked.source, &child, entry.clone());
            }
            return Ok(());
        }
        let mut entry = picked.one.descriptor();
        entry.platform = picked.config(doing).await?.map(|config| config.platform());
        entry.artifact_type = picked.one.manifest().artifact_type().map(str::to_owned);
        self.take(&picked.source, &picked.one, entry);
        Ok(())
    }

    fn take(&mut self, source: &Source, manifest: &RawManifest, entry: Descriptor) {
        let draft = self.draft.get_or_insert_with(|| Draft::over(source));
        for blob in manifest.manifest().blobs() {
            draft.add_blob(blob.digest.clone(), Blob::Elsewhere(source.clone()));
        }
        draft.add_manifest(manifest.clone());
        let same = |other: &Descriptor| {
            let platform = entry.platform.as_ref().filter(|platform| !platform.is_unknown());
            other.digest == entry.digest || platform.is_some() && other.platform.as_ref() == platform
        };
        match self.entries.iter().position(same) {
            Some(at) => self.entries[at] = entry,
            None => self.entries.push(entry),
        }
    }

    /// The entry that a platform or a digest names.
    fn number(&self, word: &str, doing: &str) -> Result<usize, CommandError> {
        let platform: Option<Platform> = word.parse().ok();
        let is_it = |entry: &Descriptor| {
            entry.digest.to_string() == word
                || platform.as_ref().zip(entry.platform.as_ref()).is_some_and(|(wanted, there)| wanted.accepts(there))
        };
        self.entries.iter().position(is_it).ok_or_else(|| {
            let message = format!("cannot {doing}: it has no entry `{}`", word.escape_debug());
            let there = self.entries.iter().map(|entry| match &entry.platform {
                Some(platform) => platform.to_string(),
                None => entry.digest.to_string(),
            });
            let there: Vec<String> = there.collect();
            CommandError::plain(FailureKind::NotFound, message).with_hint(format!("it has {}", there.join(", ")))
        })
    }

    #[expect(clippy::too_many_arguments, reason = "they are what all four commands have")]
    async fn put(
        self,
        family: Family,
        annotations: &Annotations,
        shown: &str,
        to: &str,
        common: &CommonFlags,
        session: &Session,
        doing: &str,
    ) -> CommandResult {
        let mut draft = self.draft.unwrap_or_default();
        draft.add_manifest(index_of(family, &self.entries, annotations).map_err(document(doing))?);
        put(draft, "put the index of", shown, to, &common.sides.destination(&common.registry), session).await
    }
}
