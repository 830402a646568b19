//! Challenges: what a registry says in `WWW-Authenticate` (RFC 9110, 11.6.1; distribution's token documentation).

use http::HeaderValue;

use super::Scope;
use super::quoted::unquote;

/// The most challenges that are kept of one answer.
pub const MAX_CHALLENGES: usize = 16;
/// The most parameters that are kept of one challenge.
const MAX_PARAMETERS: usize = 32;
/// The most bytes that are read of one header.
const MAX_HEADER: usize = 16 * 1024;

/// A way to show who one is that a registry offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with every request.
    Basic {
        /// What the registry calls the protected place; may be empty.
        realm: String,
    },
    /// A token from somewhere else.
    Bearer {
        /// The URL of the token server, as the registry wrote it. A stranger's word: not to be followed unjudged.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
        /// What the token has to allow.
        scopes: Vec<Scope>,
        /// Why the last token did not do, e.g. `insufficient_scope`.
        error: Option<String>,
    },
    /// A scheme that is not spoken here, in lower case; also a `Bearer` that names no realm.
    Other(String),
}

impl Challenge {
    /// Reads all the challenges of all the `WWW-Authenticate` headers of one answer.
    ///
    /// Several may stand in one header. Garbage is passed over; at most [`MAX_CHALLENGES`] are kept.
    #[must_use]
    pub fn parse_all<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> Vec<Self> {
        let mut challenges = Vec::new();
        for header in headers.into_iter().take(MAX_CHALLENGES) {
            let bytes = header.as_bytes();
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_HEADER)]);
            let mut cursor = Cursor { rest: &text };
            while let Some((scheme, parameters)) = cursor.challenge() {
                challenges.push(Self::new(&scheme, parameters));
                if challenges.len() == MAX_CHALLENGES {
                    return challenges;
                }
            }
        }
        challenges
    }

    fn new(scheme: &str, parameters: Vec<(String, String)>) -> Self {
        let mut realm = None;
        let (mut service, mut error, mut scopes) = (None, None, Vec::new());
        for (name, value) in parameters {
            match name.as_str() {
                "realm" => realm = realm.or(Some(value)),
                "service" => service = service.or(Some(value)),
                "error" => error = error.or(Some(value)),
                "scope" => scopes.extend(Scope::parse_list(&value)),
                _ => {}
            }
        }
        match (scheme, realm) {
            ("basic", realm) => Self::Basic { realm: realm.unwrap_or_default() },
            ("bearer", Some(realm)) if !realm.is_empty() => {
                Self::Bearer { realm, service, scopes: Scope::union(scopes), error }
            }
            (other, _) => Self::Other(other.to_owned()),
        }
    }
}

