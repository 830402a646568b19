//! Images in files that are handed from one to another: the OCI image layout directory.
//!
//! Each form implements the contract for one image, whose name is bound when it is opened; repositories mean
//! nothing here. Nothing here knows registries or the network. `session` opens archives.

mod layout;

pub use layout::Layout;
