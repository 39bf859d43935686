//! Creation bytecode and predicted addresses.

#![allow(clippy::unwrap_used)] // A panic is how a test fails.

use alloy_primitives::{Address, B256, address, b256, hex, keccak256};
use verdict_contracts::deploy::*;

#[test]
fn create2_addresses_follow_eip_1014() {
    // Hash of 0xff ‖ deployer ‖ salt ‖ hash of the init code, last twenty bytes.
    let (salt, code) = (B256::repeat_byte(7), hex!("6000"));
    let mut preimage = vec![0xff];
    preimage.extend(CREATE2_DEPLOYER.as_slice());
    preimage.extend(salt.0);
    preimage.extend(keccak256(code).0);
    assert_eq!(create2_address(salt, &code), Address::from_slice(&keccak256(preimage)[12..]));
    assert_eq!(create2_calldata(salt, &code).len(), 34);
    assert_eq!(create2_calldata(salt, &code)[..32], salt.0);
}

#[test]
fn oracle_code_ends_with_its_constructor_arguments() {
    let registry = address!("00000000000000000000000000000000000000aa");
    let owner = address!("00000000000000000000000000000000000000bb");
    let code = inference_oracle_init_code(registry, owner, 0x1234).unwrap();
    let arguments = [
        b256!("00000000000000000000000000000000000000000000000000000000000000aa"),
        b256!("00000000000000000000000000000000000000000000000000000000000000bb"),
        b256!("0000000000000000000000000000000000000000000000000000000000001234"),
    ];
    assert!(code.ends_with(&arguments.map(|word| word.0).concat()));
    assert!(code.len() > 4096 && model_registry_init_code().unwrap().len() > 4096);
}
