//! Every word of a real proof, key and call is changed: Rust and the EVM agree.

use std::sync::Arc;

use halo2curves::{
    CurveAffine,
    bn256::{Fq, Fr, G1Affine},
    ff::{Field, PrimeField},
};
use verdict_codegen::{compile::Settings, key_hash};
use verdict_kzg::{
    field::lagrange_basis,
    key::{VerifyingKey, g1_bytes},
    protocol::Opening,
    transcript::{from_be_bytes, to_be_bytes},
    verify::{Challenges, Linearisation, read_proof},
};

use crate::{
    dense::{dense, dense_opened, small_shape},
    harness::{Call, Keys, OPENINGS, Outcome, Proven, compile, compile_with, prove, send},
    synthetic::{Spec, Synthetic},
};

type Word = [u8; 32];

/// a + b in 256 bits; `None` on overflow.
fn add(a: &Word, b: &Word) -> Option<Word> {
    let mut sum = [0; 32];
    let mut carry = 0;
    for i in (0..32).rev() {
        let digit = u16::from(a[i]) + u16::from(b[i]) + carry;
        sum[i] = digit as u8;
        carry = digit >> 8;
    }
    (carry == 0).then_some(sum)
}

fn modulus<F: PrimeField<Repr = [u8; 32]>>() -> Word {
    let mut word = to_be_bytes(&-F::ONE);
    word[31] += 1;
    word
}

fn word(bytes: &[u8], index: usize) -> Word {
    bytes[32 * index..32 * (index + 1)].try_into().expect("32 bytes")
}

fn replaced(bytes: &[u8], index: usize, words: &[Word]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[32 * index..32 * (index + words.len())].copy_from_slice(&words.concat());
    bytes
}

fn flipped(word: &Word, bit: usize) -> Word {
    let mut word = *word;
    word[bit / 8] ^= 1 << (bit % 8);
    word
}

/// A change and the call with it.
pub struct Mutant {
    pub name: String,
    pub call: Call,
}

/// Which words of the proof are coordinates: the points come first and last.
struct Layout {
    leading_points: usize,
    evaluations: usize,
}

impl Layout {
    fn of(proven: &Proven) -> Self {
        let protocol = proven.keys.vk.protocol();
        Self {
            leading_points: protocol.num_advice_groups() + protocol.quotient_pieces,
            evaluations: protocol.num_evaluations(),
        }
    }

    /// Word indices of the points.
    fn points(&self) -> Vec<usize> {
        let opening = 2 * self.leading_points + self.evaluations;
        let leading = (0..self.leading_points).map(|point| 2 * point);
        leading.chain([opening, opening + 2]).collect()
    }

    fn scalars(&self) -> std::ops::Range<usize> {
        2 * self.leading_points..2 * self.leading_points + self.evaluations
    }

    fn hint(&self) -> usize {
        2 * self.leading_points + self.evaluations + 4
    }
}

