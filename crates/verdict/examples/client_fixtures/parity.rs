//! What the programs make of the fixtures' setups and proofs, as one JSON file.

use std::{error::Error, fs, path::Path};

use alloy::{
    json_abi::JsonAbi,
    primitives::{Address, B256, Bytes, U256, hex},
};
use halo2curves::bn256::Fr;
use serde_json::{Value, json};
use verdict::{
    Attestation, InferenceRequest, Manifest, ProofBundle, Salt, Statement, of_inference,
};
use verdict_contracts::{
    attestation::{
        encode_attestations, inference, verify_attested_inference_calldata,
        verify_inferences_calldata,
    },
    bindings::{InferenceOracle, InputSource, ModelRegistry, SignerRegistry, VerdictVerifier},
    calldata::{check_inference_calldata, outputs_word},
    decode_revert, idempotency_key, inputs_hash, verification_hash, verify_inference_calldata,
};
use verdict_kzg::{portable::PortableKey, transcript::from_be_bytes};

/// Name of the file.
pub(crate) const FILE: &str = "parity.json";

/// How a proof states inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stated {
    Private,
    Public,
    Committed,
}

/// The inputs that a fixture's proofs are of.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) stated: Stated,
    pub(crate) inputs: &'static [&'static [f64]],
    pub(crate) salt: u128,
}

const CREDIT: &[f64] =
    &[2., 54., 0., 9., 15945., 1., 2., 3., 2., 1., 4., 4., 58., 3., 1., 1., 3., 1., 2., 1.];
const SMALL: &[f64] = &[0.5, -0.25, 0.75];

/// The fixtures: a folder each.
pub(crate) const SETUPS: &[(&str, Inputs)] = &[
    ("credit", Inputs { stated: Stated::Private, inputs: &[CREDIT], salt: 0 }),
    ("chain", Inputs { stated: Stated::Public, inputs: &[SMALL], salt: 0 }),
    ("public", Inputs { stated: Stated::Public, inputs: &[SMALL], salt: 0 }),
    ("committed", Inputs { stated: Stated::Committed, inputs: &[SMALL], salt: (1 << 127) + 5 }),
    ("batch", Inputs { stated: Stated::Public, inputs: &[SMALL, &[-1.0, 1.0, 0.0]], salt: 0 }),
];

/// The file, made of the setups and proofs in `root`.
pub(crate) fn text(root: &Path) -> Result<String, Box<dyn Error>> {
    let mut setups = serde_json::Map::new();
    for (name, inputs) in SETUPS {
        setups.insert((*name).to_owned(), of_setup(&root.join(name), inputs)?);
    }
    let parity = json!({
        "setups": setups,
        "attestations": attestations()?,
        "verification": verification(),
        "outputs_words": outputs_words(),
        "reverts": reverts(),
    });
    Ok(serde_json::to_string_pretty(&parity)? + "\n")
}

fn of_setup(folder: &Path, inputs: &Inputs) -> Result<Value, Box<dyn Error>> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json"))?)?;
    let key = PortableKey::from_bytes(&fs::read(folder.join("verifier.bin"))?)?;
    let salt = (inputs.stated == Stated::Committed).then(|| Salt::from(inputs.salt));
    let words = inputs.inputs.iter().map(|one| match inputs.stated {
        Stated::Private => Ok(vec![]),
        _ => manifest.input_words(&[one], salt),
    });
    let words: Vec<Vec<B256>> = words.collect::<Result<_, _>>()?;
    let layout = manifest.public_values();
    Ok(json!({
        "setup_id": manifest.setup_id(),
        "schema_id": manifest.schema_id(),
        "key_hash": B256::from(key.key_hash()),
        "shape_id": B256::from(key.shape_id()),
        "srs_fingerprint": B256::from(key.srs_fingerprint()),
        "layout": [layout.inputs, layout.outputs],
        "packed": manifest.shape.graph.is_some(),
        "inputs": inputs.inputs,
        "salt": inputs.salt.to_string(),
        "input_words": words,
        "unbound": of_bundle(&key, &read_bundle(&folder.join("unbound.json"))?, false)?,
        "bound": of_bundle(&key, &read_bundle(&folder.join("proof.json"))?, true)?,
    }))
}

fn read_bundle(path: &Path) -> Result<ProofBundle, Box<dyn Error>> {
    Ok(ProofBundle::from_json(&fs::read(path)?)?)
}

