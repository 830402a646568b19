//! The rules of `skopeo sync --src yaml`. They do not say where to; that stands on the command line.

use std::collections::HashMap;

use super::super::filter::{Extent, regex};
use super::super::{Filter, TagFilter};
use super::{Base, Destinations, Reading, Rule, Scoping, Subject, To, ranges};
use crate::image::Attached;
use crate::yaml::{Fields, Kind, Place, Reader, Scalar, Value};

const REGISTRY: Kind = Kind {
    shown: "a registry",
    known: &["images", "images-by-tag-regex", "images-by-semver"],
    ignored: &["credentials", "tls-verify", "cert-dir"],
};

/// Reads the whole document.
pub(super) fn read(reader: &mut Reader, place: &Place<'_>, reading: Reading<'_>) -> Vec<Rule> {
    let Some(registries) = members(reader, place, "the rules of skopeo") else { return Vec::new() };
    if reading.to.is_empty() && reading.destinations == Destinations::Needed {
        reader.problem(
            place,
            "rules of skopeo do not say where to; name it: `tranship sync -f FILE --rules-format skopeo DST`",
        );
    }
    let mut rules = Vec::new();
    for (name, place) in registries {
        let Some(fields) = reader.fields(place, &REGISTRY) else { continue };
        let mut registry = Registry { name, fields, reading, rules: &mut rules };
        registry.images();
        registry.by_regex();
        registry.by_range();
    }
    if rules.is_empty() && reader.problems.is_empty() {
        reader.problem(place, "there are no images, so there is nothing to do");
    }
    refuse_collisions(reader, place, &rules);
    rules
}

/// One registry's part of the document.
struct Registry<'r, 'v> {
    name: String,
    fields: Fields<'r, 'v>,
    reading: Reading<'r>,
    rules: &'r mut Vec<Rule>,
}

impl<'v> Registry<'_, 'v> {
    /// What stands below a key, by repository.
    fn below(&mut self, key: &str) -> Vec<(String, Place<'v>)> {
        let place = self.fields.place(key).filter(|place| !place.value.is_null());
        place.and_then(|place| members(self.fields.reader, &place, &format!("`{key}`"))).unwrap_or_default()
    }

    /// `images`: by repository their tags or digests; all tags where there are none.
    fn images(&mut self) {
        for (repository, place) in self.below("images") {
            let items = self.fields.reader.items(&place, &repository);
            if items.is_empty() {
                self.rule(&repository, &place, Filter::all());
            }
            for item in items {
                let read = |text: &str| Ok::<_, String>(text.to_owned());
                let Some(tag) = self.fields.reader.parse(&item, &repository, Scalar::Text, read) else { continue };
                let sign = if tag.contains(':') { '@' } else { ':' };
                self.rule(&format!("{repository}{sign}{tag}"), &item, Filter::all());
            }
        }
    }

    fn by_regex(&mut self) {
        for (repository, place) in self.below("images-by-tag-regex") {
            let expression = |text: &str| regex(text, Extent::Part).map_err(|error| error.to_string());
            let read = self.fields.reader.parse(&place, &repository, Scalar::Text, expression);
            if let Some(expression) = read {
                self.rule(&repository, &place, Filter::all().matching_regexes(vec![expression]));
            }
        }
    }

    fn by_range(&mut self) {
        for (repository, place) in self.below("images-by-semver") {
            let read = self.fields.reader.parse(&place, &repository, Scalar::Text, ranges::foreign);
            if let Some(ranges) = read {
                self.rule(&repository, &place, Filter::all().within(ranges));
            }
        }
    }

    fn rule(&mut self, image: &str, place: &Place<'_>, filter: Filter) {
        let from = match Subject::parse(&format!("{}/{image}", self.name), self.reading.naming) {
            Ok(from) => from,
            Err(error) => return self.fields.reader.problem(place, error.to_string()),
        };
        let bases = self.reading.to.iter().filter_map(|word| Base::parse(word, self.reading.naming).ok());
        let to = |base| match self.reading.scoping {
            Scoping::Usual => To::Last(base),
            Scoping::Whole => To::Whole(base),
        };
        let mut rule = Rule::new(from, bases.map(to).collect());
        rule.tags = TagFilter { filter, newest: None };
        // skopeo leaves behind what refers to an image.
        rule.attached = Some(Attached::None);
        self.rules.push(rule);
    }
}

/// The keys of the mapping at `place`, which can be any, and what stands at each.
fn members<'v>(reader: &mut Reader, place: &Place<'v>, shown: &str) -> Option<Vec<(String, Place<'v>)>> {
    let Value::Mapping(mapping) = place.value else {
        reader.problem(place, format!("keys and values are expected for {shown}"));
        return None;
    };
    let mut found = Vec::new();
    for (key, value) in mapping {
        match key.as_str() {
            Some(key) => found.push((key.to_owned(), place.below(key, value))),
            None => reader.problem(place, format!("a key of {shown} is no word")),
        }
    }
    Some(found)
}

/// Refuses repositories that would become one, because only the last part of their names is left.
fn refuse_collisions(reader: &mut Reader, place: &Place<'_>, rules: &[Rule]) {
    let mut sources = HashMap::new();
    for rule in rules {
        let (Subject::Repository(source) | Subject::Image { path: source, .. }) = &rule.from else { continue };
        for target in rule.to.iter().filter_map(|to| to.resolve(&rule.from, source).ok()) {
            let other = sources.entry(target.clone()).or_insert(source);
            if *other != source {
                let what = format!(
                    "`{other}` and `{source}` would both become `{target}`; `--scoped` keeps their whole names"
                );
                return reader.problem(place, what);
            }
        }
    }
}
