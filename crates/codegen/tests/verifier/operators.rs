//! A case of every operator of the standard's own tests: proven, and verified in Rust and in an EVM.
//!
//! All of them in circuits of one shape that has every argument, so that one contract verifies
//! them; what that shape's bits do not hold has a shape and a contract of its own.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::Arc,
};

use halo2curves::bn256::Fr;
use verdict_kzg::protocol::Opening;
use verdict_prover::{
    circuit::{Layout, ModelCircuit, Witness, secret_columns},
    plan::{Plan, PlanOptions},
    shape::{GraphShape, Shape},
};

use self::case::{Failure, Read, Variant};
use crate::harness::{Proven, compile, prove, send};

#[allow(dead_code, reason = "the prover's own tests use the rest")]
#[path = "../../../prover/tests/prover/conformance/case.rs"]
mod case;

/// A shape that proves whatever can be proven.
fn everything() -> (Shape, Opening) {
    let graph = GraphShape {
        node_lanes: 1,
        windows: true,
        segment_lanes: 1,
        products: true,
        ..GraphShape::new(4, 4)
    };
    let (limb_bits, limbs, shift_limbs) = (10, 4, 2);
    let graph = Some(graph);
    let shape = Shape { limb_bits, limbs, shift_limbs, lanes: 3, public_inputs: false, graph };
    (shape, Opening::folded(8))
}

/// A proof of a case that says what the standard expects, and what its circuit is.
fn proven(read: &Read, plan: &Plan) -> Result<Proven, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(error.to_string());
    let Plan { shape, opening, quantized, .. } = plan;
    let integers = quantized.input.encode(&read.inputs).map_err(|e| failed(&e))?;
    let layout = Arc::new(Layout::new(&quantized.graph, *shape).map_err(|e| failed(&e))?);
    let witness = Witness::new(&layout, &quantized.graph, &integers, Fr::from(7));
    let witness = witness.map_err(|e| failed(&e))?;
    let outputs: Vec<f64> =
        witness.outputs.iter().map(|word| quantized.output.decode(*word)).collect();
    read.compare(&outputs, plan.error.largest)?;
    let instances = witness.instances.clone();
    let circuit = ModelCircuit::with_witness(layout.clone(), Arc::new(witness));
    Ok(prove(layout.k, &circuit, (&secret_columns(shape), *opening), &instances))
}

#[test]
fn a_case_of_every_tenth_operator_is_proven_and_verified_on_chain() {
    check((10, 10), 11);
}

#[test]
#[ignore = "minutes: `make conformance` runs it"]
fn a_case_of_every_operator_is_proven_and_verified_on_chain() {
    check((1, 130), 14);
}

/// Proves a case of one operator in so many, and counts at least so many of them; circuits of
/// more than 2^`largest` rows are left out.
fn check((step, least): (usize, usize), largest: u32) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prover/tests/fixtures/conformance");
    let text = fs::read_to_string(folder.join("cases.json")).expect("fixtures");
    let cases: BTreeMap<String, Variant> = serde_json::from_str(&text).expect("cases");
    let everything = everything();
    everything.0.validate().expect("a shape");
    let mut codes: HashMap<[u8; 32], Vec<u8>> = HashMap::new();
    let (mut checked, mut left) = (0, Vec::new());
    for (operator, variant) in cases.iter().step_by(step) {
        let why = |failure: Failure| match failure {
            Failure::Refused(why) | Failure::Failed(why) => format!("{operator}: {why}"),
        };
        let read = Read::new(&folder, variant).map_err(why).expect("read");
        let own = Plan::new(&read.graph, &read.ranges, &PlanOptions::default()).expect(operator);
        let plan = Plan::with_shape(&read.graph, &read.ranges, everything, &own.precision);
        let plan = plan.ok().filter(|plan| plan.error.largest <= own.error.largest.max(1e-3));
        let plan = plan.unwrap_or(own);
        if plan.k > largest {
            left.push(operator);
            continue;
        }
        let proof = proven(&read, &plan).map_err(why).expect("proven");
        let verifier = proof.verifier();
        let code = codes.entry(verifier.shape_id).or_insert_with(|| compile(&verifier).runtime);
        assert!(proof.accepts(&proof.call), "{operator}");
        let outcome = send(code, &proof.call);
        assert!(outcome.accepted(), "{operator}: {outcome:?}");
        // Another output, and another proof.
        let mut other = proof.call.clone();
        let last = other.instances.last_mut().expect("outputs");
        last[31] ^= 1;
        let mut spoilt = proof.call.clone();
        let at = spoilt.proof.len() / 2;
        spoilt.proof[at] ^= 1;
        for call in [other, spoilt] {
            assert!(!proof.accepts(&call), "{operator}");
            assert!(!send(code, &call).accepted(), "{operator}");
        }
        checked += 1;
    }
    println!("{checked} operators, {} contracts; left out: {left:?}", codes.len());
    assert!(checked >= least, "{checked} operators");
}
