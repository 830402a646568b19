//! The lists: repositories, and the tags of one.

use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use maud::{Markup, html};

use super::frame::{Wrong, bytes, commands, page, short, word};
use super::place::{behind, of_image, of_repository};
use super::{Shown, Visitor};
use crate::image::{Digest, Manifest, RepositoryName, Selector, Tag};
use crate::server::Server;

/// How many entries a page has.
const PAGE: usize = 50;
/// How many manifests are read at once.
const AT_ONCE: usize = 8;

/// A part of a list, and whether more comes.
struct Part<T> {
    entries: Vec<T>,
    total: usize,
    more: bool,
}

impl<T: Ord + ToString> Part<T> {
    /// The entries behind `last`.
    fn of(mut all: Vec<T>, last: Option<&str>) -> Self {
        all.sort();
        let total = all.len();
        if let Some(last) = last {
            all.retain(|entry| entry.to_string().as_str() > last);
        }
        let more = all.len() > PAGE;
        all.truncate(PAGE);
        Self { entries: all, total, more }
    }

    /// The way to the rest, where there is one, and back to the beginning.
    fn turn(&self, path: &str, last: Option<&str>) -> Markup {
        html! {
            nav.turn aria-label="More" {
                @if last.is_some() { a href=(path) { "« From the beginning" } }
                @if let (true, Some(end)) = (self.more, self.entries.last()) {
                    a.next href=(behind(path, &end.to_string())) { "More »" }
                }
            }
        }
    }
}

impl Server {
    /// The repositories that a visitor may read.
    pub(super) async fn repositories_page(&self, visitor: &Visitor<'_>, last: Option<&str>) -> Shown {
        let all: Vec<RepositoryName> = self.host.repositories().try_concat().await?;
        let seen = all.into_iter().filter(|name| visitor.principal.may_see(name)).collect();
        let part = Part::of(seen, last);
        let content = html! {
            h1 { "Repositories" span.count { (part.total) } }
            @if part.total == 0 {
                p.empty { "There is nothing to see yet. Bring something here:" }
                (commands(&[
                    format!("tranship copy docker.io/library/alpine:3.20 {}/os/alpine:3.20", visitor.host),
                    format!("docker push {}/NAME:TAG", visitor.host),
                ]))
            } @else {
                ul.names {
                    @for name in &part.entries {
                        li { a href=(of_repository(name)) { (split(name)) } }
                    }
                }
                (part.turn("/", last))
            }
        };
        Ok(page(visitor, "Repositories", &[], &content))
    }

    /// The tags of a repository.
    pub(super) async fn tags_page(&self, visitor: &Visitor<'_>, name: &RepositoryName, last: Option<&str>) -> Shown {
        if !visitor.principal.may_see(name) {
            return Err(Wrong::Missing);
        }
        let all: Vec<Tag> = self.host.tags(name).try_concat().await?;
        let part = Part::of(all, last);
        let mut rows = Vec::new();
        for some in part.entries.chunks(AT_ONCE) {
            let looked = try_join_all(some.iter().map(|tag| self.row(name, tag))).await?;
            rows.extend(looked.into_iter().flatten());
        }
        let path = of_repository(name);
        let content = html! {
            h1 { (split(name)) span.count { (part.total) @if part.total == 1 { " tag" } @else { " tags" } } }
            @if rows.is_empty() {
                p.empty { "It has no tags." }
            } @else {
                @let shown = rows.iter().find(|row| row.tag.as_str() == "latest").unwrap_or(&rows[0]);
                (commands(&[format!("docker pull {}/{name}:{}", visitor.host, shown.tag)]))
                table {
                    thead { tr { th { "Tag" } th { "Kind" } th.number { "Size" } th { "Digest" } } }
                    tbody {
                        @for row in &rows {
                            tr {
                                td { a href=(of_image(name, &Selector::Tag(row.tag.clone()))) { (row.tag) } }
                                td { (row.kind) }
                                td.number { (row.size.map(bytes).unwrap_or_default()) }
                                td { (short(&row.digest)) }
                            }
                        }
                    }
                }
                (part.turn(&path, last))
            }
        };
        Ok(page(visitor, name.as_str(), &[(name.to_string(), path)], &content))
    }
}

/// A tag, and what it points at.
struct Row {
    tag: Tag,
    kind: String,
    /// The bytes of all that an image consists of; of several platforms there is no one size.
    size: Option<u64>,
    digest: Digest,
}

impl Server {
    /// The row of a tag. One that goes meanwhile has none.
    async fn row(&self, name: &RepositoryName, tag: &Tag) -> Result<Option<Row>, Wrong> {
        let found = self.host.manifest(name, &Selector::Tag(tag.clone())).await;
        let manifest = match found.map_err(Wrong::from) {
            Err(Wrong::Missing) => return Ok(None),
            found => found?,
        };
        let (kind, size) = match manifest.manifest() {
            Manifest::Index(_) => (format!("{} manifests", manifest.manifest().children().len()), None),
            Manifest::Image(image) => {
                let size = manifest.manifest().blobs().map(|blob| blob.size).fold(0, u64::saturating_add);
                let is_image = image.config.media_type.is_image_config() && image.artifact_type.is_none();
                let kind = manifest.manifest().artifact_type().filter(|_| !is_image).unwrap_or("image");
                (word(kind), Some(size))
            }
        };
        Ok(Some(Row { tag: tag.clone(), kind, size, digest: manifest.digest().clone() }))
    }
}

/// A name, its last part apart.
fn split(name: &RepositoryName) -> Markup {
    let (above, last) = name.as_str().rsplit_once('/').map_or(("", name.as_str()), |(above, last)| (above, last));
    html! {
        @if !above.is_empty() { span.above { (above) "/" } }
        span.last { (last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_in_pages_that_meet() {
        let all: Vec<Tag> = (0..120).map(|number| format!("v{number:03}").parse().unwrap()).collect();
        let mut seen = Vec::new();
        let mut last: Option<String> = None;
        loop {
            let part = Part::of(all.iter().rev().cloned().collect(), last.as_deref());
            assert!(part.entries.len() <= PAGE && part.total == 120);
            seen.extend(part.entries.clone());
            last = part.entries.last().map(ToString::to_string);
            if !part.more {
                break;
            }
        }
        assert_eq!(seen, all);
    }
}
