//! What a node's answer means: a value, a revert with its data, or a fault.

use alloy::{
    hex,
    primitives::Bytes,
    rpc::json_rpc::ErrorPayload,
    transports::{RpcError as AlloyError, TransportError, TransportErrorKind},
};
use serde_json::Value;

use super::{url::Secrets, wire::WireFault};
use crate::backend::{RpcError, RpcErrorKind};

/// geth's code for a call that the contract reverted.
const REVERTED: i64 = 3;
/// What OpenEthereum's descendants put before the data.
const PREFIX: &str = "Reverted ";
/// How deep data may lie in an error's objects.
const DEPTH: usize = 4;

/// The data of a revert, or `None` if the error is something else.
///
/// Words don't decide: nodes also "revert operations due to overload". A revert has data, or
/// the error code that is reserved for it; geth alone answers one without data by a sentence,
/// which counts only if it is the whole message.
pub(super) fn revert_data(error: &TransportError) -> Option<Bytes> {
    let AlloyError::ErrorResp(payload) = error else { return None };
    let bare = payload.code == REVERTED || payload.message == "execution reverted";
    data_of(payload).or_else(|| bare.then(Bytes::new))
}

fn data_of(payload: &ErrorPayload) -> Option<Bytes> {
    let value: Value = serde_json::from_str(payload.data.as_ref()?.get()).ok()?;
    let mut value = &value;
    for _ in 0..DEPTH {
        match value {
            Value::String(text) => {
                let text = text.strip_prefix(PREFIX).unwrap_or(text).strip_prefix("0x")?;
                let data = hex::decode(text).ok()?;
                // An error has a selector; an empty string of bytes tells nothing.
                return (data.len() >= 4).then(|| data.into());
            }
            Value::Object(fields) => {
                value = ["data", "result", "output"].iter().find_map(|name| fields.get(*name))?;
            }
            _ => return None,
        }
    }
    None
}

/// An error in the relayer's terms, without any part of the endpoint's URL but its host.
pub(super) fn translate(
    endpoint: &str,
    secrets: &Secrets,
    method: &'static str,
    error: &TransportError,
) -> RpcError {
    let fault = |kind, message: &str| RpcError::new(kind, endpoint, method, message);
    match error {
        AlloyError::ErrorResp(payload) => {
            RpcError::answered(endpoint, method, payload.code, &secrets.hide(&payload.message))
        }
        AlloyError::Transport(
            TransportErrorKind::Custom(cause) | TransportErrorKind::NonRetryable(cause),
        ) => {
            let Some(cause) = cause.downcast_ref::<WireFault>() else {
                return fault(RpcErrorKind::Unreachable, "the connection broke");
            };
            let kind = match cause {
                WireFault::TimedOut => RpcErrorKind::TimedOut,
                WireFault::Connect | WireFault::Broken => RpcErrorKind::Unreachable,
                WireFault::TooLarge { .. } | WireFault::NotJsonRpc => RpcErrorKind::Malformed,
                WireFault::Status(429) => RpcErrorKind::RateLimited,
                WireFault::Status(401 | 403) => RpcErrorKind::AccessDenied,
                WireFault::Status(500 | 502..=504) => RpcErrorKind::Unreachable,
                WireFault::Status(_) => RpcErrorKind::Malformed,
            };
            fault(kind, &cause.to_string())
        }
        AlloyError::Transport(_) => fault(RpcErrorKind::Unreachable, "the connection broke"),
        AlloyError::NullResp => fault(RpcErrorKind::Malformed, "an empty answer"),
        AlloyError::DeserError { .. } => {
            fault(RpcErrorKind::Malformed, "an answer that is not what the method returns")
        }
        _ => fault(RpcErrorKind::Other, "the request could not be made"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> Option<String> {
        let payload: ErrorPayload = serde_json::from_str(json).expect("an error");
        revert_data(&AlloyError::ErrorResp(payload)).map(hex::encode)
    }

    #[test]
    fn a_revert_is_known_by_its_data_or_code_and_not_by_a_word() {
        let cases = [
            (
                r#"{"code":3,"message":"execution reverted","data":"0xdeadbeef07"}"#,
                Some("deadbeef07"),
            ),
            (r#"{"code":-32000,"message":"x","data":{"data":"0xdeadbeef"}}"#, Some("deadbeef")),
            (r#"{"code":-32015,"message":"x","data":"Reverted 0xdeadbeef"}"#, Some("deadbeef")),
            (r#"{"code":3,"message":"execution reverted","data":"0x"}"#, Some("")),
            (r#"{"code":3,"message":"x"}"#, Some("")),
            (r#"{"code":-32000,"message":"execution reverted"}"#, Some("")),
            (r#"{"code":-32000,"message":"operation reverted due to overload"}"#, None),
            (r#"{"code":-32000,"message":"execution reverted: try later"}"#, None),
            (r#"{"code":-32000,"message":"revert","data":"0x"}"#, None),
            (r#"{"code":-32000,"message":"revert","data":"reverted"}"#, None),
            (r#"{"code":-32000,"message":"revert","data":[1]}"#, None),
            (r#"{"code":-32000,"message":"revert","data":"0xabc"}"#, None),
        ];
        for (json, expected) in cases {
            assert_eq!(data(json).as_deref(), expected, "{json}");
        }
        let deep = format!("{}\"0xdeadbeef\"{}", r#"{"data":"#.repeat(100), "}".repeat(100));
        assert_eq!(data(&format!(r#"{{"code":1,"message":"","data":{deep}}}"#)), None);
    }
}
