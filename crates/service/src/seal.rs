//! What keeps inputs private in the database.
//!
//! An input is stored encrypted, XChaCha20-Poly1305 with a random nonce, and bound to the job it
//! is of: a row copied over another one does not open. The key comes from the environment, or from
//! a file beside the database, which protects copies of the database and not the folder. A request
//! is remembered as an HMAC under the same key, so that a repeated one is known and nobody who
//! reads the database can hold guesses of an input against it.

use std::{
    fmt,
    io::{self, Read, Write},
    path::Path,
};

use chacha20poly1305::{
    AeadCore, KeyInit, XChaCha20Poly1305,
    aead::{Aead, OsRng, Payload},
};
use hmac::{Hmac, Mac};
use rand::RngCore;
use sha2::Sha256;
use thiserror::Error;

/// Environment variable with the key: 64 hexadecimal digits.
pub const DATA_KEY: &str = "VERDICT_DATA_KEY";

/// Bytes of a nonce of XChaCha20.
const NONCE: usize = 24;

/// Why there is no key, or it opens nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// It is no key.
    #[error("{place} is not 64 hexadecimal digits: make one with `openssl rand -hex 32`")]
    NoKey {
        /// Where it comes from.
        place: String,
    },
    /// Its file cannot be read or made.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Another key sealed it, or it was changed.
    #[error("a stored input does not open: the data key is another one, or the row was changed")]
    Closed,
}

/// The key of a service's inputs.
#[derive(Clone)]
pub struct DataKey {
    cipher: XChaCha20Poly1305,
    fingerprints: [u8; 32],
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

impl DataKey {
    /// The key of these bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        let mut mac = mac(key);
        mac.update(b"verdict.service.fingerprint.v1");
        let fingerprints = mac.finalize().into_bytes().into();
        Self { cipher: XChaCha20Poly1305::new(key.into()), fingerprints }
    }

    /// The key of a text, which `place` names in errors.
    ///
    /// # Errors
    /// [`SealError::NoKey`].
    pub fn parse(text: &str, place: &str) -> Result<Self, SealError> {
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key)
            .map_err(|_| SealError::NoKey { place: place.to_owned() })?;
        Ok(Self::new(&key))
    }

    /// The key of a file, which is made with a random one, readable for its owner only, if there
    /// is none.
    ///
    /// # Errors
    /// The file holds something else, or cannot be read or made.
    pub fn of_file(path: &Path) -> Result<Self, SealError> {
        let place = path.display().to_string();
        let fail = |source| SealError::File { path: place.clone(), source };
        if !path.exists() {
            let mut key = [0; 32];
            rand::rngs::OsRng.fill_bytes(&mut key);
            let folder = path.parent().unwrap_or(Path::new("."));
            // Whole or not there, and its owner's.
            let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
            file.write_all(hex::encode(key).as_bytes()).map_err(fail)?;
            file.as_file().sync_all().map_err(fail)?;
            match file.persist_noclobber(path) {
                Ok(_) => return Ok(Self::new(&key)),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(fail(error.error)),
            }
        }
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(fail)?;
        file.take(1024).read_to_string(&mut text).map_err(fail)?;
        Self::parse(&text, &place)
    }

    /// Seals `plain` for the owner `of`; hexadecimal.
    ///
    /// # Errors
    /// [`SealError::Closed`]; not for any input that fits the memory.
    pub fn seal(&self, of: &str, plain: &[u8]) -> Result<String, SealError> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: plain, aad: of.as_bytes() };
        let sealed = self.cipher.encrypt(&nonce, payload).map_err(|_| SealError::Closed)?;
        Ok(hex::encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what [`Self::seal`] sealed for the same owner.
    ///
    /// # Errors
    /// [`SealError::Closed`].
    pub fn open(&self, of: &str, sealed: &str) -> Result<Vec<u8>, SealError> {
        let bytes = hex::decode(sealed).map_err(|_| SealError::Closed)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).ok_or(SealError::Closed)?;
        let payload = Payload { msg: sealed, aad: of.as_bytes() };
        self.cipher.decrypt(nonce.into(), payload).map_err(|_| SealError::Closed)
    }

    /// What a request is known again by.
    pub fn fingerprint(&self, request: &[u8]) -> String {
        let mut mac = mac(&self.fingerprints);
        mac.update(request);
        hex::encode(mac.finalize().into_bytes())
    }
}

/// HMAC-SHA256 under a key of 32 bytes, filled up with zeros to a block as the standard has it.
fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    <Hmac<Sha256> as Mac>::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_opens_for_its_own_job_with_its_own_key_only() {
        let (key, other) = (DataKey::new(&[1; 32]), DataKey::new(&[2; 32]));
        let sealed = key.seal("job-1", b"[0.5]").expect("sealed");
        assert_eq!(key.open("job-1", &sealed).expect("opens"), b"[0.5]");
        assert!(key.open("job-2", &sealed).is_err(), "another job's");
        assert!(other.open("job-1", &sealed).is_err(), "another key");
        let mut changed = sealed.clone().into_bytes();
        let last = changed.len() - 1;
        changed[last] = if changed[last] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).expect("hexadecimal");
        assert!(key.open("job-1", &changed).is_err(), "changed");
        for short in ["", "00", "zz"] {
            assert!(key.open("job-1", short).is_err(), "{short}");
        }
        assert_ne!(sealed, key.seal("job-1", b"[0.5]").expect("sealed"), "a nonce each");
        assert!(!sealed.contains(&hex::encode("[0.5]")));
    }

    #[test]
    fn a_fingerprint_needs_the_key() {
        let (key, other) = (DataKey::new(&[1; 32]), DataKey::new(&[2; 32]));
        assert_eq!(key.fingerprint(b"a"), DataKey::new(&[1; 32]).fingerprint(b"a"));
        assert_ne!(key.fingerprint(b"a"), key.fingerprint(b"b"));
        assert_ne!(key.fingerprint(b"a"), other.fingerprint(b"a"));
    }

    #[test]
    fn a_key_file_is_made_once_and_is_its_owners() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data.key");
        let sealed = DataKey::of_file(&path).expect("made").seal("j", b"x").expect("sealed");
        let again = DataKey::of_file(&path).expect("read");
        assert_eq!(again.open("j", &sealed).expect("opens"), b"x");
        #[cfg(unix)]
        {
            let mode = std::fs::metadata(&path).expect("it is there").permissions();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        }
        std::fs::write(&path, "no key").expect("written");
        let error = DataKey::of_file(&path).expect_err("no key").to_string();
        assert!(error.contains("data.key") && error.contains("openssl"), "{error}");
        assert!(!error.contains("no key at"), "{error}");
    }
}
