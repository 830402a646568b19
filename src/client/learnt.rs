//! What a registry was seen to be able to do, remembered between runs.
//!
//! Hints that save requests: each is checked by use, or healed where it turns out wrong, and forgotten after a week.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state_file::StateFile;

/// How long a hint lasts, in seconds.
const LIFETIME: i64 = 7 * 24 * 60 * 60;
/// How many registries are remembered.
const MAX_REGISTRIES: usize = 500;

/// How a registry wants clients to show who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Scheme {
    /// User name and password with every request.
    Basic,
    /// A token from the realm.
    Bearer {
        /// The token server's URL: judged anew at every use.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
    },
}

/// What was learnt of one registry; `None` is "not known".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hints {
    /// Whether it speaks TLS, asked only where it is on this computer.
    pub(super) tls: Option<bool>,
    /// How it wants to know who we are.
    pub(super) scheme: Option<Scheme>,
    /// Whether it has the referrers API.
    pub(super) referrers: Option<bool>,
    /// Whether a mount from the same repository tells that a blob is there already.
    pub(super) tells_by_mount: Option<bool>,
    /// Whether it takes a small blob with the request that would open its upload.
    pub(super) takes_single_post: Option<bool>,
    /// The most bytes that it takes in one body, where it refused longer ones.
    pub(super) longest_body: Option<u64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Page {
    registries: BTreeMap<String, Entry>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    /// When it was last written, in seconds since 1970.
    noted: i64,
    hints: Hints,
}

/// What is known of one registry.
#[derive(Debug)]
pub(super) struct Learnt {
    registry: String,
    file: Option<StateFile>,
    hints: Mutex<Hints>,
}

impl Learnt {
    /// Remembers what is known of `registry`, from the file in `state` where there is one.
    pub(super) fn recall(registry: String, state: Option<&Path>) -> Self {
        let file = state.map(|state| StateFile::new(state.join("registries.json")));
        let now = Timestamp::now().as_second();
        let page: Page = file.as_ref().map(StateFile::read).unwrap_or_default();
        let entry = page.registries.into_iter().find(|(name, _)| *name == registry).map(|(_, entry)| entry);
        let fresh = entry.filter(|entry| (0..LIFETIME).contains(&(now - entry.noted)));
        Self { registry, file, hints: Mutex::new(fresh.unwrap_or_default().hints) }
    }

    /// What is known now.
    pub(super) fn hints(&self) -> Hints {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of something, for this run and the next.
    pub(super) async fn learn(&self, change: impl FnOnce(&mut Hints)) {
        let hints = {
            let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
            let before = hints.clone();
            change(&mut hints);
            if *hints == before {
                return;
            }
            hints.clone()
        };
        let Some(file) = &self.file else { return };
        let (registry, noted) = (self.registry.clone(), Timestamp::now().as_second());
        file.note(move |page: &mut Page| {
            page.registries.insert(registry, Entry { noted, hints });
            while page.registries.len() > MAX_REGISTRIES {
                let oldest = page.registries.iter().min_by_key(|(_, entry)| entry.noted);
                let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
                page.registries.remove(&oldest);
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hints_outlive_the_process_for_a_week() {
        let home = tempfile::tempdir().unwrap();
        let recall = |name: &str| Learnt::recall(name.to_owned(), Some(home.path()));
        recall("a").learn(|hints| hints.referrers = Some(false)).await;
        recall("b").learn(|hints| hints.scheme = Some(Scheme::Basic)).await;
        assert_eq!(recall("a").hints().referrers, Some(false));
        assert_eq!(recall("b").hints().scheme, Some(Scheme::Basic));
        assert_eq!(recall("c").hints(), Hints::default());
        let file = StateFile::new(home.path().join("registries.json"));
        file.change(|page: &mut Page| page.registries.values_mut().for_each(|entry| entry.noted -= LIFETIME)).unwrap();
        assert_eq!(recall("a").hints(), Hints::default());
    }

    #[test]
    fn a_spoilt_file_is_no_file() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("registries.json"), "{\"registries\": 7").unwrap();
        assert_eq!(Learnt::recall("a".to_owned(), Some(home.path())).hints(), Hints::default());
    }
}
