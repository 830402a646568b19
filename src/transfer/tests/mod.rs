//! Transfers between places in memory, whole and with faults put in between.

mod copies;
mod faults;
mod place;
mod plans;
mod several;
mod support;