fn of_bundle(
    key: &PortableKey,
    bundle: &ProofBundle,
    bound: bool,
) -> Result<Value, Box<dyn Error>> {
    let verdicts = verdicts(key, bundle);
    if !bound {
        return Ok(json!({ "verdicts": verdicts }));
    }
    let request = bundle.answered().first().ok_or("the proof answers no request")?;
    let commitment = bundle.input_commitment.ok_or("the proof answers no request")?;
    let (words, batch) = (bundle.input_words(), bundle.answered().len());
    let hashes: Vec<B256> =
        (0..batch).map(|index| inputs_hash(&of_inference(words, batch, index))).collect();
    let mut facts = json!({
        "verdicts": verdicts,
        "input_commitments": bundle.answered().iter().map(InferenceRequest::commitment).collect::<Vec<_>>(),
        "input_commitment": commitment,
        "context": bundle.instances.first(),
        "inputs_hashes": hashes,
        "calldata": verify_inference_calldata(bundle)?,
        "idempotency_key":
            idempotency_key(request.chain_id, request.oracle, U256::from(request.model_id), commitment),
    });
    if batch == 1 {
        let (first, second) = signed();
        let attestations = [(7, &second), (2, &first)];
        facts["check_calldata"] = json!(check_inference_calldata(bundle)?);
        facts["attested_calldata"] =
            json!(verify_attested_inference_calldata(bundle, &attestations)?);
        let inferences = vec![inference(bundle, None)?, inference(bundle, Some(&attestations))?];
        facts["inferences_calldata"] = json!(verify_inferences_calldata(inferences));
    }
    Ok(facts)
}

/// Verdicts on a proof and on it with a byte changed: of the public values, of each part of the
/// proof, of the inverse at its end.
fn verdicts(key: &PortableKey, bundle: &ProofBundle) -> Vec<Value> {
    let instances: Vec<u8> = bundle.instances.iter().flat_map(|word| word.0).collect();
    let proof = bundle.evm_proof.to_vec();
    let step = (proof.len() / 24).max(1);
    let in_instances = (31..instances.len()).step_by(32).map(|at| ("instances", at));
    let in_proof = (0..proof.len()).step_by(step).chain([proof.len() - 1]).map(|at| ("proof", at));
    let mut verdicts = vec![json!({ "verdict": verdict(key, &instances, &proof) })];
    for (part, at) in in_instances.chain(in_proof) {
        let (mut instances, mut proof) = (instances.clone(), proof.clone());
        let bytes = if part == "proof" { &mut proof } else { &mut instances };
        bytes[at] ^= 1;
        let verdict = verdict(key, &instances, &proof);
        verdicts.push(json!({ "part": part, "at": at, "verdict": verdict }));
    }
    verdicts
}

fn verdict(key: &PortableKey, instances: &[u8], proof: &[u8]) -> Option<String> {
    let words = instances.chunks_exact(32).map(|word| {
        let word: [u8; 32] = word.try_into().ok()?;
        from_be_bytes(&word)
    });
    let Some(words) = words.collect::<Option<Vec<Fr>>>() else {
        return Some("a public value is not below the field's modulus".into());
    };
    key.verify(&words, proof).err().map(|error| error.to_string())
}

fn statement(seed: u8) -> Statement {
    Statement {
        chain_id: u64::MAX - u64::from(seed),
        registry: Address::repeat_byte(seed),
        signer: Address::repeat_byte(seed),
        subject: Address::repeat_byte(seed + 1),
        schema: B256::repeat_byte(seed + 2),
        inputs: B256::repeat_byte(seed + 3),
        issued_at: (1 << 53) + 1,
        valid_until: (1 << 53) + 1 + u64::from(seed),
    }
}

fn signed() -> (Attestation, Attestation) {
    let of = |seed: u8, length| {
        let signature = Bytes::from(vec![seed; length]);
        Attestation::new(statement(seed), signature)
    };
    (of(1, 65), of(2, 3))
}

fn attestations() -> Result<Value, Box<dyn Error>> {
    let (first, second) = signed();
    Ok(json!({
        // As text: numbers of a JSON file keep their digits in it.
        "files": [serde_json::to_string(&first)?, serde_json::to_string(&second)?],
        "digests": [first.statement.digest(), second.statement.digest()],
        "encoded": encode_attestations(&[(7, &second), (2, &first)])?,
    }))
}

fn verification() -> Value {
    let data = ModelRegistry::VerificationData {
        verifier: Address::repeat_byte(1),
        key: Address::repeat_byte(2),
        keyHash: B256::repeat_byte(3),
        publicInputs: 4,
        outputs: 5,
        batch: 6,
        outputMin: i64::MIN,
        outputMax: i64::MAX,
        decimals: 7,
        direction: ModelRegistry::ScoreDirection::LowerIsBetter,
    };
    json!({
        "verifier": data.verifier, "key": data.key, "keyHash": data.keyHash, "publicInputs": 4,
        "outputs": 5, "batch": 6, "outputMin": i64::MIN.to_string(),
        "outputMax": i64::MAX.to_string(), "decimals": 7, "direction": data.direction as u8,
        "hash": verification_hash(&data),
    })
}

