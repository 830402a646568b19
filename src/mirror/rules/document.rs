//! The rules in this program's own form.

use std::num::NonZeroUsize;

use super::super::filter::{Extent, glob, is_plain, regex};
use super::super::{Filter, Newest, Order, TagFilter};
use super::{Base, Destinations, Reading, Rule, Scoping, Subject, To, destination};
use crate::yaml::{Fields, Kind, Place, Read, Reader, from_text};

const DOCUMENT: Kind = Kind { shown: "the rules", known: &["defaults", "rules"], ignored: &[] };

const DEFAULTS: Kind = Kind {
    shown: "the defaults",
    known: &["to", "tags", "platforms", "attached", "prune", "backup-tag"],
    ignored: &[],
};

const RULE: Kind = Kind {
    shown: "a rule",
    known: &["from", "repositories", "to", "tags", "platforms", "attached", "prune", "backup-tag"],
    ignored: &[],
};

const TAGS: Kind = Kind {
    shown: "the tags of a rule",
    known: &["match", "exclude", "regex", "semver", "newest", "newest-by"],
    ignored: &[],
};

const REPOSITORIES: Kind =
    Kind { shown: "the repositories of a rule", known: &["match", "exclude", "regex"], ignored: &[] };

const PRUNE: Kind = Kind { shown: "`prune`", known: &["max-share"], ignored: &[] };

/// Reads the whole document.
pub(super) fn read(reader: &mut Reader, place: Place<'_>, reading: Reading<'_>) -> Vec<Rule> {
    let Some(mut fields) = reader.fields(place, &DOCUMENT) else { return Vec::new() };
    let defaults = fields.place("defaults");
    let defaults = defaults
        .and_then(|place| read_defaults(fields.reader, place, reading))
        .unwrap_or_else(|| Defaults { to: bases(reading.to, reading), ..Defaults::default() });
    let places = fields.items("rules");
    if places.is_empty() && fields.reader.problems.is_empty() {
        fields.problem("there are no `rules`, so there is nothing to do");
    }
    places.into_iter().filter_map(|place| read_rule(fields.reader, place, &defaults, reading)).collect()
}

/// What holds where a rule says nothing.
#[derive(Default)]
struct Defaults {
    to: Vec<To>,
    tags: Option<TagFilter>,
    rest: Rest,
}

/// What a rule says apart from what is taken and where it is to be.
#[derive(Clone, Default)]
struct Rest {
    platforms: Option<Vec<crate::image::Platform>>,
    attached: Option<crate::image::Attached>,
    prune: Option<super::Share>,
    backup: Option<super::BackupName>,
}

/// The places that the command line names for all.
fn bases(words: &[String], reading: Reading<'_>) -> Vec<To> {
    // What is wrong with a word of the command line its reader says; here only good ones come.
    words.iter().filter_map(|word| Base::parse(word, reading.naming).ok()).map(To::Whole).collect()
}

fn read_defaults(reader: &mut Reader, place: Place<'_>, reading: Reading<'_>) -> Option<Defaults> {
    let mut fields = reader.fields(place, &DEFAULTS)?;
    let named = fields.several("to", |text| Base::parse(text, reading.naming).map_err(|error| error.to_string()));
    let to = match reading.to {
        [] => named.unwrap_or_default().into_iter().map(To::Whole).collect(),
        words => bases(words, reading),
    };
    let tags = read_tags(&mut fields);
    Some(Defaults { to, tags, rest: read_rest(&mut fields) })
}

fn read_rest(fields: &mut Fields<'_, '_>) -> Rest {
    Rest {
        platforms: fields.several("platforms", from_text),
        attached: fields.optional("attached", from_text),
        prune: read_prune(fields),
        backup: fields.optional("backup-tag", from_text),
    }
}

/// Reads `prune`; without a share it allows the usual one.
fn read_prune(fields: &mut Fields<'_, '_>) -> Option<super::Share> {
    let place = fields.place("prune")?;
    let mut prune = fields.reader.fields(place, &PRUNE)?;
    Some(prune.amount("max-share", from_text).unwrap_or(super::Share::USUAL))
}

fn read_rule(reader: &mut Reader, place: Place<'_>, defaults: &Defaults, reading: Reading<'_>) -> Option<Rule> {
    let mut fields = reader.fields(place, &RULE)?;
    let from = fields.required("from", |text| Subject::parse(text, reading.naming).map_err(|error| error.to_string()));
    let tags = read_tags(&mut fields);
    let repositories = read_repositories(&mut fields);
    let mut rest = read_rest(&mut fields);
    let from = from?;
    let to = read_to(&mut fields, &from, defaults, reading);
    refuse_contradictions(&mut fields, &from, &to);
    let one = matches!(from, Subject::Image { .. });
    let tags = tags.or_else(|| defaults.tags.clone().filter(|_| !one)).unwrap_or_default();
    rest.platforms = rest.platforms.or_else(|| defaults.rest.platforms.clone());
    Some(Rule {
        repositories: repositories.unwrap_or_default(),
        to,
        tags,
        platforms: rest.platforms,
        attached: rest.attached.or(defaults.rest.attached),
        prune: rest.prune.or(defaults.rest.prune.filter(|_| !one)),
        backup: rest.backup.or_else(|| defaults.rest.backup.clone()),
        from,
    })
}

