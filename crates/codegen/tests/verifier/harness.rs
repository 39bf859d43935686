//! Keys and proofs of a circuit, and its verifier in an EVM.

use std::sync::{Arc, OnceLock};

use halo2_proofs::plonk::{Circuit, ConstraintSystem};
use halo2curves::bn256::Fr;
use rand::{SeedableRng, rngs::StdRng};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode as EvmCode,
    context::{TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    primitives::{Address, Bytes, TxKind, keccak256},
    state::AccountInfo,
};
use verdict_codegen::{
    ShapeVerifier,
    compile::{Bytecode, CompileError, Settings, Solc, StandardInput},
    evm_proof, key_code, key_hash, key_payload, shape_verifier, verify_evm_proof,
};
use verdict_engine::{Engine, FixedColumns, Options};
use verdict_kzg::{
    key::VerifyingKey,
    portable::PortableKey,
    protocol::{Opening, Protocol},
    transcript::to_be_bytes,
};
use verdict_prover::{keys::engine, plan::srs_k, srs::Srs};

/// Groups of several columns, and single ones.
pub const OPENINGS: [Opening; 2] = [Opening::folded(8), Opening::COLUMNS];

const CALLER: Address = Address::repeat_byte(0xca);
const VERIFIER: Address = Address::repeat_byte(0x11);
const KEY: Address = Address::repeat_byte(0x22);
const GAS_LIMIT: u64 = 10_000_000;

/// The pinned compiler.
pub fn solc() -> &'static Solc {
    static SOLC: OnceLock<Solc> = OnceLock::new();
    SOLC.get_or_init(|| Solc::find(None).expect("npm ci installs solc"))
}

/// Compiles with the project's settings.
pub fn compile(verifier: &ShapeVerifier) -> Bytecode {
    compile_with(verifier, Settings::default()).expect("it fits")
}

/// Compiles with other settings. None if the code is too large for a chain, as it may be with any
/// but the project's.
pub fn compile_with(verifier: &ShapeVerifier, settings: Settings) -> Option<Bytecode> {
    let input = StandardInput::new(&verifier.source, settings);
    match solc().compile(&input, &verifier.contract_name) {
        Ok(bytecode) => Some(bytecode),
        Err(CompileError::CodeTooLarge { .. }) if settings != Settings::default() => None,
        Err(error) => panic!("{error}\n{}", verifier.source),
    }
}

/// A development reference string, the same τ for every size.
pub fn srs(k: u32) -> Srs {
    Srs::development_from_seed(k, [1; 32]).expect("a size within bounds")
}

/// Keys of a circuit.
#[derive(Clone)]
pub struct Keys {
    pub srs: Srs,
    pub engine: Arc<Engine>,
    pub fixed: FixedColumns,
    pub vk: VerifyingKey,
}

/// A proof together with everything that decides about it.
pub struct Proven {
    pub keys: Keys,
    pub num_instances: usize,
    pub call: Call,
}

/// Arguments of `verify`, with the calldata's freedom made explicit.
#[derive(Debug, Clone)]
pub struct Call {
    pub key_code: Vec<u8>,
    pub key_hash: [u8; 32],
    /// 32-byte words, so that values above the modulus can be sent.
    pub instances: Vec<[u8; 32]>,
    pub proof: Vec<u8>,
}

/// Keys of a circuit whose fixed columns `secret` hold a model.
pub fn keys<C: Circuit<Fr>>(k: u32, circuit: &C, secret: &[usize], opening: Opening) -> Keys {
    let mut cs = ConstraintSystem::default();
    C::configure_with_params(&mut cs, circuit.params());
    let protocol = Arc::new(Protocol::new(&cs, secret, opening).expect("a supported circuit"));
    let srs = srs(srs_k(&protocol, k));
    let engine =
        engine(&srs, &protocol, k, &protocol.folds(), None, Options::default()).expect("an engine");
    let pk = engine.keygen(circuit, false).expect("keys");
    let fixed = FixedColumns::from(&pk);
    let vk = engine.verifying_key(protocol, &fixed).expect("a key");
    let fixed = engine.prepare(fixed, vk.protocol()).expect("of its size");
    Keys { srs, engine: Arc::new(engine), fixed, vk }
}

/// Keys and a proof in EVM form.
pub fn prove<C: Circuit<Fr>>(
    k: u32,
    circuit: &C,
    (secret, opening): (&[usize], Opening),
    instances: &[Fr],
) -> Proven {
    prove_with(keys(k, circuit, secret, opening), circuit, instances)
}

/// A proof for keys that exist.
pub fn prove_with<C: Circuit<Fr>>(keys: Keys, circuit: &C, instances: &[Fr]) -> Proven {
    let rng = StdRng::seed_from_u64(2);
    let proof = keys.engine.prove_circuit(&keys.vk, &keys.fixed, circuit, instances, rng);
    let proof = proof.expect("satisfied");
    proven(keys, instances, &proof)
}

/// A proof with the call that brings it to the contract.
pub fn proven(keys: Keys, instances: &[Fr], proof: &[u8]) -> Proven {
    let (srs, vk) = (&keys.srs, &keys.vk);
    let proof = evm_proof(vk, instances, proof).expect("a proof of this key");
    let payload = key_payload(vk, srs.g2(), srs.s_g2(), instances.len()).expect("a key");
    let call = Call {
        key_code: key_code(&payload),
        key_hash: key_hash(&payload),
        instances: instances.iter().map(to_be_bytes).collect(),
        proof,
    };
    Proven { keys, num_instances: instances.len(), call }
}

