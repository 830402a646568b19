//! tranship: names, finds, pins, moves, mirrors, keeps and hands out container images.
//!
//! # The map
//!
//! Words come in at `cli`, become typed values at the edge, and flow one way:
//!
//! ```text
//! words ─ cli ─ command ─ transfer ─ registry (the contract) ─ client · store · bucket · archive ─ wire
//!                 ├─ mirror · application · sites · streams ─ transfer
//!                 ├─ server ─ the same contract, handed out
//!                 └──────────────── a Report flows back ────────────► output ─ terminal
//! ```
//!
//! * [`failure`] what every error can say about itself · [`image`] the vocabulary · [`progress`] what long work says
//! * [`files`] durable local state · [`compression`] packed content · [`yaml`] documents that keep their comments
//! * [`registry`] the contract that everything which keeps images implements · [`wire`] its protocol as text
//! * [`credentials`] vaults, and which secret is for which repository · [`config`] the configuration document
//! * [`outbound`] the one place that dials · [`client`] a registry over HTTP
//! * [`blobs`] content in files by digest · [`store`] images on this computer · `bucket` the same in object storage
//! * [`archive`] layouts, archives as docker and others write them, plain directories
//! * [`transfer`] moving images: plan, then run · [`server`] the embedded registry
//! * [`layer`] the file systems inside layers · [`filesystem`] that of an image · [`draft`] images that are being made
//! * [`mirror`] keeping repositories the same by rules, and bundles for networks without a way in
//! * [`application`] which images a spec names, and the same file with them pinned · [`sites`] which registry near where
//!   containers run holds what · [`streams`] histories of what tags point at, and what a change sets off
//! * [`output`] everything that is shown · [`session`] concrete things from the configuration
//! * [`command`] one file a command · [`cli`] words in, an exit code out
//!
//! # Invariants
//!
//! 1. Manifest bytes are never re-serialised in transit.
//! 2. No unverified byte is stored under a digest or reported as done.
//! 3. A tag moves last.
//! 4. Only `session` names implementations.
//! 5. Only `output` writes to the terminal.
//! 6. Only `outbound` dials and only `server` listens (exceptions, each with a reason, stand in the test of the rules).
//! 7. Secrets cannot be printed: their type has no `Display`, and its `Debug` shows nothing.
//! 8. There are no mutable globals.
//! 9. Every body, list and depth has a bound.
//! 10. What is acknowledged is durable.

pub mod application;
pub mod archive;
pub mod blobs;
#[cfg(feature = "object-storage")]
pub mod bucket;
pub mod cli;
pub mod client;
mod command;
pub mod compression;
pub mod config;
pub mod credentials;
pub mod draft;
pub mod failure;
pub mod files;
pub mod filesystem;
pub mod image;
pub mod layer;
pub mod mirror;
pub mod outbound;
pub mod output;
pub mod progress;
pub mod registry;
pub mod server;
pub mod session;
pub mod sites;
pub mod store;
pub mod streams;
pub mod transfer;
pub mod wire;
pub mod yaml;
