//! Setups, proofs and their verdicts, without a chain.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, B256, U256};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use verdict_contracts::ProofBundle;

use verdict_prover::graph::{Linear, LinearMap, Op};

use crate::{
    CheckError, Checked, Deployment, Error, Graph, Kind, PlanOptions, PlannedModel, Prover,
    ProverOptions, PublicSetup, Ranges, Reading, Salt, ScoreRequest, SetupError, SetupReport,
    Silent, SrsChoice, VerifyError, Weights, check, commit, of_inference, salts, setup, verify,
};

mod check;
mod commitments;

/// A folder with a setup of a fixture's model: three inputs, two outputs.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) report: SetupReport,
}

impl Fixture {
    pub(crate) fn new(public_inputs: bool) -> Self {
        let folder = TempDir::new().expect("a folder");
        let report = make("mlp.onnx", public_inputs, &folder.path().join("setup"));
        Self { folder, report: report.expect("a setup") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("setup")
    }

    pub(crate) fn public(&self) -> PublicSetup {
        PublicSetup::open(&self.path()).expect("a setup")
    }

    pub(crate) fn prover(&self) -> Prover {
        Prover::open(&self.path(), ProverOptions::default()).expect("both parts")
    }

    fn bundle(&self) -> ProofBundle {
        self.prover().prove(&[0.5, -0.25, 0.75], None).expect("a proof")
    }
}

fn planned(model: &str, public_inputs: bool, batch: Option<usize>) -> Result<PlannedModel, Error> {
    planned_with(model, &PlanOptions { public_inputs, batch, ..planned_options() })
}

fn planned_options() -> PlanOptions {
    PlanOptions { target_error: Some(1e-3), ..PlanOptions::default() }
}

fn planned_with(model: &str, options: &PlanOptions) -> Result<PlannedModel, Error> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prover/tests/fixtures/good");
    let ranges = Ranges::uniform(3, -1.0, 1.0);
    PlannedModel::load(&fixtures.join(model), &ranges, options)
}

fn make(model: &str, public_inputs: bool, folder: &Path) -> Result<SetupReport, Error> {
    make_of(&planned(model, public_inputs, None)?, folder)
}

fn make_of(planned: &PlannedModel, folder: &Path) -> Result<SetupReport, Error> {
    let srs = SrsChoice::Development.open(planned.plan().estimate.srs_k)?;
    setup(planned, &srs, folder, Default::default(), &Silent)
}

fn score_request(nonce: u64) -> ScoreRequest {
    ScoreRequest {
        chain_id: 31337,
        oracle: Address::repeat_byte(1),
        model_id: 3,
        verification_hash: B256::repeat_byte(2),
        subject: Address::repeat_byte(3),
        nonce,
        deadline: 1_800_000_000,
    }
}

/// What a bundle of private inputs says is what is proven, and nothing else that depends on them: no
/// time, counter or size.
#[test]
fn bundles_of_other_inputs_differ_in_their_outputs_and_proofs_only() {
    let fixture = Fixture::new(false);
    let prover = fixture.prover();
    let prove = |inputs: &[f64; 3]| {
        let bundle = prover.prove(inputs, None).expect("a proof");
        (bundle.to_json().expect("valid"), bundle)
    };
    let ((first, a), (second, b)) = (prove(&[0.5, -0.25, 0.75]), prove(&[-1.0, 1.0, 0.125]));
    assert_ne!(a.outputs, b.outputs, "they are of other inputs");
    assert_eq!((a.proof.len(), a.evm_proof.len()), (b.proof.len(), b.evm_proof.len()));
    assert_eq!(a.instances.len(), 1 + a.outputs.len(), "the context and the outputs");
    assert_eq!(a.instances[0], b.instances[0]);
    let [first, second] = [first, second].map(|json| {
        let mut fields: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        let object = fields.as_object_mut().expect("an object");
        for proven in ["instances", "outputs", "decoded", "proof", "evm_proof"] {
            assert!(object.remove(proven).is_some(), "{proven}");
        }
        fields.to_string()
    });
    assert_eq!(first, second);
}

