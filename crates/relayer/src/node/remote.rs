//! A key that another process holds: `eth_signTransaction`, as web3signer, Clef and nodes with
//! accounts of their own answer it.
//!
//! The signer is told the transaction and answers it signed. What it answers is not believed: the
//! signature has to be the sender's, of the very transaction that was asked for. A signer that
//! changes anything, a fee or a nonce, is refused.

use std::{fmt, time::Duration};

use alloy::{
    consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope},
    eips::Decodable2718,
    primitives::{Address, Bytes, Signature},
    rpc::client::RpcClient,
    transports::http::reqwest,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{RpcUrl, wire::Wire};
use crate::signer::SignerError;

/// How long an answer may take: somebody may have to press a button.
const PATIENCE: Duration = Duration::from_secs(120);
/// Largest answer: a signed transaction has at most twice the bytes of its call data, and some.
const MAX_ANSWER: usize = 4 << 20;

/// A signer elsewhere, and the account that it signs for.
pub(crate) struct RemoteSigner {
    client: RpcClient,
    address: Address,
}

impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSigner").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The signed bytes, alone or, as geth and Clef answer, beside the transaction.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Signed {
    Raw(Bytes),
    Beside { raw: Bytes },
}

impl RemoteSigner {
    pub(crate) fn new(url: &RpcUrl, address: Address) -> Result<Self, SignerError> {
        let wrong = || SignerError::Remote { url: url.to_string() };
        let parsed = url.parse().ok_or_else(wrong)?;
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|_| wrong())?;
        let client = RpcClient::new(Wire::new(client, parsed, MAX_ANSWER), false);
        Ok(Self { client, address })
    }

    pub(crate) const fn address(&self) -> Address {
        self.address
    }

    /// The signature of `tx`.
    pub(crate) async fn sign(&self, tx: &TxEip1559) -> Result<Signature, SignerError> {
        let fail = |reason: String| SignerError::Sign { address: self.address, reason };
        let asked = self.client.request::<_, Signed>("eth_signTransaction", (self.words(tx),));
        let answer = asked.await.map_err(|error| fail(format!("the remote signer: {error}")))?;
        let (Signed::Raw(raw) | Signed::Beside { raw }) = answer;
        let envelope = TxEnvelope::decode_2718(&mut raw.as_ref());
        let envelope = envelope
            .map_err(|_| fail("the remote signer answers what is no transaction".into()))?;
        let signature = *envelope.signature();
        let signer = signature.recover_address_from_prehash(&tx.signature_hash());
        if signer.ok() != Some(self.address) {
            let what = "the remote signer signed another transaction, or with another key";
            return Err(fail(what.into()));
        }
        Ok(signature)
    }

    fn words(&self, tx: &TxEip1559) -> Value {
        json!({
            "from": self.address,
            "to": tx.to.to(),
            "gas": format!("{:#x}", tx.gas_limit),
            "maxFeePerGas": format!("{:#x}", tx.max_fee_per_gas),
            "maxPriorityFeePerGas": format!("{:#x}", tx.max_priority_fee_per_gas),
            "value": format!("{:#x}", tx.value),
            "nonce": format!("{:#x}", tx.nonce),
            "data": tx.input(),
            "chainId": format!("{:#x}", tx.chain_id),
            "type": "0x2",
            "accessList": [],
        })
    }
}
