//! `tags`: the tags of a repository, as they come from the registry.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use futures_util::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use semver::VersionReq;
use serde::{Serialize, Serializer};

use super::flags::RegistryFlags;
use super::inspect::{Overview, overview};
use super::{CommandError, CommandResult, LOOKS, Outcome, cannot};
use crate::image::{RepositoryName, Selector, Tag};
use crate::mirror::Filter;
use crate::output::{Page, Reader, Report, ResultStream, Shown, age, size};
use crate::registry::Registry;
use crate::session::Session;

/// Flags of `tags`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship tags docker.io/library/alpine --semver '>=3.18' --sort semver\n  \
    $ tranship tags registry.example.com/app --match 'v1.*' --exclude '*-rc*' --limit 5 -l")]
pub(crate) struct TagsArgs {
    /// The repository
    #[arg(value_name = "REPOSITORY")]
    repository: String,

    /// Only tags that match this glob (repeatable: one of them)
    #[arg(long = "match", value_name = "GLOB")]
    matching: Vec<String>,

    /// Without tags that match this glob (repeatable)
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Only tags that are versions in this range, e.g. '>=3.18, <4'
    #[arg(long, value_name = "RANGE")]
    semver: Option<VersionReq>,

    /// The order: by name, highest version or newest image first [default: the registry's own, as it comes]
    #[arg(long, value_name = "ORDER")]
    sort: Option<Order>,

    /// At most this many, from 1
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<NonZeroUsize>,

    /// With digest, age, size and platforms of each
    #[arg(short, long)]
    long: bool,

    #[command(flatten)]
    registry: RegistryFlags,
}

/// Reads a number from 1. None at all is more likely a mistake than a wish.
fn limit(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "it is a number from 1; without it all tags are listed")
}

/// The words of `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Name,
    // Highest first; what is no version comes last.
    Semver,
    // By the time the image was made.
    Newest,
}

/// Lists the tags, the first ones as soon as the first page is there.
///
/// # Errors
/// No such repository, or pages that cannot be followed.
pub(super) async fn run(args: TagsArgs, session: &Session) -> CommandResult {
    let doing = || format!("list the tags of `{}`", args.repository.escape_debug());
    let (place, repository) =
        session.repository(&args.repository, &args.registry.access()).await.map_err(cannot(doing()))?;
    let shown = args.repository.escape_debug().to_string();
    let listing = Listing { filter: filter(&args)?, registry: place, repository, shown };
    match args.sort {
        None => stream(&listing, &args, session).await,
        Some(order) => sorted(&listing, order, &args, session).await,
    }
}

struct Listing {
    filter: Filter,
    registry: Arc<dyn Registry>,
    repository: RepositoryName,
    /// The repository as it was named.
    shown: String,
}

impl Listing {
    fn doing(&self) -> String {
        format!("list the tags of `{}`", self.shown)
    }

    async fn row(&self, tag: Tag, long: bool) -> Result<Row, CommandError> {
        if !long {
            return Ok(Row { tag, overview: None, columns: Columns::default() });
        }
        let doing = format!("look at the tag `{tag}`");
        let selector = Selector::Tag(tag.clone());
        let overview = overview(&*self.registry, &self.repository, &selector).await.map_err(cannot(doing))?;
        Ok(Row { tag, overview: Some(overview), columns: Columns::default() })
    }
}

async fn stream(listing: &Listing, args: &TagsArgs, session: &Session) -> CommandResult {
    let mut out = session.console().stream(&[], "tags").map_err(cannot(listing.doing()))?;
    let mut left = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut columns = Columns::default();
    let mut pages = listing.registry.tags(&listing.repository);
    while left > 0 {
        let Some(page) = pages.try_next().await.map_err(cannot(listing.doing()))? else { break };
        let tags: Vec<Tag> = page.into_iter().filter(|tag| listing.filter.takes(tag)).take(left).collect();
        left -= tags.len();
        columns.fit(&tags);
        let mut rows = futures_util::stream::iter(tags).map(|tag| listing.row(tag, args.long)).buffered(LOOKS);
        while let Some(row) = rows.next().await {
            let row = Row { columns: columns.next(), ..row? };
            if write(&mut out, &row)? == Reader::Gone {
                return Ok(Outcome::printed());
            }
        }
    }
    out.finish().map_err(cannot(listing.doing()))?;
    Ok(Outcome::printed())
}