#[test]
fn a_batch_is_one_proof_of_what_each_inference_gives() {
    let folder = TempDir::new().expect("a folder");
    for public_inputs in [false, true] {
        let path = folder.path().join(format!("{public_inputs}"));
        let batch = planned("mlp.onnx", public_inputs, Some(3)).expect("plans");
        make_of(&batch, &path).expect("a setup");
        let prover = Prover::open(&path, ProverOptions::default()).expect("both parts");
        let samples = [[0.5, -0.25, 0.75], [-1.0, 1.0, 0.0], [0.1, 0.2, 0.3]];
        let requests: Vec<_> = (1..4).map(score_request).collect();
        let bundle = prover.prove_batch(&samples, &[], &requests).expect("a proof");
        let public = PublicSetup::open(&path).expect("a setup");
        let verified = verify(&public, &bundle).expect("valid");
        assert_eq!(verified.batch, 3);
        // The outputs of each inference are those of a proof of its own.
        let single = folder.path().join("single");
        make("mlp.onnx", public_inputs, &single).expect("a setup");
        let single = Prover::open(&single, ProverOptions::default()).expect("both parts");
        for (index, sample) in samples.iter().enumerate() {
            let alone = single.prove(sample, None).expect("a proof");
            let own = of_inference(&verified.outputs, 3, index);
            assert_eq!(own.len(), alone.decoded.len());
            assert!(own.iter().zip(&alone.decoded).all(|(a, b)| (a - b).abs() < 2e-3));
        }
        // Bound to the list of requests: others, fewer, or in another order are refused.
        let mut other = bundle.clone();
        other.requests.swap(0, 2);
        assert!(other.validate().is_err());
        let mut unbound = bundle.clone();
        (unbound.requests, unbound.input_commitment) = (vec![], None);
        unbound.instances[0] = B256::ZERO;
        prover.renew_hints(&mut unbound).expect("well formed");
        assert!(matches!(verify(&public, &unbound), Err(VerifyError::Proof(_))));
        // An output of one inference told as another's.
        let mut told = bundle.clone();
        let (last, word) = (told.outputs.len() - 1, told.instances.len() - 1);
        told.outputs.swap(last, last - 1);
        told.decoded.swap(last, last - 1);
        told.instances.swap(word, word - 1);
        assert!(verify(&public, &told).is_err());
        // Not as many as the setup is for.
        let error = prover.prove_batch(&samples[..2], &[], &[]).expect_err("two");
        assert!(error.hint().is_some_and(|hint| hint.contains("--batch")), "{error}");
        let error = prover.prove_batch(&samples, &[], &requests[..2]).expect_err("two requests");
        assert!(matches!(error, Error::Requests { expected: 3, got: 2 }), "{error}");
        // A request of one inference is none of a batch.
        let mut one = bundle;
        let request = one.requests[0].clone();
        (one.input_commitment, one.requests) = (Some(request.commitment()), vec![]);
        one.request = Some(request);
        assert!(matches!(
            verify(&public, &one),
            Err(VerifyError::Count { what: "requests", expected: 3, got: 1 })
        ));
    }
}

fn kind(error: SetupError) -> (Kind, String) {
    let error = Error::from(error);
    (error.kind(), format!("{error} {}", error.hint().unwrap_or_default()))
}

#[test]
fn the_public_part_alone_verifies_and_cannot_prove() {
    let fixture = Fixture::new(false);
    let bundle = fixture.bundle();
    let alone = fixture.folder.path().join("handed-over");
    fs::create_dir(&alone).expect("made");
    for entry in fs::read_dir(fixture.path().join("public")).expect("there") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), alone.join(entry.file_name())).expect("copied");
    }
    let public = PublicSetup::open(&alone).expect("a public part");
    assert_eq!(public.id(), fixture.report.setup_id);
    let verified = verify(&public, &bundle).expect("valid");
    assert_eq!(verified.outputs, bundle.decoded);
    assert!(verified.insecure_srs, "a development SRS is never kept quiet");
    let error = Prover::open(&alone, ProverOptions::default()).expect_err("no private part");
    assert!(matches!(error, Error::Setup(SetupError::NoPrivatePart(_))), "{error}");
}

