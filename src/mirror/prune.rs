//! Removing tags at a destination that its source has no more, so far and no farther.
//!
//! Nothing is removed where it is not known what the destination is to hold, or where that is nothing; nothing beyond
//! the share that the rule allows; and no manifest that another tag needs, be it by an index.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use regex::Regex;
use serde::Serialize;

use super::listing::all_tags;
use super::report::Happening;
use super::round::{Mode, Pruning};
use super::{Error, Places, RepositoryPath, Rule};
use crate::image::{Digest, RepositoryName, Selector, Tag};
use crate::registry::{self, ErrorKind, ImageSource, Registry};

/// How many tags are looked at at once.
const LOOKS: usize = 8;
/// How deep indexes may name indexes.
const MAX_DEPTH: usize = 16;

/// How many of a repository's tags may be removed at once, as a part of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// What holds where nothing is said: a fifth.
    pub const USUAL: Self = Self(0.2);

    fn allows(self, removed: usize, of: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "nobody has so many tags that it matters")]
        let share = removed as f64 / of.max(1) as f64;
        share <= self.0
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse(),
        };
        let number = number.ok().filter(|number| *number > 0.0 && *number <= 1.0);
        number.map(Self).ok_or_else(|| ShareError(text.to_owned()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", (self.0 * 1000.0).round() / 10.0)
    }
}

/// A text that is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a share; one is written as in 0.2 or 20%, above 0 and up to 1", .0.escape_debug())]
pub struct ShareError(String);

/// More would be removed than may be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{removed} of the {of} tags of `{path}` would be removed, and at most {share} may be")]
pub struct Guard {
    /// The repository.
    pub path: RepositoryPath,
    /// How many would be removed.
    pub removed: usize,
    /// How many there are.
    pub of: usize,
    /// How many may be.
    pub share: Share,
}

impl Guard {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Vec<String> {
        vec!["see which with `--dry-run --force`, and remove them with `--force`; or raise `max-share`".to_owned()]
    }
}

/// A tag that was removed, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// The rule, counted from 0.
    #[serde(skip)]
    pub rule: usize,
    /// The tag, with its repository.
    pub removed: String,
    /// Whether nothing was removed, and this is what would be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What a destination's repository is to hold.
#[derive(Debug)]
pub(super) struct Expectation {
    /// The first rule that writes there.
    rule: usize,
    wanted: HashSet<Tag>,
    /// How many sources write there, and how many of them were listed to the end.
    sources: usize,
    complete: usize,
    /// How much may be removed; none where no rule removes anything there.
    share: Option<Share>,
    /// What recognises names that were given to what was overwritten.
    backups: Vec<Regex>,
}

impl Expectation {
    pub(super) fn new(rule: usize) -> Self {
        Self { rule, wanted: HashSet::new(), sources: 0, complete: 0, share: None, backups: Vec::new() }
    }

    /// A rule begins to say what is to be there.
    pub(super) fn begin(&mut self, rule: &Rule) {
        self.sources += 1;
        self.share = match (self.share, rule.prune) {
            // Of several shares the smaller holds.
            (Some(one), Some(other)) if other.0 < one.0 => Some(other),
            (one, other) => one.or(other),
        };
        self.backups.extend(rule.backup.as_ref().and_then(super::BackupName::recogniser));
    }

    /// This tag is to be there.
    pub(super) fn want(&mut self, tag: &Tag) {
        self.wanted.insert(tag.clone());
    }

    /// A source was listed to its end.
    pub(super) fn complete(&mut self) {
        self.complete += 1;
    }

    /// Whether a tag at the destination is one that the source has no more.
    fn is_left_over(&self, tag: &Tag) -> bool {
        !self.wanted.contains(tag) && !self.backups.iter().any(|backup| backup.is_match(tag.as_str()))
    }
}

/// Removes what is left over in one repository.
pub(super) struct Pruner<'a> {
    pub(super) path: &'a RepositoryPath,
    pub(super) places: &'a dyn Places,
    pub(super) mode: Mode,
    pub(super) pruning: Pruning,
}

impl Pruner<'_> {
    /// Does so, and tells what it did and what it did not.
    pub(super) async fn prune(&self, expectation: &Expectation, mut tell: impl FnMut(Happening)) {
        let Some(share) = expectation.share else { return };
        let path = self.path;
        if expectation.complete < expectation.sources || expectation.wanted.is_empty() {
            let what = format!("no tag of {path} is removed, because it is not known which ones it is to have");
            return tell(Happening::Warning(what));
        }
        if let Err(error) = self.remove(expectation, share, &mut tell).await {
            let doing = format!("remove what is left over in `{path}`");
            tell(Happening::Failed { rule: expectation.rule, doing, error });
        }
    }

    async fn remove(
        &self,
        expectation: &Expectation,
        share: Share,
        mut tell: impl FnMut(Happening),
    ) -> Result<(), Error> {
        let (path, rule) = (self.path, expectation.rule);
        let registry = self.places.target(path).await?;
        let all = all_tags(&registry, &path.repository).await?;
        let named = all.iter().filter(|tag| !is_reserved(tag));
        let (extra, kept): (Vec<&Tag>, Vec<&Tag>) = named.partition(|tag| expectation.is_left_over(tag));
        let of = extra.len() + kept.len();
        if self.pruning != Pruning::Forced && !share.allows(extra.len(), of) {
            return Err(Guard { path: path.clone(), removed: extra.len(), of, share }.into());
        }
        let left_over: HashSet<&Tag> = extra.iter().copied().collect();
        let mut staying = Staying { registry: &registry, repository: &path.repository, needed: None };
        let others: Vec<&Tag> = all.iter().filter(|tag| !left_over.contains(tag)).collect();
        for tag in extra {
            let shown = path.image(&Selector::Tag(tag.clone()));
            let removed = match self.mode {
                Mode::DryRun => Ok(()),
                Mode::Apply => staying.remove(tag, &others).await,
            };
            tell(match removed {
                Ok(()) => Happening::Removed(Removed { rule, removed: shown, dry_run: self.mode == Mode::DryRun }),
                Err(error) => Happening::Failed { rule, doing: format!("remove `{shown}`"), error },
            });
        }
        Ok(())
    }
}