fn outputs_words() -> Vec<Value> {
    let lists: [&[i64]; 5] = [&[5], &[-6, 3], &[i64::MIN, -1, i64::MAX], &[1, -2, 3, -4], &[]];
    let word = |list: &&[i64]| {
        let values: Vec<_> =
            list.iter().map(|value| alloy::primitives::I256::unchecked_from(*value)).collect();
        let texts: Vec<_> = list.iter().map(i64::to_string).collect();
        json!({ "outputs": texts, "word": outputs_word(&values) })
    };
    lists.iter().map(word).collect()
}

/// Revert data of every error, and of what is none, in words.
fn reverts() -> Vec<Value> {
    let abis: [JsonAbi; 5] = [
        ModelRegistry::abi::contract(),
        InferenceOracle::abi::contract(),
        SignerRegistry::abi::contract(),
        InputSource::abi::contract(),
        VerdictVerifier::abi::contract(),
    ];
    let mut samples: Vec<Vec<u8>> = Vec::new();
    for error in abis.iter().flat_map(JsonAbi::errors) {
        let types: Vec<&str> = error.inputs.iter().map(|input| input.ty.as_str()).collect();
        for seed in [0, 1] {
            samples.push(encoded(error.selector().as_slice(), &types, seed));
        }
    }
    let sample = |name: &str| {
        let mut errors = abis.iter().flat_map(JsonAbi::errors);
        let error = errors.find(|error| error.name == name).map(|error| error.selector());
        encoded(error.unwrap_or_default().as_slice(), &["address", "uint256", "uint256"], 0)
    };
    // The nonce that is there already; a batch's refusal, once and nested.
    let mut recorded = sample("NonceAlreadyUsed");
    recorded.copy_within(4 + 32..4 + 64, 4 + 64);
    let refused = |reason: &[u8]| {
        let of = InferenceOracle::InferenceRefused {
            index: U256::from(3),
            reason: reason.to_vec().into(),
        };
        alloy::sol_types::SolError::abi_encode(&of)
    };
    samples.push(refused(&recorded));
    samples.push(refused(&refused(&recorded)));
    samples.push(refused(&[]));
    samples.push(recorded.clone());
    // Arguments cut off, bytes too many, a foreign selector, no data.
    samples.push(recorded[..40].to_vec());
    samples.push([&recorded[..], &[0; 32]].concat());
    samples.extend([vec![], vec![1], vec![0xff; 3], vec![0xfe; 500]]);
    let message = hex!("08c379a0");
    samples.push(encoded(&message, &["string"], 0));
    samples.push(encoded(&message, &["string"], 1));
    for code in [0u64, 1, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32, 0x41, 0x51, 0x99] {
        samples.push([&hex!("4e487b71")[..], &U256::from(code).to_be_bytes::<32>()].concat());
    }
    samples.iter().map(|data| revert(data)).collect()
}

fn revert(data: &[u8]) -> Value {
    let revert = decode_revert(data);
    let contract = match &revert {
        verdict_contracts::Revert::Contract { contract, .. } => Some(*contract),
        _ => None,
    };
    json!({
        "data": Bytes::from(data.to_vec()),
        "name": revert.name(),
        "contract": contract,
        "text": revert.to_string(),
        "hint": revert.hint(),
        "recorded": revert.is_already_recorded(),
    })
}

/// An error with arguments of these types: as contracts encode them.
fn encoded(selector: &[u8], types: &[&str], seed: u8) -> Vec<u8> {
    let mut head = selector.to_vec();
    let mut tail: Vec<u8> = Vec::new();
    for (index, ty) in types.iter().enumerate() {
        let small = U256::from(index as u64 + 1 + 40 * u64::from(seed));
        let word = match *ty {
            "address" => Address::repeat_byte(0xa0 + index as u8 + seed).into_word(),
            "bytes32" => B256::repeat_byte(0xb0 + index as u8 + seed),
            "bytes4" => B256::right_padding_from(&[0xc0 + seed; 4]),
            "string" | "bytes" => {
                let bytes: &[u8] = if seed == 0 { b"no \"funds\"\n\\ \xc3\xa9" } else { b"" };
                let offset = U256::from(32 * types.len() + tail.len());
                tail.extend(U256::from(bytes.len()).to_be_bytes::<32>());
                tail.extend(bytes);
                tail.resize(tail.len().next_multiple_of(32), 0);
                B256::from(offset)
            }
            signed if signed.starts_with("int") && seed == 1 => B256::repeat_byte(0xff),
            _ => B256::from(small),
        };
        head.extend(word.0);
    }
    [head, tail].concat()
}
