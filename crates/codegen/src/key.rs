//! The creation code of a key contract.

use verdict_kzg::contract::key_code;

/// Creation code: return everything behind these bytes.
///
/// PUSH3 length, DUP1, PUSH1 offset, PUSH0, CODECOPY, PUSH0, RETURN.
const INIT_CODE_LENGTH: usize = 11;

/// Creation code of the key contract; its runtime code is a zero byte ‖ `payload`.
pub fn key_init_code(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 1) as u32;
    let [_, high, middle, low] = length.to_be_bytes();
    let offset = INIT_CODE_LENGTH as u8;
    // PUSH3 length, DUP1, PUSH1 offset, PUSH0, CODECOPY, PUSH0, RETURN
    let mut code = vec![0x62, high, middle, low, 0x80, 0x60, offset, 0x5f, 0x39, 0x5f, 0xf3];
    debug_assert_eq!(code.len(), INIT_CODE_LENGTH);
    code.extend(key_code(payload));
    code
}
