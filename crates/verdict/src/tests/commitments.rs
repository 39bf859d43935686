//! Commitments to inputs.

use super::*;

#[test]
fn a_proof_states_a_commitment_to_its_inputs_and_no_other() {
    let folder = TempDir::new().expect("a folder");
    let samples = [[0.5, -0.25, 0.75], [-1.0, 1.0, 0.0]];
    for batch in [None, Some(2)] {
        let path = folder.path().join(format!("{batch:?}"));
        let options = PlanOptions { committed: true, batch, ..planned_options() };
        make_of(&planned_with("mlp.onnx", &options).expect("plans"), &path).expect("a setup");
        let prover = Prover::open(&path, ProverOptions::default()).expect("both parts");
        let public = PublicSetup::open(&path).expect("a setup");
        let samples = &samples[..batch.unwrap_or(1)];
        let commitments = commit(&public, samples).expect("fits");
        let own = salts(&public, samples, &commitments).expect("theirs");
        let requests: Vec<_> = (0..samples.len() as u64).map(|n| score_request(n + 1)).collect();
        let bundle = prover.prove_batch(samples, &own, &requests).expect("a proof");
        verify(&public, &bundle).expect("valid");
        let stated: Vec<_> = commitments.iter().map(|own| own.commitment).collect();
        assert_eq!(bundle.input_words(), stated);
        // Another commitment is not stated by this proof.
        let mut other = bundle.clone();
        other.instances[1] = commit(&public, samples).expect("fits")[0].commitment;
        prover.renew_hints(&mut other).expect("well formed");
        assert!(verify(&public, &other).is_err());
        // Without a salt, or with one too many.
        let error = prover.prove_batch(samples, &[], &requests).expect_err("no salt");
        assert!(error.hint().is_some_and(|hint| hint.contains("verdict commit")), "{error}");
        let many = [own.clone(), own.clone()].concat();
        assert!(prover.prove_batch(samples, &many, &requests).is_err());
        // Other inputs, or another salt, are not what was committed to.
        let mut moved = samples.to_vec();
        moved[0][1] += 0.01;
        assert!(salts(&public, &moved, &commitments).is_err());
        let mut salted = commitments.clone();
        salted[0].salt = Salt::random();
        assert!(salts(&public, samples, &salted).is_err());
        assert_ne!(commit(&public, samples).expect("fits")[0].commitment, stated[0]);
    }
    let plain = Fixture::new(true);
    assert!(commit(&plain.public(), &samples).is_err(), "states inputs");
}
