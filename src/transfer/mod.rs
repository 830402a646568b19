//! Moving images from one place to another: find out what belongs to an image, plan, run.
//!
//! `copy`, `pull`, `push` and `tag` are all this with other sides. A plan is a value: a dry run prints it, a run
//! carries it out. Nothing here knows what a side is; it uses the contract of `registry` alone.
//!
//! What a run keeps to: manifest bytes travel as they are; every byte is compared with its digest before the
//! blob is committed; content comes before what names it, and the tag last; nothing travels twice.
//!
//! * `graph` walks what belongs to an image, `attached` what refers to it, `narrow` picks platforms
//! * `look` compares both sides, `plan` says the steps, `outline` describes them for a dry run
//! * `run` takes jobs, an image and its destinations; `view` is what all of a job see of its source, `track` the way
//!   to one destination, `ledger` remembers what is where, `journal` what the next run needs where this one is killed
//! * `delivery` brings one blob to one destination, out of a `well`, which is one read for all who need it; `hashing`
//!   compares it with its digest there, and what slow destinations need later waits in the `spool`
//! * `reading` reads a blob, `stretch` is one stream of it, `ranges` decides how many there are, `tries` says when to
//!   give one up

mod attached;
mod delivery;
mod error;
mod graph;
mod hashing;
mod journal;
mod ledger;
mod look;
mod narrow;
mod outline;
mod plan;
mod ranges;
mod reading;
mod report;
mod run;
mod sides;
mod spool;
mod stretch;
#[cfg(test)]
mod tests;
mod track;
mod tries;
mod view;
mod well;

pub use error::{Error, PlaceFailed, Side};
pub use journal::{Journals, KeptTransfer};
pub use outline::{BlobLine, Brought, Fate, ManifestLine, Outline, Totals};
pub use plan::{Clobber, ManifestStep, Options, Role, TransferPlan};
pub use reading::read;
pub use report::{AttachedItem, BlobTallies, Tally, TransferReport};
pub use run::{Engine, Job, Settings};
pub use sides::{Destination, Source};
