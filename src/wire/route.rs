//! Routes: the paths and queries of the distribution API (distribution-spec 1.1, "Endpoints").

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::failure::{Failure, FailureKind};
use crate::image::{Digest, DigestError, NameError, RepositoryName, Selector, Tag, TagError};

/// The longest path and query that are looked at, in bytes.
const MAX_TARGET: usize = 8 * 1024;
/// The longest name of an upload session.
const MAX_SESSION: usize = 128;

/// What a request is about. With the method it is the whole request line: end-1 to end-13 and `_catalog`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`: is this a registry? (end-1)
    Base,
    /// A manifest, to read, write or remove (end-3, end-7, end-9); a tag, to remove.
    Manifest {
        /// Where it is.
        repository: RepositoryName,
        /// Which it is.
        selector: Selector,
    },
    /// A blob, to read or remove (end-2, end-10).
    Blob {
        /// Where it is.
        repository: RepositoryName,
        /// Which it is.
        digest: Digest,
    },
    /// The beginning of an upload (end-4a), with a mount (end-11), or with the whole blob (end-4b).
    StartUpload {
        /// Where the blob is to be.
        repository: RepositoryName,
        /// The repository that may have it already.
        mount: Option<Mount>,
        /// The digest of the body, where the body is the whole blob.
        digest: Option<Digest>,
    },
    /// An upload that goes on, is closed, asked about or given up (end-5, end-6, end-13).
    Upload {
        /// Where the blob is to be.
        repository: RepositoryName,
        /// The session.
        session: SessionName,
        /// The digest of the whole, in the request that closes it.
        digest: Option<Digest>,
    },
    /// The tags of a repository (end-8).
    Tags {
        /// Whose.
        repository: RepositoryName,
        /// At most so many.
        n: Option<u32>,
        /// Only those after this one.
        last: Option<String>,
    },
    /// The repositories of a registry (Docker's, in no OCI document).
    Catalog {
        /// At most so many.
        n: Option<u32>,
        /// Only those after this one.
        last: Option<String>,
    },
    /// Removal of what nothing names; a registry of tranship's alone.
    Prune,
    /// The images, with what they weigh; a registry of tranship's alone.
    KeptImages {
        /// With those that nothing names.
        untagged: bool,
    },
    /// What refers to a manifest (end-12).
    Referrers {
        /// Where the manifest is.
        repository: RepositoryName,
        /// The manifest.
        subject: Digest,
        /// Only referrers of this type.
        artifact_type: Option<String>,
    },
}

/// A blob to take over from another repository of the same registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The blob.
    pub digest: Digest,
    /// The repository that is believed to have it.
    pub from: RepositoryName,
}

impl Route {
    /// The path and query that a client asks for, ready for a request line.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let path = match self {
            Self::Base => "/v2/".to_owned(),
            Self::Manifest { repository, selector } => format!("/v2/{repository}/manifests/{selector}"),
            Self::Blob { repository, digest } => format!("/v2/{repository}/blobs/{digest}"),
            Self::StartUpload { repository, mount, digest } => {
                if let Some(mount) = mount {
                    query.append_pair("mount", &mount.digest.to_string());
                    query.append_pair("from", mount.from.as_str());
                }
                append(&mut query, "digest", digest.as_ref());
                format!("/v2/{repository}/blobs/uploads/")
            }
            Self::Upload { repository, session, digest } => {
                append(&mut query, "digest", digest.as_ref());
                format!("/v2/{repository}/blobs/uploads/{session}")
            }
            Self::Tags { repository, n, last } => {
                append_page(&mut query, *n, last.as_deref());
                format!("/v2/{repository}/tags/list")
            }
            Self::Catalog { n, last } => {
                append_page(&mut query, *n, last.as_deref());
                "/v2/_catalog".to_owned()
            }
            Self::Prune => "/v2/_tranship/prune".to_owned(),
            Self::KeptImages { untagged } => {
                append(&mut query, "untagged", untagged.then_some(&1));
                "/v2/_tranship/images".to_owned()
            }
            Self::Referrers { repository, subject, artifact_type } => {
                append(&mut query, "artifactType", artifact_type.as_ref());
                format!("/v2/{repository}/referrers/{subject}")
            }
        };
        let query = query.finish();
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    /// Reads the path and query of a request as a server gets them, still percent-encoded.
    ///
    /// Query parameters that the route does not have are passed over, as are a mount without `from` and what
    /// stands twice (the first counts).
    ///
    /// # Errors
    /// No route is written like this, or a name, tag, digest or number in it breaks its rule.
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, RouteError> {
        let query = query.unwrap_or_default();
        if path.len() + query.len() > MAX_TARGET {
            return Err(RouteError::Long(path.len() + query.len()));
        }
        let rest = path.strip_prefix("/v2").ok_or(RouteError::NoSuchRoute)?;
        if matches!(rest, "" | "/") {
            return Ok(Self::Base);
        }
        let parts = rest.strip_prefix('/').ok_or(RouteError::NoSuchRoute)?.split('/').map(decode);
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let query = Query::new(query);
        match parts.as_slice() {
            ["_tranship", "prune"] => Ok(Self::Prune),
            ["_tranship", "images"] => {
                Ok(Self::KeptImages { untagged: query.number("untagged")?.is_some_and(|n| n > 0) })
            }
            ["_catalog"] => Ok(Self::Catalog { n: query.number("n")?, last: query.text("last") }),
            [name @ .., "manifests", selector] => {
                Ok(Self::Manifest { repository: repository(name)?, selector: parse_selector(selector)? })
            }
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => Self::start(name, &query),
            [name @ .., "blobs", digest] => Ok(Self::Blob { repository: repository(name)?, digest: digest.parse()? }),
            [name @ .., "blobs", "uploads", session] => Ok(Self::Upload {
                repository: repository(name)?,
                session: session.parse()?,
                digest: query.digest("digest")?,
            }),
            [name @ .., "tags", "list"] => {
                Ok(Self::Tags { repository: repository(name)?, n: query.number("n")?, last: query.text("last") })
            }
            [name @ .., "referrers", subject] => Ok(Self::Referrers {
                repository: repository(name)?,
                subject: subject.parse()?,
                artifact_type: query.text("artifactType").filter(|kind| !kind.is_empty()),
            }),
            _ => Err(RouteError::NoSuchRoute),
        }
    }

    /// The repository that the request is about, where it is about one.
    #[must_use]
    pub const fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Base | Self::Catalog { .. } | Self::Prune | Self::KeptImages { .. } => None,
            Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::StartUpload { repository, .. }
            | Self::Upload { repository, .. }
            | Self::Tags { repository, .. }
            | Self::Referrers { repository, .. } => Some(repository),
        }
    }

    fn start(name: &[&str], query: &Query<'_>) -> Result<Self, RouteError> {
        let mount = match (query.digest("mount")?, query.text("from")) {
            (Some(digest), Some(from)) => Some(Mount { digest, from: from.parse()? }),
            _ => None,
        };
        Ok(Self::StartUpload { repository: repository(name)?, mount, digest: query.digest("digest")? })
    }
}

