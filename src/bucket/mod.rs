//! Images in a bucket of S3, Google or Azure: the store's contract over objects, for several servers at once.
//!
//! No server keeps anything of its own: what one began any other goes on with, also in the midst of an upload.
//! [`layout`] says where things stand. Facts are small objects, one each; content is written once under a word of
//! its own and never again, so that a blob is moved nowhere when its digest is known, and nobody ever removes what
//! somebody else has just written ([`fresh`]). Where two servers could be at the same thing, a conditional write
//! decides, which every server makes sure of when it opens the bucket.
//!
//! Nothing here knows registries or who asks. `session` opens the bucket; everything else sees the contract. It dials
//! through the crate `object_store`, which is left out where the feature `object-storage` is.

mod connect;
mod content;
mod facts;
mod failed;
mod fresh;
mod host;
mod layout;
mod objects;
mod open;
mod pull;
mod push;
mod remove;
mod sessions;
#[cfg(test)]
mod tests;
mod upkeep;
mod upload;

pub use connect::{Connection, Key};
pub use open::Bucket;
use open::{MAX_FACT_BYTES, Shared, unused_word};
