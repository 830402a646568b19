//! Triggers: what is done when a tag of a stream points at another image.
//!
//! Every change is acted on once by every trigger that watches its tag, however often the program is killed. The
//! protocol, in the words of the ledger (`triggers/STREAM.yaml`, beside the directory of the streams):
//!
//! 1. **Recorded.** The change is the entry in the tag's history, with a number that rises within the stream. It is
//!    written in one step with the new image, so there is no change without its record. What has a higher number than
//!    the trigger has `settled` for the tag is *pending*.
//! 2. **Claimed.** Who acts holds the trigger's claim, a lock that the system lets go when its holder dies; so one
//!    acts at a time, in the order of the changes. Under the claim the ledger is read again: what another settled
//!    meanwhile is left alone.
//! 3. **Begun.** The change is written into the ledger as `begun`, durably, before anything happens outside.
//! 4. **Acted.** The command runs, or the hook is called. Both get the same key for the same change.
//! 5. **Settled.** The end is written into the ledger; the change is pending no more.
//!
//! For a command, 2 to 5 are done by a process of its own (`tranship stream fire`) in a process group of its own: a
//! kill or Ctrl-C that ends the program reaches neither it nor the command, and whoever comes next finds the claim
//! held and waits. So a kill of the program at any moment loses nothing and repeats nothing.
//!
//! What remains: where that process itself is killed, or the computer stops, between 3 and 5, nobody can tell whether
//! the command did its work. The ledger says then how far it came. A command is **not** run again by itself (unless
//! the trigger says that it may be: `again`), and the next run says that the end is unknown, once. A hook is called
//! again with the same key, by which whoever is told can tell.

mod fire;
mod launch;
mod ledger;
mod model;

pub use fire::{Actor, Ended, Fired, Firing};
pub use launch::{Launched, launch};
pub use ledger::Ledger;
pub use model::{Action, Begun, Outcome, Pending, Settled, Trigger, TriggerName, TriggerNameError, Triggers};
