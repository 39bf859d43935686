//! Keys: where they come from and how they stay secret.
//!
//! A private key is read from an environment variable or from an encrypted keystore file
//! whose password is in a file or an environment variable. It is never taken from a
//! command-line flag (other users of a machine see those), and neither `Debug` nor an
//! error shows any part of it. [`RelayerSigner`] holds any alloy transaction signer, or the address
//! of one that another process holds.

use std::{env, fmt, fs, io::Read, path::Path, path::PathBuf, sync::Arc};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    network::TxSigner,
    primitives::{self, Address, B256, Bytes},
    signers::{Signer, local::PrivateKeySigner},
};
use thiserror::Error;

use crate::node::{RpcUrl, remote::RemoteSigner};

/// Largest keystore or password file that is read.
const MAX_FILE: u64 = 64 * 1024;

/// A key could not be loaded, or did not sign.
#[derive(Debug, Error)]
pub enum SignerError {
    /// The environment variable is not set.
    #[error(
        "the environment variable {0} is not set; put the sender's private key (0x and 64 hex digits) into it"
    )]
    MissingVariable(String),
    /// The environment variable with a keystore's password is not set.
    #[error(
        "the environment variable {0} is not set; put the keystore's password into it, or name a file that holds it (--password-file)"
    )]
    MissingPassword(String),
    /// The text is not a private key. The text itself is never shown.
    #[error("{source_name} does not hold a private key (0x and 64 hex digits, not zero)")]
    NotAKey {
        /// Where it was read.
        source_name: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The keystore does not open.
    #[error("cannot open the keystore {}: wrong password, or not a keystore file", path.display())]
    Keystore {
        /// The keystore.
        path: PathBuf,
    },
    /// A remote signer has no address.
    #[error("{url} is no URL of a remote signer: http:// or https:// and a host")]
    Remote {
        /// What was given, without credentials.
        url: String,
    },
    /// The signer does not answer.
    #[error("the signer of {address} does not answer; it is asked again")]
    Silent {
        /// The sender.
        address: Address,
    },
    /// The signer refused.
    #[error("the signer of {address} failed: {reason}")]
    Sign {
        /// The sender.
        address: Address,
        /// Its words.
        reason: String,
    },
}

/// A signed transaction's hash and bytes, or why there is none.
pub(crate) type Signature = Result<(B256, Bytes), SignerError>;

/// Where a keystore's password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The first line of this file.
    File(PathBuf),
    /// This environment variable.
    Env(String),
}

/// What a key has to be able to do.
trait Key: TxSigner<primitives::Signature> + Signer + Send + Sync {}

impl<T: TxSigner<primitives::Signature> + Signer + Send + Sync> Key for T {}

/// A sending key.
#[derive(Clone)]
pub struct RelayerSigner {
    inner: Inner,
}

/// Where it is.
#[derive(Clone)]
enum Inner {
    Here(Arc<dyn Key>),
    Elsewhere(Arc<RemoteSigner>),
}

impl fmt::Debug for RelayerSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayerSigner").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl From<PrivateKeySigner> for RelayerSigner {
    fn from(signer: PrivateKeySigner) -> Self {
        Self::new(signer)
    }
}

impl RelayerSigner {
    /// Wraps any signer of transactions and hashes.
    pub fn new(
        signer: impl TxSigner<primitives::Signature> + Signer + Send + Sync + 'static,
    ) -> Self {
        Self { inner: Inner::Here(Arc::new(signer)) }
    }

    /// The key of `address`, which a remote signer holds: web3signer, or anything else that answers
    /// `eth_signTransaction`. Nothing is asked yet.
    ///
    /// # Errors
    /// The URL is none.
    pub fn remote(url: &RpcUrl, address: Address) -> Result<Self, SignerError> {
        Ok(Self { inner: Inner::Elsewhere(Arc::new(RemoteSigner::new(url, address)?)) })
    }

    /// Reads a private key from the environment variable `name`.
    ///
    /// # Errors
    /// If it is not set or is not a key.
    pub fn from_env(name: &str) -> Result<Self, SignerError> {
        let text = env::var(name).map_err(|_| SignerError::MissingVariable(name.to_owned()))?;
        Self::from_hex(&text, &format!("the environment variable {name}"))
    }

