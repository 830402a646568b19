//! Image streams: what a set of tags points at, and pointed at, here or elsewhere; and what is done when that changes.
//!
//! A stream is a file in the form of OpenShift's `ImageStream`, so `oc` can import and export it; no cluster is
//! needed. The file is read anew for each question, changed under a lock and written whole. Nothing here builds a
//! client: whoever looks up images hands in an [`Upstream`], and whoever can do more than run a command an [`Actor`].
//! The commands of `stream` call this, and `session` for locations `stream:NAME:TAG`.

mod document;
mod draft;
mod error;
mod history;
mod import;
mod kept;
mod model;
mod plan;
mod schedule;
mod tagging;
mod trigger;

pub use document::{DocumentError, ImageStream};
pub use draft::{Change, Draft, Found, NewSource};
pub use error::StreamError;
pub use history::KeepRule;
pub use import::{ImportFailure, ImportResult, Imported, Looked, Upstream, Wanted, apply, look, look_each, tags};
pub use kept::{Missing, Streams};
pub use model::{Condition, ImportMode, ObjectReference, SourceKind, TagEvent, TagHistory, TagReference, View};
pub use plan::{ImportPlan, ImportRequest, Which, tag_to_import};
pub use schedule::{INTERVAL, PER_MINUTE, Rhythm, Schedule, Turns};
pub use tagging::{Revision, RolledBack, StreamSource, TagSource, from_image, guess, image_by, roll_back};
pub use trigger::{
    Action, Actor, Begun, Ended, Fired, Firing, Launched, Ledger, Outcome, Pending, Settled, Trigger, TriggerName,
    TriggerNameError, Triggers, launch,
};