/// What is still to be read of a header.
struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    /// The next challenge: its scheme and its parameters' names in lower case, and their values.
    fn challenge(&mut self) -> Option<(String, Vec<(String, String)>)> {
        let scheme = loop {
            self.skip(|c| c.is_ascii_whitespace() || c == ',');
            match self.token() {
                Some(scheme) => break scheme,
                None if self.rest.is_empty() => return None,
                // A character that begins nothing.
                None => self.skip_one(),
            }
        };
        let mut parameters = Vec::new();
        loop {
            let before = self.rest;
            self.skip(|c| c.is_ascii_whitespace() || c == ',');
            let Some(parameter) = self.parameter() else {
                // Not `name=value`: the next challenge begins here, or a token68 that says nothing to us.
                self.rest = before;
                self.skip_token68();
                return Some((scheme, parameters));
            };
            if parameters.len() < MAX_PARAMETERS {
                parameters.push(parameter);
            }
        }
    }

    fn parameter(&mut self) -> Option<(String, String)> {
        let name = self.token()?;
        self.skip(|c| c.is_ascii_whitespace());
        self.rest = self.rest.strip_prefix('=')?;
        self.skip(|c| c.is_ascii_whitespace());
        Some((name, self.value()))
    }

    /// A quoted string without its quotes and escapes, or everything up to a comma or a space.
    fn value(&mut self) -> String {
        if let Some((value, rest)) = unquote(self.rest) {
            self.rest = rest;
            return value;
        }
        let end = self.rest.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        value.to_owned()
    }

    /// A token (RFC 9110, 5.6.2) in lower case.
    fn token(&mut self) -> Option<String> {
        let end = self.rest.find(|c: char| !is_token_char(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then(|| token.to_ascii_lowercase())
    }

    /// `Negotiate YII=`: what follows a scheme after spaces alone and is no parameter.
    fn skip_token68(&mut self) {
        self.skip(|c| c.is_ascii_whitespace());
        self.skip(|c| c != ',' && !c.is_ascii_whitespace());
    }

    fn skip(&mut self, which: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(which);
    }

    fn skip_one(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }
}

const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '.' | '^' | '_' | '`' | '|' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(headers: &[&str]) -> Vec<Challenge> {
        let headers: Vec<HeaderValue> = headers.iter().map(|text| HeaderValue::from_str(text).unwrap()).collect();
        Challenge::parse_all(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scopes: &str, error: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scopes: Scope::parse_list(scopes),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn bearer_as_registries_write_it() {
        let expected = bearer("https://auth.example/token", Some("reg"), "repository:a/b:pull,push", None);
        for header in [
            r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:push,pull""#,
            r#"bearer   Realm = "https://auth.example/token" , SERVICE="reg", scope="repository:a/b:pull,push""#,
            r"BEARER realm=https://auth.example/token,service=reg,scope=repository:a/b:pull,scope=repository:a/b:push",
            r#",, Bearer realm="https://auth.example/token" service="reg" scope="repository:a/b:pull,push","#,
            r#"Bearer realm="https:\/\/auth.example\/token",service="r\eg",scope="repository:a/b:pull,push",x="y"#,
        ] {
            assert_eq!(parse(&[header]), std::slice::from_ref(&expected), "{header}");
        }
        let refused = r#"Bearer realm="r",error="insufficient_scope",scope="repository:a:push""#;
        assert_eq!(parse(&[refused]), [bearer("r", None, "repository:a:push", Some("insufficient_scope"))]);
    }

    #[test]
    fn two_scopes_in_one_value() {
        let header = r#"Bearer realm="r",scope="repository:a:pull,push repository:b:pull""#;
        assert_eq!(parse(&[header]), [bearer("r", None, "repository:a:pull,push repository:b:pull", None)]);
    }

    #[test]
    fn several_challenges_in_one_header_and_in_several() {
        let basic = Challenge::Basic { realm: "a, b=\"c\"".to_owned() };
        let token = bearer("r", Some("s"), "", None);
        let both = r#"Basic realm="a, b=\"c\"", Bearer realm="r", service="s""#;
        assert_eq!(parse(&[both]), [basic.clone(), token.clone()]);
        assert_eq!(parse(&[r#"Basic realm="a, b=\"c\"""#, r#"Bearer realm="r",service="s""#]), [basic, token]);
        let other = |word: &str| Challenge::Other(word.to_owned());
        assert_eq!(
            parse(&[r#"Negotiate, NTLM TlRMTVNTUAACAAAA==, Digest realm="x", Basic"#]),
            [other("negotiate"), other("ntlm"), other("digest"), Challenge::Basic { realm: String::new() }]
        );
    }

    #[test]
    fn a_bearer_without_a_realm_is_of_no_use() {
        for header in ["Bearer", "Bearer service=\"x\"", "Bearer realm=\"\""] {
            assert_eq!(parse(&[header]), [Challenge::Other("bearer".to_owned())], "{header}");
        }
    }

    #[test]
    fn garbage_is_bounded() {
        assert_eq!(parse(&["", " , ,", "\"\"", "===", "@@"]), []);
        assert_eq!(parse(&[&"Basic,".repeat(1000)]).len(), MAX_CHALLENGES);
        let long = format!("Bearer {}realm=\"r\"", "x=y,".repeat(MAX_PARAMETERS));
        assert_eq!(parse(&[&long]), [Challenge::Other("bearer".to_owned())]);
        let unclosed = format!("Bearer realm=\"{}", "r".repeat(100_000));
        assert!(matches!(&parse(&[&unclosed])[..], [Challenge::Bearer { realm, .. }] if realm.len() < MAX_HEADER));
    }

    proptest! {
        #[test]
        fn any_header_is_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(header) = HeaderValue::from_bytes(&bytes) {
                prop_assert!(Challenge::parse_all([&header]).len() <= MAX_CHALLENGES);
            }
        }

        #[test]
        fn any_mixture_of_its_own_pieces_is_taken(pieces in proptest::collection::vec("Bearer|realm|=|\"|,| |\\\\|x|é", 0..60)) {
            let header = HeaderValue::from_bytes(pieces.concat().as_bytes()).unwrap();
            prop_assert!(Challenge::parse_all([&header]).len() <= MAX_CHALLENGES);
        }

        #[test]
        fn quoted_values_come_back(value in "[ -~]{1,40}") {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"");
            let header = HeaderValue::from_str(&format!("Bearer realm=\"{quoted}\"")).unwrap();
            prop_assert_eq!(Challenge::parse_all([&header]), [bearer(&value, None, "", None)]);
        }
    }
}
