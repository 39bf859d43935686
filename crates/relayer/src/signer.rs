//! Keys: where they come from and how they stay secret.
//!
//! A private key is read from an environment variable or from an encrypted keystore file
//! whose password is in a file or an environment variable. It is never taken from a
//! command-line flag (other users of a machine see those), and neither `Debug` nor an
//! error shows any part of it. [`RelayerSigner`] holds any alloy transaction signer, so a
//! remote signer fits without a change here.

use std::{env, fmt, fs, path::Path, path::PathBuf, sync::Arc};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    network::TxSigner,
    primitives::{Address, B256, Bytes, Signature},
    signers::local::PrivateKeySigner,
};
use thiserror::Error;

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
    /// The signer refused.
    #[error("the signer of {address} failed: {reason}")]
    Sign {
        /// The sender.
        address: Address,
        /// Its words.
        reason: String,
    },
}

/// Where a keystore's password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The first line of this file.
    File(PathBuf),
    /// This environment variable.
    Env(String),
}

/// A sending key.
#[derive(Clone)]
pub struct RelayerSigner {
    inner: Arc<dyn TxSigner<Signature> + Send + Sync>,
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
    /// Wraps any transaction signer.
    pub fn new(signer: impl TxSigner<Signature> + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(signer) }
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
                env::var(name).map_err(|_| SignerError::MissingVariable(name.clone()))?
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
        self.inner.address()
    }

    /// Signs `tx`; returns its hash and the bytes to broadcast.
    pub(crate) async fn sign(&self, mut tx: TxEip1559) -> Result<(B256, Bytes), SignerError> {
        let signature = self.inner.sign_transaction(&mut tx).await.map_err(|error| {
            SignerError::Sign { address: self.address(), reason: error.to_string() }
        })?;
        let envelope = TxEnvelope::Eip1559(tx.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }
}

fn read_small(path: &Path) -> Result<String, SignerError> {
    let fail = |reason: String| SignerError::File { path: path.to_owned(), reason };
    let length = fs::metadata(path).map_err(|e| fail(e.to_string()))?.len();
    if length > MAX_FILE {
        return Err(fail(format!("{length} bytes is too large for a keystore or password")));
    }
    fs::read_to_string(path).map_err(|e| fail(e.to_string()))
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