fn read_to(fields: &mut Fields<'_, '_>, from: &Subject, defaults: &Defaults, reading: Reading<'_>) -> Vec<To> {
    let named = fields.several("to", |text| destination(text, from, reading.naming).map_err(|error| error.to_string()));
    let said = fields.place("to").is_some();
    if !said && defaults.to.is_empty() && reading.destinations == Destinations::Needed {
        fields.problem("`to` is missing, and `defaults` name none");
    }
    let whole = reading.scoping == Scoping::Whole;
    let to = named.unwrap_or_else(|| defaults.to.clone());
    to.into_iter().map(|to| if whole { scoped(to) } else { to }).collect()
}

/// The same place with the whole name of each repository below it.
fn scoped(to: To) -> To {
    match to {
        To::Below(base) | To::Last(base) => To::Whole(base),
        other => other,
    }
}

fn read_repositories(fields: &mut Fields<'_, '_>) -> Option<Filter> {
    let place = fields.place("repositories")?;
    let mut below = fields.reader.fields(place, &REPOSITORIES)?;
    let patterns = Patterns::read(&mut below);
    Some(patterns.filter)
}

fn read_tags(fields: &mut Fields<'_, '_>) -> Option<TagFilter> {
    let place = fields.place("tags")?;
    let mut tags = fields.reader.fields(place, &TAGS)?;
    let patterns = Patterns::read(&mut tags);
    let range = tags.optional("semver", super::ranges::range);
    let count = tags.amount("newest", |text| {
        text.parse::<NonZeroUsize>().map_err(|_| format!("`{}` is not a number from 1", text.escape_debug()))
    });
    let order = tags.optional("newest-by", from_text::<Order>);
    match (&patterns.matching[..], tags.place("newest"), tags.place("newest-by")) {
        (_, None, Some(place)) => {
            tags.reader.problem(&place, "`newest-by` says in which order, and without `newest` nothing is ordered");
        }
        ([one], Some(place), _) if is_plain(one) => {
            let what = format!("`newest` picks among tags, and `match` names the one tag `{}`", one.escape_debug());
            tags.reader.problem(&place, what);
        }
        _ => {}
    }
    let newest = count.map(|count| Newest { count, order: order.unwrap_or_default() });
    Some(TagFilter { filter: patterns.filter.within(range), newest })
}

/// `match`, `exclude` and `regex`.
struct Patterns {
    matching: Vec<String>,
    filter: Filter,
}

impl Patterns {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let pattern =
            |text: &str| -> Read<String> { glob(text).map(|_| text.to_owned()).map_err(|error| error.to_string()) };
        let matching = fields.several("match", pattern).unwrap_or_default();
        let excluded = fields.several("exclude", pattern).unwrap_or_default();
        let regexes = fields.several("regex", |text| regex(text, Extent::Whole).map_err(|error| error.to_string()));
        let without = Filter::all().without(&excluded).unwrap_or_default();
        let taken_away = |text: &String| excluded.contains(text) || is_plain(text) && !without.takes_name(text);
        if let Some(place) = fields.place("exclude")
            && !matching.is_empty()
            && matching.iter().all(taken_away)
        {
            fields.reader.problem(&place, "`exclude` takes away everything that `match` takes");
        }
        // Every one was read by itself already.
        let filter = without.matching(&matching).unwrap_or_default().matching_regexes(regexes.unwrap_or_default());
        Self { matching, filter }
    }
}

/// Refuses what by itself is right and together makes no sense.
fn refuse_contradictions(fields: &mut Fields<'_, '_>, from: &Subject, to: &[To]) {
    if let Subject::Image { .. } = from {
        for (key, because) in [
            ("tags", "picks among tags"),
            ("repositories", "picks among repositories"),
            ("prune", "removes what the source has no more"),
        ] {
            if let Some(place) = fields.place(key) {
                fields.reader.problem(&place, format!("`{key}` {because}, and `from` names the one image `{from}`"));
            }
        }
    } else if let (Subject::Repository(path), Some(place)) = (from, fields.place("repositories")) {
        fields.reader.problem(&place, format!("`repositories` picks among several, and `from` names one, `{path}`"));
    }
    let place = fields.place("to");
    for (number, one) in to.iter().enumerate() {
        let problem = match (one, from) {
            _ if to[..number].contains(one) => Some("`to` names a place twice".to_owned()),
            (To::Exact(path, None), Subject::Repository(source) | Subject::Image { path: source, .. })
                if path == source =>
            {
                Some(format!("`to` is where `from` is, `{path}`"))
            }
            _ => None,
        };
        if let (Some(what), Some(place)) = (problem, &place) {
            fields.reader.problem(place, what);
        }
    }
}
