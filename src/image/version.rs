//! Tags that are versions, and their order.

use std::cmp::Ordering;

use semver::Version;

use super::Tag;

impl Tag {
    /// The tag as a version: with or without `v`, with one to three numbers. What stands behind a `-` makes it a
    /// version that comes before the one without.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        let text = self.as_str();
        let text = text.strip_prefix('v').unwrap_or(text);
        let numbers = text.find(['-', '+']).unwrap_or(text.len());
        let (core, rest) = text.split_at(numbers);
        let missing = 2usize.checked_sub(core.matches('.').count())?;
        Version::parse(&format!("{core}{}{rest}", ".0".repeat(missing))).ok()
    }

    /// Highest version first; tags that are no versions behind them, by name.
    #[must_use]
    pub fn by_version(a: &Self, b: &Self) -> Ordering {
        match (a.version(), b.version()) {
            (Some(a), Some(b)) => b.cmp(&a),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => a.cmp(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(tags: &[&str]) -> Vec<String> {
        let mut tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        tags.sort_by(Tag::by_version);
        tags.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn versions_are_ordered_as_versions() {
        assert_eq!(
            sorted(&["3.9", "latest", "v3.10.1", "3.10.1-rc.1", "3", "edge"]),
            ["v3.10.1", "3.10.1-rc.1", "3.9", "3", "edge", "latest"]
        );
    }

    #[test]
    fn what_is_a_version() {
        for (tag, expected) in
            [("3", "3.0.0"), ("v1.2", "1.2.0"), ("1.2.3-rc.1", "1.2.3-rc.1"), ("1-alpine", "1.0.0-alpine")]
        {
            assert_eq!(
                tag.parse::<Tag>().unwrap().version().map(|v| v.to_string()).as_deref(),
                Some(expected),
                "{tag}"
            );
        }
        for tag in ["latest", "1.2.3.4", "v", "sha-1234"] {
            assert_eq!(tag.parse::<Tag>().unwrap().version(), None, "{tag}");
        }
    }
}
