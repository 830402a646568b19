//! `images`: what the home holds.

use std::io::{self, Write};

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;

use super::flags::RegistryFlags;
use super::inspect::overview;
use super::{CommandError, CommandResult, LOOKS, Outcome, cannot};
use crate::image::{Digest, ImageReference, NameError, Naming, RegistryPath, RepositoryName, Selector, Tag};
use crate::output::{Page, Report, Table, age, size};
use crate::registry::{Catalog as _, Error, ErrorKind, Registry};
use crate::session::{Session, SessionError};
use crate::store::{KeptImage, Untagged};

/// Flags of `images`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship images\n  $ tranship images docker.io/library -o json\n  \
    $ tranship images alpine:3.20")]
pub(crate) struct ImagesArgs {
    /// Only images of this name or below it: as listed, as in its registry, or a part of it, with a tag or without
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// With manifests that nothing names (the store, and a home registry that is `tranship serve`)
    #[arg(long)]
    untagged: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Lists the images of the home: the store, or the home registry.
///
/// # Errors
/// The home cannot be read.
pub(super) async fn run(args: ImagesArgs, session: &Session) -> CommandResult {
    let doing = "list the images at home";
    let settings = &session.config().map_err(cannot(doing))?.settings;
    let wanted = args.name.as_deref().map(Wanted::parse).transpose();
    let wanted = wanted.map_err(SessionError::from).map_err(cannot(doing))?;
    let takes = |repository: &RepositoryName, tag: Option<&Tag>| {
        wanted.as_ref().is_none_or(|wanted| wanted.takes(repository, tag))
    };
    let untagged = if args.untagged { Untagged::Shown } else { Untagged::Hidden };
    let mut images = if let Some(home) = &settings.home_registry {
        of_home_registry(home, &takes, untagged, &args, session).await?
    } else {
        let store = session.store().map_err(cannot(doing))?;
        store.images(untagged).await.map_err(cannot(doing))?.into_iter().map(Line::from).collect()
    };
    images.retain(|line| takes(&line.repository, line.tag.as_ref()));
    if let (true, Some(name)) = (images.is_empty(), &args.name) {
        session.console().hint(&format!("no image at home is called `{name}`; `tranship images` lists all"));
    }
    Ok(Outcome::done(ImagesReport { images }))
}

/// What a registry tells of its images: one of our own all at once, others tag by tag.
async fn of_home_registry(
    home: &RegistryPath,
    takes: &impl Fn(&RepositoryName, Option<&Tag>) -> bool,
    untagged: Untagged,
    args: &ImagesArgs,
    session: &Session,
) -> Result<Vec<Line>, CommandError> {
    if let Some(lines) = of_our_registry(home, untagged, args, session).await? {
        return Ok(lines);
    }
    if untagged == Untagged::Hidden {
        return of_registry(home, takes, args, session).await;
    }
    Err(CommandError::usage(format!(
        "the home registry `{home}` does not show what nothing names; `--untagged` is for the store and for `tranship serve`"
    )))
}

/// What a registry of our own tells of itself, in one answer; `None` where it is another's, or does not tell us.
async fn of_our_registry(
    home: &RegistryPath,
    untagged: Untagged,
    args: &ImagesArgs,
    session: &Session,
) -> Result<Option<Vec<Line>>, CommandError> {
    let doing = || format!("list the images of the home registry `{home}`");
    let client = session.client(&home.registry, None, &args.registry.access()).await.map_err(cannot(doing()))?;
    let kept = match client.kept_images(untagged).await {
        Err(error) if error.kind() == ErrorKind::Denied && untagged == Untagged::Hidden => return Ok(None),
        kept => kept.map_err(cannot(doing()))?,
    };
    let below = |kept: &KeptImage| home.path.as_ref().is_none_or(|path| kept.repository.is_within(path.as_str()));
    Ok(kept.map(|kept| kept.into_iter().filter(below).map(Line::from).collect()))
}

/// Looks at several repositories side by side, and in each at several tags.
async fn of_registry(
    home: &RegistryPath,
    takes: &impl Fn(&RepositoryName, Option<&Tag>) -> bool,
    args: &ImagesArgs,
    session: &Session,
) -> Result<Vec<Line>, CommandError> {
    let doing = || format!("list the images of the home registry `{home}`");
    let access = args.registry.access();
    let registry = session.client(&home.registry, None, &access).await.map_err(cannot(doing()))?;
    let pages: Vec<Vec<RepositoryName>> = registry.repositories().try_collect().await.map_err(cannot(doing()))?;
    let below = |name: &RepositoryName| home.path.as_ref().is_none_or(|path| name.is_within(path.as_str()));
    let lines = |repository: RepositoryName| async {
        let client = session.client(&home.registry, Some(&repository), &access).await.map_err(cannot(doing()))?;
        of_repository(&*client, repository, takes).await.map_err(cannot(doing()))
    };
    let repositories = pages.into_iter().flatten().filter(below);
    let lines: Vec<Vec<Line>> = stream::iter(repositories.map(lines)).buffered(LOOKS).try_collect().await?;
    Ok(lines.into_iter().flatten().collect())
}

async fn of_repository(
    registry: &dyn Registry,
    repository: RepositoryName,
    takes: &impl Fn(&RepositoryName, Option<&Tag>) -> bool,
) -> Result<Vec<Line>, Error> {
    let tags: Vec<Vec<Tag>> = match registry.tags(&repository).try_collect().await {
        Ok(pages) => pages,
        // A repository whose last tag was removed stays in the catalogue.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let line = |tag: Tag| async {
        let found = overview(registry, &repository, &Selector::Tag(tag.clone())).await?;
        Ok(Line {
            repository: repository.clone(),
            tag: Some(tag),
            digest: found.digest,
            size: found.size,
            shared: None,
            created: found.created,
            stored: None,
        })
    };
    let tags = tags.into_iter().flatten().filter(|tag| takes(&repository, Some(tag)));
    stream::iter(tags.map(line)).buffered(LOOKS).try_collect().await
}

/// Which images are wanted, by a name that can be meant in several ways; one of them has to fit.
struct Wanted(Vec<(Vec<String>, Option<Tag>)>);

impl Wanted {
    /// Reads `[HOST[:PORT]/]PART…[:TAG]`, where parts in front may be left out. What stands behind the one colon of
    /// `app:5000` can be a port or a tag.
    fn parse(text: &str) -> Result<Self, NameError> {
        let name = text.strip_prefix("store:").or_else(|| text.strip_prefix("docker://")).unwrap_or(text);
        let name = name.trim_end_matches('/');
        let mut ways = Vec::new();
        let mut wrong = None;
        let mut read = |name: &str, tag: Option<Tag>| match name.replace(':', "_").parse::<RepositoryName>() {
            Ok(name) => ways.push((name.as_str().split('/').map(str::to_owned).collect(), tag)),
            Err(error) => wrong = Some(error),
        };
        if let Some((name, tag)) = name.rsplit_once(':')
            && let Ok(tag) = tag.parse()
        {
            read(name, Some(tag));
        }
        read(name, None);
        // Docker Hub's short names and other names, as they are at home.
        if let Ok(reference) = ImageReference::parse(name, &Naming::default()) {
            let tag = name.ends_with(&format!(":{}", reference.tag().map_or("", Tag::as_str)));
            let at_home = RepositoryName::at_home(&reference.registry, &reference.repository)?;
            read(at_home.as_str(), reference.tag().filter(|_| tag).cloned());
        }
        if ways.is_empty() { Err(wrong.unwrap_or(NameError::Empty)) } else { Ok(Self(ways)) }
    }

