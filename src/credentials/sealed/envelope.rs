//! The form of an encrypted vault file, version 1.
//!
//! ```text
//! 15  "tranship-vault\n"
//!  1  version: 1
//!  4  Argon2id memory in KiB       big-endian, as are the next two
//!  4  Argon2id passes
//!  4  Argon2id lanes
//! 16  salt
//! 24  nonce
//!  …  XChaCha20-Poly1305 of the content; all of the above is its associated data
//! 32  SHA-256 of everything before it
//! ```
//!
//! The checksum tells a damaged file from a wrong passphrase: where it holds and the cipher refuses, it is the key.
//! The costs are bounded on reading, so that a forged file cannot exhaust the memory.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"tranship-vault\n";
const VERSION: u8 = 1;
const SALT: usize = 16;
const NONCE: usize = 24;
const HEADER: usize = MAGIC.len() + 1 + 3 * 4 + SALT + NONCE;
const TAG: usize = 16;
const CHECKSUM: usize = 32;

/// How a key is made of a passphrase (Argon2id, RFC 9106).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Derivation {
    cost: Cost,
    salt: [u8; SALT],
}

/// What making a key costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Cost {
    /// RFC 9106's second recommendation, with one lane: about a quarter of a second.
    pub(super) const NORMAL: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    fn is_bearable(self) -> bool {
        self.memory_kib <= 512 * 1024 && self.passes <= 32 && self.lanes <= 16
    }
}

/// The key of a vault file.
pub(super) type Key = Zeroizing<[u8; 32]>;

impl Derivation {
    /// A new one, with a salt of its own.
    pub(super) fn new(cost: Cost) -> Result<Self, EnvelopeError> {
        Ok(Self { cost, salt: random()? })
    }

    /// Makes the key.
    pub(super) fn key(&self, passphrase: &[u8]) -> Result<Key, EnvelopeError> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let parameters = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| EnvelopeError::Costs)?;
        let mut key = Key::default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(passphrase, &self.salt, &mut *key)
            .map_err(|_| EnvelopeError::Costs)?;
        Ok(key)
    }
}

fn random<const N: usize>() -> Result<[u8; N], EnvelopeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| EnvelopeError::Random)?;
    Ok(bytes)
}

/// Encrypts `content` under a new nonce.
pub(super) fn seal(derivation: &Derivation, key: &Key, content: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    seal_with(derivation, key, content, random()?)
}

fn seal_with(
    Derivation { cost, salt }: &Derivation,
    key: &Key,
    content: &[u8],
    nonce: [u8; NONCE],
) -> Result<Vec<u8>, EnvelopeError> {
    let mut file = [MAGIC, &[VERSION]].concat();
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        file.extend_from_slice(&number.to_be_bytes());
    }
    file.extend_from_slice(salt);
    file.extend_from_slice(&nonce);
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let payload = Payload { msg: content, aad: &file };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| EnvelopeError::Costs)?;
    file.extend_from_slice(&sealed);
    file.extend_from_slice(&Sha256::digest(&file));
    Ok(file)
}

/// A vault file that is whole, and still closed.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) derivation: Derivation,
    header: &'a [u8],
    nonce: [u8; NONCE],
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads a file and checks that it is whole.
    pub(super) fn parse(file: &'a [u8]) -> Result<Self, EnvelopeError> {
        let rest = file.strip_prefix(MAGIC).ok_or(EnvelopeError::Foreign)?;
        match rest.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(EnvelopeError::Version(version)),
            None => return Err(EnvelopeError::Damaged),
        }
        if file.len() < HEADER + TAG + CHECKSUM {
            return Err(EnvelopeError::Damaged);
        }
        let (body, checksum) = file.split_at(file.len() - CHECKSUM);
        if Sha256::digest(body)[..] != *checksum {
            return Err(EnvelopeError::Damaged);
        }
        let (header, sealed) = body.split_at(HEADER);
        let mut fields = Fields(&header[MAGIC.len() + 1..]);
        let mut number = || fields.take().map(u32::from_be_bytes);
        let cost = Cost { memory_kib: number()?, passes: number()?, lanes: number()? };
        if !cost.is_bearable() {
            return Err(EnvelopeError::Costs);
        }
        let derivation = Derivation { cost, salt: fields.take()? };
        Ok(Self { derivation, header, nonce: fields.take()?, sealed })
    }

    /// Decrypts the content; `None` where the key is not the one.
    pub(super) fn open(&self, key: &Key) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = XChaCha20Poly1305::new((&**key).into());
        let payload = Payload { msg: self.sealed, aad: self.header };
        cipher.decrypt(&XNonce::from(self.nonce), payload).ok().map(Zeroizing::new)
    }
}

