//! Files as blobs of artifacts, and back: what `artifact` and `attach` have in common.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::artifact::title;
use super::making::document;
use super::{CommandError, cannot};
use crate::draft::{Blob, Draft, Family, Parts, digest_of, manifest_of};
use crate::failure::FailureKind;
use crate::files::FileError;
use crate::filesystem::Fetching;
use crate::image::{Annotations, Descriptor, Digest, ImageManifest, MediaType};
use crate::layer::MemberPath;
use crate::output::{Page, Report, Shown, size};
use crate::session::Session;
use crate::transfer::Source;

/// The note that carries a file's name (OCI image-spec annotations.md).
pub(super) const TITLE: &str = "org.opencontainers.image.title";
/// The config of an artifact that has none (OCI image-spec manifest.md, "Guidance for an Empty Descriptor").
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");

/// A file, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct FileWord {
    path: PathBuf,
    media_type: Option<String>,
}

impl FileWord {
    /// The file as it was written.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

impl FromStr for FileWord {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What stands behind the colon is a media type where it looks like one, and no such file is there.
        let (path, media_type) = match text.rsplit_once(':') {
            Some((path, media_type)) if !path.is_empty() && is_media_type(media_type) && !Path::new(text).exists() => {
                (path, Some(media_type.to_owned()))
            }
            _ => (text, None),
        };
        Ok(Self { path: path.into(), media_type })
    }
}

fn is_media_type(text: &str) -> bool {
    let good =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    text.split_once('/').is_some_and(|(kind, rest)| good(kind) && good(rest))
}

/// Makes an artifact of files.
///
/// # Errors
/// A file cannot be read, or cannot be carried under its name.
pub(super) async fn artifact_of(
    files: Vec<FileWord>,
    artifact_type: String,
    subject: Option<Descriptor>,
    annotations: Annotations,
    doing: &str,
) -> Result<Draft, CommandError> {
    if !is_media_type(&artifact_type) {
        let message = format!(
            "cannot {doing}: `{}` is no media type such as application/vnd.example",
            artifact_type.escape_debug()
        );
        return Err(CommandError::usage(message));
    }
    let mut draft = Draft::new();
    let config = Descriptor::of(MediaType::new(EMPTY.0), EMPTY.1);
    draft.add_blob(config.digest.clone(), Blob::Bytes(EMPTY.1.into()));
    let mut layers: Vec<Descriptor> = Vec::new();
    for file in files {
        let name = title(&file.path).ok_or_else(|| {
            CommandError::usage(format!(
                "cannot {doing}: `{}` has no name that can be written down",
                file.shown().escape_debug()
            ))
        })?;
        if layers.iter().any(|layer| layer.annotations.get(TITLE) == Some(&name)) {
            return Err(CommandError::usage(format!("cannot {doing}: two files are called `{}`", name.escape_debug())));
        }
        if !file.path.exists() {
            let message = format!("cannot {doing}: there is no file `{}`", file.shown().escape_debug());
            return Err(CommandError::plain(FailureKind::NotFound, message));
        }
        let path = file.path.clone();
        let read = move || std::fs::File::open(&path).and_then(digest_of).map_err(FileError::of("read", &path));
        let broken = |error| FileError::new("read", &file.path, io::Error::other(error));
        let read = tokio::task::spawn_blocking(read).await.map_err(broken).map_err(cannot(doing))?;
        let (digest, length) = read.map_err(cannot(doing))?;
        let media_type = MediaType::new(file.media_type.as_deref().unwrap_or("application/octet-stream"));
        let mut layer = Descriptor::new(media_type, digest, length);
        layer.annotations.insert(TITLE.to_owned(), name);
        draft.add_blob(layer.digest.clone(), Blob::File(file.path));
        layers.push(layer);
    }
    let parts = Parts { artifact_type: Some(artifact_type), subject, annotations, ..Parts::of_image(config, layers) };
    draft.add_manifest(manifest_of(Family::Oci, &parts).map_err(document(doing))?);
    Ok(draft)
}

/// Fetches the files of artifacts into a directory. A title is a stranger's word: one that leads anywhere else ends it.
///
/// # Errors
/// A title is refused, a file is there already, or a blob is not what its digest says.
pub(super) async fn fetch_files<'i>(
    source: &Source,
    artifacts: impl IntoIterator<Item = &'i ImageManifest>,
    directory: &Path,
    overwrite: bool,
    session: &Session,
    doing: &str,
) -> Result<FilesReport, CommandError> {
    let mut wanted = Vec::new();
    for layer in artifacts.into_iter().flat_map(|image| &image.layers) {
        let Some(title) = layer.annotations.get(TITLE) else { continue };
        let refused = |why: &str| {
            let message = format!("cannot {doing}: the title `{}` is refused: {why}", title.escape_debug());
            CommandError::plain(FailureKind::Corrupt, message)
        };
        let path = MemberPath::parse(title.as_bytes()).map_err(|_| refused("it leads out of the directory"))?;
        if path.is_root() || title.starts_with('/') || title.contains('\\') || title.ends_with('/') {
            return Err(refused("it is no name of a file in the directory"));
        }
        wanted.push((path, layer.clone()));
    }
    let fetching = Arc::new(Fetching::new(source, session.spool(), session.console().progress()));
    let mut report = FilesReport { files: Vec::new() };
    for (path, blob) in wanted {
        let directory = directory.to_owned();
        let saved = Fetching::save(&fetching, &blob, &path, directory.clone(), overwrite).await;
        saved.map_err(cannot(doing))?;
        let file = directory.join(&*path.shown()).display().to_string();
        report.files.push(FileLine { file, digest: blob.digest, size: blob.size, media_type: blob.media_type });
    }
    Ok(report)
}

/// The files that were fetched.
#[derive(Debug, Serialize)]
pub(super) struct FilesReport {
    files: Vec<FileLine>,
}

impl FilesReport {
    /// Whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileLine {
    file: String,
    digest: Digest,
    size: u64,
    media_type: MediaType,
}

impl Report for FilesReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.files.iter().try_for_each(|line| writeln!(page, "{}  {}", Shown(&line.file), size(line.size)))
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.files.iter().try_for_each(|line| writeln!(page, "{}", Shown(&line.file)))
    }
}
