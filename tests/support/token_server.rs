//! A token server: gives out tokens that docker-registry and the scripted registry take, as told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::PublicKeyData as _;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::certificates::{Authority, Identity, LOOPBACK};
use super::http::form;
use super::server::{Delivery, Handler, Request, Response, Server};

/// Whom the tokens are for.
pub(crate) const SERVICE: &str = "registry.test";
/// Who says so.
pub(crate) const ISSUER: &str = "token-server.test";

/// How a token server behaves. The default is one that does everything right.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// Users and their passwords. Whoever has none may pull, if `anonymous_pull`.
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) anonymous_pull: bool,
    /// How long a token is good.
    pub(crate) lifetime: Duration,
    /// By how many seconds the server's clock is ahead of ours.
    pub(crate) clock_skew: i64,
    /// Whether the answer says so.
    pub(crate) says_lifetime: bool,
    /// The fields that the token is in.
    pub(crate) fields: &'static [&'static str],
    /// Whether POST (OAuth2) is spoken; else it is 404.
    pub(crate) oauth2: bool,
    /// Scopes that hold this text are answered with this status.
    pub(crate) refuses: Option<(&'static str, u16)>,
    /// Scopes that hold this text are granted without their actions.
    pub(crate) narrows: Option<&'static str>,
    /// How tokens name their key: by certificate chain, or by key id.
    pub(crate) key_name: KeyName,
    /// What becomes of a request for several scopes.
    pub(crate) several: Several,
    /// How answers are sent.
    pub(crate) delivery: Delivery,
}

/// What a token server makes of a request for several scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Several {
    Granted,
    /// The first is granted, and nothing is said of the others.
    FirstAlone,
    /// More than so many are answered with this status.
    Refused(usize, u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyName {
    X5c,
    Kid,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            users: BTreeMap::from([("bob".to_owned(), "secret".to_owned())]),
            anonymous_pull: true,
            lifetime: Duration::from_mins(5),
            clock_skew: 0,
            says_lifetime: true,
            fields: &["token", "access_token"],
            oauth2: true,
            refuses: None,
            narrows: None,
            key_name: KeyName::X5c,
            several: Several::Granted,
            delivery: Delivery::Whole,
        }
    }
}

/// A token that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) method: String,
    /// Who was proven; `None` for anonymous.
    pub(crate) user: Option<String>,
    /// `password` or `refresh_token` in OAuth2, `basic` or `anonymous` in GET.
    pub(crate) grant: String,
    /// The scopes as they were asked for.
    pub(crate) scopes: Vec<String>,
    pub(crate) status: u16,
}

/// A running token server.
pub(crate) struct TokenServer {
    server: Server,
    desk: Arc<Desk>,
}

/// What the server decides with; the scripted registry asks it too.
pub(crate) struct Desk {
    tokens: Mutex<Tokens>,
    identity: Identity,
    fetches: Mutex<Vec<Fetch>>,
    issued: Mutex<BTreeMap<String, (Vec<String>, SystemTime)>>,
    refresh: Mutex<BTreeMap<String, String>>,
}

impl TokenServer {
    /// Starts over plain HTTP on 127.0.0.1.
    pub(crate) fn start(tokens: Tokens) -> Self {
        Self::start_at("127.0.0.1", None, tokens)
    }

    /// Starts on `ip`, over TLS where `authority` is to sign its certificate.
    pub(crate) fn start_at(ip: &str, authority: Option<&Authority>, tokens: Tokens) -> Self {
        let desk = Arc::new(Desk {
            tokens: Mutex::new(tokens),
            identity: Authority::new().server(&["token-server.test"]),
            fetches: Mutex::new(Vec::new()),
            issued: Mutex::new(BTreeMap::new()),
            refresh: Mutex::new(BTreeMap::new()),
        });
        let tls = authority.map(|authority| authority.server(&LOOPBACK).server_config(None));
        Self { server: Server::start(ip, tls, Arc::clone(&desk) as Arc<dyn Handler>), desk }
    }

    /// The URL that challenges name as their realm.
    pub(crate) fn realm(&self) -> String {
        format!("{}/token", self.server.url())
    }

    /// The bundle that a registry trusts these tokens by.
    pub(crate) fn trust_pem(&self) -> String {
        self.desk.identity.certificate_pem.clone()
    }

