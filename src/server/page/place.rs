//! The addresses of pages: `/`, `/images/NAME`, `/images/NAME:TAG`, `/images/NAME@DIGEST`. No name holds a `:` or
//! an `@`, so each means one thing.

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::image::{Digest, RepositoryName, Selector, Tag};

/// The longest address that is looked at.
const MAX_PATH: usize = 2048;

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The repositories behind one name.
    Repositories { last: Option<String> },
    /// The tags of a repository behind one of them.
    Tags { repository: RepositoryName, last: Option<String> },
    /// A manifest.
    Image { repository: RepositoryName, selector: Selector },
    /// Where a browser asks for a name and a password.
    Login,
    /// The style of all pages.
    Style,
    /// Written like a page, and none.
    Nowhere,
}

impl Place {
    /// Reads an address; `None` where it is not written like one of a page.
    pub(super) fn read(path: &str, query: Option<&str>) -> Option<Self> {
        let last = || {
            let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            pairs.find(|(key, _)| key == "last").map(|(_, value)| value.into_owned())
        };
        match path {
            "/" => Some(Self::Repositories { last: last() }),
            "/login" => Some(Self::Login),
            "/style.css" => Some(Self::Style),
            _ => {
                let rest = path.strip_prefix("/images/")?;
                Some(Self::image(rest, last()).unwrap_or(Self::Nowhere))
            }
        }
    }

    fn image(text: &str, last: Option<String>) -> Option<Self> {
        if text.len() > MAX_PATH {
            return None;
        }
        let text = percent_decode_str(text).decode_utf8().ok()?;
        if let Some((name, digest)) = text.split_once('@') {
            let digest: Digest = digest.parse().ok()?;
            return Some(Self::Image { repository: name.parse().ok()?, selector: Selector::Digest(digest) });
        }
        if let Some((name, tag)) = text.split_once(':') {
            let tag: Tag = tag.parse().ok()?;
            return Some(Self::Image { repository: name.parse().ok()?, selector: Selector::Tag(tag) });
        }
        Some(Self::Tags { repository: text.parse().ok()?, last })
    }
}

/// The address of the page of a repository.
pub(super) fn of_repository(repository: &RepositoryName) -> String {
    format!("/images/{repository}")
}

/// The address of the page of a manifest. What stands in names, tags and digests stands for itself in a path.
pub(super) fn of_image(repository: &RepositoryName, selector: &Selector) -> String {
    match selector {
        Selector::Tag(tag) => format!("/images/{repository}:{tag}"),
        Selector::Digest(digest) => format!("/images/{repository}@{digest}"),
    }
}

/// The address of the next page of a list.
pub(super) fn behind(path: &str, last: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("last", last).finish();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        let repository: RepositoryName = "team/app".parse().unwrap();
        for selector in [Selector::Tag("v1.0".parse().unwrap()), Selector::Digest(Digest::of(b"x"))] {
            let read = Place::read(&of_image(&repository, &selector), None);
            assert_eq!(read, Some(Place::Image { repository: repository.clone(), selector }));
        }
        let read = Place::read(&of_repository(&repository), Some("last=v1"));
        assert_eq!(read, Some(Place::Tags { repository, last: Some("v1".to_owned()) }));
        assert_eq!(Place::read("/", Some("x=y")), Some(Place::Repositories { last: None }));
        assert_eq!(behind("/", "a/b&c"), "/?last=a%2Fb%26c");
        for nowhere in ["/images/", "/images/../x", "/images/A", "/images/a:", "/images/a@b", "/images/a%2f%2fb"] {
            assert_eq!(Place::read(nowhere, None), Some(Place::Nowhere), "{nowhere}");
        }
        for others in ["/v2/", "/images", "/favicon.ico", ""] {
            assert_eq!(Place::read(others, None), None, "{others}");
        }
    }
}
