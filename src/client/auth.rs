//! Who we are: challenges answered with Basic, a token, or nothing (distribution's token documentation).
//!
//! The first real request is the probe: nothing is asked before it. What a challenge said is remembered, so that
//! the next process can go with its token at once.

use std::sync::{Mutex, PoisonError, RwLock};

use http::{HeaderValue, header};

use super::kept::Kept;
use super::learnt::Scheme;
use super::token_request::{TokenServer, basic};
use super::tokens::{Token, Tokens};
use crate::credentials::{Chosen, Credential, Secret};
use crate::image::RegistryAddress;
use crate::outbound::{Outbound, Response};
use crate::registry::{Error, ErrorKind, Result};
use crate::wire::{Challenge, Scope};

/// How many scopes a token is asked for beside those that are wanted now: some registries' headers hold no more.
const MAX_FURTHER_SCOPES: usize = 8;

/// What a request is shown to be from.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    /// Nobody.
    None,
    /// Who has this password.
    Basic(HeaderValue),
    /// Who has this token of the configuration.
    Raw(HeaderValue),
    /// Who was given this token.
    Token(Token),
}

impl Proof {
    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Basic(value) | Self::Raw(value) => Some(value.clone()),
            Self::Token(token) => bearer(token.value()).ok(),
        }
    }
}

/// How much was tried already for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// Nothing, or what was at hand.
    Usual,
    /// A new token for all that the plan needs.
    Renewed,
    /// A new token for this request alone.
    Narrow,
}

/// How one registry is told who we are.
#[derive(Debug)]
pub(super) struct Auth {
    chosen: Chosen,
    scheme: RwLock<Option<Known>>,
    tokens: Tokens,
    will: Mutex<Vec<Scope>>,
    /// The token server that did not take the credential, and what it said, until it is known to be the right one.
    refused: Mutex<Option<(Scheme, Error)>>,
}

#[derive(Clone, Debug)]
struct Known {
    scheme: Scheme,
    /// What the challenge of this process asked for; empty while it is only remembered from an earlier one.
    asked: Vec<Scope>,
    confirmed: bool,
}

