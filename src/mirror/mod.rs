//! Keeping repositories the same by rules: which repositories, which of their tags, where to.
//!
//! * `rules` reads the file, in this program's form, regsync's or skopeo's; `path` names repositories, `filter` picks
//!   tags, `backup` names what is overwritten
//! * `listing` finds out what the rules name now, `round` has `transfer` bring it where it is to be, `prune` removes
//!   what the source has no more, `shard` splits the work between processes
//! * `bundle` packs what is new into one archive, and brings it in elsewhere
//! * `report` counts what came of it, `metrics` writes that for Prometheus
//!
//! The commands `sync` and `bundle` use it. Nothing here knows what a registry is: places are opened by whoever
//! implements [`Places`].

mod backup;
mod bundle;
mod error;
mod filter;
mod keeping;
mod listing;
mod metrics;
mod path;
mod places;
mod prune;
mod report;
mod round;
mod rules;
mod shard;

pub use backup::{BackupName, BackupNameError};
pub use bundle::{
    BundleDocument, BundleError, BundledImage, Creation, Load, Packing, Unpacking, create_bundle, read_document,
};
pub use error::{Error, Opened};
pub use filter::{Filter, FilterError, Newest, Order, OrderError, TagFilter, read_regex};
pub use metrics::Metrics;
pub use path::{Base, Home, PathError, RepositoryPath, Subject};
pub use places::{Origin, Places};
pub use prune::{Guard, Removed, Share, ShareError};
pub use report::{Counts, Fetched, Happening, RuleCounts, Summary};
pub use round::{Means, Mode, Pruning, Round};
pub use rules::{Destinations, Format, FormatError, Reading, Rule, Rules, RulesError, Scoping, To};
pub use shard::{Shard, ShardError};
