//! Every consumer of the package, on scores that were proven and recorded.

use alloy::{
    primitives::{Address, B256, Bytes, U256, hex, keccak256},
    sol,
    sol_types::{SolError, SolValue},
};
use serde_json::{Value, json};
use verdict_contracts::{ProofBundle, calldata::verify_inference_call};

use crate::common::{
    Workplace, example,
    local::{Local, address, artifact},
};

sol! {
    function collateralFor(address borrower, uint256 amount) external view returns (uint256);
    function send(address to, uint256 amount) external returns (bool passed);
    function decide(uint256 id, bool pass) external;
    function count() external view returns (uint256);
    function held(uint256 id)
        external
        view
        returns (address from, address to, uint256 amount, uint256 until);
    function propose(bytes32 text) external returns (bytes32 proposal);
    function vote(bytes32 proposal, bool inFavour) external;
    function accepted(bytes32 proposal) external view returns (bool);
    function bet(bool yes) external payable;
    function resolve() external;
    function claim() external;
    function outcome() external view returns (uint8);
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    /// ERC-8274.
    contract Proofs {
        function verify(bytes32 inputHash, bytes32 outputHash, bytes metadata, bytes proof)
            external
            view
            returns (bool);
    }

    error WrongScoreDirection(uint256 modelId, uint8 direction);
    error BorrowerDeclined(address borrower, int256 score);
    error NoRecordYet(uint256 updatedAt, uint256 closes);
    error NoScore(address subject, uint256 modelId);
}

const DAY: u64 = 86_400;
/// The runtime code of a token that agrees to everything, and what creates it.
const AGREEABLE: [u8; 17] = hex!("60088060095f395ff3 60015f5260205ff3");

/// One model twice in one oracle: as the probability of a good credit, and read the other way.
struct Story {
    place: Workplace,
    chain: Local,
    /// Folders of the setup, the score being the better the higher, and the lower.
    setups: [String; 2],
    oracle: Address,
}

impl Story {
    fn new() -> Self {
        let place = Workplace::new();
        let setup = place.setup("logistic.onnx", &[]);
        let copy = place.path("copy");
        let copied = std::process::Command::new("cp").args(["-r", &setup, &copy]).status();
        assert!(copied.expect("cp runs").success());
        let chain = Local::start(31_337);
        let deployed = chain.json(&place, &["deploy", &setup, "--score", "higher-is-better"]);
        let (registry, oracle) = (address(&deployed, "registry"), address(&deployed, "oracle"));
        let (registry, at) = (registry.to_string(), oracle.to_string());
        let args = ["deploy", &copy, "--registry", &registry, "--oracle", &at];
        chain.json(&place, &[&args[..], &["--score", "lower-is-better"]].concat());
        Self { place, chain, setups: [setup, copy], oracle }
    }

    /// Proves a score of the sender by the first model or the second.
    fn prove(&self, model: usize, nonce: u64, input: &[Value]) -> String {
        let file = self.place.path("applicant.json");
        std::fs::write(&file, json!(input).to_string()).expect("written");
        let (setup, out) = (&self.setups[model], self.place.path(&format!("{model}-{nonce}.json")));
        let (subject, nonce) = (self.chain.sender().to_string(), nonce.to_string());
        let args = ["prove", setup, "--input", &file, "--subject", &subject, "--nonce", &nonce];
        self.place.json(&[&args[..], &["--valid-for", "864000", "--out", &out]].concat());
        out
    }

    /// Proves and records one.
    fn score(&self, model: usize, nonce: u64, input: &[Value]) -> f64 {
        let proof = self.prove(model, nonce, input);
        let submitted = self.chain.json(&self.place, &["submit", &self.setups[model], &proof]);
        submitted["score"].as_f64().expect("a score")
    }

    fn create(&self, name: &str, arguments: Vec<u8>) -> Address {
        self.chain.create([artifact(name), arguments].concat())
    }

    fn later(&self, seconds: u64) {
        self.chain.rpc("evm_increaseTime", json!([seconds]));
        self.chain.rpc("evm_mine", json!([]));
    }
}

/// An applicant of the example.
fn applicant(id: &str) -> Vec<Value> {
    let text = std::fs::read(example("applicants.json")).expect("the example");
    let known: Value = serde_json::from_slice(&text).expect("JSON");
    let mut all = known["applicants"].as_array().expect("a list").iter();
    let found = all.find(|applicant| applicant["id"] == id).expect("an applicant");
    found["input"].as_array().expect("numbers").clone()
}

