//! Why something concrete could not be built.

use crate::config::ConfigError;
use crate::credentials::{ChooseError, VaultError};
use crate::failure::{Answer, Failure, FailureKind};
use crate::files::{FileError, PlacesError};
use crate::image::{LocationError, NameError, ReferenceError};
use crate::outbound::WebhookError;
use crate::output::OutputError;
use crate::registry;
use crate::server::SignerError;
use crate::streams::StreamError;

use super::StorageError;

/// Why something concrete could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The user's directories are not known.
    #[error(transparent)]
    Places(#[from] PlacesError),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A location is written wrongly.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// A reference is written wrongly.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A repository would have a name that cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nothing can be signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The credential that is configured cannot be used.
    #[error(transparent)]
    Credential(Box<ChooseError>),
    /// A vault cannot be read.
    #[error(transparent)]
    Vault(Box<VaultError>),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A webhook cannot be told anything.
    #[error(transparent)]
    Webhook(Box<WebhookError>),
    /// The secret that bodies are signed with is not there.
    #[error("`{0}` holds nothing that could be signed with")]
    NothingToSignWith(String),
    /// A place cannot be opened.
    #[error(transparent)]
    Place(#[from] registry::Error),
    /// Standard output cannot take an archive.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A layout, an archive or a directory where a registry or the store is needed.
    #[error("`{}` is {what}; a registry or the store is needed here", shown.escape_debug())]
    Files {
        /// The place as it is shown.
        shown: String,
        /// What it is, with its article.
        what: &'static str,
    },
    /// What is to be served cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A stream where something else than reading is to be done.
    #[error("`{}` is an image of a stream, which can only be read", .0.escape_debug())]
    Stream(String),
    /// What a stream's tag points at cannot be told.
    #[error(transparent)]
    StreamImage(#[from] StreamError),
    /// Something at home where an image of a remote registry is needed.
    #[error("`{}` is not an image of a remote registry", .0.escape_debug())]
    NotRemote(String),
    /// A truncated digest where something is to be written.
    #[error("`@{0}` is a truncated digest; what is written needs a whole one, or a tag")]
    Truncated(String),
    /// `--to` with a digest.
    #[error("`{}` is not a name at home: REPOSITORY or REPOSITORY:TAG", .0.escape_debug())]
    HomeName(String),
    /// An image of an archive without a name that it could have at home.
    #[error("{}", nameless(.0.as_deref()))]
    Nameless(Option<String>),
    /// A name in the store that begins with no registry.
    #[error("`{0}` names no registry that it could be sent to")]
    NoOrigin(String),
}

/// Why an image of an archive has no name at home.
fn nameless(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("`{}`, as the archive calls it, names no repository", name.escape_debug()),
        None => "the archive has no name for it".to_owned(),
    }
}

impl From<ChooseError> for SessionError {
    fn from(error: ChooseError) -> Self {
        Self::Credential(Box::new(error))
    }
}

impl From<VaultError> for SessionError {
    fn from(error: VaultError) -> Self {
        Self::Vault(Box::new(error))
    }
}

impl From<WebhookError> for SessionError {
    fn from(error: WebhookError) -> Self {
        Self::Webhook(Box::new(error))
    }
}

impl SessionError {
    fn cause(&self) -> Option<&dyn Failure> {
        match self {
            Self::Places(error) => Some(error),
            Self::Config(error) => Some(error),
            Self::Credential(error) => Some(&**error),
            Self::Vault(error) => Some(&**error),
            Self::File(error) => Some(error),
            Self::Webhook(error) => Some(&**error),
            Self::Place(error) => Some(error),
            Self::Signer(error) => Some(error),
            Self::Output(error) => Some(error),
            Self::Storage(error) => Some(error),
            Self::StreamImage(error) => Some(error),
            Self::NothingToSignWith(_)
            | Self::Location(_)
            | Self::Reference(_)
            | Self::Name(_)
            | Self::Files { .. }
            | Self::Stream(_)
            | Self::NotRemote(_)
            | Self::Truncated(_)
            | Self::HomeName(_)
            | Self::Nameless(_)
            | Self::NoOrigin(_) => None,
        }
    }
}

impl Failure for SessionError {
    fn kind(&self) -> FailureKind {
        self.cause().map_or(FailureKind::Usage, Failure::kind)
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Location(error) => error.hint().into_iter().collect(),
            Self::Reference(error) => error.hint().into_iter().collect(),
            Self::Files { shown, .. } => vec![format!("copy it there first: `tranship copy {shown} …`")],
            Self::Stream(shown) => {
                let name = shown.trim_start_matches("stream:");
                match name.split_once(':') {
                    Some(_) => {
                        vec![format!("what a stream's tag points at is set by `tranship stream tag SRC {name}`")]
                    }
                    None => vec![format!("see its tags: `tranship stream show {name}`")],
                }
            }
            Self::NothingToSignWith(_) => {
                vec!["keep it under the key `token`: `tranship secret set VAULT/SECRET token`, or in a file".to_owned()]
            }
            Self::NotRemote(_) => vec!["`tranship copy` brings images from any place to any place".to_owned()],
            Self::Nameless(_) => vec!["say what it is to be called: `--to REPOSITORY:TAG`".to_owned()],
            Self::NoOrigin(name) => vec![format!("say where to: `tranship push store:{name} DST`")],
            other => other.cause().map(Failure::hints).unwrap_or_default(),
        }
    }

    fn answer(&self) -> Option<Answer> {
        self.cause().and_then(Failure::answer)
    }
}
