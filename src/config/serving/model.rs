//! What can be said of `serve`, as types that cannot hold a bad value.
//!
//! Every field is the key of the same name in kebab-case; its documentation is that of the key. `None` and an empty
//! list are what was not said.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};
use url::Url;

use super::upkeep::{ServingUpkeep, ServingUpstream};
use crate::credentials::{RepositoryPattern, SecretPath};
use crate::image::{RepositoryName, Storage, Tag};

/// Everything that can be said of `serve`.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    /// The address to listen at, `IP:PORT`; port 0 is any free one. Unset, `127.0.0.1:5000`.
    pub listen: Option<SocketAddr>,
    /// The server's certificate, PEM, with those between it and an authority; read again when it changes.
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Whether other computers are served without TLS.
    pub plain_http: Option<bool>,
    /// The htpasswd file of those that have a name; read again when it changes.
    pub users: Option<PathBuf>,
    /// What those may everywhere who show no name: `none`, `pull` or `push`.
    pub anonymous: Option<Rights>,
    /// How clients show who they are: `basic` (default) or `token`.
    pub auth: Option<Scheme>,
    /// Where clients reach it, where that is not what they say.
    pub url: Option<Url>,
    /// Where the images are: `file:DIR`, `s3://BUCKET/PREFIX`, `gs://…`, `az://…`. Unset, the store.
    pub storage: Option<Storage>,
    /// The storage's own address, e.g. that of a server that speaks S3.
    pub storage_endpoint: Option<Url>,
    /// The storage's region, where the environment does not say it.
    pub storage_region: Option<String>,
    /// What opens the storage, `VAULT/SECRET`: `username` and `password` are the access key's name and the key.
    pub storage_secret: Option<SecretPath>,
    /// Users under one name, for the rules in `access`.
    pub groups: Vec<Group>,
    /// Who may do what where. Empty, every user may do everything; else what no rule allows is denied.
    pub access: Vec<AccessRule>,
    /// Tags that are made once and never moved: `GLOB`, or `REPOSITORY:GLOB` for a repository and those below it.
    pub immutable_tags: Vec<TagPattern>,
    /// Whether anything can be removed; the default is `true`.
    pub deletes: Option<bool>,
    /// Whether there is a page for people at `/`; the default is `true`.
    pub web: Option<bool>,
    /// The form of the line that every request leaves on standard error: `logfmt` or `json`. Unset, none.
    pub access_log: Option<LogForm>,
    /// URLs that are told of pushes and deletions.
    pub webhooks: Vec<WebhookEntry>,
    /// What strangers can take up at most.
    pub limits: ServingLimits,
    /// How the place is kept in order.
    pub upkeep: ServingUpkeep,
    /// Whether what is missing is fetched from remote registries.
    pub upstream: ServingUpstream,
}

impl Serving {
    /// These sayings, and where nothing is said those of `below`. A list that says something stands for itself.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let list = |ours: Vec<TagPattern>, theirs| if ours.is_empty() { theirs } else { ours };
        Self {
            listen: self.listen.or(below.listen),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            plain_http: self.plain_http.or(below.plain_http),
            users: self.users.or(below.users),
            anonymous: self.anonymous.or(below.anonymous),
            auth: self.auth.or(below.auth),
            url: self.url.or(below.url),
            storage: self.storage.or(below.storage),
            storage_endpoint: self.storage_endpoint.or(below.storage_endpoint),
            storage_region: self.storage_region.or(below.storage_region),
            storage_secret: self.storage_secret.or(below.storage_secret),
            groups: [self.groups, below.groups].concat(),
            access: [self.access, below.access].concat(),
            immutable_tags: list(self.immutable_tags, below.immutable_tags),
            deletes: self.deletes.or(below.deletes),
            web: self.web.or(below.web),
            access_log: self.access_log.or(below.access_log),
            webhooks: [self.webhooks, below.webhooks].concat(),
            limits: self.limits.over(below.limits),
            upkeep: self.upkeep.over(below.upkeep),
            upstream: self.upstream.over(below.upstream),
        }
    }
}

/// What can be allowed in one word, each with all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rights {
    /// Nothing.
    None,
    /// To read.
    Pull,
    /// To read, write and remove.
    Push,
}

impl Rights {
    /// What they allow, one by one.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::None => &[],
            Self::Pull => &[Permission::Pull],
            Self::Push => &[Permission::Pull, Permission::Push, Permission::Delete],
        }
    }
}

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// By its password with every request.
    #[default]
    Basic,
    /// By a token, which it gets for its password from the registry itself.
    Token,
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// Something that a rule can allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// To read.
    Pull,
    /// To write, and to read what is written.
    Push,
    /// To remove.
    Delete,
}

/// A list of users under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name. Required; the key of the list.
    pub name: String,
    /// The names of its users.
    pub users: Vec<String>,
}