#[test]
fn each_consumer_acts_on_a_proven_score() {
    let story = Story::new();
    let Story { chain, oracle, .. } = &story;
    let (me, one, two) = (chain.sender(), U256::from(1), U256::from(2));
    let friend = chain.of_another_key();
    let of = |model: U256| (*oracle, model).abi_encode();

    // A consumer of scores that are read the other way is not even created.
    let wrong = [artifact("CreditLine"), of(two)].concat();
    let request = json!([{ "from": me, "data": Bytes::from(wrong) }, "latest"]);
    let error = chain.rpc_refusal("eth_call", request);
    let expected = WrongScoreDirection { modelId: two, direction: 2 }.abi_encode();
    assert!(error.contains(&hex::encode(expected)), "{error}");

    // The credit line: no score, a good one, a bad one.
    let line = story.create("CreditLine", of(one));
    let ask = collateralForCall { borrower: me, amount: U256::from(1000) };
    let error = chain.refusal(line, &ask);
    assert_eq!(error, NoScore { subject: me, modelId: one }.abi_encode());
    let score = story.score(0, 1, &applicant("A05"));
    assert!(score > 0.9);
    assert_eq!(chain.call(line, &ask), U256::from(500));
    let score = story.score(0, 2, &applicant("A08"));
    assert!(score < 0.5);
    assert_eq!(chain.refusal(line, &ask)[..4], BorrowerDeclined::SELECTOR);
    let score = story.score(0, 3, &applicant("A03"));
    assert!(score > 0.5 && score < 0.75);
    assert_eq!(chain.call(line, &ask), U256::from(1500));

    // A price feed's reader sees the record.
    let feed = story.create("ScoreFeed", (*oracle, me, one).abi_encode());
    let round = chain.call(feed, &latestRoundDataCall {});
    assert_eq!(round.roundId.to::<u64>(), 3);
    assert_eq!(round.answer.as_i64() as f64 / 1e6, score);

    // The fraud gate: what the model suspects is held until the reviewer has decided.
    let token = chain.create(AGREEABLE.to_vec());
    let arguments = (*oracle, two, token, friend.sender()).abi_encode();
    let gate = story.create("FraudGate", arguments);
    let score = story.score(1, 1, &applicant("A05"));
    assert!(score > 0.1);
    let transfer = sendCall { to: friend.sender(), amount: U256::from(7) };
    assert!(!chain.call(gate, &transfer));
    chain.send(gate, &transfer);
    let waiting = chain.call(gate, &heldCall { id: U256::ZERO });
    assert_eq!((waiting.from, waiting.amount), (me, U256::from(7)));
    friend.send(gate, &decideCall { id: U256::ZERO, pass: true });
    assert_eq!(chain.call(gate, &heldCall { id: U256::ZERO }).amount, U256::ZERO);
    let mut worst = applicant("A01");
    // The longest credit that is asked for.
    worst[1] = json!(68);
    let score = story.score(1, 2, &worst);
    assert!(score < 0.1, "{score}");
    assert!(chain.call(gate, &transfer));
    chain.send(gate, &transfer);
    assert_eq!(chain.call(gate, &countCall {}), one, "nothing more was held");

    // Votes weigh as much as the score at the time.
    let votes = story.create("ScoreVotes", of(one));
    let text = proposeCall { text: B256::repeat_byte(7) };
    assert_eq!(friend.refusal(votes, &text)[..4], NoScore::SELECTOR);
    let proposal = chain.call(votes, &text);
    chain.send(votes, &text);
    chain.send(votes, &voteCall { proposal, inFavour: true });

    // A market that the next record after its end resolves.
    let now = chain.rpc("eth_getBlockByNumber", json!(["latest", false]));
    let now = now["timestamp"].as_str().expect("a time").trim_start_matches("0x").to_owned();
    let closes = u64::from_str_radix(&now, 16).expect("hexadecimal") + DAY;
    let arguments = (*oracle, one, me, U256::from(closes)).abi_encode();
    let market = story.create("ClassifierMarket", arguments);
    friend.pay(market, &betCall { yes: true }, 1_000);
    chain.pay(market, &betCall { yes: false }, 3_000);
    story.later(DAY);
    assert_eq!(chain.refusal(market, &resolveCall {})[..4], NoRecordYet::SELECTOR);
    story.score(0, 4, &applicant("A05"));
    chain.send(market, &resolveCall {});
    assert_eq!(chain.call(market, &outcomeCall {}), 1, "yes");
    friend.send(market, &claimCall {});
    let left = chain.rpc("eth_getBalance", json!([market, "latest"]));
    assert_eq!(left, "0x0", "the winner has all of it");
    story.later(2 * DAY);
    assert!(chain.call(votes, &acceptedCall { proposal }));

    // ERC-8274: the same statement and proof, without a record.
    let proof = story.prove(0, 5, &applicant("A05"));
    let bundle = ProofBundle::read(proof.as_ref()).expect("a bundle");
    let statement = verify_inference_call(&bundle).expect("a statement");
    let proofs = story.create("InferenceProofVerifier", of(one));
    let output = keccak256(&statement.output);
    let call = Proofs::verifyCall {
        inputHash: statement.inputCommitment,
        outputHash: output,
        metadata: of(one).into(),
        proof: (statement.output, statement.proof).abi_encode_params().into(),
    };
    assert!(chain.call(proofs, &call));
    let other = Proofs::verifyCall { outputHash: keccak256(output), ..call.clone() };
    assert!(!chain.call(proofs, &other));
    // Who records it first does not make it false.
    chain.json(&story.place, &["submit", &story.setups[0], &proof]);
    assert!(chain.call(proofs, &call));
    assert!(!chain.call(proofs, &other));
}