pub fn proof_mutants(proven: &Proven) -> Vec<Mutant> {
    let call = &proven.call;
    let layout = Layout::of(proven);
    let mut mutants = Vec::new();
    let mut push = |name: String, proof: Vec<u8>| {
        mutants.push(Mutant { name, call: Call { proof, ..call.clone() } });
    };
    let proof = &call.proof;
    let (r, q) = (modulus::<Fr>(), modulus::<Fq>());

    for index in 0..proof.len() / 32 {
        let original = word(proof, index);
        for bit in [248, 0, 7, 93 + index] {
            let name = format!("word {index}, bit {bit}");
            push(name, replaced(proof, index, &[flipped(&original, bit)]));
        }
        push(format!("word {index} zero"), replaced(proof, index, &[[0; 32]]));
        push(format!("word {index} all ones"), replaced(proof, index, &[[0xff; 32]]));
    }
    for index in layout.scalars().chain([layout.hint()]) {
        let mut shifted = Some(word(proof, index));
        for times in 1..=5 {
            shifted = shifted.and_then(|word| add(&word, &r));
            if let Some(word) = shifted {
                push(format!("scalar {index} + {times}·r"), replaced(proof, index, &[word]));
            }
        }
    }
    let points = layout.points();
    let generator = [to_be_bytes(&Fq::from(1)), to_be_bytes(&Fq::from(2))];
    for (position, &index) in points.iter().enumerate() {
        let (x, y) = (word(proof, index), word(proof, index + 1));
        let mut repr = y;
        repr.reverse();
        let negated = to_be_bytes(&-Fq::from_repr(repr).expect("a coordinate"));
        push(format!("point {index} negated"), replaced(proof, index, &[x, negated]));
        push(format!("point {index} := G1"), replaced(proof, index, &generator));
        push(format!("point {index} := infinity"), replaced(proof, index, &[[0; 32]; 2]));
        push(format!("point {index} transposed"), replaced(proof, index, &[y, x]));
        for (name, coordinate, at) in [("x", x, index), ("y", y, index + 1)] {
            let mut shifted = Some(coordinate);
            for times in 1..=4 {
                shifted = shifted.and_then(|word| add(&word, &q));
                if let Some(word) = shifted {
                    push(
                        format!("point {index}, {name} + {times}·q"),
                        replaced(proof, at, &[word]),
                    );
                }
            }
        }
        let other = points[(position + 1) % points.len()];
        let swapped = replaced(proof, index, &[word(proof, other), word(proof, other + 1)]);
        push(format!("points {index} and {other} swapped"), replaced(&swapped, other, &[x, y]));
    }
    for index in layout.scalars().skip(1) {
        let words = [word(proof, index), word(proof, index - 1)];
        push(format!("scalars {index} and before swapped"), replaced(proof, index - 1, &words));
    }
    for length in [0, 1, 31, 32, proof.len() - 32, proof.len() - 1] {
        push(format!("only {length} bytes"), proof[..length].to_vec());
    }
    for extra in [1, 31, 32, 64] {
        push(format!("{extra} bytes more"), [proof, &vec![0; extra][..]].concat());
    }
    mutants
}

pub fn instance_mutants(proven: &Proven) -> Vec<Mutant> {
    let call = &proven.call;
    let mut mutants = Vec::new();
    let mut push = |name: String, instances: Vec<Word>| {
        mutants.push(Mutant { name, call: Call { instances, ..call.clone() } });
    };
    let one = to_be_bytes(&Fr::from(1));
    for index in 0..call.instances.len() {
        let mut set = |name: &str, word: Word| {
            let mut instances = call.instances.clone();
            instances[index] = word;
            push(format!("instance {index} {name}"), instances);
        };
        let original = call.instances[index];
        set("+ 1", add(&original, &one).expect("small"));
        set("zero", [0; 32]);
        set("all ones", [0xff; 32]);
        set("= r", modulus::<Fr>());
        set("+ r", add(&original, &modulus::<Fr>()).expect("small"));
        set("negated", to_be_bytes(&-Fr::from(77)));
        let mut instances = call.instances.clone();
        instances.remove(index);
        push(format!("instance {index} removed"), instances);
        let mut instances = call.instances.clone();
        instances.insert(index, [0; 32]);
        push(format!("zero inserted at {index}"), instances);
        let mut instances = call.instances.clone();
        let last = instances.len() - 1;
        instances.swap(index, last);
        push(format!("instances {index} and {last} swapped"), instances);
    }
    let padded = [&call.instances[..], &[[0; 32]]].concat();
    push("a zero instance more".to_owned(), padded);
    push("no instances".to_owned(), Vec::new());
    mutants
}

/// Rust and EVM agree on every mutant; unless it equals the original, both refuse.
fn assert_agreement(proven: &Proven, runtime: &[u8], mutants: &[Mutant]) {
    let mut refused = 0;
    for Mutant { name, call } in mutants {
        let same = call.proof == proven.call.proof && call.instances == proven.call.instances;
        let rust = proven.accepts(call);
        let evm = send(runtime, call);
        assert_eq!(rust, same, "{name}: Rust");
        assert_eq!(evm.accepted(), same, "{name}: EVM, {} {evm:?}", evm.error());
        assert!(
            same || !matches!(evm.error(), "unknown" | "no data" | "none"),
            "{name}: no custom error, {evm:?}"
        );
        refused += usize::from(!same);
    }
    println!("{refused} mutants refused");
    assert!(refused * 10 > mutants.len() * 9);
}

