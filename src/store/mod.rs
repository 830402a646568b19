//! Images on this computer.

mod memory;

pub use memory::Memory;
