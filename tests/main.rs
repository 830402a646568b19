//! The integration tests: one binary, a module per capability, run against the real program and real servers.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[macro_use]
mod support;

mod applications;
mod archives;
mod artifacts;
mod authentication;
mod automatic;
mod budgets;
mod bundling;
mod comparing;
mod completion;
mod configuration;
mod conformance;
mod copying;
mod credentials;
mod faults;
mod filesystems;
mod generated;
mod harness;
mod home;
mod layouts;
mod listing;
mod making;
mod mirrors;
mod object_storage;
mod proxies;
mod quirks;
mod registries;
mod rules;
mod secrecy;
mod serving;
mod sites;
mod streams;
mod syncing;
mod tables;
mod terminal;
mod threats;
mod tls;
mod transfers;
mod upkeep;