async fn sorted(listing: &Listing, order: Order, args: &TagsArgs, session: &Session) -> CommandResult {
    let pages: Vec<Vec<Tag>> =
        listing.registry.tags(&listing.repository).try_collect().await.map_err(cannot(listing.doing()))?;
    let mut tags: Vec<Tag> = pages.into_iter().flatten().filter(|tag| listing.filter.takes(tag)).collect();
    let limit = args.limit.map_or(usize::MAX, NonZeroUsize::get);
    match order {
        Order::Name => tags.sort(),
        Order::Semver => tags.sort_by(Tag::by_version),
        Order::Newest => {}
    }
    if order != Order::Newest {
        tags.truncate(limit);
    }
    let look = args.long || order == Order::Newest;
    let mut columns = Columns::default();
    columns.fit(&tags);
    let rows = futures_util::stream::iter(tags).map(|tag| listing.row(tag, look)).buffered(LOOKS);
    let mut rows: Vec<Row> = rows.try_collect().await?;
    if order == Order::Newest {
        rows.sort_by(|a, b| b.created().cmp(&a.created()).then_with(|| a.tag.cmp(&b.tag)));
        rows.truncate(limit);
    }
    if !args.long {
        for row in &mut rows {
            row.overview = None;
        }
    }
    let mut out = session.console().stream(&[], "tags").map_err(cannot(listing.doing()))?;
    for row in rows {
        write(&mut out, &Row { columns: columns.next(), ..row })?;
    }
    out.finish().map_err(cannot(listing.doing()))?;
    Ok(Outcome::printed())
}

/// How the columns of `-l` stand. The tags come page by page, so the widths are not those of the whole list.
#[derive(Clone, Copy, Debug, Default)]
struct Columns {
    /// The width of the tags.
    tag: usize,
    /// Whether a row was shown already.
    begun: bool,
}

impl Columns {
    /// Makes room for these tags; a few long ones stand out of their column.
    fn fit(&mut self, tags: &[Tag]) {
        const MOST: usize = 40;
        let widest = tags.iter().map(|tag| tag.as_str().len()).filter(|length| *length <= MOST).max();
        self.tag = self.tag.max(widest.unwrap_or_default()).max("TAG".len());
    }

    /// The columns of the next row.
    fn next(&mut self) -> Self {
        let now = *self;
        self.begun = true;
        now
    }

    fn write(self, page: &mut Page<'_>, [tag, digest, created, size, platforms]: [&str; 5]) -> io::Result<()> {
        let width = self.tag;
        let digest_width = 71;
        writeln!(page, "{tag:<width$}  {digest:<digest_width$}  {created:<14}  {size:>10}  {platforms}")
    }
}

fn filter(args: &TagsArgs) -> Result<Filter, CommandError> {
    let filter = Filter::all().matching(&args.matching).and_then(|filter| filter.without(&args.exclude));
    let wrong = |error| CommandError::usage(format!("a tag pattern is wrong: {error}"));
    Ok(filter.map_err(wrong)?.within(args.semver.clone()))
}

/// One tag, and what was found out about it.
#[derive(Debug)]
struct Row {
    tag: Tag,
    overview: Option<Overview>,
    /// How it is shown in text.
    columns: Columns,
}

impl Row {
    fn created(&self) -> Option<Timestamp> {
        self.overview.as_ref().and_then(|overview| overview.created)
    }
}

impl Serialize for Row {
    /// A bare tag is a bare word; with details it is an object.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Detailed<'a> {
            tag: &'a Tag,
            #[serde(flatten)]
            overview: &'a Overview,
        }
        match &self.overview {
            None => self.tag.serialize(serializer),
            Some(overview) => Detailed { tag: &self.tag, overview }.serialize(serializer),
        }
    }
}

impl Report for Row {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let Some(overview) = &self.overview else { return self.quiet(page) };
        if !self.columns.begun {
            self.columns.write(page, ["TAG", "DIGEST", "CREATED", "SIZE", "PLATFORMS"])?;
        }
        let or_none = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
        let created = or_none(overview.created.map(|created| age(created, Timestamp::now())));
        let platforms = or_none(Some(Shown(overview.platforms.join(",")).to_string()));
        let digest = overview.digest.to_string();
        self.columns.write(page, [self.tag.as_str(), &digest, &created, &or_none(overview.size.map(size)), &platforms])
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        writeln!(page, "{}", self.tag)
    }
}

fn write(out: &mut ResultStream<'_>, row: &Row) -> Result<Reader, CommandError> {
    out.item(row).map_err(cannot("write the list"))
}
