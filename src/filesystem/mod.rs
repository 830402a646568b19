//! The file system of an image, wherever the image is: exported, extracted, compared.
//!
//! `layer` knows what archives mean; here their bytes are brought to it from a place of the contract, verified as they
//! come. Layers are read twice, once for the names and once for the contents; what had to travel is kept on disk in
//! between, so that nothing travels twice. Commands use it.

mod error;
mod feed;
mod image;

pub use error::Error;
pub use feed::{Fetching, Opened};
pub use image::Filesystem;
#[cfg(unix)]
pub use image::{Extracted, Wanted};
