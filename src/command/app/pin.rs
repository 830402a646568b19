//! `app pin`: the same file with digests behind its images, and whether they still hold.

mod report;
mod write;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::Args;

use crate::application::{Mention, Spec};
use crate::command::flags::RegistryFlags;
use crate::command::resolve::look;
use crate::command::several::several;
use crate::command::specs::{SpecFlags, Use, is_stdin, read_all, tell_notes};
use crate::command::{CommandError, CommandResult, Outcome, cannot};
use crate::failure::{Failure, FailureKind};
use crate::image::{Digest, ImageReference, Location, Naming, Selector, Tag};
use crate::session::Session;

use report::{Change, Pin, PinReport, State, VerifyReport};

/// Flags of `app pin`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Args, Debug)]
#[command(after_help = "Without --write the new text is printed. A digest that stands there already is left as it\n\
    is, unless --update asks for the one that the tag has now.\n\n\
    Examples:\n  $ tranship app pin -f app.yaml | kubectl apply -f -\n  \
    $ tranship app pin -f app.yaml --write --to-home\n  $ tranship app pin -f app.yaml --verify")]
pub(crate) struct PinArgs {
    #[command(flatten)]
    specs: SpecFlags,

    /// Write the files anew, and say what has changed
    #[arg(long)]
    write: bool,

    /// Take the images from the home registry: their names there, and the digests that they have there
    #[arg(long)]
    to_home: bool,

    /// Renew digests that stand there already, where the tag has moved
    #[arg(long)]
    update: bool,

    /// Change nothing; fail where an image has no digest, or its tag has another one now
    #[arg(long, conflicts_with_all = ["write", "update", "to_home"])]
    verify: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Finds the digests and writes them, or compares them.
///
/// # Errors
/// A spec cannot be read or written; images are reported one by one, and where one fails nothing is written.
pub(super) async fn run(args: PinArgs, session: &Session) -> CommandResult {
    let files: &[PathBuf] = &args.specs.files;
    if args.write && files.iter().any(|file| is_stdin(file)) {
        return Err(CommandError::usage("standard input cannot be written").with_hint("leave out `--write`"));
    }
    if !args.write && !args.verify && files.len() > 1 {
        return Err(CommandError::usage("the text of one file can be printed, and there are several")
            .with_hint("`--write` writes the files themselves"));
    }
    let specs = read_all(files, args.specs.kind.kind)?;
    tell_notes(&specs, session.console());
    let naming = session.config().map_err(cannot("pin"))?.naming();
    let pinning = Pinning { args: &args, naming, session };
    if args.verify { pinning.verify(&specs).await } else { pinning.pin(&specs).await }
}

struct Pinning<'a> {
    args: &'a PinArgs,
    naming: Naming,
    session: &'a Session,
}