/// An entry of `access`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Where it holds: a repository and those below it, or `*` (default) for all.
    pub repository: RepositoryPattern,
    /// Whom it allows something: `everyone`, `users`, `user:NAME`, `group:NAME`.
    pub to: Vec<Who>,
    /// What it allows: `pull`, `push`, `delete`; to push is to pull as well.
    pub allow: BTreeSet<Permission>,
}

impl AccessRule {
    /// Whether it holds in a repository.
    #[must_use]
    pub fn is_for(&self, repository: &RepositoryName) -> bool {
        self.repository.rank(Some(repository)).is_some()
    }

    /// Whether it allows something, wherever it holds.
    #[must_use]
    pub fn allows(&self, permission: Permission) -> bool {
        let pushes = permission == Permission::Pull && self.allow.contains(&Permission::Push);
        pushes || self.allow.contains(&permission)
    }
}

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Also those that show no name.
    Everyone,
    /// Whoever has a name in the file of users.
    Users,
    /// One of them.
    User(String),
    /// Those of a group.
    Group(String),
}

impl FromStr for Who {
    type Err = AccessRuleError;

    fn from_str(text: &str) -> Result<Self, AccessRuleError> {
        match text.split_once(':') {
            None if text == "everyone" => Ok(Self::Everyone),
            None if text == "users" => Ok(Self::Users),
            Some(("user", name)) if is_name(name) => Ok(Self::User(name.to_owned())),
            Some(("group", name)) if is_name(name) => Ok(Self::Group(name.to_owned())),
            _ => Err(AccessRuleError::Who(text.to_owned())),
        }
    }
}

impl FromStr for Permission {
    type Err = AccessRuleError;

    fn from_str(text: &str) -> Result<Self, AccessRuleError> {
        match text {
            "pull" => Ok(Self::Pull),
            "push" => Ok(Self::Push),
            "delete" => Ok(Self::Delete),
            _ => Err(AccessRuleError::Permission(text.to_owned())),
        }
    }
}

/// Whether a text can be the name of a user or a group.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c == ':' || c.is_control())
}

/// A word of a rule that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessRuleError {
    /// Nobody.
    #[error("`{}` is not one of everyone, users, user:NAME, group:NAME", .0.escape_debug())]
    Who(String),
    /// Nothing that can be allowed.
    #[error("`{}` is not one of pull, push, delete", .0.escape_debug())]
    Permission(String),
}

/// Tags by a pattern, everywhere or below one name: `v*`, `release/app:v*`.
#[derive(Clone, Debug)]
pub struct TagPattern {
    below: Option<RepositoryName>,
    tags: GlobMatcher,
}

impl TagPattern {
    /// Whether it means this tag of this repository.
    #[must_use]
    pub fn is_for(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.below.as_ref().is_none_or(|below| repository.is_within(below.as_str())) && self.tags.is_match(tag.as_str())
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(below) = &self.below {
            write!(f, "{below}:")?;
        }
        f.write_str(self.tags.glob().glob())
    }
}

impl FromStr for TagPattern {
    type Err = TagPatternError;

    fn from_str(text: &str) -> Result<Self, TagPatternError> {
        let wrong = |why: &dyn fmt::Display| TagPatternError { text: text.to_owned(), why: why.to_string() };
        // No tag and no repository holds a colon.
        let (below, glob) = match text.split_once(':') {
            Some((below, glob)) => (Some(below.parse().map_err(|error| wrong(&error))?), glob),
            None => (None, text),
        };
        if glob.is_empty() {
            return Err(wrong(&"it fits no tag"));
        }
        let glob = GlobBuilder::new(glob).build().map_err(|error| wrong(&error.kind()))?;
        Ok(Self { below, tags: glob.compile_matcher() })
    }
}

/// A text that is no pattern for tags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no pattern for tags, as `v*` or `team/app:v*` are: {why}", .text.escape_debug())]
pub struct TagPatternError {
    text: String,
    why: String,
}

/// An entry of `webhooks`.
#[derive(Clone, Debug)]
pub struct WebhookEntry {
    /// Where to post what happened, as JSON. Required.
    pub url: Url,
    /// What the body is signed with: `VAULT/SECRET`, of which the `token` or else the `password` is taken.
    pub secret: Option<SecretPath>,
    /// A file with what the body is signed with, in place of `secret`; a line end behind it does not count.
    pub secret_file: Option<PathBuf>,
}

/// `limits`: what strangers can take up at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServingLimits {
    /// How many connections are open at once; one more takes the place of the one that waits longest. The default is 1000.
    pub connections: Option<usize>,
    /// How many uploads are open at once; the default is 1000.
    pub uploads: Option<usize>,
    /// The most bytes of one blob, as in `50GiB`; unset, no limit.
    pub blob_size: Option<u64>,
    /// How long a client may be silent in the midst of a request or an answer; the default is `60s`.
    pub idle: Option<Duration>,
}

impl ServingLimits {
    fn over(self, below: Self) -> Self {
        Self {
            connections: self.connections.or(below.connections),
            uploads: self.uploads.or(below.uploads),
            blob_size: self.blob_size.or(below.blob_size),
            idle: self.idle.or(below.idle),
        }
    }
}