#[test]
fn rust_and_evm_refuse_every_mutant_of_a_dense_proof() {
    for opening in OPENINGS {
        let proven = dense_opened(small_shape(), 4, opening);
        let runtime = compile(&proven.verifier()).runtime;
        assert_agreement(&proven, &runtime, &proof_mutants(&proven));
        assert_agreement(&proven, &runtime, &instance_mutants(&proven));
    }
}

#[test]
fn rust_and_evm_refuse_every_mutant_of_a_proof_with_rotated_instances() {
    let spec = Spec { instance: Some(vec![0, 1]), challenges: 1, degree: 4, ..Spec::default() };
    let instances: Vec<Fr> = (0..4).map(|i| Fr::from(50 + i)).collect();
    let circuit = Synthetic::new(&spec, 5, instances.clone(), 9);
    for opening in OPENINGS {
        let proven = prove(5, &circuit, (&[], opening), &instances);
        let runtime = compile(&proven.verifier()).runtime;
        assert_agreement(&proven, &runtime, &proof_mutants(&proven));
        assert_agreement(&proven, &runtime, &instance_mutants(&proven));
    }
}

#[test]
fn a_proof_for_other_instances_of_the_same_key_is_refused_for_these() {
    let spec = Spec::default();
    let instances = vec![Fr::from(5)];
    let circuit = Synthetic::new(&spec, 5, instances.clone(), 3);
    let first = prove(5, &circuit, (&[], Opening::COLUMNS), &instances);
    let others = vec![Fr::from(6)];
    let second =
        prove(5, &circuit.with_witness(4, others.clone()), (&[], Opening::COLUMNS), &others);
    assert_eq!(first.call.key_hash, second.call.key_hash, "the witness is not in the key");
    let runtime = compile(&first.verifier()).runtime;
    let crossed = Call { instances: first.call.instances.clone(), ..second.call.clone() };
    assert!(send(&runtime, &second.call).accepted());
    assert!(!first.accepts(&crossed));
    assert!(!send(&runtime, &crossed).accepted());
}

#[test]
fn every_changed_word_of_the_key_is_refused() {
    let proven = dense(small_shape(), 4);
    let runtime = compile(&proven.verifier()).runtime;
    let payload = &proven.call.key_code[1..];
    for index in 0..payload.len() / 32 {
        for bit in [248, 100] {
            let changed = replaced(payload, index, &[flipped(&word(payload, index), bit)]);
            let key_code = [&[0], &changed[..]].concat();
            let call = Call { key_code, ..proven.call.clone() };
            let outcome = send(&runtime, &call);
            assert_eq!(outcome.error(), "InvalidKey", "word {index}: {outcome:?}");
            // Even if somebody registered such a key, this proof is not for it.
            let call = Call { key_hash: key_hash(&changed), ..call };
            let outcome = send(&runtime, &call);
            assert!(!outcome.accepted(), "word {index} does not matter");
        }
    }
}

#[test]
fn each_kind_of_fault_has_its_own_error() {
    let proven = dense(small_shape(), 4);
    let runtime = compile(&proven.verifier()).runtime;
    let layout = Layout::of(&proven);
    let call = &proven.call;
    let with_proof =
        |index, words: &[Word]| Call { proof: replaced(&call.proof, index, words), ..call.clone() };
    let error = |call: Call| send(&runtime, &call).error();
    let instances = |instances: Vec<Word>| Call { instances, ..call.clone() };
    let r = modulus::<Fr>();

    assert_eq!(error(Call { proof: vec![], ..call.clone() }), "InvalidProofLength");
    assert_eq!(error(Call { key_hash: [1; 32], ..call.clone() }), "InvalidKey");
    assert_eq!(error(instances(vec![])), "InvalidInstanceCount");
    assert_eq!(error(instances(vec![r; proven.num_instances])), "InstanceOutOfRange");
    assert_eq!(error(with_proof(0, &[[0; 32]; 2])), "InvalidPoint");
    assert_eq!(error(with_proof(layout.scalars().start, &[r])), "ScalarOutOfRange");
    assert_eq!(error(with_proof(layout.hint(), &[[0; 32]])), "InvalidInverse");
    // A changed W' moves no challenge, so only the pairing sees it.
    let w_prime = layout.hint() - 2;
    let generator = [to_be_bytes(&Fq::from(1)), to_be_bytes(&Fq::from(2))];
    assert!(bool::from(G1Affine::from_xy(Fq::from(1), Fq::from(2)).is_some()));
    assert_eq!(error(with_proof(w_prime, &generator)), "PairingFailed");
}

