//! The streams that are kept: one file each, changed under a lock beside it, written whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::document::ImageStream;
use super::draft::{Change, Draft};
use super::error::StreamError;
use super::history::KeepRule;
use super::model::View;
use super::trigger::Ledger;
use crate::failure::nearest;
use crate::files::{Access, Disk, FileError, Lock, Sharing, read_following_links, write_atomically};
use crate::image::{ImageReference, Naming, Selector, StreamName, StreamReference, Tag};
use crate::yaml::{self, Document};

/// How long another process may be at a stream. Nothing is asked of a registry meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the names of the files end with.
const ENDING: &str = ".yaml";

/// The streams of one user. Holds nothing but where they are.
#[derive(Clone)]
pub struct Streams {
    directory: PathBuf,
    ledger: Ledger,
    disk: Arc<dyn Disk>,
}

impl Streams {
    /// The streams in the directory of what is kept for good, which need not exist: their files in `streams`, what
    /// their triggers have done in `triggers`.
    #[must_use]
    pub fn new(data: &Path, disk: Arc<dyn Disk>) -> Self {
        let ledger = Ledger::new(&data.join("triggers"), Arc::clone(&disk));
        Self { directory: data.join("streams"), ledger, disk }
    }

    /// What the triggers are, and have done.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The names of all, in order of the alphabet.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn names(&self) -> Result<Vec<StreamName>, StreamError> {
        let entries = match self.directory.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(FileError::new("list", &self.directory, error).into()),
        };
        let files = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<StreamName> = files.filter_map(|file| file.strip_suffix(ENDING)?.parse().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Reads a stream.
    ///
    /// # Errors
    /// It is not there, cannot be read, or is none.
    pub fn read(&self, name: &StreamName) -> Result<ImageStream, StreamError> {
        self.find(name)?.ok_or_else(|| self.no_stream(name))
    }

    /// Reads a stream that need not be there.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn find(&self, name: &StreamName) -> Result<Option<ImageStream>, StreamError> {
        let path = self.path(name);
        let Some(bytes) = read_following_links(&path, yaml::MAX_BYTES as u64)? else {
            return Ok(None);
        };
        let not_text =
            |error| FileError::new("read", &path, std::io::Error::new(std::io::ErrorKind::InvalidData, error));
        let text = String::from_utf8(bytes).map_err(not_text)?;
        let stream = Document::parse(&text).map_err(Into::into).and_then(ImageStream::parse);
        let stream = stream.map_err(|source| StreamError::Document { path: path.clone(), source })?;
        if stream.view().metadata.name != *name {
            let found = &stream.view().metadata.name;
            return Err(StreamError::refused_with(
                format!("{} holds the stream `{found}`, and not `{name}`", path.display()),
                "a stream's file has its name: rename one of them",
            ));
        }
        Ok(Some(stream))
    }

    /// Keeps a new stream.
    ///
    /// # Errors
    /// One of its name is there, or it cannot be written.
    pub fn create(&self, stream: &ImageStream) -> Result<(), StreamError> {
        let name = &stream.view().metadata.name;
        let _lock = self.lock(name)?;
        if self.find(name)?.is_some() {
            return Err(StreamError::Exists(name.clone()));
        }
        self.write(name, stream)
    }

    /// Changes a stream: under the lock, on what its file says now, written whole or not at all. A stream that is
    /// not there is what `missing` says.
    ///
    /// # Errors
    /// It is not there, `change` fails, or it cannot be written.
    pub fn edit<T>(
        &self,
        name: &StreamName,
        missing: Missing,
        change: impl FnOnce(&mut Draft, &View) -> Result<T, StreamError>,
    ) -> Result<(T, Vec<Change>), StreamError> {
        if missing == Missing::Refused && !self.path(name).exists() {
            return Err(self.no_stream(name));
        }
        let _lock = self.lock(name)?;
        let (before, is_new) = match (self.find(name)?, missing) {
            (Some(stream), _) => (stream, false),
            (None, Missing::Made) => (self.empty(name)?, true),
            (None, Missing::Refused) => return Err(self.no_stream(name)),
        };
        let (answer, changes, after) = self.changed(&before, change)?;
        if is_new || after.document() != before.document() {
            self.write(name, &after)?;
        }
        Ok((answer, changes))
    }

    /// Does to a copy what [`Streams::edit`] does, and writes nothing.
    ///
    /// # Errors
    /// As [`Streams::edit`].
    pub fn preview<T>(
        &self,
        name: &StreamName,
        missing: Missing,
        change: impl FnOnce(&mut Draft, &View) -> Result<T, StreamError>,
    ) -> Result<(T, Vec<Change>), StreamError> {
        let before = match (self.find(name)?, missing) {
            (Some(stream), _) => stream,
            (None, Missing::Made) => self.empty(name)?,
            (None, Missing::Refused) => return Err(self.no_stream(name)),
        };
        let (answer, changes, _) = self.changed(&before, change)?;
        Ok((answer, changes))
    }

    /// Removes a stream.
    ///
    /// # Errors
    /// It is not there, or cannot be removed.
    pub fn delete(&self, name: &StreamName) -> Result<(), StreamError> {
        let path = self.path(name);
        if !path.exists() {
            return Err(self.no_stream(name));
        }
        let lock = self.lock(name)?;
        // In this order: triggers that outlived their stream would not know the changes of the next of its name.
        self.ledger.remove(name)?;
        self.disk.remove(&path).map_err(FileError::of("remove", &path))?;
        self.disk.sync_directory(&self.directory).map_err(FileError::of("remove", &path))?;
        lock.remove();
        Ok(())
    }

    /// Removes a tag with its history.
    ///
    /// # Errors
    /// It is not there, or the stream cannot be written.
    pub fn remove_tag(&self, name: &StreamName, tag: &Tag) -> Result<(), StreamError> {
        self.edit(
            name,
            Missing::Refused,
            |draft, view| {
                if draft.remove_tag(tag) { Ok(()) } else { Err(no_tag(view, tag)) }
            },
        )?;
        Ok(())
    }

    /// The image of a registry that a location of a stream means now. A tag that is a name alone means its source.
    ///
    /// # Errors
    /// The stream, the tag or the image is not there, or where it is to be had cannot be read.
    pub fn image(&self, reference: &StreamReference, naming: &Naming) -> Result<ImageReference, StreamError> {
        let stream = self.read(&reference.name)?;
        let view = stream.view();
        let (text, tag, digest) = match &reference.selector {
            Selector::Tag(tag) => {
                let known = view.reference(tag);
                match (view.current(tag), known) {
                    (_, Some(known)) if known.reference => {
                        let from = known.from.as_ref().map(|from| from.name.as_str()).unwrap_or_default();
                        (from, None, None)
                    }
                    (Some(item), known) => {
                        let from = known.and_then(|known| known.from.as_ref()).map(|from| from.name.as_str());
                        (&*item.docker_image_reference, from, item.image.clone())
                    }
                    (None, Some(_)) => return Err(StreamError::NoImage(reference.clone())),
                    (None, None) => return Err(no_tag(view, tag)),
                }
            }
            Selector::Digest(digest) => {
                let item = view.image(digest).ok_or_else(|| StreamError::UnknownImage(reference.clone()))?;
                (&*item.docker_image_reference, None, Some(digest.clone()))
            }
        };
        let wrong = |error| {
            let what = format!("`{reference}` is to be had at `{}`, which is no image", text.escape_debug());
            StreamError::refused(format!("{what}: {error}"))
        };
        let found = ImageReference::parse(text, naming).map_err(wrong)?;
        // The tag of the source is a label for where the image goes.
        let label = tag.and_then(|tag| ImageReference::parse(tag, naming).ok());
        let labelled =
            label.filter(|label| (&label.registry, &label.repository) == (&found.registry, &found.repository));
        Ok(match digest {
            Some(digest) => labelled.unwrap_or(found).pinned(digest),
            None => found,
        })
    }

    /// A stream of this name without tags.
    ///
    /// # Errors
    /// There are no random numbers to tell it from others.
    pub fn empty(&self, name: &StreamName) -> Result<ImageStream, StreamError> {
        let mut random = [0; 16];
        let failed = |error| FileError::new("write", self.path(name), std::io::Error::other(error));
        getrandom::fill(&mut random).map_err(failed)?;
        Ok(ImageStream::new(name, Timestamp::now(), &uid(random))?)
    }

    /// The file of a stream.
    #[must_use]
    pub fn path(&self, name: &StreamName) -> PathBuf {
        self.directory.join(format!("{name}{ENDING}"))
    }

    /// A stream after a change, its histories kept as its rule says.
    fn changed<T>(
        &self,
        before: &ImageStream,
        change: impl FnOnce(&mut Draft, &View) -> Result<T, StreamError>,
    ) -> Result<(T, Vec<Change>, ImageStream), StreamError> {
        let triggers = self.ledger.read(&before.view().metadata.name)?;
        let mut draft = before.draft();
        draft.count_from(triggers.highest());
        let answer = change(&mut draft, before.view())?;
        let changes = draft.changes().to_vec();
        if let Some(rule) = KeepRule::of(before.view())? {
            let now = Timestamp::now();
            for Change { tag, .. } in &changes {
                rule.prune(&mut draft, tag, now, |generation| triggers.await_change(tag, generation));
            }
        }
        let after = before.changed(draft)?;
        Ok((answer, changes, after))
    }

    fn write(&self, name: &StreamName, stream: &ImageStream) -> Result<(), StreamError> {
        Ok(write_atomically(&*self.disk, &self.path(name), stream.document().text().as_bytes(), Access::Shared)?)
    }

    fn lock(&self, name: &StreamName) -> Result<Lock, StreamError> {
        Ok(Lock::take(&self.directory.join(format!(".{name}.lock")), Sharing::Exclusive, PATIENCE)?)
    }

    fn no_stream(&self, name: &StreamName) -> StreamError {
        let names = self.names().unwrap_or_default();
        let nearest = nearest(name.as_str(), names.iter().map(StreamName::as_str)).map(str::to_owned);
        StreamError::NoStream { name: name.clone(), nearest }
    }
}

/// What becomes of a change to a stream that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The stream is made.
    Made,
    /// The change is refused.
    Refused,
}

/// The error for a tag that is not there.
pub(super) fn no_tag(view: &View, tag: &Tag) -> StreamError {
    let tags = view.tags();
    let nearest = nearest(tag.as_str(), tags.iter().map(|tag| tag.as_str())).map(str::to_owned);
    StreamError::NoTag { name: view.metadata.name.clone(), tag: tag.clone(), nearest }
}

/// Random bytes as a UUID of version 4 (RFC 9562, 5.4).
fn uid(random: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(random) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
