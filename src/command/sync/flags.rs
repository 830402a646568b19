//! The flags of `sync`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use semver::VersionReq;

use super::super::CommandError;
use super::super::flags::{ContentFlags, RegistryFlags, SideFlags, duration};
use crate::mirror::{BackupName, Filter, Format, Newest, Order, Pruning, Rule, Rules, Shard, TagFilter, read_regex};

/// Flags of `sync`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship sync -f rules.yaml --dry-run\n  \
    $ tranship sync docker.io/library/alpine registry.example.com/alpine --semver '>=3.18' --newest 5\n  \
    $ tranship sync 'quay.io/prometheus/*' registry.example.com/prometheus --every 15m\n\n\
    A file of rules:\n  \
    defaults: {to: [registry.example.com/mirror], attached: image}\n  \
    rules:\n  \
    - from: docker.io/library/alpine\n    \
    tags: {match: [\"3.*\"], exclude: [\"*-rc*\"], semver: \">=3.18\", newest: 5}\n    \
    to: [registry.example.com/alpine]\n  \
    - from: quay.io/prometheus/*\n    \
    prune: {max-share: 0.2}\n    \
    backup-tag: \"{tag}-before-{date}\"")]
pub(crate) struct SyncArgs {
    /// The repository and where it is to be (`REGISTRY/PATH/*` for all below); with `-f` places for all rules
    #[arg(value_name = "REPOSITORY")]
    pub(super) words: Vec<String>,

    /// The file of rules
    #[arg(short = 'f', long = "file", value_name = "RULES")]
    pub(super) rules: Option<PathBuf>,

    /// The form of the rules
    #[arg(long, value_name = "FORM", requires = "rules", default_value = "tranship", value_parser = format())]
    pub(super) rules_format: Format,

    /// Put images below the places for all under their whole names, `HOST/REPOSITORY`, whatever the form says
    #[arg(long, requires = "rules")]
    pub(super) scoped: bool,

    /// Give what is overwritten a name first, e.g. `{tag}-before-{date}`
    #[arg(long, value_name = "PATTERN", conflicts_with = "rules")]
    pub(super) backup_tag: Option<BackupName>,

    #[command(flatten)]
    pub(super) content: ContentFlags,

    /// Say what would be done, with its bytes, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    #[command(flatten)]
    prune: PruneFlags,

    /// Go on for ever, with a round so often, e.g. 15m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) every: Option<Duration>,

    /// Do part I of N alone, counted from 0, e.g. 2/8: every image is in one part
    #[arg(long, value_name = "I/N", default_value = "0/1", hide_default_value = true)]
    pub(super) shard: Shard,

    /// Write what rounds came to into this file, for Prometheus
    #[arg(long, value_name = "FILE")]
    pub(super) metrics: Option<PathBuf>,

    #[command(flatten)]
    pub(super) tags: TagFlags,

    #[command(flatten)]
    pub(super) registry: RegistryFlags,

    #[command(flatten)]
    pub(super) sides: SideFlags,
}

/// Whether what is left over goes.
#[derive(Args, Clone, Copy, Debug)]
struct PruneFlags {
    /// Remove tags at destinations that their source has no more: up to `max-share`, never for an empty source
    #[arg(long)]
    prune: bool,

    /// Remove them however many they are
    #[arg(long, requires = "prune")]
    force: bool,
}

/// Which tags of the one repository.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which tags (all that is given must hold)")]
pub(super) struct TagFlags {
    /// Only tags that match this glob (repeatable: one of them)
    #[arg(long = "match", value_name = "GLOB", conflicts_with = "rules")]
    matching: Vec<String>,

    /// Without tags that match this glob (repeatable)
    #[arg(long, value_name = "GLOB", conflicts_with = "rules")]
    exclude: Vec<String>,

    /// Only tags that this regular expression matches as a whole (repeatable: one of them)
    #[arg(long, value_name = "REGEX", conflicts_with = "rules")]
    regex: Vec<String>,

    /// Only tags that are versions in this range, e.g. '>=3.18, <4'
    #[arg(long, value_name = "RANGE", conflicts_with = "rules")]
    semver: Option<VersionReq>,

    /// Only the newest so many of them
    #[arg(long, value_name = "N", conflicts_with = "rules")]
    newest: Option<NonZeroUsize>,

    /// In which order they are the newest
    #[arg(long, value_name = "ORDER", requires = "newest", value_parser = order())]
    newest_by: Option<Order>,
}

impl TagFlags {
    /// Has the rule take what the flags say.
    ///
    /// # Errors
    /// A pattern is wrong.
    pub(super) fn apply(&self, rule: &mut Rule) -> Result<(), CommandError> {
        let wrong =
            |error: crate::mirror::FilterError| CommandError::usage(format!("a pattern of tags is wrong: {error}"));
        let regexes = self.regex.iter().map(|text| read_regex(text)).collect::<Result<_, _>>().map_err(wrong)?;
        let filter = Filter::all().matching(&self.matching).and_then(|filter| filter.without(&self.exclude));
        let filter = filter.map_err(wrong)?.matching_regexes(regexes).within(self.semver.clone());
        let newest = self.newest.map(|count| Newest { count, order: self.newest_by.unwrap_or_default() });
        rule.tags = TagFilter { filter, newest };
        Ok(())
    }
}

impl SyncArgs {
    /// What becomes of tags that the source has not.
    pub(super) const fn pruning(&self) -> Pruning {
        match (self.prune.prune, self.prune.force) {
            (false, _) => Pruning::Off,
            (true, false) => Pruning::Guarded,
            (true, true) => Pruning::Forced,
        }
    }
}

/// What the flags say of content holds for every rule, whatever it says.
pub(in super::super) fn override_content(content: &ContentFlags, rules: &mut Rules) {
    for rule in &mut rules.rules {
        if content.all_platforms {
            rule.platforms = Some(Vec::new());
        } else if !content.platforms.is_empty() {
            rule.platforms = Some(content.platforms.clone());
        }
        rule.attached = content.attached.or(rule.attached);
    }
}

/// Reads a form of rules, and offers the words in help and completion.
pub(in super::super) fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::word)).try_map(|word| word.parse::<Format>())
}

fn order() -> impl TypedValueParser<Value = Order> {
    PossibleValuesParser::new(Order::ALL.map(Order::word)).try_map(|word| word.parse::<Order>())
}
