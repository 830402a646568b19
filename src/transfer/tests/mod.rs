//! Transfers between places in memory, whole and with faults put in between.

mod copies;
mod faults;
mod place;
mod plans;
mod ranges;
mod several;
mod sharing;
mod support;
mod wide;
mod wire;
