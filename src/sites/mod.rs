//! Who holds what: the registries near where containers run, what each has, and what of it nobody needs.
//!
//! A site has one registry or several that are replicas of each other. Images come there by way of `transfer`;
//! here is what that does not know: to give one up that does not answer ([`Fuse`]), to look what a repository holds
//! ([`Holding`]), and to find and remove what is not needed ([`Pruning`]). Everything is asked through the contract
//! of `registry`; `command` opens the registries and reports.

mod fuse;
mod holding;
mod prune;
#[cfg(test)]
mod tests;

pub use fuse::Fuse;
pub use holding::{Holding, repositories};
pub use prune::{Needed, Pruning, Removal, Removed};
