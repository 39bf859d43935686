//! A contract that checks proofs itself, by a router: one emergency stop and one tombstone later no
//! proof of that shape is accepted any more, and nobody can bring it back.

use alloy::{
    primitives::{Address, Bytes, FixedBytes, U256},
    sol,
    sol_types::{SolError, SolValue},
};
use verdict_contracts::ProofBundle;

use crate::common::{
    Workplace,
    local::{Local, SUBJECT, TWINS, address, artifact, prove_small, small_setup},
};

sol! {
    function verify(address key, bytes32 keyHash, uint256[] instances, bytes proof) external view returns (bool);
    function addVerifier(bytes4 selector, address verifier) external;
    function removeVerifier(bytes4 selector) external;
    function stop() external;
    function stopped() external view returns (bool);

    error SelectorUnknown(bytes4 selector);
    error SelectorInUse(bytes4 selector);
    error SelectorRemoved(bytes4 selector);
    error VerifierStopped();
    error PairingFailed();
    error OwnableUnauthorizedAccount(address account);
}

#[test]
fn a_stopped_verifier_and_a_removed_selector_accept_nothing_for_ever() {
    let place = Workplace::new();
    let setup = small_setup(&place, "setup");
    let chain = Local::start(31_337);
    let deployed = chain.json(&place, &["deploy", &setup]);
    let proof = prove_small(&place, &setup, TWINS[0], "1");
    let bundle = ProofBundle::read(proof.as_ref()).expect("a bundle");

    // The guardian of the stop is not the owner of the router.
    let guardian = chain.of_another_key();
    let create =
        |name: &str, arguments: Vec<u8>| chain.create([artifact(name), arguments].concat());
    let verifier = address(&deployed, "verifier");
    let arguments = (verifier, guardian.sender()).abi_encode();
    let stop = create("VerifierEmergencyStop", arguments);
    let router = create("VerifierRouter", chain.sender().abi_encode());
    let selector = FixedBytes::<4>::from_slice(&bundle.model.shape_id[..4]);
    let call = |prefix: FixedBytes<4>, proof: &[u8]| verifyCall {
        key: address(&deployed, "key"),
        keyHash: bundle.model.key_hash,
        instances: bundle.instances.iter().map(|word| U256::from_be_bytes(word.0)).collect(),
        proof: Bytes::from([&prefix[..], proof].concat()),
    };
    let good = call(selector, &bundle.evm_proof);
    let error = chain.refusal(router, &good);
    assert_eq!(error, SelectorUnknown { selector }.abi_encode());
    let add = |verifier: Address| addVerifierCall { selector, verifier };
    let error = guardian.refusal(router, &add(stop));
    let stranger = OwnableUnauthorizedAccount { account: guardian.sender() };
    assert_eq!(error, stranger.abi_encode());
    chain.send(router, &add(stop));

    // The proof that the prover made, and no other.
    assert!(chain.call(router, &good));
    let other = ProofBundle::read(prove_small(&place, &setup, TWINS[1], "1").as_ref());
    let error = chain.refusal(router, &call(selector, &other.expect("a bundle").evm_proof));
    assert!(!error.is_empty() && error != SelectorUnknown { selector }.abi_encode());
    let foreign = FixedBytes::<4>::from([0xff; 4]);
    let error = chain.refusal(router, &call(foreign, &bundle.evm_proof));
    assert_eq!(error, SelectorUnknown { selector: foreign }.abi_encode());

    // The guardian stops the verifier, once; the owner of the router can't, and can't undo it.
    let owner = OwnableUnauthorizedAccount { account: chain.sender() };
    assert_eq!(chain.refusal(stop, &stopCall {}), owner.abi_encode());
    guardian.send(stop, &stopCall {});
    assert!(chain.call(stop, &stoppedCall {}));
    assert_eq!(chain.refusal(router, &good), VerifierStopped {}.abi_encode());
    assert_eq!(guardian.refusal(stop, &stopCall {}), VerifierStopped {}.abi_encode());
    let error = chain.refusal(router, &add(verifier));
    assert_eq!(error, SelectorInUse { selector }.abi_encode());

    // A removed selector never comes to mean another verifier.
    chain.send(router, &removeVerifierCall { selector });
    let gone = SelectorRemoved { selector }.abi_encode();
    assert_eq!(chain.refusal(router, &good), gone);
    assert_eq!(chain.refusal(router, &add(verifier)), gone);

    // An oracle pins its own verifier: there an owner revokes the model.
    let submitted = chain.json(&place, &["submit", &setup, &proof]);
    assert_eq!(submitted["record"]["subject"], SUBJECT);
}