    fn takes(&self, repository: &RepositoryName, tag: Option<&Tag>) -> bool {
        let parts: Vec<&str> = repository.as_str().split('/').collect();
        self.0.iter().any(|(wanted, of_tag)| {
            parts.windows(wanted.len()).any(|some| some == wanted.as_slice())
                && of_tag.as_ref().is_none_or(|of_tag| tag == Some(of_tag))
        })
    }
}

/// One image at home.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    repository: RepositoryName,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The part of its size that other images at home need too.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Timestamp>,
}

impl From<KeptImage> for Line {
    fn from(kept: KeptImage) -> Self {
        Self {
            repository: kept.repository,
            tag: kept.tag,
            digest: kept.digest,
            size: Some(kept.size),
            shared: Some(kept.shared),
            created: kept.created,
            stored: kept.stored,
        }
    }
}

#[derive(Debug, Serialize)]
struct ImagesReport {
    images: Vec<Line>,
}

impl Report for ImagesReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let now = Timestamp::now();
        let since = |time: Option<Timestamp>| time.map(|time| age(time, now)).unwrap_or_default();
        let mut table = Table::new(["repository", "tag", "digest", "size", "shared", "created", "stored"]);
        for image in &self.images {
            table.row([
                image.repository.as_str(),
                image.tag.as_ref().map_or("", Tag::as_str),
                image.digest.short(),
                &image.size.map(size).unwrap_or_default(),
                &image.shared.map(size).unwrap_or_default(),
                &since(image.created),
                &since(image.stored),
            ]);
        }
        page.table(&table)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        for image in &self.images {
            match &image.tag {
                Some(tag) => writeln!(page, "{}:{tag}", image.repository)?,
                None => writeln!(page, "{}@{}", image.repository, image.digest)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_as_the_user_would_write_it() {
        let kept =
            [("docker.io/library/alpine", "3.20"), ("localhost_5000/team/app", "v1"), ("ghcr.io/team/app", "5000")];
        let found = |text: &str| -> Vec<&str> {
            let wanted = Wanted::parse(text).unwrap();
            let takes = |(name, tag): &&(&str, &str)| wanted.takes(&name.parse().unwrap(), Some(&tag.parse().unwrap()));
            kept.iter().filter(takes).map(|(name, _)| *name).collect()
        };
        let [alpine, local, github] = kept.map(|(name, _)| name);
        for text in ["alpine", "alpine:3.20", "docker.io", "docker.io/library/", "library", "docker.io/alpine:3.20"] {
            assert_eq!(found(text), [alpine], "{text}");
        }
        for text in ["index.docker.io/library/alpine", "store:docker.io/library/alpine:3.20"] {
            assert_eq!(found(text), [alpine], "{text}");
        }
        assert_eq!(found("team/app"), [local, github]);
        for text in ["localhost:5000", "localhost_5000/team", "localhost:5000/team/app", "app:v1"] {
            assert_eq!(found(text), [local], "{text}");
        }
        assert_eq!(found("app:5000"), [github]);
        for text in ["alpin", "alpine:3", "io/library", "team/app/x"] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
        for text in ["", "/", "Team", "a//b", "*"] {
            assert!(Wanted::parse(text).is_err(), "{text}");
        }
    }
}
