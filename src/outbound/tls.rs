//! How connections are secured: which authorities are trusted, and which certificate we show.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::OutboundError;
use crate::files;

/// The most bytes of a certificate or key file that are read.
const MAX_PEM: u64 = 1024 * 1024;
/// The most files of one `certs.d` folder that are looked at.
const MAX_FILES: usize = 100;

/// Whether the other side's certificate has to be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// It has to.
    Verified,
    /// Any is taken from the configured origin. Everyone else's still has to be good.
    Ignored,
}

/// How the connections of one registry are secured.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Whether the configured origin's certificate has to be good.
    pub certificates: Certificates,
    /// Authorities that are trusted beside the platform's, PEM; each text may hold several.
    pub authorities: Vec<Vec<u8>>,
    /// Our certificate and its key, PEM, in one text; shown to the configured origin alone.
    pub identity: Option<Vec<u8>>,
}

impl TlsSettings {
    /// The platform's authorities and no certificate of ours.
    #[must_use]
    pub const fn new(certificates: Certificates) -> Self {
        Self { certificates, authorities: Vec::new(), identity: None }
    }

    /// Trusts the authorities in a PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn trust_file(&mut self, path: &Path) -> Result<(), OutboundError> {
        let pem = read(path)?;
        if certificates(&pem).is_none() {
            return Err(OutboundError::Settings(format!("the file {} holds no PEM certificate", path.display())));
        }
        self.authorities.push(pem);
        Ok(())
    }

    /// Shows the certificate in one PEM file with the key in another.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn show_files(&mut self, certificate: &Path, key: &Path) -> Result<(), OutboundError> {
        let mut pem = read(certificate)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        self.identity = Some(pem);
        Ok(())
    }

    /// Takes over what docker and podman know of a registry: `DIRECTORY/HOST[:PORT]/*.crt` are authorities, and
    /// `X.cert` with `X.key` beside it is our certificate, unless there is one already.
    ///
    /// # Errors
    /// A file that is there cannot be read.
    pub fn add_folders(&mut self, directories: &[PathBuf], address: &str) -> Result<(), OutboundError> {
        for directory in directories {
            let folder = directory.join(address);
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).take(MAX_FILES).collect();
            paths.sort();
            for path in paths {
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => self.trust_file(&path)?,
                    Some("cert") if self.identity.is_none() => self.show_files(&path, &path.with_extension("key"))?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The authorities, read.
    pub(super) fn trusted(&self) -> Result<Vec<CertificateDer<'static>>, OutboundError> {
        let mut trusted = Vec::new();
        for pem in &self.authorities {
            let found =
                certificates(pem).ok_or_else(|| unusable("the configured `ca-cert` holds no PEM certificate"))?;
            trusted.extend(found);
        }
        Ok(trusted)
    }

    /// Our certificate with its chain, and its key, read.
    pub(super) fn shown(&self) -> Result<Option<Shown>, OutboundError> {
        let Some(pem) = &self.identity else { return Ok(None) };
        let shown = certificates(pem).zip(PrivateKeyDer::from_pem_slice(pem).ok());
        let unusable = || unusable("the client certificate and its key are not a usable PEM pair");
        shown.map(Some).ok_or_else(unusable)
    }
}

/// A certificate with its chain, and its key.
pub(super) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The certificates in a PEM text; `None` where there is none, or one that cannot be read.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}

/// Where docker and podman keep what they know of registries, in the order in which it is read.
#[must_use]
pub fn usual_folders(home: Option<&Path>) -> Vec<PathBuf> {
    let below_home = [".config/containers/certs.d", ".config/docker/certs.d", ".docker/certs.d"];
    let below_home = home.into_iter().flat_map(|home| below_home.map(|folder| home.join(folder)));
    let shared = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    below_home.chain(shared).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, OutboundError> {
    // Links are usual among certificates, so what the user named is followed to where it leads.
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match files::read_regular(&place, MAX_PEM) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(OutboundError::Settings(format!("the certificate file {} does not exist", path.display()))),
        Err(error) => Err(OutboundError::Settings(format!("{error}: {}", error.source))),
    }
}

fn unusable(text: &str) -> OutboundError {
    OutboundError::Settings(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_docker_and_podman_are_read() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("reg.example:5000");
        std::fs::create_dir(&folder).unwrap();
        let key = rcgen::generate_simple_self_signed(["reg.example".to_owned()]).unwrap();
        for (name, text) in [
            ("ca.crt", key.cert.pem()),
            ("client.cert", key.cert.pem()),
            ("client.key", key.signing_key.serialize_pem()),
            ("notes.txt", "x".to_owned()),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let mut settings = TlsSettings::new(Certificates::Verified);
        settings.add_folders(&[home.path().to_owned()], "reg.example:5000").unwrap();
        assert_eq!(settings.authorities.len(), 1);
        assert_eq!(settings.trusted().unwrap().len(), 1);
        assert_eq!(settings.shown().unwrap().unwrap().0.len(), 1);
        let mut other = TlsSettings::new(Certificates::Verified);
        other.add_folders(&[home.path().to_owned()], "reg.example").unwrap();
        assert!(other.authorities.is_empty() && other.identity.is_none());
    }

    #[test]
    fn what_is_no_certificate_is_said() {
        let mut settings = TlsSettings::new(Certificates::Verified);
        settings.authorities.push(b"hello".to_vec());
        assert!(settings.trusted().unwrap_err().to_string().contains("no PEM"));
        let error = settings.trust_file(Path::new("/nonexistent/ca.pem")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/ca.pem does not exist"), "{error}");
    }
}
