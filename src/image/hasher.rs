//! Running digests: bytes go in piece by piece, also in more than one process, and the digest comes out.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

use super::{Algorithm, Digest};

/// A running digest.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

/// What a hasher knows between two pieces, in a form that outlives the process. It is for another hasher of the
/// same algorithm, and says nothing of what was hashed: whoever keeps it keeps that beside it.
#[derive(Clone, PartialEq, Eq)]
pub struct HashState(Box<[u8]>);

impl Hasher {
    /// A hasher that has seen nothing yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Box::new(Sha512::new())),
        })
    }

    /// A hasher that goes on where another stood; `None` where `state` is none of this algorithm.
    #[must_use]
    pub fn resume(algorithm: Algorithm, state: &HashState) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(restore(state)?),
            Algorithm::Sha512 => State::Sha512(Box::new(restore(state)?)),
        }))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> HashState {
        HashState(match &self.0 {
            State::Sha256(state) => state.serialize().as_slice().into(),
            State::Sha512(state) => state.serialize().as_slice().into(),
        })
    }

    /// The digest of everything that was taken.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(state) => Digest::from_hash(Algorithm::Sha256, &state.finalize()),
            State::Sha512(state) => Digest::from_hash(Algorithm::Sha512, &state.finalize()),
        }
    }
}

fn restore<T: SerializableState>(state: &HashState) -> Option<T> {
    T::deserialize(<&SerializedState<T>>::try_from(&*state.0).ok()?).ok()
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Sha256(_) => "Hasher(sha256)",
            State::Sha512(_) => "Hasher(sha512)",
        })
    }
}

impl fmt::Debug for HashState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashState")
    }
}

impl Serialize for HashState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for HashState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD_NO_PAD.decode(&*text).map(|bytes| Self(bytes.into())).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    proptest! {
        #[test]
        fn pieces_hash_like_the_whole_also_in_several_processes(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            for algorithm in BOTH {
                let mut hasher = Hasher::new(algorithm);
                for piece in &pieces {
                    hasher.update(piece);
                    let text = serde_json::to_string(&hasher.state()).unwrap();
                    hasher = Hasher::resume(algorithm, &serde_json::from_str(&text).unwrap()).unwrap();
                }
                prop_assert_eq!(hasher.finish(), algorithm.digest(&pieces.concat()));
            }
        }

        #[test]
        fn what_is_no_state_is_refused_or_gives_some_digest(bytes in proptest::collection::vec(any::<u8>(), 0..220)) {
            for algorithm in BOTH {
                if let Some(mut hasher) = Hasher::resume(algorithm, &HashState(bytes.clone().into())) {
                    hasher.update(b"more");
                    let _ = hasher.finish();
                }
            }
        }
    }

    #[test]
    fn a_state_is_of_one_algorithm() {
        for (algorithm, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
            assert!(Hasher::resume(other, &Hasher::new(algorithm).state()).is_none());
        }
    }

    #[test]
    fn the_form_of_states_stays() {
        // Kept on disk by those who run this version: another form needs another format of whatever keeps them.
        for (algorithm, start, count) in [(Algorithm::Sha256, START_256, 64), (Algorithm::Sha512, START_512, 128)] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"abc");
            let mut buffer = b"\x03abc".to_vec();
            buffer.resize(count, 0);
            assert_eq!(*hasher.state().0, *[start, &vec![0; count / 8], &buffer].concat());
        }
    }

    /// FIPS 180-4, 5.3.3 and 5.3.5, in little-endian words.
    const START_256: &[u8] = &[
        0x67, 0xe6, 0x09, 0x6a, 0x85, 0xae, 0x67, 0xbb, 0x72, 0xf3, 0x6e, 0x3c, 0x3a, 0xf5, 0x4f, 0xa5, 0x7f, 0x52,
        0x0e, 0x51, 0x8c, 0x68, 0x05, 0x9b, 0xab, 0xd9, 0x83, 0x1f, 0x19, 0xcd, 0xe0, 0x5b,
    ];
    const START_512: &[u8] = &[
        0x08, 0xc9, 0xbc, 0xf3, 0x67, 0xe6, 0x09, 0x6a, 0x3b, 0xa7, 0xca, 0x84, 0x85, 0xae, 0x67, 0xbb, 0x2b, 0xf8,
        0x94, 0xfe, 0x72, 0xf3, 0x6e, 0x3c, 0xf1, 0x36, 0x1d, 0x5f, 0x3a, 0xf5, 0x4f, 0xa5, 0xd1, 0x82, 0xe6, 0xad,
        0x7f, 0x52, 0x0e, 0x51, 0x1f, 0x6c, 0x3e, 0x2b, 0x8c, 0x68, 0x05, 0x9b, 0x6b, 0xbd, 0x41, 0xfb, 0xab, 0xd9,
        0x83, 0x1f, 0x79, 0x21, 0x7e, 0x13, 0x19, 0xcd, 0xe0, 0x5b,
    ];
}