/// The bytes of a header that were not read yet.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(EnvelopeError::Damaged)?;
        self.0 = rest;
        Ok(*field)
    }
}

/// Why bytes are no vault file that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Something else altogether.
    #[error("it is not a vault file")]
    Foreign,
    /// Written by a newer tranship.
    #[error("it is of version {0}, which a newer tranship wrote")]
    Version(u8),
    /// Cut short or changed.
    #[error("it is damaged: its checksum does not hold")]
    Damaged,
    /// No vault file asks for so much memory or time.
    #[error("its cost of making a key is out of bounds")]
    Costs,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn sealed(passphrase: &str, content: &[u8]) -> Vec<u8> {
        let derivation = Derivation::new(CHEAP).unwrap();
        seal(&derivation, &derivation.key(passphrase.as_bytes()).unwrap(), content).unwrap()
    }

    fn open(file: &[u8], passphrase: &str) -> Option<Vec<u8>> {
        let envelope = Envelope::parse(file).unwrap();
        envelope.open(&envelope.derivation.key(passphrase.as_bytes()).unwrap()).map(|content| content.to_vec())
    }

    fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
        body.extend_from_slice(&Sha256::digest(&body));
        body
    }

    #[test]
    fn a_changed_bit_anywhere_is_seen_before_a_passphrase_is_needed() {
        let file = sealed("p", b"content");
        for position in 0..file.len() {
            let mut changed = file.clone();
            changed[position] ^= 1;
            assert!(Envelope::parse(&changed).is_err(), "{position}");
        }
        for length in 0..file.len() {
            assert!(Envelope::parse(&file[..length]).is_err(), "{length}");
        }
        assert!(matches!(Envelope::parse(b"auths: {}"), Err(EnvelopeError::Foreign)));
        assert!(matches!(Envelope::parse(b"tranship-vault\n\x02"), Err(EnvelopeError::Version(2))));
    }

    #[test]
    fn a_header_with_a_fitting_checksum_is_still_authenticated() {
        let file = sealed("p", b"content");
        let mut body = file[..file.len() - CHECKSUM].to_vec();
        let nonce = HEADER - 1;
        body[nonce] ^= 1;
        assert_eq!(open(&with_checksum(body), "p"), None);
    }

    #[test]
    fn forged_costs_are_refused() {
        let file = sealed("p", b"content");
        for (field, value) in [(0, 1 << 30), (1, 1000), (2, 1000)] {
            let mut body = file[..file.len() - CHECKSUM].to_vec();
            let start = MAGIC.len() + 1 + 4 * field;
            body[start..start + 4].copy_from_slice(&u32::to_be_bytes(value));
            assert!(matches!(Envelope::parse(&with_checksum(body)), Err(EnvelopeError::Costs)), "{field}");
        }
        let mut body = file[..file.len() - CHECKSUM].to_vec();
        body[MAGIC.len() + 1..MAGIC.len() + 5].fill(0);
        let file = with_checksum(body);
        assert_eq!(Envelope::parse(&file).unwrap().derivation.key(b"p"), Err(EnvelopeError::Costs));
    }

    /// Made with libargon2 and libsodium: files of version 1 open for ever.
    #[test]
    fn a_file_that_others_made_opens_and_is_made_again() {
        let expected = concat!(
            "7472616e736869702d7661756c740a01000000400000000200000001000102030405060708090a0b0c0d0e0f",
            "6465666768696a6b6c6d6e6f707172737475767778797a7bc048eac4b70b4044a743ad7daedf90c0ddccd7ce",
            "00df8994b5144afda02a1cf7a3a347e2504ae87b4d34458cd647cb8155b2775146fab254c0fe98ab05f14bbc",
            "0c7cb0",
        );
        let derivation = Derivation {
            cost: Cost { memory_kib: 64, passes: 2, lanes: 1 },
            salt: std::array::from_fn(|byte| u8::try_from(byte).unwrap()),
        };
        let key = derivation.key(b"correct horse").unwrap();
        let nonce = std::array::from_fn(|byte| 100 + u8::try_from(byte).unwrap());
        let content = br#"{"a":{"token":"t"}}"#;
        let file = seal_with(&derivation, &key, content, nonce).unwrap();
        let hex: Vec<_> = file.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), expected);
        assert_eq!(open(&file, "correct horse").as_deref(), Some(&content[..]));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_with_its_passphrase_alone(passphrase in ".{0,12}", other in ".{0,12}", content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let file = sealed(&passphrase, &content);
            prop_assert_eq!(open(&file, &passphrase), Some(content));
            prop_assume!(passphrase != other);
            prop_assert_eq!(open(&file, &other), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Envelope::parse(&[MAGIC, &[VERSION], &bytes].concat()).is_err());
        }
    }
}