    /// Every token that was asked for, in order.
    pub(crate) fn fetches(&self) -> Vec<Fetch> {
        self.desk.fetches.lock().unwrap().clone()
    }

    /// Forgets the tokens that were asked for so far; they stay good.
    pub(crate) fn forget_fetches(&self) {
        self.desk.fetches.lock().unwrap().clear();
    }

    /// Changes how it behaves from now on.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Tokens)) {
        change(&mut self.desk.tokens.lock().unwrap());
    }

    /// Makes a token without a request, for setting a test up.
    pub(crate) fn token(&self, scopes: &[&str]) -> String {
        self.desk.issue(Some("test"), scopes.iter().map(ToString::to_string).collect())
    }

    /// Makes a refresh token of `user` without a request.
    pub(crate) fn refresh_token(&self, user: &str) -> String {
        self.desk.refresh_token(user)
    }

    /// Takes back every token, as a registry does whose keys change.
    pub(crate) fn revoke_all(&self) {
        self.desk.issued.lock().unwrap().clear();
    }

    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }
}

impl Handler for Desk {
    fn answer(&self, request: Request) -> Response {
        let tokens = self.tokens.lock().unwrap().clone();
        let asked = if request.method == "POST" { posted(&request) } else { got(&request) };
        let response = self.judge(&tokens, &asked, &request.method).deliver(tokens.delivery.clone());
        let user = asked.user.as_ref().map(|(name, _)| name.clone()).or_else(|| self.refreshed(&asked));
        let fetch =
            Fetch { method: request.method, user, grant: asked.grant, scopes: asked.scopes, status: response.status };
        self.fetches.lock().unwrap().push(fetch);
        response
    }
}

/// What a request for a token says.
#[derive(Default)]
struct Asked {
    grant: String,
    user: Option<(String, String)>,
    refresh: Option<String>,
    scopes: Vec<String>,
    offline: bool,
}

fn got(request: &Request) -> Asked {
    let (_, query) = request.target.split_once('?').unwrap_or_default();
    let user = request.header("authorization").and_then(basic);
    let mut asked =
        Asked { grant: if user.is_some() { "basic" } else { "anonymous" }.to_owned(), user, ..Asked::default() };
    for (key, value) in form(query) {
        match key.as_str() {
            "scope" => asked.scopes.push(value),
            "offline_token" => asked.offline = value == "true",
            _ => {}
        }
    }
    asked
}

fn posted(request: &Request) -> Asked {
    let fields: BTreeMap<String, String> = form(&String::from_utf8_lossy(&request.body)).into_iter().collect();
    let field = |name: &str| fields.get(name).cloned();
    Asked {
        grant: field("grant_type").unwrap_or_default(),
        user: field("username").zip(field("password")),
        refresh: field("refresh_token"),
        scopes: field("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        offline: field("access_type").as_deref() == Some("offline"),
    }
}

/// User and password of a `Basic` header.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let (user, password) =
        String::from_utf8(decoded).ok()?.split_once(':').map(|(u, p)| (u.to_owned(), p.to_owned()))?;
    Some((user, password))
}

impl Desk {
    fn judge(&self, tokens: &Tokens, asked: &Asked, method: &str) -> Response {
        if method == "POST" && !tokens.oauth2 {
            return Response::new(404);
        }
        let user = match (&asked.user, &asked.refresh) {
            (Some((user, password)), _) if tokens.users.get(user) == Some(password) => Some(user.clone()),
            (None, Some(_)) => match self.refreshed(asked) {
                Some(user) => Some(user),
                None => return Response::json(400, &json!({"error": "invalid_grant"})),
            },
            (Some(_), _) => return Response::json(401, &json!({"details": "incorrect username or password"})),
            (None, None) => None,
        };
        if let Some((text, status)) = tokens.refuses
            && asked.scopes.iter().any(|scope| scope.contains(text))
        {
            return Response::error(status, "DENIED");
        }
        let heard = match tokens.several {
            Several::Granted => asked.scopes.len(),
            Several::FirstAlone => 1,
            Several::Refused(most, status) if asked.scopes.len() > most => return Response::error(status, "DENIED"),
            Several::Refused(most, _) => most,
        };
        let heard = asked.scopes.iter().take(heard);
        let scopes = heard.map(|scope| grant(tokens, user.as_deref(), scope)).collect();
        let mut answer = json!({});
        let token = self.issue(user.as_deref(), scopes);
        for field in tokens.fields {
            answer[*field] = json!(token);
        }
        if tokens.says_lifetime {
            answer["expires_in"] = json!(tokens.lifetime.as_secs());
            let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(tokens.clock_skew);
            answer["issued_at"] = json!(now.to_string());
        }
        if let Some(user) = user.filter(|_| asked.offline || asked.refresh.is_some()) {
            answer["refresh_token"] = json!(asked.refresh.clone().unwrap_or_else(|| self.refresh_token(&user)));
        }
        Response::json(200, &answer)
    }

