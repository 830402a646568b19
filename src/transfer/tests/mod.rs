//! Transfers between memory stores, whole and with faults put in between.

mod copies;
mod faults;
mod support;
