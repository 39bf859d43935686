//! Setups held against a model.

use super::*;

/// A setup whose weights are public, and its model.
fn inspectable() -> (Fixture, Graph) {
    let folder = TempDir::new().expect("a folder");
    let planned = planned("mlp.onnx", false, None).expect("plans").with_weights(Weights::Public);
    let report = make_of(&planned, &folder.path().join("setup")).expect("a setup");
    (Fixture { folder, report }, planned.model().clone())
}

fn checked(model: &Graph, public: &PublicSetup) -> Result<Checked, Error> {
    let srs = SrsChoice::Development.open(public.srs_k())?;
    check(model, public, &srs, Default::default(), &Silent)
}

/// What a check says differs.
fn differences(model: &Graph, public: &PublicSetup) -> String {
    match checked(model, public) {
        Err(error @ Error::Check(CheckError::Differs { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The public part with its manifest changed, which its id follows.
fn altered(fixture: &Fixture, alter: impl FnOnce(&mut serde_json::Value)) -> PublicSetup {
    let path = fixture.path().join("public/manifest.json");
    let text = fs::read_to_string(&path).expect("text");
    let mut manifest = serde_json::from_str(&text).expect("JSON");
    alter(&mut manifest);
    fs::write(&path, manifest.to_string()).expect("written");
    fixture.public()
}

#[test]
fn a_key_of_public_weights_is_made_again_from_the_model_and_the_public_part() {
    let (fixture, model) = inspectable();
    let private = fixture.path().join("private");
    assert!(!private.join("blinding.bin").exists(), "there is nothing to hide");
    let public = fixture.public();
    assert_eq!(public.manifest().weights, Weights::Public);
    let bundle = fixture.bundle();
    verify(&public, &bundle).expect("its proofs are like any others");
    fs::remove_dir_all(&private).expect("removed");
    let checked = checked(&model, &fixture.public()).expect("the model's");
    assert_eq!(checked.key_hash, fixture.report.key_hash);
    // Another one makes the same setup; with hidden weights it would be another each time.
    let (other, _) = inspectable();
    assert_eq!(other.report.setup_id, fixture.report.setup_id);
    assert_ne!(Fixture::new(false).report.key_hash, Fixture::new(false).report.key_hash);
}

#[test]
fn a_setup_of_another_model_is_told_from_this_ones() {
    let (fixture, _) = inspectable();
    let other = planned("mlp_sigmoid.onnx", false, None).expect("plans");
    let text = differences(other.model(), &fixture.public());
    assert!(text.contains("the hash of the model's file"), "{text}");
}

#[test]
fn a_key_with_a_changed_weight_is_told_from_the_models() {
    let (fixture, mut model) = inspectable();
    let weight = model.nodes.iter_mut().find_map(|node| match &mut node.op {
        Op::Linear(Linear { maps, .. }) => match maps.first_mut() {
            Some(LinearMap::Dense { weights, .. }) => weights.first_mut(),
            _ => None,
        },
        _ => None,
    });
    *weight.expect("a dense layer") += 1e-2;
    let text = differences(&model, &fixture.public());
    assert!(text.contains("other weights") && !text.contains("SHA-256"), "{text}");
    assert!(!text.contains("architecture"), "{text}");
}

#[test]
fn a_setup_that_says_other_ranges_than_its_key_was_made_for_is_found_out() {
    let (fixture, model) = inspectable();
    let public = altered(&fixture, |manifest| manifest["input"]["ranges"][1][1] = 2.0.into());
    let text = differences(&model, &public);
    assert!(text.contains("other weights"), "{text}");
}

#[test]
fn a_setup_that_tells_a_smaller_error_than_there_is_is_found_out() {
    let (fixture, model) = inspectable();
    let public = altered(&fixture, |manifest| manifest["error"]["largest"] = 1e-9.into());
    let text = differences(&model, &public);
    assert!(text.contains("largest error") && !text.contains("weights"), "{text}");
}

/// Files whose hashes follow, as a forger would have it.
#[test]
fn a_contract_or_payload_that_is_not_the_keys_is_found_out() {
    for name in ["Verifier.sol", "key.hex", "verifier.bin"] {
        let (fixture, model) = inspectable();
        let path = fixture.path().join("public").join(name);
        let mut bytes = fs::read(&path).expect("a file");
        bytes.extend(b"00");
        fs::write(&path, &bytes).expect("written");
        let hash = hex::encode(Sha256::digest(&bytes));
        let public = altered(&fixture, |manifest| manifest["files"][name] = hash.into());
        let text = differences(&model, &public);
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn who_has_the_private_part_makes_a_hidden_key_again() {
    let fixture = Fixture::new(false);
    let model = planned("mlp.onnx", false, None).expect("plans").model().clone();
    let own = checked(&model, &fixture.public()).expect("the model's");
    assert_eq!((own.setup_id, own.key_hash), (fixture.report.setup_id, fixture.report.key_hash));
    let other = planned("mlp_sigmoid.onnx", false, None).expect("plans").model().clone();
    assert!(differences(&other, &fixture.public()).contains("the hash of the model's file"));
}

/// Nothing of the public part that can be computed from the model says that it is this one:
/// not its file's hash, and no figure to more than a digit.
#[test]
fn a_public_part_confirms_no_guess_of_hidden_weights() {
    let planned = planned("mlp.onnx", false, None).expect("plans");
    let [a, b] = [(); 2].map(|()| Fixture::new(false));
    let hash = |fixture: &Fixture| fixture.public().manifest().model.hash;
    let file = B256::from(planned.model().sha256);
    assert!(hash(&a) != hash(&b) && hash(&a) != file && hash(&b) != file);
    let exact = planned.plan().error;
    let told = a.public().manifest().error;
    for (told, exact) in [(told.largest, exact.largest), (told.mean, exact.mean)] {
        assert!(told >= exact && told <= 2.0 * exact, "{told} for {exact}");
        assert!(format!("{told:e}").split_once('e').is_some_and(|(digits, _)| digits.len() == 1));
    }
}

/// Ranges so wide that the target follows what can be reached.
#[test]
fn the_error_that_functions_may_have_is_told_to_a_digit_too() {
    use verdict_prover::plan::{Plan, PlanOptions};
    use verdict_prover::quantize::Ranges;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/credit/logistic.onnx");
    let model = verdict_prover::onnx::load(&file, &Default::default()).expect("it is read");
    let ranges = Ranges::uniform(model.input_len(), -1e5, 1e5);
    let tolerance = |ranges: &Ranges| {
        let plan = Plan::new(&model, ranges, &PlanOptions::default()).expect("a plan");
        plan.precision.function_tolerance
    };
    // The share of the target that it is, from ranges for which the target is 1e-4.
    let share = tolerance(&Ranges::uniform(model.input_len(), 0.0, 1.0)) / 1e-4;
    let target = tolerance(&ranges) / share;
    assert!(target > 1.5e-4, "{target}");
    let digits = format!("{target:.6e}");
    assert!(digits[1..].starts_with(".000000"), "{digits}");
}

#[test]
fn a_manifest_that_calls_a_development_srs_secure_is_found_out() {
    let (fixture, model) = inspectable();
    let public = altered(&fixture, |manifest| manifest["srs"]["insecure"] = false.into());
    let error = checked(&model, &public).expect_err("it is insecure");
    let security = |development| matches!(&error, Error::Setup(SetupError::Security { development: is }) if *is == development);
    assert!(security(true), "{error}");
    assert!(error.to_string().contains("a development SRS"), "{error}");
}

#[test]
fn a_hidden_key_is_refused_with_the_reason_and_cannot_pass_for_a_public_one() {
    let fixture = Fixture::new(false);
    let model = planned("mlp.onnx", false, None).expect("plans").model().clone();
    let private = fixture.path().join("private");
    let away = fixture.path().join("away");
    fs::rename(&private, &away).expect("renamed");
    let error = checked(&model, &fixture.public()).expect_err("hidden");
    fs::rename(&away, &private).expect("renamed");
    assert!(matches!(error, Error::Check(CheckError::Hidden(_))), "{error}");
    assert_eq!(error.kind(), Kind::Failed);
    assert!(error.hint().is_some_and(|hint| hint.contains("--public-weights")));
    let public = altered(&fixture, |manifest| manifest["weights"] = "public".into());
    let text = differences(&model, &public);
    assert!(text.contains("or hides them") && !text.contains("architecture"), "{text}");
}
