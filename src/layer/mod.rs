//! The file systems inside layers: read, united, written out, compared, made.
//!
//! A layer is a tar archive that a stranger made. It is read once from front to back, in bounded memory, and where two
//! readers could read it in two ways it is refused ([`Walk`]). Layers lie over each other; which names are there in
//! the end, and from which layer each comes, is found out first ([`Union`]), from names alone, and then the contents
//! are streamed to whoever wants them ([`Sink`]): a new archive ([`ArchiveSink`]), a directory ([`DirectorySink`]), or
//! a list to compare. No name in an archive ever becomes a path before it was taken apart here.
//!
//! Everything is synchronous and belongs on threads that may block. Nothing here knows where layers come from.

mod budget;
#[cfg(unix)]
mod directory;
mod error;
mod last;
mod list;
#[cfg(unix)]
mod make;
mod member;
mod names;
mod path;
mod pax;
mod replay;
mod single;
mod sparse;
mod union;
mod walk;
mod write;

#[cfg(unix)]
pub use directory::{DirectorySink, Existing, Left};
pub use error::{LayerError, Problem};
pub use last::DirectoriesLast;
pub use list::{Change, Listing, compare};
#[cfg(unix)]
pub use make::{Times, pack_directory};
pub use member::{Attributes, Content, Device, ExtendedAttribute, Kind, Member, Time};
pub use path::MemberPath;
pub use replay::{Part, Sink, Special, replay, replay_one};
pub use single::{Found, Search};
pub use sparse::Sparse;
pub use union::{Spot, Union};
pub use walk::Walk;
pub use write::ArchiveSink;