impl Auth {
    pub(super) fn new(chosen: Chosen, remembered: Option<Scheme>, kept: Option<Kept>) -> Self {
        let known = remembered.map(|scheme| Known { scheme, asked: Vec::new(), confirmed: false });
        Self {
            chosen,
            scheme: RwLock::new(known),
            tokens: Tokens::new(kept),
            will: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    pub(super) const fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    /// How the registry wants to know who we are, where that is known.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        self.known().map(|known| known.scheme)
    }

    /// Takes note of what the plan will need, so that one token does for all of it.
    pub(super) fn will(&self, scopes: impl IntoIterator<Item = Scope>) {
        let mut will = self.will.lock().unwrap_or_else(PoisonError::into_inner);
        *will = Scope::union(will.drain(..).chain(scopes));
    }

    /// The proof for a request that needs `wanted`.
    ///
    /// # Errors
    /// No token could be had, from a token server that the registry named in this run.
    pub(super) async fn proof(
        &self,
        outbound: &Outbound,
        registry: &RegistryAddress,
        wanted: &[Scope],
        effort: Effort,
    ) -> Result<Proof> {
        if let Credential::RegistryToken(token) = &self.chosen.credential {
            return bearer(token).map(Proof::Raw);
        }
        let Some(known) = self.known() else { return Ok(Proof::None) };
        match (&known.scheme, &self.chosen.credential) {
            (Scheme::Basic, Credential::Password { username, password }) => basic(username, password).map(Proof::Basic),
            (Scheme::Basic, _) => Ok(Proof::None),
            (Scheme::Bearer { realm, service }, _) => {
                let server =
                    TokenServer { outbound, registry, chosen: &self.chosen, realm, service: service.as_deref() };
                if let Some(error) = self.refused_before(&known.scheme) {
                    return Err(error);
                }
                let found = self.token(&server, &known, wanted, effort).await;
                match found {
                    Ok(token) => Ok(Proof::Token(token)),
                    // What an earlier run remembered may be out of date: the registry's answer will tell.
                    Err(error) if !known.confirmed => {
                        let refused = self.is_about_us(&error).then_some((known.scheme, error));
                        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
                        self.forget();
                        Ok(Proof::None)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    async fn token(&self, server: &TokenServer<'_>, known: &Known, wanted: &[Scope], effort: Effort) -> Result<Token> {
        let ask = async || {
            // Another request may have heard so while this one waited for its turn.
            if let Some(error) = self.refused_before(&known.scheme) {
                return Err(error);
            }
            if effort == Effort::Narrow {
                return server.ask(&in_order(wanted, known.asked.clone())).await;
            }
            let will = self.will.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let all = in_order(wanted, will);
            match server.ask(&all).await {
                // One scope that the server does not like spoils all: what can be done without is left out.
                Err(error) if all.len() > wanted.len() && self.is_about_scopes(&error) => server.ask(wanted).await,
                other => other,
            }
        };
        self.tokens.get(wanted, ask).await
    }

    /// Judges a 401 of the registry itself: what to try next, or `None` where nothing is left.
    pub(super) async fn challenged(
        &self,
        response: &Response,
        proof: &Proof,
        wanted: &[Scope],
        effort: Effort,
    ) -> Option<Effort> {
        let challenges = Challenge::parse_all(response.headers().get_all(header::WWW_AUTHENTICATE));
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service, scopes, error } => Some((realm, service, scopes, error)),
            Challenge::Basic { .. } | Challenge::Other(_) => None,
        });
        if let Some((realm, service, scopes, error)) = bearer {
            let scheme = Scheme::Bearer { realm: realm.clone(), service: service.clone() };
            self.confirm(Known { scheme, asked: scopes.clone(), confirmed: true });
            return self.after_bearer(proof, wanted, effort, error.as_deref()).await;
        }
        let has_basic = challenges.iter().any(|challenge| matches!(challenge, Challenge::Basic { .. }));
        let password = matches!(self.chosen.credential, Credential::Password { .. });
        if has_basic {
            self.confirm(Known { scheme: Scheme::Basic, asked: Vec::new(), confirmed: true });
        }
        (has_basic && password && !matches!(proof, Proof::Basic(_))).then_some(Effort::Renewed)
    }

    async fn after_bearer(
        &self,
        proof: &Proof,
        wanted: &[Scope],
        effort: Effort,
        error: Option<&str>,
    ) -> Option<Effort> {
        let token = match proof {
            Proof::Raw(_) => return None,
            Proof::None | Proof::Basic(_) => return (effort < Effort::Renewed).then_some(Effort::Renewed),
            Proof::Token(token) => token,
        };
        let insufficient = error == Some("insufficient_scope") || effort >= Effort::Renewed;
        self.tokens.refused(token, wanted, insufficient).await;
        match effort {
            Effort::Usual => Some(Effort::Renewed),
            Effort::Renewed => Some(Effort::Narrow),
            Effort::Narrow => None,
        }
    }

    /// Whether a token server may have disliked what was asked for, rather than who asked.
    fn is_about_scopes(&self, error: &Error) -> bool {
        !self.is_about_us(error)
            && matches!(
                error.kind(),
                ErrorKind::Denied | ErrorKind::Rejected | ErrorKind::NotFound | ErrorKind::Unavailable
            )
    }

    /// Whether a token server did not take the credential: asking again can only have it locked.
    fn is_about_us(&self, error: &Error) -> bool {
        let shows = matches!(self.chosen.credential, Credential::Password { .. } | Credential::IdentityToken(_));
        shows && error.status() == Some(401)
    }

    /// The error of a token server that did not take the credential, where it was asked on an earlier run's word.
    fn refused_before(&self, scheme: &Scheme) -> Option<Error> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().filter(|(by, _)| by == scheme).map(|(_, error)| error.clone())
    }

    fn known(&self) -> Option<Known> {
        self.scheme.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn confirm(&self, known: Known) {
        *self.scheme.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    fn forget(&self) {
        *self.scheme.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Every scope once, those that are wanted first and in their order: some token servers look at the first alone.
fn in_order(wanted: &[Scope], others: Vec<Scope>) -> Vec<Scope> {
    let mut scopes = Scope::union(wanted.iter().cloned().chain(others));
    let place = |scope: &Scope| wanted.iter().position(|wanted| scope.covers(wanted)).unwrap_or(wanted.len());
    scopes.sort_by_key(place);
    scopes.truncate(wanted.len() + MAX_FURTHER_SCOPES);
    scopes
}

fn bearer(token: &Secret) -> Result<HeaderValue> {
    let value = zeroize::Zeroizing::new(format!("Bearer {}", token.expose()));
    let unusable = |_| Error::new(ErrorKind::Denied, "the token holds characters that cannot be sent".to_owned());
    let mut value = HeaderValue::from_str(&value).map_err(unusable)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Quirk 3.
    #[test]
    fn the_wanted_scope_comes_first() {
        let wanted = Scope::parse_list("repository:b:push");
        let ordered = in_order(&wanted, Scope::parse_list("repository:a:pull repository:b:pull"));
        let text: Vec<String> = ordered.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["repository:b:pull,push", "repository:a:pull"]);
    }

    // Quirk 5.
    #[test]
    fn a_token_is_not_asked_for_more_than_a_few_scopes() {
        let scope = |number: usize| format!("repository:app-{number}:pull").parse::<Scope>().unwrap();
        let wanted = [scope(70)];
        let ordered = in_order(&wanted, (0..100).map(scope).collect());
        assert_eq!((ordered.len(), &ordered[0]), (1 + MAX_FURTHER_SCOPES, &wanted[0]));
    }
}