/// Whether a tag is one by which attached things are found: `sha256-…`. It belongs to a digest, and goes with it.
fn is_reserved(tag: &Tag) -> bool {
    let digest = tag.as_str().strip_prefix("sha256-").or_else(|| tag.as_str().strip_prefix("sha512-"));
    digest.is_some_and(|hex| hex.len() >= 64 && hex.bytes().take(64).all(|byte| byte.is_ascii_hexdigit()))
}

/// What stays in a repository that tags are removed from.
struct Staying<'a> {
    registry: &'a Arc<dyn Registry>,
    repository: &'a RepositoryName,
    /// The digests that tags which stay need; found out when it matters.
    needed: Option<HashSet<Digest>>,
}

impl Staying<'_> {
    /// Removes a tag: the tag alone where the place can do that, else its manifest, unless one of `others` needs it.
    async fn remove(&mut self, tag: &Tag, others: &[&Tag]) -> Result<(), Error> {
        let error = match self.registry.remove_tag(self.repository, tag).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => error,
            // Somebody else was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            ended => return Ok(ended?),
        };
        let selector = Selector::Tag(tag.clone());
        let Some(found) = ImageSource::resolve(&**self.registry, self.repository, &selector).await? else {
            // It went with another tag of the same manifest.
            return Ok(());
        };
        if self.needed.is_none() {
            self.needed = Some(self.needed_by(others).await?);
        }
        if self.needed.as_ref().is_some_and(|needed| needed.contains(&found.digest)) {
            let because = format!("another tag needs its image, and a single tag cannot be removed ({error})");
            return Err(Error::Needed { tag: tag.to_string(), because });
        }
        match self.registry.remove_manifest(self.repository, &found.digest).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            ended => Ok(ended?),
        }
    }

    /// The digests that `tags` point at, and those that these name.
    async fn needed_by(&self, tags: &[&Tag]) -> registry::Result<HashSet<Digest>> {
        let source: &dyn ImageSource = &**self.registry;
        let look = async |tag: &Tag| source.resolve(self.repository, &Selector::Tag(tag.clone())).await;
        let found: Vec<_> = stream::iter(tags.iter().copied()).map(look).buffered(LOOKS).try_collect().await?;
        let mut needed = HashSet::new();
        let mut fresh: Vec<Digest> = Vec::new();
        for descriptor in found.into_iter().flatten() {
            if needed.insert(descriptor.digest.clone()) {
                fresh.push(descriptor.digest);
            }
        }
        for _ in 0..MAX_DEPTH {
            let read = async |digest: Digest| {
                match source.manifest(self.repository, &Selector::Digest(digest)).await {
                    // An index may name what is no manifest, or what was never brought there.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                    read => read.map(Some),
                }
            };
            let manifests: Vec<_> = stream::iter(fresh).map(read).buffered(LOOKS).try_collect().await?;
            let children = manifests.iter().flatten().flat_map(|manifest| {
                let view = manifest.manifest();
                view.children().iter().chain(view.subject())
            });
            fresh = children
                .filter(|child| needed.insert(child.digest.clone()))
                .map(|child| child.digest.clone())
                .collect();
            if fresh.is_empty() {
                break;
            }
        }
        Ok(needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let share = |text: &str| text.parse::<Share>().map_err(|error| error.to_string());
        assert_eq!(share("20%"), Ok(Share::USUAL));
        assert_eq!(share("0.2"), Ok(Share::USUAL));
        assert!(Share::USUAL.allows(1, 5) && !Share::USUAL.allows(2, 9) && Share::USUAL.allows(0, 0));
        assert_eq!(share("12.5 %").unwrap().to_string(), "12.5 %");
        for text in ["0", "1.5", "200%", "-1", "all", "nan"] {
            assert!(share(text).unwrap_err().contains("not a share"), "{text}");
        }
    }

    #[test]
    fn tags_of_attached_things_are_reserved() {
        let hex = "a".repeat(64);
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig")] {
            assert!(is_reserved(&tag.parse().unwrap()));
        }
        for tag in ["sha256-abc", "1.0", "sha256"] {
            assert!(!is_reserved(&tag.parse().unwrap()));
        }
    }
}