/// The tags that a manifest gets which is put under its digest: `?tag=a&tag=b` (distribution-spec main, "Pushing
/// Manifests with tags").
///
/// # Errors
/// One of them breaks its rule, or there are more than are taken.
pub fn pushed_tags(query: &str) -> Result<Vec<Tag>, RouteError> {
    if query.len() > MAX_TARGET {
        return Err(RouteError::Long(query.len()));
    }
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.filter(|(name, _)| name == "tag").map(|(_, tag)| Ok(tag.parse::<Tag>()?)).collect()
}

fn append(query: &mut form_urlencoded::Serializer<'_, String>, key: &str, value: Option<&impl ToString>) {
    if let Some(value) = value {
        query.append_pair(key, &value.to_string());
    }
}

fn append_page(query: &mut form_urlencoded::Serializer<'_, String>, n: Option<u32>, last: Option<&str>) {
    append(query, "n", n.as_ref());
    append(query, "last", last.as_ref());
}

/// Decodes one part between slashes. A slash that was hidden by encoding is refused: it would make one part two.
fn decode(part: &str) -> Result<String, RouteError> {
    let text = percent_decode_str(part).decode_utf8().map_err(|_| RouteError::Encoding)?;
    if text.contains('/') { Err(RouteError::Encoding) } else { Ok(text.into_owned()) }
}

fn repository(parts: &[&str]) -> Result<RepositoryName, RouteError> {
    Ok(parts.join("/").parse()?)
}

fn parse_selector(text: &str) -> Result<Selector, RouteError> {
    if text.contains(':') { Ok(Selector::Digest(text.parse()?)) } else { Ok(Selector::Tag(text.parse::<Tag>()?)) }
}

/// The query of a request.
struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    const fn new(text: &'a str) -> Self {
        Self(text)
    }

    fn text(&self, key: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.0.as_bytes());
        pairs.find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    fn digest(&self, key: &str) -> Result<Option<Digest>, RouteError> {
        Ok(self.text(key).map(|text| text.parse()).transpose()?)
    }

    fn number(&self, key: &str) -> Result<Option<u32>, RouteError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number.map(Some).ok_or(RouteError::Number(text))
    }
}

/// The name of an upload session: letters, digits, `-`, `.`, `_`, `~` and `=`, at most 128.
///
/// Only a server makes one and only a server reads one: a client follows the `Location` it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionName(Box<str>);

impl SessionName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionName {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '=');
        // Dots alone would be taken out of the path by whoever normalises it.
        if text.is_empty() || text.len() > MAX_SESSION || !text.chars().all(good) || text.chars().all(|c| c == '.') {
            return Err(RouteError::Session);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a path and query are no route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Nothing in the API is written like this.
    #[error("the distribution API has no such path")]
    NoSuchRoute,
    /// Longer than 8 KiB.
    #[error("the path and query have {0} bytes; at most {MAX_TARGET} are taken")]
    Long(usize),
    /// Percent-encoding that hides a slash or is not UTF-8.
    #[error("the path is percent-encoded in a way that is not taken")]
    Encoding,
    /// Not the name of a session.
    #[error("the upload session's name is not one that was given here")]
    Session,
    /// Not the number of entries of a page.
    #[error("`{}` is not a number of entries", .0.escape_debug())]
    Number(String),
    /// Not a repository.
    #[error(transparent)]
    Repository(#[from] NameError),
    /// Not a tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// Not a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Failure for RouteError {
    fn kind(&self) -> FailureKind {
        match self {
            Self::NoSuchRoute => FailureKind::NotFound,
            _ => FailureKind::Usage,
        }
    }
}
