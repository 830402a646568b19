//! What `distribute` says: what came of every registry.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use crate::command::replicas::Replica;
use crate::command::site::{Gone, tell_gone};
use crate::output::{Page, Report, Table, size};
use crate::transfer::TransferReport;

/// An image that a registry has now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    site: String,
    registry: String,
    #[serde(flatten)]
    image: TransferReport,
}

impl Sent {
    pub(super) fn new(replica: &Replica, image: TransferReport) -> Self {
        Self { site: replica.site.to_string(), registry: replica.path.to_string(), image }
    }
}

/// What was distributed.
#[derive(Debug, Serialize)]
pub(super) struct DistributeReport {
    /// The registries, and how many images each did not get.
    #[serde(skip)]
    pub(super) registries: Vec<(Replica, usize)>,
    pub(super) images: Vec<Sent>,
    /// What was removed, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) removed: Vec<Gone>,
}

impl Report for DistributeReport {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::new(["site", "registry", "sent", "there", "failed", "bytes"]);
        for (replica, failed) in &self.registries {
            let (site, registry) = (replica.site.to_string(), replica.path.to_string());
            let own: Vec<&Sent> = self.images.iter().filter(|s| s.site == site && s.registry == registry).collect();
            let there = own.iter().filter(|sent| sent.image.unchanged).count();
            let bytes = own.iter().fold(0_u64, |sum, sent| sum.saturating_add(sent.image.blobs.sent.bytes));
            let counts = [own.len() - there, there, *failed].map(|count| count.to_string());
            let [sent, there, failed] = counts;
            table.row([site, registry, sent, there, failed, size(bytes)]);
        }
        page.table(&table)?;
        tell_gone(&self.removed, "removed", page)
    }

    fn quiet(&self, page: &mut Page<'_>) -> io::Result<()> {
        let digests: BTreeSet<_> = self.images.iter().map(|sent| &sent.image.digest).collect();
        digests.into_iter().try_for_each(|digest| writeln!(page, "{digest}"))
    }
}
