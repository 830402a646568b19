//! The error of the contract: what went wrong at a place, as data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::failure::{Answer, Failure, FailureKind};
use crate::image::Digest;

/// In which way a place failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The manifest, blob, repository or upload is not there.
    NotFound,
    /// The place refused: no credential, a wrong one, or one that may not.
    Denied,
    /// Our own policy refused, e.g. to send a credential elsewhere.
    Policy,
    /// No connection, or none that can be trusted.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// It answered that it cannot serve now (5xx), also after retries.
    Unavailable,
    /// Too many requests (429), and the wait would be too long.
    RateLimited,
    /// A body ended early; what came can be gone on from.
    Cut,
    /// An upload session is gone; that blob has to begin again.
    Gone,
    /// Content is not what its digest, size or type says.
    Corrupt,
    /// The place does not do this at all.
    Unsupported,
    /// A manifest names content that the place does not have.
    MissingBlobs,
    /// A condition does not hold: the tag exists, or is immutable.
    Conflict,
    /// The place called the request wrong (another 4xx).
    Rejected,
    /// The place answered something that makes no sense.
    Nonsense,
    /// This computer's disk failed or is full.
    Storage,
    /// What is configured for the place cannot be used, e.g. a certificate file that is not there.
    Settings,
}

/// The error codes of the OCI error body (distribution-spec 1.1, "Error Codes"), kept as the registry wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(Box<str>);

impl ErrorCode {
    /// The code as text, at most 64 characters of letters, digits, `_` and `-`; others are dropped.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let good = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        Self(text.chars().filter(good).take(64).collect::<String>().into())
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the user can do about an error. Rendered as a `hint:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Log in to this registry.
    Login(String),
    /// Check the credential of this name.
    CheckCredential(String),
    /// Allow this token realm for this registry.
    AllowRealm {
        /// The registry.
        registry: String,
        /// The realm, `scheme://host[:port]`.
        realm: String,
    },
    /// Trust this registry's certificate authority.
    TrustCertificate(String),
    /// Show this registry a certificate.
    ShowCertificate(String),
    /// Ask the operator for a certificate that is good, or do without for this registry.
    SkipVerification(String),
    /// The registry speaks plain HTTP.
    PlainHttp(String),
    /// Try again when the limit is lifted.
    WaitFor(Duration),
    /// Look at the tags of this repository.
    ListTags(String),
    /// Another sentence.
    Other(String),
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(registry) => write!(f, "run `tranship login {registry}`"),
            Self::CheckCredential(name) => {
                write!(f, "check the credential: `tranship secret show {name}`, `tranship secret set {name}`")
            }
            Self::AllowRealm { registry, realm } => {
                write!(
                    f,
                    "if {realm} is to see this credential, run `tranship registry set {registry} --token-realm {realm}`"
                )
            }
            Self::TrustCertificate(registry) => {
                write!(f, "name its certificate authority: `tranship registry set {registry} --ca-cert-file FILE`")
            }
            Self::ShowCertificate(registry) => {
                write!(f, "name one: `tranship registry set {registry} --client-cert-file FILE --client-key-file FILE`")
            }
            Self::SkipVerification(registry) => write!(
                f,
                "its operator can put that right; until then `--tls skip-verify` trusts whoever answers for {registry}"
            ),
            Self::PlainHttp(registry) => write!(
                f,
                "if it speaks plain HTTP, run `tranship registry set {registry} --tls plain-http` (or pass `--tls plain-http` once)"
            ),
            Self::WaitFor(pause) => write!(f, "try again in {} s", pause.as_secs()),
            Self::ListTags(repository) => write!(f, "see what is there: `tranship tags {repository}`"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// What went wrong at a place.
///
/// The message is one sentence without the place's own words unescaped; everything else is data. Several who asked
/// together are each told: a clone says the same.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<String>,
    status: Option<u16>,
    code: Option<ErrorCode>,
    missing: Vec<Digest>,
    retry_after: Option<Duration>,
    given_up: bool,
    remedies: Vec<Remedy>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with one sentence that says what happened.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            place: None,
            status: None,
            code: None,
            missing: Vec::new(),
            retry_after: None,
            given_up: false,
            remedies: Vec::new(),
            source: None,
        }))
    }

    /// Names the place.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place = Some(place.into());
        self
    }

    /// Adds the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds the code of the error body.
    #[must_use]
    pub fn with_code(mut self, code: ErrorCode) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Names the blobs that the place lacks.
    #[must_use]
    pub fn with_missing(mut self, missing: Vec<Digest>) -> Self {
        self.0.missing = missing;
        self
    }

    /// Adds how long the place asks to be left alone.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// Notes that the request was repeated until nothing helped, so that nobody repeats it all over.
    #[must_use]
    pub fn after_all_tries(mut self) -> Self {
        self.0.given_up = true;
        self
    }

    /// Adds something that the user can do.
    #[must_use]
    pub fn with_remedy(mut self, remedy: Remedy) -> Self {
        self.0.remedies.push(remedy);
        self
    }

    /// Adds what lies behind it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// In which way it failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The code of the error body.
    #[must_use]
    pub fn code(&self) -> Option<&ErrorCode> {
        self.0.code.as_ref()
    }

    /// The blobs that the place lacks, where it named them.
    #[must_use]
    pub fn missing(&self) -> &[Digest] {
        &self.0.missing
    }

    /// How long the place asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same work may succeed when it is gone on with: the way there failed, not the answer.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use ErrorKind::{Cut, Gone, TimedOut, Unavailable, Unreachable};
        matches!(self.kind(), Cut | Gone | TimedOut | Unavailable | Unreachable)
    }

    /// Whether going on is worth a try: it is transient or a limit that is waited out, and was not tried often enough
    /// already.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        (self.is_transient() || self.kind() == ErrorKind::RateLimited) && !self.0.given_up
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl Failure for Error {
    fn kind(&self) -> FailureKind {
        match self.0.kind {
            ErrorKind::NotFound => FailureKind::NotFound,
            ErrorKind::Denied | ErrorKind::Policy => FailureKind::Denied,
            ErrorKind::Unreachable
            | ErrorKind::TimedOut
            | ErrorKind::Unavailable
            | ErrorKind::RateLimited
            | ErrorKind::Cut
            | ErrorKind::Gone => FailureKind::Unreachable,
            ErrorKind::Settings => FailureKind::Usage,
            ErrorKind::Corrupt => FailureKind::Corrupt,
            ErrorKind::Unsupported
            | ErrorKind::MissingBlobs
            | ErrorKind::Conflict
            | ErrorKind::Rejected
            | ErrorKind::Nonsense
            | ErrorKind::Storage => FailureKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        self.0.remedies.iter().map(ToString::to_string).collect()
    }

    fn answer(&self) -> Option<Answer> {
        let registry = self.0.place.clone()?;
        Some(Answer { registry, status: self.0.status, code: self.0.code.as_ref().map(ToString::to_string) })
    }
}
