//! The specs that a command is given, and the images that they name together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::{CommandError, cannot, input};
use crate::application::{Kind, Mention, Spec};
use crate::files::{FileError, read_following_links};
use crate::image::{ImageReference, Naming};
use crate::output::Console;
use crate::session::Session;
use crate::yaml;

/// Which specs.
#[derive(Args, Clone, Debug)]
pub(super) struct SpecFlags {
    /// A file that says what should run; `-` is standard input (repeatable)
    #[arg(short = 'f', long = "file", value_name = "SPEC", required = true, num_args = 1..)]
    pub(super) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) kind: KindFlag,
}

/// Of which kind specs are.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct KindFlag {
    /// What the files are, where it cannot be told by their look
    #[arg(long, value_name = "KIND", value_parser = kind())]
    pub(super) kind: Option<Kind>,
}

fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::word)).try_map(|word| word.parse::<Kind>())
}

/// Whether a file's name stands for standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads every spec.
///
/// # Errors
/// A file cannot be read, or is no spec.
pub(super) fn read_all(files: &[PathBuf], kind: Option<Kind>) -> Result<Vec<Spec>, CommandError> {
    if files.iter().filter(|file| is_stdin(file)).count() > 1 {
        return Err(CommandError::usage("standard input can be read once, and `-f -` stands twice"));
    }
    files.iter().map(|file| read(file, kind)).collect()
}

fn read(file: &Path, kind: Option<Kind>) -> Result<Spec, CommandError> {
    let (name, bytes) = if is_stdin(file) {
        ("standard input".to_owned(), input::text().map_err(cannot("read the spec"))?.as_bytes().to_owned())
    } else {
        (file.to_string_lossy().into_owned(), read_file(file).map_err(cannot("read the spec"))?)
    };
    Spec::read(&name, &bytes, kind).map_err(cannot("read the spec"))
}

/// Reads a file that the user names.
///
/// # Errors
/// It is not there, cannot be read, or is longer than any spec.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, FileError> {
    read_following_links(file, yaml::MAX_BYTES as u64)?.ok_or_else(|| FileError::absent("read", file))
}

/// Says what in the specs names no image.
pub(super) fn tell_notes(specs: &[Spec], console: &Console) {
    for spec in specs {
        for note in spec.notes() {
            console.warn(&format!("{}:{}: {}", spec.file(), note.line, note.text));
        }
        if spec.mentions().is_empty() {
            console.warn(&format!("{} names no image", spec.file()));
        }
    }
}

/// An image that specs name, and where they do.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) reference: ImageReference,
    pub(super) uses: Vec<Use>,
}

/// A place in a spec that names an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Use {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) user: String,
}

impl Use {
    pub(super) fn new(spec: &Spec, mention: &Mention) -> Self {
        Self { file: spec.file().to_owned(), line: mention.line, user: mention.user.clone() }
    }
}

/// The images that specs name, each once, in the order in which they are named first.
#[derive(Debug, Default)]
pub(super) struct Images {
    pub(super) named: Vec<Named>,
    /// What cannot be told of which image is meant.
    pub(super) failures: Vec<CommandError>,
    known: HashMap<ImageReference, usize>,
}

impl Images {
    /// Gathers the images of all specs.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub(super) fn of(specs: &[Spec], session: &Session) -> Result<Self, CommandError> {
        let naming = session.config().map_err(cannot("read the spec"))?.naming();
        let mut images = Self::default();
        for spec in specs {
            for mention in spec.mentions() {
                images.add(spec, mention, &naming);
            }
        }
        Ok(images)
    }

    fn add(&mut self, spec: &Spec, mention: &Mention, naming: &Naming) {
        let place = Use::new(spec, mention);
        match mention.reference(naming) {
            Ok(reference) => {
                let next = self.named.len();
                let number = *self.known.entry(reference.clone()).or_insert(next);
                if number == next {
                    self.named.push(Named { reference, uses: Vec::new() });
                }
                self.named[number].uses.push(place);
            }
            Err(error) => {
                let doing = format!("{}:{}: cannot tell the image of {}", place.file, place.line, place.user);
                self.failures.push(CommandError::new(doing, error));
            }
        }
    }
}

/// Who uses an image, in a few words.
pub(super) fn users(uses: &[Use]) -> String {
    match uses {
        [] => String::new(),
        [one] => one.user.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.user, rest.len()),
    }
}
