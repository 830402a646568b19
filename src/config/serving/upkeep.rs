//! What `serve` does by itself, as its file says it: upkeep, retention, and automatic pull.

use std::time::Duration;

use globset::GlobBuilder;

use super::read::size;
use crate::yaml::{Fields, Kind, Place, Read, Reader};

/// The longest time that can be said.
const MAX_TIME: Duration = Duration::from_hours(10 * 365 * 24);
/// The most tags that can be said to be kept.
const MAX_KEEP: usize = 1_000_000;

/// How the place is kept in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServingUpkeep {
    /// How often what nothing needs is collected; the default is `1h`.
    pub every: Option<Duration>,
    /// How long content that nothing names yet is kept for a push that may need it; the default is `24h`.
    pub grace: Option<Duration>,
    /// When an upload that nobody goes on with is given up; the default is `168h`.
    pub abandoned_after: Option<Duration>,
    /// How often everything is read and compared with its digests. Unset, never.
    pub scrub_every: Option<Duration>,
    /// The most that is kept, e.g. `50GiB`.
    pub quota: Option<u64>,
    /// Which repositories keep how much; of several rules the first that fits holds.
    pub retention: Vec<RetentionEntry>,
}

/// What stays in the repositories that it fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionEntry {
    /// A glob for names of repositories: `*` within a part, `**` across parts. Unset, all.
    pub repositories: Option<String>,
    /// How many tags stay of each: those that moved last.
    pub keep: Option<usize>,
    /// What is younger stays.
    pub keep_younger_than: Option<Duration>,
    /// When what has no tag goes. Unset, never; where there is a `keep`, at once.
    pub untagged_after: Option<Duration>,
}

/// Automatic pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServingUpstream {
    /// Whether what is missing is fetched from the remote registries of the configuration.
    pub enabled: Option<bool>,
    /// How old a tag from there gets before it is compared again; the default is `10m`.
    pub fresh: Option<Duration>,
}

impl ServingUpkeep {
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            every: self.every.or(below.every),
            grace: self.grace.or(below.grace),
            abandoned_after: self.abandoned_after.or(below.abandoned_after),
            scrub_every: self.scrub_every.or(below.scrub_every),
            quota: self.quota.or(below.quota),
            retention: [self.retention, below.retention].concat(),
        }
    }
}

impl ServingUpstream {
    pub(super) fn over(self, below: Self) -> Self {
        Self { enabled: self.enabled.or(below.enabled), fresh: self.fresh.or(below.fresh) }
    }
}

const UPKEEP: Kind = Kind {
    shown: "the upkeep",
    known: &["every", "grace", "abandoned-after", "scrub-every", "quota", "retention"],
    ignored: &[],
};

const RETENTION: Kind = Kind {
    shown: "a rule of retention",
    known: &["repositories", "keep", "keep-younger-than", "untagged-after"],
    ignored: &[],
};

const UPSTREAM: Kind = Kind { shown: "the upstream", known: &["enabled", "fresh"], ignored: &[] };

/// Reads the key `upkeep`.
pub(super) fn upkeep(fields: &mut Fields<'_, '_>) -> ServingUpkeep {
    let place = fields.place("upkeep");
    let Some(mut fields) = place.and_then(|place| fields.reader.fields(place, &UPKEEP)) else {
        return ServingUpkeep::default();
    };
    let rules = fields.items("retention");
    ServingUpkeep {
        every: fields.amount("every", time),
        grace: fields.amount("grace", time),
        abandoned_after: fields.amount("abandoned-after", time),
        scrub_every: fields.amount("scrub-every", time),
        quota: fields.amount("quota", size),
        retention: rules.into_iter().filter_map(|place| retention(fields.reader, place)).collect(),
    }
}

fn retention(reader: &mut Reader, place: Place<'_>) -> Option<RetentionEntry> {
    let mut fields = reader.fields(place, &RETENTION)?;
    Some(RetentionEntry {
        repositories: fields.optional("repositories", glob),
        keep: fields.amount("keep", keep),
        keep_younger_than: fields.amount("keep-younger-than", time),
        untagged_after: fields.amount("untagged-after", time),
    })
}

/// Reads the key `upstream`.
pub(super) fn upstream(fields: &mut Fields<'_, '_>) -> ServingUpstream {
    let place = fields.place("upstream");
    let Some(mut fields) = place.and_then(|place| fields.reader.fields(place, &UPSTREAM)) else {
        return ServingUpstream::default();
    };
    ServingUpstream { enabled: fields.switch("enabled"), fresh: fields.amount("fresh", time) }
}

fn glob(text: &str) -> Read<String> {
    match GlobBuilder::new(text).literal_separator(true).build() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("`{}` is no pattern: {}", text.escape_debug(), error.kind())),
    }
}

fn keep(text: &str) -> Read<usize> {
    let number = text.parse().ok().filter(|number| *number <= MAX_KEEP);
    number.ok_or_else(|| format!("`{}` is not a number up to {MAX_KEEP}", text.escape_debug()))
}

fn time(text: &str) -> Read<Duration> {
    let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    let good = time.filter(|time| !time.is_zero() && *time <= MAX_TIME);
    good.ok_or_else(|| format!("`{}` is not a time; one is written as in 30m or 24h", text.escape_debug()))
}