#[cfg(unix)]
#[test]
fn the_private_part_is_its_owners_alone_and_the_public_one_tells_nothing_of_it() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new(false);
    let private = fixture.path().join("private");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&private), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&private).expect("there") {
        assert_eq!(mode(&entry.expect("an entry").path()), 0o600);
        files += 1;
    }
    assert_eq!(files, 4, "manifest, graph, blinding and development SRS");
    let manifest = fs::read_to_string(fixture.path().join("public/manifest.json")).expect("text");
    for file in ["circuit.bin", "blinding.bin"] {
        assert!(!manifest.contains(file), "a hash of the weights confirms a guess of them");
    }
}

#[test]
fn what_a_bundle_says_of_its_model_has_to_be_what_the_setup_says() {
    let fixture = Fixture::new(false);
    let public = fixture.public();
    let good = fixture.bundle();
    verify(&public, &good).expect("valid");
    let other = B256::repeat_byte(1);
    type Spoil = fn(&mut ProofBundle, B256);
    let cases: [(&str, Spoil); 8] = [
        ("name", |b, _| b.model.name = "an audited model".into()),
        ("model's hash", |b, other| b.model.model_hash = other),
        ("shape", |b, other| b.model.shape_id = other),
        ("key", |b, other| b.model.key_hash = other),
        ("setup", |b, other| b.model.setup_id = other),
        ("fingerprint", |b, other| b.srs.fingerprint = other),
        ("insecure", |b, _| b.srs.insecure = false),
        ("decimals", |b, _| {
            b.decimals -= 1;
            b.decoded.iter_mut().for_each(|value| *value *= 10.0);
        }),
    ];
    for (what, spoil) in cases {
        let mut bundle = good.clone();
        spoil(&mut bundle, other);
        bundle.validate().expect("it agrees with itself");
        match verify(&public, &bundle) {
            Err(VerifyError::Differs { field, .. }) => assert!(field.contains(what), "{field}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn an_output_more_or_less_than_the_model_has_is_refused() {
    let fixture = Fixture::new(true);
    let public = fixture.public();
    let good = fixture.bundle();
    verify(&public, &good).expect("valid");
    // With public inputs, the last of them can pass for a first output: the list of outputs
    // that the bundle gives is longer, and agrees with the words it has.
    let mut forged = good.clone();
    let word = |at: usize| -> i128 {
        U256::from_be_bytes(good.instances[at].0).try_into().expect("small")
    };
    let last = good.instances.len() - 1;
    let (input, first, second) = (word(last - 2), word(last - 1), word(last));
    let minimum = good.outputs[0] - first;
    let shift = minimum + first - input;
    forged.outputs = vec![shift + input, shift + first, shift + second];
    let unit = 10f64.powi(i32::from(good.decimals));
    forged.decoded = forged.outputs.iter().map(|output| *output as f64 / unit).collect();
    forged.validate().expect("it agrees with itself");
    assert_eq!(forged.outputs[0], good.outputs[0]);
    let error = verify(&public, &forged).expect_err("a third output");
    assert!(matches!(error, VerifyError::Count { expected: 2, got: 3, .. }), "{error}");

    let mut fewer = good.clone();
    fewer.outputs.pop();
    fewer.decoded.pop();
    assert!(matches!(verify(&public, &fewer), Err(VerifyError::Count { .. })));
    let mut words = good.clone();
    words.instances.push(B256::ZERO);
    assert!(matches!(verify(&public, &words), Err(VerifyError::Count { .. })));
    for index in 0..2 {
        let mut changed = good.clone();
        changed.outputs[index] += 1;
        let error = verify(&public, &changed).expect_err("another output");
        assert!(matches!(error, VerifyError::Output { index: at, .. } if at == index), "{error}");
    }
}

#[test]
fn a_word_with_a_second_form_is_refused() {
    let fixture = Fixture::new(false);
    let mut bundle = fixture.bundle();
    let modulus = U256::from_str_radix(
        "21888242871839275222246405745257275088548364400416034343698204186575808495617",
        10,
    );
    let word = U256::from_be_bytes(bundle.instances[0].0) + modulus.expect("a number");
    bundle.instances[0] = word.into();
    let error = verify(&fixture.public(), &bundle).expect_err("not below the modulus");
    assert!(matches!(error, VerifyError::NotCanonical { index: 0 }), "{error}");
}

#[test]
fn a_manifest_that_names_another_key_or_shape_is_refused() {
    let fixture = Fixture::new(false);
    let path = fixture.path().join("public/manifest.json");
    let good = fs::read_to_string(&path).expect("text");
    let manifest = fixture.public().manifest().clone();
    for (hash, what) in
        [(manifest.verifier.key_hash, "key contract"), (manifest.verifier.shape_id, "shape")]
    {
        let other = format!("{}", B256::repeat_byte(9));
        fs::write(&path, good.replace(&hash.to_string(), &other)).expect("written");
        let (_, text) = kind(PublicSetup::open(&fixture.path()).expect_err(what));
        assert!(text.contains(what) && text.contains(&other), "{text}");
    }
}

#[test]
fn the_id_of_a_setup_is_the_same_when_read_and_changes_with_its_statement() {
    let fixture = Fixture::new(false);
    let manifest = fixture.public().manifest().clone();
    assert_eq!(manifest.setup_id(), fixture.report.setup_id);
    let mut decimals = manifest.clone();
    decimals.output.decimals -= 1;
    let mut range = manifest.clone();
    range.input.ranges[2][1] = 2.0;
    let mut model = manifest.clone();
    model.model.hash = B256::ZERO;
    let mut key = manifest.clone();
    key.verifier.key_hash = B256::ZERO;
    let mut weights = manifest.clone();
    weights.weights = Weights::Public;
    for other in [decimals, range, model, key, weights] {
        assert_ne!(other.setup_id(), manifest.setup_id());
    }
    let mut remark = manifest.clone();
    remark.written_by.push('!');
    remark.error.largest *= 2.0;
    assert_eq!(remark.setup_id(), manifest.setup_id());
}

#[test]
fn a_model_that_gives_its_input_back_is_proven() {
    let folder = TempDir::new().expect("a folder");
    let path = "../prover/tests/fixtures/good/identity_only.onnx";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let ranges = Ranges::uniform(2, -1.0, 1.0);
    let planned = PlannedModel::load(&path, &ranges, &PlanOptions::default()).expect("a plan");
    let srs = SrsChoice::Development.open(planned.plan().estimate.srs_k).expect("an SRS");
    let report = setup(&planned, &srs, folder.path(), Default::default(), &Silent);
    let report = report.expect("a setup");
    let Reading::Checked(difference) = report.reading else { panic!("{:?}", report.reading) };
    assert!(difference.compared >= 12 && difference.largest < 1e-6, "{difference:?}");
    let prover = Prover::open(folder.path(), ProverOptions::default()).expect("both parts");
    let inputs = prover.public().manifest().input.ranges.len();
    let input: Vec<f64> = (0..inputs).map(|i| 0.25 - 0.5 * i as f64 / inputs as f64).collect();
    let bundle = prover.prove(&input, None).expect("a proof");
    let outputs = verify(prover.public(), &bundle).expect("it holds").outputs;
    assert!(input.iter().zip(&outputs).all(|(input, output)| (input - output).abs() < 1e-3));
}

#[test]
fn a_folder_of_version_1_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().expect("a folder");
    let manifest = folder.path().join("manifest.json");
    fs::write(&manifest, r#"{"format_version": 1, "k": 9}"#).expect("written");
    let (_, text) = kind(PublicSetup::open(folder.path()).expect_err("version 1"));
    assert!(text.contains("version 1") && text.contains("new folder"), "{text}");
    let error = make("mlp.onnx", false, folder.path()).expect_err("version 1");
    assert!(matches!(error, Error::Setup(SetupError::Version { got: 1, .. })), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
}

#[test]
fn a_deployment_of_another_setup_is_refused_and_set_aside_by_the_next() {
    let fixture = Fixture::new(false);
    let public = fixture.public();
    assert!(matches!(public.deployment(), Err(SetupError::NotDeployed(_))));
    let deployment = Deployment {
        setup_id: public.id(),
        chain_id: 5,
        registry: Address::ZERO,
        oracle: Address::ZERO,
        verifier: Address::ZERO,
        key: Address::ZERO,
        model_id: 3,
        verification_hash: B256::repeat_byte(4),
        attestations: None,
    };
    public.save_deployment(&deployment).expect("written");
    assert_eq!(public.deployment().expect("there"), deployment);

    // The same setup once more keeps it.
    let again = make("mlp.onnx", false, &fixture.path()).expect("a setup");
    assert_eq!(again.setup_id, public.id());
    assert_eq!(again.replaced_deployment, None);
    assert_eq!(fixture.public().deployment().expect("kept"), deployment);

    // Another model's does not leave it beside itself, but loses nothing.
    let other = make("mlp_sigmoid.onnx", false, &fixture.path()).expect("a setup");
    let kept = other.replaced_deployment.expect("set aside");
    assert!(fs::read_to_string(&kept).expect("there").contains("\"model_id\": 3"));
    assert!(matches!(fixture.public().deployment(), Err(SetupError::NotDeployed(_))));

    // And if a copy brings it back, it is refused.
    fs::copy(&kept, fixture.path().join("public/deployment.json")).expect("copied");
    let (_, text) = kind(fixture.public().deployment().expect_err("another setup's"));
    assert!(text.contains(&public.id().to_string()), "{text}");
}

#[test]
fn a_private_part_of_another_setup_is_refused() {
    let (ours, theirs) = (Fixture::new(false), Fixture::new(true));
    let private = ours.path().join("private");
    fs::remove_dir_all(&private).expect("removed");
    fs::rename(theirs.path().join("private"), &private).expect("moved");
    let error = Prover::open(&ours.path(), ProverOptions::default()).expect_err("foreign");
    assert!(matches!(error, Error::Setup(SetupError::ForeignPrivatePart { .. })), "{error}");
}

/// Whoever changes a private file can change the hash beside it.
#[test]
fn a_changed_circuit_or_blinding_with_its_hash_is_an_error_or_changes_nothing() {
    let fixture = Fixture::new(false);
    let private = fixture.path().join("private");
    let manifest = private.join("manifest.json");
    let honest: serde_json::Value =
        serde_json::from_slice(&fs::read(&manifest).expect("there")).expect("JSON");
    let mut refused = 0;
    for name in ["circuit.bin", "blinding.bin"] {
        let bytes = fs::read(private.join(name)).expect("there");
        for at in (0..bytes.len()).step_by((bytes.len() / 16).max(1)) {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                fs::write(private.join(name), &changed).expect("written");
                let mut told = honest.clone();
                told["files"][name] = hex::encode(Sha256::digest(&changed)).into();
                fs::write(&manifest, told.to_string()).expect("written");
                let opened = Prover::open(&fixture.path(), ProverOptions::default());
                match opened.and_then(|prover| prover.prove(&[0.5, -0.25, 0.75], None)) {
                    // Names are for people only.
                    Ok(bundle) => drop(verify(&fixture.public(), &bundle).expect("it holds")),
                    Err(error) => {
                        assert!(!error.to_string().contains('\n'), "{error}");
                        refused += 1;
                    }
                }
            }
        }
        fs::write(private.join(name), &bytes).expect("written");
        fs::write(&manifest, honest.to_string()).expect("written");
    }
    assert!(refused > 50, "{refused}");
}
