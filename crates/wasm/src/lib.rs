//! The verifier for WebAssembly.
//!
//! [`describe`] says what a portable key is, [`verify`] checks a proof under it. Both take bytes
//! that anybody may have written, and answer with text: JSON, or what is wrong. For
//! WebAssembly, `exports` calls them through one buffer.

// Bad input is an error, never the end of the process.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unreachable))]

#[cfg(target_arch = "wasm32")]
mod exports;

use std::fmt::Write;

use verdict_kzg::{portable::PortableKey, transcript::from_be_bytes};

/// What a portable key is, as a JSON object: `shapeId`, `keyHash` and `srsFingerprint`
/// (hexadecimal), `ceremony` (whether the SRS is the perpetual powers of tau), `k`, `instances`
/// and `proofBytes`.
///
/// # Errors
/// Why the bytes are no key, in words.
pub fn describe(key: &[u8]) -> Result<String, String> {
    read(key).map(|key| description(&key))
}

fn description(key: &PortableKey) -> String {
    format!(
        r#"{{"shapeId":"{}","keyHash":"{}","srsFingerprint":"{}","ceremony":{},"k":{},"instances":{},"proofBytes":{}}}"#,
        hex(&key.shape_id()),
        hex(&key.key_hash()),
        hex(&key.srs_fingerprint()),
        key.of_ceremony(),
        key.key().k(),
        key.num_instances(),
        key.evm_proof_length(),
    )
}

/// Checks a proof in the form that contracts take. `instances` are its public values, 32
/// big-endian bytes each. Returns what [`describe`] does: the key by which the verdict is.
///
/// # Errors
/// Why the proof is refused, in words.
pub fn verify(key: &[u8], instances: &[u8], evm_proof: &[u8]) -> Result<String, String> {
    let key = read(key)?;
    let (words, rest) = instances.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(format!("the public values are {} bytes, not whole words", instances.len()));
    }
    let element = |(index, word)| {
        from_be_bytes(word)
            .ok_or_else(|| format!("public value {index} is not below the field's modulus"))
    };
    let instances = words.iter().enumerate().map(element).collect::<Result<Vec<_>, _>>()?;
    key.verify(&instances, evm_proof).map_err(|error| error.to_string())?;
    Ok(description(&key))
}

fn read(key: &[u8]) -> Result<PortableKey, String> {
    PortableKey::from_bytes(key).map_err(|error| error.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