/// A secret column's commitment plus G, and the quotient's first piece so changed that the
/// linearisation stays what it was under the challenges there were.
#[test]
fn a_value_shifted_between_a_secret_column_and_the_quotient_is_refused() {
    for opening in OPENINGS {
        shifted_is_refused(&dense_opened(small_shape(), 4, opening));
    }
}

fn shifted_is_refused(proven: &Proven) {
    let runtime = compile(&proven.verifier()).runtime;
    let vk = &proven.keys.vk;
    let instances: Vec<Fr> = proven.call.instances.iter().filter_map(from_be_bytes).collect();
    let bare = &proven.call.proof[..proven.call.proof.len() - 32];
    let read = read_proof(vk, &instances, bare).expect("a proof");
    let Challenges { x, y, circuit, .. } = &read.challenges;
    let instance = {
        let basis = lagrange_basis(vk.k(), *x);
        instances.iter().zip(basis).map(|(value, weight)| *value * weight).sum::<Fr>()
    };
    let [advice, fixed] = vk.protocol().query_values(&read.values);
    let linear = Linearisation::new(vk.protocol(), circuit, *y, [&advice, &fixed, &[instance]]);
    let (_, factor) = linear.secret[0];
    let x_to_n = x.pow_vartime([1u64 << vk.k()]);
    let shift = factor * (x_to_n - Fr::one()).invert().expect("x is outside the domain");

    let mut secret = vk.secret().to_vec();
    secret[0] = (secret[0] + G1Affine::generator()).into();
    let moved = (read.quotient[0] + G1Affine::generator() * shift).into();
    let mut proof = bare.to_vec();
    let at = 64 * read.groups.len();
    proof[at..at + 64].copy_from_slice(&g1_bytes(&moved));
    let (protocol, groups) = (Arc::new(vk.protocol().clone()), vk.groups().to_vec());
    let other = VerifyingKey::new(protocol, vk.k(), groups, secret).expect("a key");
    for vk in [other, vk.clone()] {
        let keys = Keys { vk, ..proven.keys.clone() };
        let forged = crate::harness::proven(keys, &instances, &proof);
        assert!(!forged.accepts(&forged.call));
        assert!(!send(&runtime, &forged.call).accepted());
    }
}

#[test]
fn all_compiler_settings_give_contracts_that_behave_alike() {
    let proven = dense(small_shape(), 4);
    let verifier = proven.verifier();
    let legacy = Settings::default();
    let codes = [
        legacy,
        Settings { via_ir: true, ..legacy },
        Settings { runs: 1, ..legacy },
        Settings { optimizer: false, ..legacy },
    ]
    .map(|settings| compile_with(&verifier, settings).expect("it is small").runtime);
    let gas = codes.each_ref().map(|code| send(code, &proven.call).gas());
    println!("sizes {:?}, gas {gas:?}", codes.each_ref().map(Vec::len));
    let mut mutants = proof_mutants(&proven);
    mutants.extend(instance_mutants(&proven));
    for Mutant { name, call } in mutants.iter().step_by(7) {
        let outcomes = codes.each_ref().map(|code| match send(code, call) {
            Outcome::Accepted(_) => Outcome::Accepted(0),
            other => other,
        });
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{name}: {outcomes:?}");
    }
}