    /// Opens an encrypted keystore file (Web3 Secret Storage, as made by `cast wallet` or
    /// geth). Takes about a second: the format is slow on purpose.
    ///
    /// # Errors
    /// If a file cannot be read or the password is wrong.
    pub fn from_keystore(path: &Path, password: &PasswordSource) -> Result<Self, SignerError> {
        let password = match password {
            PasswordSource::Env(name) => {
                env::var(name).map_err(|_| SignerError::MissingPassword(name.clone()))?
            }
            PasswordSource::File(file) => {
                let text = read_small(file)?;
                text.lines().next().unwrap_or_default().to_owned()
            }
        };
        check_keystore(&read_small(path)?)
            .ok_or_else(|| SignerError::Keystore { path: path.to_owned() })?;
        let key = PrivateKeySigner::decrypt_keystore(path, password)
            .map_err(|_| SignerError::Keystore { path: path.to_owned() })?;
        Ok(Self::new(key))
    }

    fn from_hex(text: &str, source_name: &str) -> Result<Self, SignerError> {
        let bytes: Option<B256> = text.trim().parse().ok();
        bytes
            .and_then(|bytes| PrivateKeySigner::from_bytes(&bytes).ok())
            .map(Self::new)
            .ok_or_else(|| SignerError::NotAKey { source_name: source_name.to_owned() })
    }

    /// The sender's address.
    pub fn address(&self) -> Address {
        match &self.inner {
            Inner::Here(key) => TxSigner::address(key.as_ref()),
            Inner::Elsewhere(signer) => signer.address(),
        }
    }

    /// Signs a hash that is no transaction's, such as the digest of EIP-712: r, s and v, 65 bytes.
    ///
    /// # Errors
    /// The signer refuses; a remote one signs transactions only.
    pub async fn sign_hash(&self, hash: &B256) -> Result<Bytes, SignerError> {
        let fail = |reason: String| SignerError::Sign { address: self.address(), reason };
        let Inner::Here(key) = &self.inner else {
            return Err(fail("a remote signer signs transactions only".into()));
        };
        let signature = key.sign_hash(hash).await.map_err(|error| fail(error.to_string()))?;
        Ok(signature.as_bytes().to_vec().into())
    }

    /// Signs `tx`; returns its hash and the bytes to broadcast.
    pub(crate) async fn sign(&self, mut tx: TxEip1559) -> Signature {
        let signature = match &self.inner {
            Inner::Here(key) => key.sign_transaction(&mut tx).await.map_err(|error| {
                SignerError::Sign { address: self.address(), reason: error.to_string() }
            })?,
            Inner::Elsewhere(signer) => signer.sign(&tx).await?,
        };
        let envelope = TxEnvelope::Eip1559(tx.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }
}

fn read_small(path: &Path) -> Result<String, SignerError> {
    let fail = |reason: String| SignerError::File { path: path.to_owned(), reason };
    let mut text = String::new();
    // Devices and pipes state no size: what is read is counted.
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|e| fail(e.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(fail(format!("more than {MAX_FILE} bytes; a keystore or password has fewer")));
    }
    Ok(text)
}

/// Refuses keystores whose parameters would make the decryption panic, or use memory or
/// time without bound: the key derivation runs on numbers taken from the file.
fn check_keystore(text: &str) -> Option<()> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let crypto = json.get("crypto")?;
    let hex_length = |value: Option<&serde_json::Value>| value?.as_str().map(str::len);
    let params = crypto.get("kdfparams")?;
    let number = |name: &str| params.get(name).and_then(serde_json::Value::as_u64);
    // The reader picks the derivation by the fields it finds, so each one is bounded.
    let within = |name: &str, least: u64, most: u64| match params.get(name) {
        None => true,
        Some(_) => number(name).is_some_and(|value| (least..=most).contains(&value)),
    };
    let derivation = within("n", 2, 1 << 20)
        && number("n").is_none_or(u64::is_power_of_two)
        && within("r", 1, 16)
        && within("p", 1, 16)
        && within("c", 1, 10_000_000);
    let shape = number("dklen")? == 32
        && crypto.get("cipher")?.as_str()? == "aes-128-ctr"
        && hex_length(crypto.get("cipherparams")?.get("iv")) == Some(32)
        && hex_length(crypto.get("ciphertext")) == Some(64);
    (derivation && shape).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

