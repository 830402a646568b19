use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use super::*;

struct Made {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
    params: CertificateParams,
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).unwrap()
}

fn self_signed(params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Made { der: certificate.der().clone(), pem: certificate.pem(), key, params }
}

fn authority() -> CertificateParams {
    let mut params = params("reg.example");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn judge(trusted: &Made, shown: &CertificateDer<'_>, name: &'static str) -> Result<(), String> {
    let mut settings = TlsSettings::new(Certificates::Verified);
    settings.authorities.push(trusted.pem.clone().into_bytes());
    let verified = Verification::new(settings).verified().unwrap();
    let name = ServerName::try_from(name).unwrap();
    verified.verify_server_cert(shown, &[], &name, &[], UnixTime::now()).map(drop).map_err(|error| error.to_string())
}

// S37.
#[test]
fn a_certificate_is_good_by_its_authority_or_by_being_configured() {
    let ca = self_signed(authority());
    let issuer = Issuer::new(ca.params.clone(), &ca.key);
    let key = KeyPair::generate().unwrap();
    let leaf = params("reg.example").signed_by(&key, &issuer).unwrap();
    assert_eq!(judge(&ca, leaf.der(), "reg.example"), Ok(()));
    assert!(judge(&ca, leaf.der(), "other.example").unwrap_err().contains("not valid for name"));
    // What `openssl req -x509` makes, put where docker looks for authorities.
    assert_eq!(judge(&ca, &ca.der, "reg.example"), Ok(()));
    assert!(judge(&ca, &ca.der, "other.example").unwrap_err().contains("not valid for name"));
    let plain = self_signed(params("reg.example"));
    assert_eq!(judge(&plain, &plain.der, "reg.example"), Ok(()));
    assert!(judge(&ca, &plain.der, "reg.example").is_err());
}

#[test]
fn a_configured_certificate_has_its_dates_all_the_same() {
    let mut past = authority();
    (past.not_before, past.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let past = self_signed(past);
    assert!(judge(&past, &past.der, "reg.example").unwrap_err().contains("expired"));
}

#[test]
fn strangers_are_verified_and_see_no_certificate_of_ours() {
    let mine = self_signed(params("client"));
    let mut settings = TlsSettings::new(Certificates::Ignored);
    settings.identity = Some(format!("{}\n{}", mine.pem, mine.key.serialize_pem()).into_bytes());
    let verification = Verification::new(settings);
    assert!(verification.at_home(true).unwrap().client_auth_cert_resolver.has_certs());
    let strangers = verification.for_strangers().unwrap();
    assert!(!strangers.client_auth_cert_resolver.has_certs());
    assert_eq!(strangers.alpn_protocols, [b"http/1.1"]);
}
