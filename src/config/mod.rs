//! The configuration document: what it can say, and how it is read and edited.
//!
//! The session and the commands use it. It names vaults and secrets and never holds the value of one.

mod model;

pub use model::{
    Config, DEFAULT_CONCURRENCY, Limits, RemoteRegistry, Settings, Site, SiteName, SiteNameError, TlsMode, TlsModeError,
};
