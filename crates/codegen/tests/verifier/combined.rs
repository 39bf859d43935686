//! Several proofs of any models for one pairing.

use halo2curves::{
    CurveAffine,
    bn256::{Fq, G1, G1Affine},
    ff::PrimeField,
};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode as EvmCode,
    context::{TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    primitives::{Address, Bytes, TxKind, keccak256},
    state::AccountInfo,
};
use verdict_prover::{plan::Opening, shape::Shape, srs::Srs};

use crate::{
    dense::{dense, dense_opened, small_shape},
    harness::{Call, Proven, compile, deploy, send},
};

const COMBINER: Address = Address::repeat_byte(0xcc);

/// A contract and what is sent to it.
struct Part {
    runtime: Vec<u8>,
    call: Call,
}

impl Part {
    fn of(proven: &Proven) -> Self {
        Self { runtime: compile(&proven.verifier()).runtime, call: proven.call.clone() }
    }

    fn copy(&self) -> Self {
        Self { runtime: self.runtime.clone(), call: self.call.clone() }
    }

    /// The verifier's address; the key's is that with another last byte.
    fn verifier(index: usize) -> Address {
        Address::with_last_byte(0x40 + 2 * index as u8)
    }

    fn key(index: usize) -> Address {
        Address::with_last_byte(0x41 + 2 * index as u8)
    }
}

fn word(value: usize) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(value as u64).to_be_bytes());
    word
}

/// `verifyAll` of all parts, in their order.
fn calldata(parts: &[Part]) -> Vec<u8> {
    let signature = "verifyAll((address,address,bytes32,uint256[],bytes)[])";
    let mut data = keccak256(signature)[..4].to_vec();
    data.extend(word(0x20));
    data.extend(word(parts.len()));
    let mut tails = Vec::new();
    let heads = 32 * parts.len();
    for (index, Part { call, .. }) in parts.iter().enumerate() {
        data.extend(word(heads + tails.len()));
        for address in [Part::verifier(index), Part::key(index)] {
            tails.extend([0; 12]);
            tails.extend(address.as_slice());
        }
        tails.extend(call.key_hash);
        tails.extend(word(0xa0));
        tails.extend(word(0xc0 + 32 * call.instances.len()));
        tails.extend(word(call.instances.len()));
        tails.extend(call.instances.concat());
        tails.extend(word(call.proof.len()));
        tails.extend(&call.proof);
        tails.resize(tails.len().next_multiple_of(32), 0);
    }
    data.extend(tails);
    data
}

/// Gas of the whole transaction, or the revert's data.
fn combine(parts: &[Part]) -> Result<u64, Vec<u8>> {
    let artifact = include_str!("../../../../contracts/artifacts/ProofCombiner.json");
    let artifact: serde_json::Value = serde_json::from_str(artifact).expect("an artifact");
    let creation = artifact["bytecode"].as_str().expect("bytecode").trim_start_matches("0x");
    let combiner = deploy(&hex::decode(creation).expect("hexadecimal"));
    let mut db = CacheDB::new(EmptyDB::new());
    let mut insert = |address, code: &[u8]| {
        let code = EvmCode::new_raw(Bytes::copy_from_slice(code));
        db.insert_account_info(address, AccountInfo::from_bytecode(code));
    };
    insert(COMBINER, &combiner);
    for (index, Part { runtime, call }) in parts.iter().enumerate() {
        insert(Part::verifier(index), runtime);
        insert(Part::key(index), &call.key_code);
    }
    let mut evm = Context::mainnet().with_db(db).build_mainnet();
    let tx = TxEnv::builder()
        .kind(TxKind::Call(COMBINER))
        .data(calldata(parts).into())
        .gas_limit(15_000_000)
        .build()
        .expect("a transaction");
    match evm.transact(tx).expect("an executed transaction").result {
        ExecutionResult::Success { gas, output, .. } => {
            assert_eq!(output.data()[..], word(1));
            Ok(gas.tx_gas_used())
        }
        ExecutionResult::Revert { output, .. } => Err(output.to_vec()),
        ExecutionResult::Halt { reason, .. } => panic!("{reason:?}"),
    }
}

/// The revert data of `ProofRefused(index, reason)`, the reason being an error without arguments.
fn refused(index: usize, reason: &str) -> Vec<u8> {
    let mut data = keccak256("ProofRefused(uint256,bytes)")[..4].to_vec();
    data.extend(word(index));
    data.extend(word(0x40));
    data.extend(word(4));
    data.extend(&keccak256(format!("{reason}()"))[..4]);
    data.extend([0; 28]);
    data
}

fn other_string(index: usize) -> Vec<u8> {
    [&keccak256("OtherReferenceString(uint256)")[..4], &word(index)].concat()
}