impl Proven {
    pub fn verifier(&self) -> ShapeVerifier {
        shape_verifier(self.keys.vk.protocol()).expect("it renders")
    }

    /// The Rust verdict, which a key that went through its file shares. An instance above the
    /// modulus is no instance.
    pub fn accepts(&self, call: &Call) -> bool {
        let instances: Option<Vec<Fr>> =
            call.instances.iter().map(verdict_kzg::transcript::from_be_bytes).collect();
        instances.is_some_and(|instances| {
            let (tau_g2, vk) = (self.keys.srs.s_g2(), &self.keys.vk);
            let verdict =
                verify_evm_proof(&tau_g2, vk, self.num_instances, &instances, &call.proof);
            let portable = PortableKey::new(vk.clone(), tau_g2, self.num_instances);
            let bytes = portable.expect("a key").to_bytes();
            let read = PortableKey::from_bytes(&bytes).expect("its file");
            assert_eq!(read.to_bytes(), bytes);
            assert_eq!((read.key_hash(), read.key().digest()), (self.call.key_hash, vk.digest()));
            let same = read.verify(&instances, &call.proof).map_err(|error| error.to_string());
            assert_eq!(same, verdict.as_ref().map_err(ToString::to_string).copied());
            verdict.is_ok()
        })
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `true` was returned; gas of the whole transaction.
    Accepted(u64),
    /// Revert data.
    Reverted(Vec<u8>),
    /// Something else.
    Failed(String),
}

impl Outcome {
    pub fn accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    pub fn gas(&self) -> u64 {
        match self {
            Self::Accepted(gas) => *gas,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// Name of the custom error among the verifier's.
    pub fn error(&self) -> &'static str {
        let Self::Reverted(data) = self else { return "none" };
        if data.is_empty() {
            return "no data";
        }
        ERRORS
            .iter()
            .find(|name| data[..] == keccak256(format!("{name}()"))[..4])
            .copied()
            .unwrap_or("unknown")
    }
}

const ERRORS: [&str; 9] = [
    "InvalidProofLength",
    "NonCanonicalCalldata",
    "InvalidKey",
    "InvalidInstanceCount",
    "InstanceOutOfRange",
    "InvalidPoint",
    "ScalarOutOfRange",
    "InvalidInverse",
    "PairingFailed",
];

fn word(value: usize) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&(value as u64).to_be_bytes());
    word
}

impl Call {
    /// Canonical calldata.
    pub fn calldata(&self) -> Vec<u8> {
        let mut data = keccak256("verify(address,bytes32,uint256[],bytes)")[..4].to_vec();
        data.extend([0; 12]);
        data.extend(KEY.as_slice());
        data.extend(self.key_hash);
        data.extend(word(0x80));
        data.extend(word(0xa0 + 32 * self.instances.len()));
        data.extend(word(self.instances.len()));
        data.extend(self.instances.concat());
        data.extend(word(self.proof.len()));
        data.extend(&self.proof);
        data.resize((data.len() - 4).next_multiple_of(32) + 4, 0);
        data
    }
}

/// Sends a call to `runtime`.
pub fn send(runtime: &[u8], call: &Call) -> Outcome {
    send_calldata(runtime, &call.key_code, call.calldata())
}

/// Sends any calldata to `runtime`.
pub fn send_calldata(runtime: &[u8], key_code: &[u8], data: Vec<u8>) -> Outcome {
    let mut db = CacheDB::new(EmptyDB::new());
    for (address, code) in [(VERIFIER, runtime), (KEY, key_code)] {
        if !code.is_empty() {
            let code = EvmCode::new_raw(Bytes::copy_from_slice(code));
            db.insert_account_info(address, AccountInfo::from_bytecode(code));
        }
    }
    let mut evm = Context::mainnet().with_db(db).build_mainnet();
    let tx = TxEnv::builder()
        .caller(CALLER)
        .kind(TxKind::Call(VERIFIER))
        .data(data.into())
        .gas_limit(GAS_LIMIT)
        .build()
        .expect("a transaction");
    match evm.transact(tx).expect("an executed transaction").result {
        ExecutionResult::Success { gas, output, .. } => {
            assert_eq!(output.data()[..], word(1), "verify returns true or reverts");
            Outcome::Accepted(gas.tx_gas_used())
        }
        ExecutionResult::Revert { output, .. } => Outcome::Reverted(output.to_vec()),
        ExecutionResult::Halt { reason, .. } => Outcome::Failed(format!("{reason:?}")),
    }
}

/// Runs creation code; returns the runtime code.
pub fn deploy(creation: &[u8]) -> Vec<u8> {
    let mut evm = Context::mainnet().with_db(CacheDB::new(EmptyDB::new())).build_mainnet();
    let tx = TxEnv::builder()
        .caller(CALLER)
        .kind(TxKind::Create)
        .data(creation.to_vec().into())
        .gas_limit(GAS_LIMIT)
        .build()
        .expect("a transaction");
    match evm.transact(tx).expect("an executed transaction").result {
        ExecutionResult::Success { output, .. } => output.into_data().to_vec(),
        other => panic!("deployment failed: {other:?}"),
    }
}