    fn refreshed(&self, asked: &Asked) -> Option<String> {
        self.refresh.lock().unwrap().get(asked.refresh.as_ref()?).cloned()
    }

    fn refresh_token(&self, user: &str) -> String {
        let mut refresh = self.refresh.lock().unwrap();
        let token = format!("refresh-{user}-{}", refresh.len());
        refresh.insert(token.clone(), user.to_owned());
        token
    }

    fn issue(&self, user: Option<&str>, scopes: Vec<String>) -> String {
        let (lifetime, key_name, skew) = {
            let tokens = self.tokens.lock().unwrap();
            (tokens.lifetime, tokens.key_name, tokens.clock_skew)
        };
        let mut issued = self.issued.lock().unwrap();
        let until = SystemTime::now() + lifetime;
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs().saturating_add_signed(skew);
        let now = seconds(SystemTime::now());
        let claims = json!({
            "iss": ISSUER, "aud": SERVICE, "sub": user.unwrap_or_default(), "jti": issued.len().to_string(),
            "iat": now, "nbf": now - 10, "exp": seconds(until),
            "access": scopes.iter().map(|scope| access(scope)).collect::<Vec<_>>(),
        });
        let token = self.sign(&claims, key_name);
        issued.insert(token.clone(), (scopes, until));
        token
    }

    fn sign(&self, claims: &Value, key_name: KeyName) -> String {
        let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
        match key_name {
            KeyName::X5c => header.x5c = Some(vec![STANDARD.encode(&self.identity.certificate_der)]),
            KeyName::Kid => header.kid = Some(key_id(&self.identity.key.subject_public_key_info())),
        }
        let key = EncodingKey::from_ec_pem(self.identity.key.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    /// Whether `token` is good now, and if so whether it allows `action` on `repository`.
    pub(crate) fn allows(&self, token: &str, resource: &str, name: &str, action: &str) -> Option<bool> {
        let issued = self.issued.lock().unwrap();
        let (scopes, until) = issued.get(token)?;
        if SystemTime::now() > *until {
            return None;
        }
        Some(scopes.iter().map(|scope| access(scope)).any(|access| {
            let actions = access["actions"].as_array().cloned().unwrap_or_default();
            access["type"] == resource && access["name"] == name && actions.iter().any(|a| a == action || a == "*")
        }))
    }
}

/// What of a scope is granted.
fn grant(tokens: &Tokens, user: Option<&str>, scope: &str) -> String {
    let (name, actions) = scope.rsplit_once(':').unwrap_or_default();
    let granted = |action: &&str| user.is_some() || (tokens.anonymous_pull && *action == "pull");
    let actions: Vec<&str> = actions.split(',').filter(granted).collect();
    if tokens.narrows.is_some_and(|text| scope.contains(text)) {
        format!("{name}:")
    } else {
        format!("{name}:{}", actions.join(","))
    }
}

fn access(scope: &str) -> Value {
    let (resource, rest) = scope.split_once(':').unwrap_or_default();
    let (name, actions) = rest.rsplit_once(':').unwrap_or_default();
    let actions: Vec<&str> = actions.split(',').filter(|action| !action.is_empty()).collect();
    json!({"type": resource, "name": name, "actions": actions})
}

/// The name that docker-registry knows a key by: 240 bits of a hash in base 32, in groups of four.
fn key_id(public_key: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = sha2::Sha256::digest(public_key);
    let mut letters = String::new();
    for five in hash[..30].chunks(5) {
        let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        letters.extend((0..8).rev().map(|place| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize])));
    }
    let groups: Vec<&str> = (0..12).map(|group| &letters[4 * group..4 * group + 4]).collect();
    groups.join(":")
}