#[test]
fn proofs_of_several_shapes_and_models_share_one_pairing() {
    let wide = Shape { lanes: 3, ..small_shape() };
    let proven =
        [dense(small_shape(), 4), dense(small_shape(), 9), dense_opened(wide, 5, Opening::COLUMNS)];
    let parts: Vec<Part> = proven.iter().map(Part::of).collect();
    let alone: Vec<u64> = parts.iter().map(|part| send(&part.runtime, &part.call).gas()).collect();

    // Each further proof saves the most of a transaction with a pairing of its own.
    for count in 1..=parts.len() {
        let gas = combine(&parts[..count]).expect("all hold");
        let apart: u64 = alone[..count].iter().sum();
        println!("{count} proofs: {gas} gas together, {apart} apart");
        let saved = apart as i64 - gas as i64;
        assert!(saved >= 90_000 * (count as i64 - 1) - 10_000, "{count} proofs save {saved} gas");
    }
    let (two, three) = (combine(&parts[..2]).expect("hold"), combine(&parts).expect("hold"));
    assert!(alone[2] - (three - two) >= 90_000, "the third costs {} more", three - two);

    // The same proof twice is two true statements.
    combine(&[parts[0].copy(), parts[0].copy()]).expect("twice");

    // One that does not hold is named, wherever it stands and whatever is wrong with it.
    for bad in 0..parts.len() {
        let mut altered: Vec<Part> = parts.iter().map(Part::copy).collect();
        let proven = &proven[bad];
        // The witness of another run: well-formed, of the same key, and false.
        let part = &mut altered[bad];
        part.call.instances[1][31] ^= 1;
        renew(proven, &mut part.call);
        assert!(!proven.accepts(&part.call), "it does not hold");
        assert_eq!(send(&part.runtime, &part.call).error(), "PairingFailed");
        assert_eq!(combine(&altered).expect_err("one is false"), refused(bad, "PairingFailed"));
        let part = &mut altered[bad];
        part.call.proof[31] ^= 1;
        let reason = send(&part.runtime, &part.call).error();
        assert_eq!(combine(&altered).expect_err("malformed"), refused(bad, reason));
    }
    let none = keccak256("NoProofs()")[..4].to_vec();
    assert_eq!(combine(&[]).expect_err("nothing"), none);
}

#[test]
fn false_proofs_whose_errors_cancel_are_refused() {
    let one = dense(small_shape(), 4);
    let mut parts = [Part::of(&one), Part::of(&one)];
    // The last point of a proof, which no challenge depends on: one more and one less by the
    // generator. The sums of both points of the pairing stay what they are.
    let generator = G1::from(G1Affine::generator());
    for (part, error) in parts.iter_mut().zip([generator, -generator]) {
        let proof = &mut part.call.proof;
        let at = proof.len() - 96;
        let moved = G1Affine::from(point(&proof[at..at + 64]) + error);
        for (coordinate, place) in [(moved.x, at), (moved.y, at + 32)] {
            let mut bytes: [u8; 32] = coordinate.to_repr();
            bytes.reverse();
            proof[place..place + 32].copy_from_slice(&bytes);
        }
        assert_eq!(send(&part.runtime, &part.call).error(), "PairingFailed");
    }
    assert_eq!(combine(&parts).expect_err("both are false"), refused(0, "PairingFailed"));
}

/// A point of a proof.
fn point(bytes: &[u8]) -> G1 {
    let coordinate = |bytes: &[u8]| {
        let mut repr: [u8; 32] = bytes.try_into().expect("32 bytes");
        repr.reverse();
        Fq::from_repr(repr).expect("a coordinate")
    };
    let (x, y) = (coordinate(&bytes[..32]), coordinate(&bytes[32..]));
    G1::from(G1Affine::from_xy(x, y).expect("on the curve"))
}

/// Makes the hints of a call those of its own instances.
fn renew(proven: &Proven, call: &mut Call) {
    let instances: Vec<_> = call
        .instances
        .iter()
        .map(|word| verdict_kzg::transcript::from_be_bytes(word).expect("below the modulus"))
        .collect();
    let bare = &call.proof[..call.proof.len() - 32];
    call.proof = verdict_codegen::evm_proof(&proven.keys.vk, &instances, bare).expect("a proof");
}

#[test]
fn keys_of_two_reference_strings_are_not_combined() {
    let one = dense(small_shape(), 4);
    let mut other = Part::of(&one);
    // The same key under a string of another τ.
    let srs = Srs::development_from_seed(4, [9; 32]).expect("a string");
    let payload =
        verdict_codegen::key_payload(&one.keys.vk, srs.g2(), srs.s_g2(), one.call.instances.len())
            .expect("a key");
    other.call.key_code = verdict_codegen::key_code(&payload);
    other.call.key_hash = verdict_codegen::key_hash(&payload);
    let parts = [Part::of(&one), other];
    assert_eq!(combine(&parts).expect_err("two strings"), other_string(1));
    let alone = [parts[1].copy()];
    assert_eq!(combine(&alone).expect_err("of no proof"), refused(0, "PairingFailed"));
}
