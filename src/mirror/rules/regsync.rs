//! The rules of regclient's `regsync`, as far as they say which images are to be where.

use super::super::filter::{Extent, regex};
use super::super::{BackupName, Filter, TagFilter};
use super::{Reading, Rule, Subject, destination, ranges};
use crate::image::{Attached, Platform};
use crate::yaml::{Fields, Kind, Place, Read, Reader, Value, from_text};

const DOCUMENT: Kind =
    Kind { shown: "the configuration of regsync", known: &["version", "defaults", "sync"], ignored: &["creds"] };

/// What says how regsync works, rather than what is to be where.
const WORKINGS: &[&str] = &[
    "ratelimit",
    "parallel",
    "interval",
    "schedule",
    "cacheCount",
    "cacheTime",
    "mediaTypes",
    "skipDockerConfig",
    "blobLimit",
    "userAgent",
    "fastCopy",
    "forceRecursive",
    "includeExternal",
    "referrerFilters",
    "referrerSource",
    "referrerTarget",
    "hooks",
];

const DEFAULTS: Kind = Kind {
    shown: "the defaults",
    known: &["backup", "digestTags", "referrers", "platform", "platforms"],
    ignored: WORKINGS,
};

const ENTRY: Kind = Kind {
    shown: "an entry of `sync`",
    known: &["source", "target", "type", "tags", "repos", "platform", "platforms", "backup", "digestTags", "referrers"],
    ignored: WORKINGS,
};

const TAGS: Kind = Kind { shown: "`tags`", known: &["allow", "deny", "semverRange"], ignored: &[] };

const REPOSITORIES: Kind = Kind { shown: "`repos`", known: &["allow", "deny"], ignored: &[] };

/// The document with what YAML merges merged, and without the keys that begin with `x-`, which hold anchors.
pub(super) fn prepared(value: &Value) -> Value {
    let mut value = value.clone();
    // What cannot be merged is told when the key `<<` is met.
    let _ = value.apply_merge();
    if let Value::Mapping(mapping) = &mut value {
        mapping.retain(|key, _| key.as_str().is_none_or(|key| !key.starts_with("x-")));
    }
    value
}

/// Reads the whole document.
pub(super) fn read(reader: &mut Reader, place: Place<'_>, reading: Reading<'_>) -> Vec<Rule> {
    let Some(mut fields) = reader.fields(place, &DOCUMENT) else { return Vec::new() };
    fields.amount("version", |text| match text {
        "1" => Ok(()),
        _ => Err(format!("only version 1 is known, and this is {}", text.escape_debug())),
    });
    let defaults = fields.place("defaults");
    let defaults = defaults.and_then(|place| Some(Rest::read(&mut fields.reader.fields(place, &DEFAULTS)?)));
    let places = fields.items("sync");
    if places.is_empty() && fields.reader.problems.is_empty() {
        fields.problem("there are no entries under `sync`, so there is nothing to do");
    }
    let defaults = defaults.unwrap_or_default();
    places.into_iter().filter_map(|place| read_entry(fields.reader, place, &defaults, reading)).collect()
}

/// What an entry says apart from what is taken and where it is to be.
#[derive(Default)]
struct Rest {
    platforms: Option<Vec<Platform>>,
    attached: Option<Attached>,
    backup: Option<BackupName>,
}

impl Rest {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let one = fields.optional("platform", from_text).map(|platform| vec![platform]);
        let several = fields.several("platforms", from_text);
        let attached = [truth(fields, "digestTags"), truth(fields, "referrers")];
        Self {
            platforms: several.or(one),
            attached: attached.into_iter().flatten().reduce(|a, b| a || b).map(attached_if),
            backup: fields.optional("backup", backup),
        }
    }
}

fn attached_if(wanted: bool) -> Attached {
    if wanted { Attached::Image } else { Attached::None }
}