impl Pinning<'_> {
    /// Finds the new words of every image, and writes all texts or none.
    async fn pin(&self, specs: &[Spec]) -> CommandResult {
        let work = distinct(specs).into_iter().map(|(spec, mention)| self.new_words(spec, mention));
        let (words, failures) = several(work).await;
        if !failures.is_empty() {
            let failed = FailureKind::of_several(failures.iter().map(Failure::kind), 0);
            return Ok(Outcome { report: None, failures, failed });
        }
        let words: HashMap<String, String> = words.into_iter().collect();
        let new = |mention: &Mention| words.get(&mention.image).cloned();
        let mut texts = Vec::new();
        for spec in specs {
            texts.push(spec.rewritten(new).map_err(cannot("pin"))?);
        }
        if !self.args.write {
            let text = texts.pop().unwrap_or_default();
            self.session.console().write(text.as_bytes()).map_err(cannot("write the result"))?;
            return Ok(Outcome::printed());
        }
        for ((spec, text), file) in specs.iter().zip(&texts).zip(&self.args.specs.files) {
            if text != spec.text() {
                write::replace(file, spec.text(), text)?;
            }
        }
        Ok(Outcome::done(PinReport { images: changes(specs, &words) }))
    }

    /// The words of an image, and those that are to stand there.
    async fn new_words(&self, spec: &Spec, mention: &Mention) -> Result<(String, String), CommandError> {
        let reference = self.reference(spec, mention)?;
        let new = if self.args.to_home {
            let (home, digest) = self.at_home(&reference).await?;
            home.pinned(digest).to_string()
        } else {
            match (reference.digest(), reference.tag()) {
                (Some(digest), tag) if !self.args.update || tag.is_none() => mention.pinned(&reference, digest),
                _ => mention.pinned(&reference, &self.digest_now(&reference).await?),
            }
        };
        Ok((mention.image.clone(), new))
    }

    fn reference(&self, spec: &Spec, mention: &Mention) -> Result<ImageReference, CommandError> {
        let place = Use::new(spec, mention);
        let doing = || format!("{}:{}: cannot tell the image of {}", place.file, place.line, place.user);
        mention.reference(&self.naming).map_err(|error| CommandError::new(doing(), error))
    }

    /// The digest that the tag has now, where the image comes from.
    async fn digest_now(&self, reference: &ImageReference) -> Result<Digest, CommandError> {
        let tag = reference.tag().cloned().unwrap_or_else(Tag::latest);
        let (registry, repository) = (reference.registry.clone(), reference.repository.clone());
        let tagged = ImageReference::new(registry, repository, Selector::Tag(tag));
        self.look(Location::Registry(tagged)).await
    }

    /// The image's name in the home registry, and the digest that it has there.
    async fn at_home(&self, reference: &ImageReference) -> Result<(ImageReference, Digest), CommandError> {
        let doing = || format!("pin `{reference}`");
        if self.session.config().map_err(cannot(doing()))?.settings.home_registry.is_none() {
            let message =
                format!("cannot {}: there is no home registry, and a file cannot name the local store", doing());
            return Err(CommandError::usage(message)
                .with_hint("set it: `tranship settings set home-registry ADDRESS`; `tranship serve` can be one"));
        }
        let selector = match (reference.digest(), reference.tag(), self.args.update) {
            (Some(_), Some(tag), true) => Selector::Tag(tag.clone()),
            _ => reference.selector(),
        };
        let Location::Registry(home) = self.session.at_home(reference).map_err(cannot(doing()))? else {
            return Err(CommandError::usage(format!("cannot {}: the home is no registry", doing())));
        };
        let asked = ImageReference::new(home.registry.clone(), home.repository.clone(), selector);
        let digest = self.look(Location::Registry(asked)).await.map_err(|error| {
            let is_missing = error.kind() == FailureKind::NotFound;
            if is_missing { error.with_hint(format!("bring it home: `tranship pull {reference}`")) } else { error }
        })?;
        Ok((labelled(home, reference), digest))
    }

    async fn look(&self, location: Location) -> Result<Digest, CommandError> {
        let doing = format!("pin `{location}`");
        Ok(look(&doing, &location, &self.args.registry.access(), self.session).await?.digest)
    }

    /// Compares every digest with the tag beside it.
    async fn verify(&self, specs: &[Spec]) -> CommandResult {
        let work = distinct(specs).into_iter().map(|(spec, mention)| self.compare(spec, mention));
        let (pins, mut failures) = several(work).await;
        failures.extend(pins.iter().filter_map(Pin::failure));
        // What does not hold fails the whole, whatever else holds.
        let failed = FailureKind::of_several(failures.iter().map(Failure::kind), 0);
        Ok(Outcome { report: Some(Box::new(VerifyReport { images: pins })), failures, failed })
    }

    async fn compare(&self, spec: &Spec, mention: &Mention) -> Result<Pin, CommandError> {
        let reference = self.reference(spec, mention)?;
        let (state, now) = match (reference.digest(), reference.tag()) {
            (None, _) => (State::Unpinned, None),
            (Some(digest), Some(_)) => {
                let now = self.digest_now(&reference).await?;
                (if now == *digest { State::Pinned } else { State::Moved }, Some(now))
            }
            // No tag says what it was: it is enough that it is there.
            (Some(_), None) => (State::Pinned, Some(self.look(Location::Registry(reference.clone())).await?)),
        };
        Ok(Pin { reference: reference.to_string(), state, now, place: Use::new(spec, mention) })
    }
}

/// The name at home with the tag that the image has where it comes from; at home a digest may stand alone.
fn labelled(home: ImageReference, reference: &ImageReference) -> ImageReference {
    match reference.tag() {
        Some(tag) => ImageReference::new(home.registry, home.repository, Selector::Tag(tag.clone())),
        None => home,
    }
}

/// Every image of the specs once, as it is written, where it stands first.
fn distinct(specs: &[Spec]) -> Vec<(&Spec, &Mention)> {
    let mut known = HashSet::new();
    let mentions = specs.iter().flat_map(|spec| spec.mentions().iter().map(move |mention| (spec, mention)));
    mentions.filter(|(_, mention)| known.insert(mention.image.as_str())).collect()
}

/// What changes in the files, line by line.
fn changes(specs: &[Spec], words: &HashMap<String, String>) -> Vec<Change> {
    let mut changes = Vec::new();
    for spec in specs {
        for mention in spec.mentions() {
            let Some(new) = words.get(&mention.image).filter(|new| **new != mention.image) else { continue };
            let change = Change {
                file: spec.file().to_owned(),
                line: mention.line,
                from: mention.image.clone(),
                to: new.clone(),
            };
            // By way of aliases the same words can be the image of several.
            if changes.last() != Some(&change) {
                changes.push(change);
            }
        }
    }
    changes
}
