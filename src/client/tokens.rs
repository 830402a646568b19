//! The tokens of one registry and credential: who has which, until when, and that only one asks for a new one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::kept::Kept;
use crate::credentials::Secret;
use crate::registry::Result;
use crate::wire::Scope;

/// The lifetime of a token that does not say one (distribution's token documentation).
pub(super) const USUAL_LIFETIME: Duration = Duration::from_mins(1);
/// A token is renewed so long before its end, or a tenth of its lifetime where that is less.
const MARGIN: Duration = Duration::from_secs(15);
/// How many tokens are held; the oldest go.
const MAX_TOKENS: usize = 64;

/// A token in use.
#[derive(Clone, Debug)]
pub(super) struct Token {
    id: u64,
    value: Secret,
    scopes: Vec<Scope>,
    good_until: Instant,
    /// Whether it came from an earlier process.
    kept: bool,
}

impl Token {
    pub(super) const fn value(&self) -> &Secret {
        &self.value
    }

    fn covers(&self, wanted: &[Scope]) -> bool {
        wanted.iter().all(|wanted| self.scopes.iter().any(|scope| scope.covers(wanted)))
    }
}

/// A token as a token server handed it out.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) value: Secret,
    pub(super) scopes: Vec<Scope>,
    pub(super) lifetime: Duration,
}

/// All tokens of one registry and credential.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    live: Mutex<Vec<Token>>,
    added: AtomicU64,
    /// Held by whoever asks a token server, so that nobody asks the same at the same time.
    flight: tokio::sync::Mutex<Loaded>,
    kept: Option<Kept>,
}

/// Whether the kept tokens of earlier processes were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Loaded {
    #[default]
    No,
    Yes,
}

impl Tokens {
    pub(super) fn new(kept: Option<Kept>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// A token that is good for all of `wanted`; asks for one by `ask` where there is none, one at a time.
    ///
    /// # Errors
    /// What asking meets.
    pub(super) async fn get(&self, wanted: &[Scope], ask: impl AsyncFnOnce() -> Result<Granted>) -> Result<Token> {
        if let Some(token) = self.find(wanted) {
            return Ok(token);
        }
        let mut loaded = self.flight.lock().await;
        self.load(&mut loaded).await;
        if let Some(token) = self.find(wanted) {
            return Ok(token);
        }
        // Counted from before the answer, on a clock that nobody sets.
        let asked = Instant::now();
        let granted = ask().await?;
        if let Some(kept) = &self.kept {
            kept.keep(&granted.value, &granted.scopes, granted.lifetime).await;
        }
        let margin = MARGIN.min(granted.lifetime / 10);
        Ok(self.add(granted, asked, margin, false))
    }

    /// Takes note that the registry did not take `token` for `wanted`.
    pub(super) async fn refused(&self, token: &Token, wanted: &[Scope], insufficient: bool) {
        self.with_live(|live| {
            if insufficient {
                // It may still be good for others.
                let theirs = live.iter_mut().filter(|other| other.id == token.id);
                theirs.for_each(|other| other.scopes.retain(|scope| !wanted.iter().any(|wanted| scope.covers(wanted))));
            } else {
                live.retain(|other| other.id != token.id);
            }
        });
        if let Some(kept) = self.kept.as_ref().filter(|_| token.kept || insufficient) {
            kept.drop_token(&token.value).await;
        }
    }

    async fn load(&self, loaded: &mut Loaded) {
        if std::mem::replace(loaded, Loaded::Yes) == Loaded::Yes {
            return;
        }
        let Some(kept) = &self.kept else { return };
        for token in kept.load().await {
            let granted = Granted { value: token.value, scopes: token.scopes, lifetime: token.lifetime };
            self.add(granted, Instant::now(), Duration::ZERO, true);
        }
    }

    fn add(&self, granted: Granted, asked: Instant, margin: Duration, kept: bool) -> Token {
        let Granted { value, scopes, lifetime } = granted;
        let good_until = asked + lifetime.saturating_sub(margin);
        // Never one that was used before: who comes late with a refused token must not take the new one away.
        let id = self.added.fetch_add(1, Ordering::Relaxed);
        self.with_live(|live| {
            let token = Token { id, value, scopes, good_until, kept };
            live.retain(|token| token.good_until > asked);
            live.push(token.clone());
            let surplus = live.len().saturating_sub(MAX_TOKENS);
            live.drain(..surplus);
            token
        })
    }

    fn find(&self, wanted: &[Scope]) -> Option<Token> {
        let now = Instant::now();
        self.with_live(|live| live.iter().rev().find(|token| token.good_until > now && token.covers(wanted)).cloned())
    }

    fn with_live<T>(&self, work: impl FnOnce(&mut Vec<Token>) -> T) -> T {
        work(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    fn scopes(text: &str) -> Vec<Scope> {
        Scope::parse_list(text)
    }

    fn granted(scopes: Vec<Scope>, lifetime: Duration) -> Granted {
        Granted { value: Secret::new("t".to_owned()), scopes, lifetime }
    }

    // Faults 17, 18.
    #[tokio::test]
    async fn one_asks_for_all_and_again_shortly_before_the_end() {
        let (tokens, asked) = (Tokens::default(), AtomicU32::new(0));
        let all = scopes("repository:a:pull repository:b:pull,push");
        let get = async |wanted: &str| {
            let ask = async || {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(granted(all.clone(), Duration::from_millis(300)))
            };
            tokens.get(&scopes(wanted), ask).await.unwrap()
        };
        tokio::join!(get("repository:a:pull"), get("repository:b:push"), get("repository:b:pull,push"));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::sleep(Duration::from_millis(275)).await;
        get("repository:a:pull").await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_refused_token_is_not_used_for_that_again() {
        let tokens = Tokens::default();
        let all = scopes("repository:a:pull repository:b:pull,push");
        let ask = || {
            let all = all.clone();
            async move || Ok(granted(all, USUAL_LIFETIME))
        };
        let token = tokens.get(&all, ask()).await.unwrap();
        tokens.refused(&token, &scopes("repository:b:push"), true).await;
        assert!(tokens.find(&scopes("repository:b:push")).is_none());
        assert!(tokens.find(&scopes("repository:a:pull")).is_some());
        tokens.refused(&token, &scopes("repository:a:pull"), false).await;
        assert!(tokens.find(&scopes("repository:a:pull")).is_none());
        // Another request that went with the same token is refused later, when there is a new one.
        tokens.get(&all, ask()).await.unwrap();
        tokens.refused(&token, &all, false).await;
        assert!(tokens.find(&all).is_some());
    }
}