fn truth(fields: &mut Fields<'_, '_>, key: &str) -> Option<bool> {
    let place = fields.place(key)?;
    let truth = place.value.as_bool();
    if truth.is_none() {
        fields.reader.problem(&place, format!("`{key}` is true or false"));
    }
    truth
}

/// Reads the template of a backup: the one word that is understood is the tag.
fn backup(text: &str) -> Read<BackupName> {
    let mut name = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (word, behind) = behind.split_once("}}").ok_or("a `{{` is not closed")?;
        if word.trim() != ".Ref.Tag" {
            return Err(format!(
                "`{{{{{}}}}}` is not understood here; `{{{{ .Ref.Tag }}}}` is, and `backup-tag` of this program's form \
                 knows the date too",
                word.escape_debug()
            ));
        }
        name.extend([before, "{tag}"]);
        rest = behind;
    }
    name.push_str(rest);
    from_text(&name)
}

fn read_entry(reader: &mut Reader, place: Place<'_>, defaults: &Rest, reading: Reading<'_>) -> Option<Rule> {
    let mut fields = reader.fields(place, &ENTRY)?;
    let kind = fields.required("type", |text| match text {
        "registry" | "repository" | "image" => Ok(text.to_owned()),
        _ => Err(format!("`{}` is not one of registry, repository, image", text.escape_debug())),
    });
    let source = fields.required("source", plain);
    let target = fields.required("target", plain);
    let rest = Rest::read(&mut fields);
    let tags = fields.place("tags").and_then(|place| read_filter(fields.reader, place, &TAGS));
    let repositories = fields.place("repos").and_then(|place| read_filter(fields.reader, place, &REPOSITORIES));
    let (kind, source, target) = (kind?, source?, target?);
    let from = match kind.as_str() {
        "registry" => Subject::parse(&format!("{source}/*"), reading.naming),
        "image" if !has_tag(&source) => Subject::parse(&format!("{source}:latest"), reading.naming),
        _ => Subject::parse(&source, reading.naming),
    };
    let from = said(&mut fields, "source", from)?;
    if kind == "repository" && !matches!(from, Subject::Repository(_)) {
        fields.problem("`type` is repository, and `source` names one image");
    }
    let to = destination(&target, &from, reading.naming);
    let to = said(&mut fields, "target", to)?;
    let mut rule = Rule::new(from, vec![to]);
    rule.repositories = repositories.unwrap_or_default();
    rule.tags = TagFilter { filter: tags.unwrap_or_default(), newest: None };
    rule.platforms = rest.platforms.or_else(|| defaults.platforms.clone());
    // What refers to an image regsync leaves behind where nothing is said.
    rule.attached = rest.attached.or(defaults.attached).or(Some(Attached::None));
    rule.backup = rest.backup.or_else(|| defaults.backup.clone());
    Some(rule)
}

fn has_tag(text: &str) -> bool {
    text[text.rfind('/').map_or(0, |slash| slash + 1)..].contains([':', '@'])
}

fn said<T>(fields: &mut Fields<'_, '_>, key: &str, read: Result<T, super::PathError>) -> Option<T> {
    read.map_err(|error| {
        if let Some(place) = fields.place(key) {
            fields.reader.problem(&place, format!("`{key}`: {error}"));
        }
    })
    .ok()
}

fn plain(text: &str) -> Read<String> {
    if text.contains("{{") {
        return Err("templates are not understood here; write what they come to".to_owned());
    }
    Ok(text.to_owned())
}

fn read_filter(reader: &mut Reader, place: Place<'_>, kind: &Kind) -> Option<Filter> {
    let mut fields = reader.fields(place, kind)?;
    let expression = |text: &str| regex(text, Extent::Whole).map_err(|error| error.to_string());
    let allow = fields.several("allow", expression).unwrap_or_default();
    let deny = fields.several("deny", expression).unwrap_or_default();
    let ranges = fields.several("semverRange", ranges::foreign).unwrap_or_default();
    let ranges = ranges.into_iter().flatten();
    Some(Filter::all().matching_regexes(allow).without_regexes(deny).within(ranges))
}