    #[test]
    fn a_key_is_read_with_or_without_prefix_and_blanks() {
        let one = RelayerSigner::from_hex(KEY, "test").expect("a key");
        let other = RelayerSigner::from_hex(&format!(" {}\n", &KEY[2..]), "test").expect("a key");
        assert_eq!(one.address(), other.address());
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        for text in ["", "0x", "secret", &KEY[..64], &format!("{KEY}00"), &"0".repeat(64), order] {
            let error = RelayerSigner::from_hex(text, "the variable").expect_err(text).to_string();
            assert!(error.contains("the variable"), "{error}");
            assert!(text.len() < 3 || !error.contains(text), "{error}");
        }
        let unset = RelayerSigner::from_env("VERDICT_TEST_UNSET_VARIABLE").expect_err("unset");
        assert!(unset.to_string().contains("VERDICT_TEST_UNSET_VARIABLE is not set"));
        // Set by cargo, and not a key.
        RelayerSigner::from_env("CARGO_MANIFEST_DIR").expect_err("a folder is no key");
    }

    #[test]
    fn debug_output_shows_the_address_only() {
        let signer = RelayerSigner::from_hex(KEY, "test").expect("a key");
        let shown = format!("{signer:?}");
        assert!(shown.contains(&format!("{:?}", signer.address())), "{shown}");
        assert!(!shown.contains(&KEY[2..]));
    }

    fn keystore(folder: &Path, password: &str) -> (PathBuf, Address) {
        let key = PrivateKeySigner::random();
        let bytes = key.to_bytes();
        let mut rng = rand::thread_rng();
        PrivateKeySigner::encrypt_keystore(folder, &mut rng, bytes, password, Some("key.json"))
            .expect("written");
        (folder.join("key.json"), key.address())
    }

    #[test]
    fn a_keystore_opens_with_its_password_from_a_file_or_the_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        // A variable that cargo sets serves as the password.
        let password = env::var("CARGO_PKG_NAME").expect("set by cargo");
        let (path, address) = keystore(folder.path(), &password);
        let file = folder.path().join("password");
        fs::write(&file, format!("{password}\n")).expect("written");
        for source in
            [PasswordSource::File(file.clone()), PasswordSource::Env("CARGO_PKG_NAME".into())]
        {
            let signer = RelayerSigner::from_keystore(&path, &source).expect("opens");
            assert_eq!(signer.address(), address);
        }
        fs::write(&file, "wrong").expect("written");
        let error = RelayerSigner::from_keystore(&path, &PasswordSource::File(file));
        assert!(error.expect_err("wrong").to_string().contains("wrong password"));
        let nowhere = PasswordSource::File(folder.path().join("none"));
        let error = RelayerSigner::from_keystore(&path, &nowhere).expect_err("no file");
        assert!(matches!(error, SignerError::File { .. }), "{error}");
    }

    #[test]
    fn a_hostile_keystore_is_refused_before_its_numbers_are_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, _) = keystore(folder.path(), "password");
        let good: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).expect("read")).expect("json");
        assert!(check_keystore(&good.to_string()).is_some());
        let spoil = |pointer: &str, value: serde_json::Value| {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).expect(pointer) = value;
            bad.to_string()
        };
        let long = "00".repeat(40);
        let cases = [
            String::new(),
            "[]".to_owned(),
            "{}".to_owned(),
            spoil("/crypto/kdfparams/dklen", 4.into()),
            spoil("/crypto/kdfparams/dklen", u64::MAX.into()),
            spoil("/crypto/kdfparams/n", (1_u64 << 40).into()),
            spoil("/crypto/kdfparams/n", 3.into()),
            spoil("/crypto/kdfparams/r", 0.into()),
            spoil("/crypto/kdfparams/p", 100_000.into()),
            spoil("/crypto/kdfparams", serde_json::json!({ "c": 1e15, "dklen": 32 })),
            spoil("/crypto/cipherparams/iv", "00".into()),
            spoil("/crypto/ciphertext", long.into()),
            spoil("/crypto/cipher", "rot13".into()),
        ];
        for text in cases {
            fs::write(&path, &text).expect("written");
            let source = PasswordSource::Env("CARGO_PKG_NAME".into());
            let error = RelayerSigner::from_keystore(&path, &source).expect_err(&text);
            assert!(matches!(error, SignerError::Keystore { .. }), "{text}: {error}");
        }
    }
}
