//! The integration tests: one binary, a module per capability, run against the real program and real servers.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot set itself up has failed, and one that is skipped says so"
)]

#[macro_use]
mod support;

mod harness;
mod rules;
