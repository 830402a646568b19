//! The flags of `serve`, and what they say in the words of its file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::upkeep::UpkeepFlags;
use crate::config::{LogForm, Rights, Scheme, Serving, TagPattern};
use crate::credentials::SecretPath;
use crate::image::Storage;

/// Flags of `serve`.
#[derive(Args, Debug)]
#[command(after_help = "What was pulled is served, and what is pushed is in `tranship images`.\n\
    At 127.0.0.1 and [::1] everybody may do everything, unless `--users` or `--anonymous` say\n\
    otherwise. Elsewhere one of them has to be said, and a certificate, or `--plain-http`.\n\n\
    Examples:\n  $ tranship serve\n  \
    $ tranship htpasswd add users alice\n  \
    $ tranship serve --listen 0.0.0.0:5000 --tls-cert cert.pem --tls-key key.pem --users users\n  \
    $ tranship serve --serve-config /etc/tranship/serve.yaml\n  \
    $ tranship serve --storage s3://images/site --storage-endpoint https://minio.example.net\n  \
    $ tranship copy docker.io/library/alpine:3.20 127.0.0.1:5000/os/alpine:3.20")]
pub(crate) struct ServeArgs {
    /// Read what is said here, and more, from a YAML file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub(super) serve_config: Option<PathBuf>,

    /// The address to listen at; port 0 is any free one [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// The server's certificate, with those between it and an authority; read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Serve other computers without TLS
    #[arg(long, conflicts_with = "tls_cert")]
    plain_http: bool,

    /// Let the users of this htpasswd file in; they may do everything where the file of `--serve-config` has no rules
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,

    /// What those may who show no name [default: none with --users]
    #[arg(long, value_name = "WHAT")]
    anonymous: Option<AnonymousWord>,

    /// How clients show who they are: by their password each time (default), or by a token that they get for it here
    #[arg(long, value_name = "HOW")]
    auth: Option<AuthWord>,

    /// Where the images are: `file:DIR`, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or
    /// `az://CONTAINER/PREFIX`; several servers can serve one bucket [default: the store]
    #[arg(long, value_name = "WHERE")]
    storage: Option<Storage>,

    /// The storage's own address, e.g. that of a server that speaks S3
    #[arg(long, value_name = "URL")]
    storage_endpoint: Option<url::Url>,

    /// The storage's region, where the environment does not say it
    #[arg(long, value_name = "REGION")]
    storage_region: Option<String>,

    /// The secret that opens the storage: `username` and `password` are the access key's name and the key
    /// [default: what the provider's environment variables or the instance say]
    #[arg(long, value_name = "VAULT/SECRET")]
    storage_secret: Option<SecretPath>,

    /// Where clients reach it, where that is not what they say
    #[arg(long, value_name = "URL")]
    url: Option<url::Url>,

    /// Let tags of this pattern be made once and never moved, e.g. `v*` or `team/app:*`; can be repeated
    #[arg(long = "immutable-tag", value_name = "GLOB")]
    immutable_tags: Vec<TagPattern>,

    /// Let nothing be removed, by anybody
    #[arg(long)]
    no_delete: bool,

    #[command(flatten)]
    upkeep: UpkeepFlags,

    /// Show no page for people at `/`
    #[arg(long)]
    no_web: bool,

    /// Write a line for every request to standard error
    #[arg(long, value_name = "FORM")]
    access_log: Option<LogWord>,
}

/// The words of `--access-log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogWord {
    Logfmt,
    Json,
}

impl From<LogWord> for LogForm {
    fn from(word: LogWord) -> Self {
        match word {
            LogWord::Logfmt => Self::Logfmt,
            LogWord::Json => Self::Json,
        }
    }
}

/// The words of `--auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AuthWord {
    Basic,
    Token,
}

/// The words of `--anonymous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnonymousWord {
    None,
    Pull,
    Push,
}

impl From<AnonymousWord> for Rights {
    fn from(word: AnonymousWord) -> Self {
        match word {
            AnonymousWord::None => Self::None,
            AnonymousWord::Pull => Self::Pull,
            AnonymousWord::Push => Self::Push,
        }
    }
}

impl From<AuthWord> for Scheme {
    fn from(word: AuthWord) -> Self {
        match word {
            AuthWord::Basic => Self::Basic,
            AuthWord::Token => Self::Token,
        }
    }
}

impl ServeArgs {
    /// What the flags say; what they do not say is for the file.
    pub(super) fn said(self) -> Serving {
        Serving {
            listen: self.listen,
            tls_cert: self.tls_cert,
            tls_key: self.tls_key,
            plain_http: self.plain_http.then_some(true),
            users: self.users,
            anonymous: self.anonymous.map(Rights::from),
            auth: self.auth.map(Scheme::from),
            url: self.url,
            storage: self.storage,
            storage_endpoint: self.storage_endpoint,
            storage_region: self.storage_region,
            storage_secret: self.storage_secret,
            immutable_tags: self.immutable_tags,
            deletes: self.no_delete.then_some(false),
            upkeep: self.upkeep.said(),
            upstream: self.upkeep.said_of_upstream(),
            web: self.no_web.then_some(false),
            access_log: self.access_log.map(LogForm::from),
            ..Serving::default()
        }
    }
}
