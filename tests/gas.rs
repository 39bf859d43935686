//! What the examples cost is written down beside forge's snapshots, by the rules of today and by
//! those that are announced.

use std::{fmt::Write, sync::OnceLock};

use verdict::{
    Gas, GasPart, GasReport, LoadOptions, ModelFile, Objective, Plan, PlanOptions, PlannedModel,
    explain, figures::grouped,
};
use verdict_codegen::{
    compile::{Settings, Solc, StandardInput},
    shape_verifier,
};
use verdict_prover::{keys::protocol, samples::read_ranges};

use crate::common::root;

/// Rewrites the file instead of comparing it.
const WRITE: &str = "VERDICT_WRITE_SNAPSHOTS";

fn planned(model: &str, options: &PlanOptions) -> PlannedModel {
    let path = root().join("examples").join(model);
    let file = ModelFile::open(&path, &LoadOptions::default()).expect("a model");
    let ranges = path.parent().expect("a folder").join("ranges.json");
    let (ranges, _) = read_ranges(&ranges, &file.inputs()).expect("ranges");
    file.without_crosscheck().plan(&ranges, options).expect("a plan")
}

fn explained(planned: &PlannedModel) -> GasReport {
    static SOLC: OnceLock<Solc> = OnceLock::new();
    let solc = SOLC.get_or_init(|| Solc::find(None).expect("npm ci installs solc"));
    let protocol = protocol(&planned.plan().shape, planned.plan().opening).expect("supported");
    let verifier = shape_verifier(&protocol).expect("it renders");
    let input = StandardInput::new(&verifier.source, Settings::default());
    let code = solc.compile(&input, &verifier.contract_name);
    explain(planned, &code.expect("it compiles")).expect("it runs through")
}

/// Every gas is put down to a part, by both rules, and every commitment is among the parts.
fn assert_whole(report: &GasReport, planned: &PlannedModel) {
    let sum = |of: fn(&Gas) -> u64| report.parts.iter().map(|part| of(&part.gas)).sum::<u64>();
    assert_eq!(sum(|gas| gas.today), report.later.today);
    assert_eq!(sum(|gas| gas.announced), report.later.announced);
    let protocol = protocol(&planned.plan().shape, planned.plan().opening).expect("supported");
    let multiplied = |part: &&GasPart| part.group == "commitments" && part.gas.today > 6_000;
    assert_eq!(report.parts.iter().filter(multiplied).count(), protocol.multiplications());
    let pairing = report.parts.iter().find(|part| part.part == "pairing of two points");
    assert!(pairing.is_some_and(|part| (113_000..114_000).contains(&part.gas.today)));
    // A record that is changed and one that is new: what EIP-8038 and EIP-8037 say of them.
    let write = |report: &GasReport| {
        let written = report.parts.iter().find(|part| part.part == "records written");
        written.expect("a record").gas
    };
    // Of several outputs there is a second word, which nothing has read before.
    let count = report.inferences as u64;
    let outputs = planned.public_values().outputs as u64;
    let more = if outputs > count { count } else { 0 };
    let (words, cold) = (count + more, Gas { today: 2_100 * more, announced: COLD_SLOT * more });
    let written = Gas { today: 2_900 * words, announced: 10_100 * words };
    assert_eq!(
        write(report),
        Gas { today: written.today + cold.today, announced: written.announced + cold.announced }
    );
    assert_eq!(report.first.today - report.later.today, 17_100 * words);
    assert_eq!(report.first.announced - report.later.announced, 97_920 * words);
}

/// What a slot takes more that nothing has read before, by the announced rules.
const COLD_SLOT: u64 = 2_000;

/// An example, planned in some way.
struct Example {
    model: &'static str,
    way: &'static str,
    options: PlanOptions,
}

fn examples() -> Vec<Example> {
    let (logistic, mlp, gbdt) =
        ("credit/logistic.onnx", "credit/model.onnx", "credit-gbdt/model.onnx");
    let way = "balanced";
    let options = PlanOptions::default();
    let gas = PlanOptions { objective: Objective::Gas, ..options.clone() };
    let time = PlanOptions { objective: Objective::Time, ..options.clone() };
    let commit = |options: &PlanOptions| PlanOptions {
        public_inputs: true,
        committed: true,
        ..options.clone()
    };
    let batch = PlanOptions { batch: Some(64), ..options.clone() };
    let public = PlanOptions { public_inputs: true, ..batch.clone() };
    let fast = PlanOptions { batch: Some(64), ..time.clone() };
    vec![
        Example { model: logistic, way, options: options.clone() },
        Example { model: logistic, way: "for gas", options: gas.clone() },
        Example { model: logistic, way: "for gas, inputs committed", options: commit(&gas) },
        Example { model: logistic, way: "inputs committed", options: commit(&options) },
        Example { model: logistic, way: "for time", options: time.clone() },
        Example { model: logistic, way: "for time, inputs committed", options: commit(&time) },
        Example { model: mlp, way, options: options.clone() },
        Example { model: mlp, way: "for gas", options: gas },
        Example { model: mlp, way: "for time", options: time },
        Example { model: gbdt, way, options: options.clone() },
        Example { model: logistic, way: "a batch of 64", options: batch.clone() },
        Example { model: logistic, way: "a batch of 64, public inputs", options: public },
        Example { model: logistic, way: "a batch of 64, for time", options: fast },
        Example { model: gbdt, way: "a batch of 64", options: batch },
        Example { model: "digits/model.onnx", way, options: options.clone() },
        Example { model: "digits/int8.onnx", way, options: options.clone() },
        Example { model: "digits/lstm.onnx", way, options },
    ]
}

/// The examples' figures in documents, each as it is said there.
fn assert_documents(find: impl Fn(&str, &str) -> GasReport) {
    let document = |name: &str| {
        let text = std::fs::read_to_string(root().join(name)).expect("a document");
        (name.to_owned(), text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let says = |(name, text): &(String, String), figures: String| {
        assert!(text.contains(&figures), "{name} has to say: {figures}");
    };
    let (logistic, mlp) = ("credit/logistic.onnx", "credit/model.onnx");
    let readme = document("README.md");
    let row: Vec<_> = [logistic, mlp]
        .iter()
        .flat_map(|model| ["balanced", "for time", "for gas"].map(|way| find(model, way)))
        .map(|report| format!("{} gas", grouped(report.first.today)))
        .collect();
    says(&readme, format!("`verifyInference` of a first score, all in | {} |", row.join(" | ")));
    let balanced = find(logistic, "balanced");
    let [later, first] = [balanced.later, balanced.first].map(|gas| grouped(gas.announced));
    says(&readme, format!("a later score takes {later} gas balanced and a first one {first}"));
    let more = balanced.later.today - balanced.verifier_alone.today;
    says(&readme, format!("{} more than a call of the verifier alone", grouped(more)));
    let [one, other] = [logistic, mlp].map(|model| find(model, "for gas").verifier_alone.today);
    let alone = format!("alone takes {} and {} gas", grouped(one), grouped(other));
    says(&readme, format!("Planned for gas, the verifier called {alone}"));
    let [balanced_more, gas_more, time_more] = [
        ("balanced", "inputs committed"),
        ("for gas", "for gas, inputs committed"),
        ("for time", "for time, inputs committed"),
    ]
    .map(|(plain, committed)| {
        let [plain, more] = [plain, committed].map(|way| find(logistic, way).later.today);
        grouped(more - plain)
    });
    let told = format!("{gas_more} gas planned for gas, {balanced_more} balanced, {time_more}");
    says(&readme, format!("A commitment to the twenty inputs adds {told}"));

    let guide = document("docs/integration.md");
    says(&guide, format!("logistic credit model alone costs {}", grouped(balanced.later.today)));
    let rows = [
        ("logistic credit model, balanced, private inputs", logistic, "a batch of 64"),
        ("the same with `--public-inputs`", logistic, "a batch of 64, public inputs"),
        ("the same with `--optimize time`", logistic, "a batch of 64, for time"),
        (
            "`examples/credit-gbdt`, balanced, private inputs",
            "credit-gbdt/model.onnx",
            "a batch of 64",
        ),
    ];
    for (what, model, way) in rows {
        let report = find(model, way);
        let each = [report.first, report.later].map(|gas| grouped(gas.today / 64));
        says(&guide, format!("| {what} | {} | {} |", each[0], each[1]));
    }
}

/// What is written down, and what was promised: at most 40,000 gas for a later score beyond the
/// verification of its proof, at most 45,000 for a commitment to twenty inputs, and of a batch of 64 at
/// most 32,000 a subject for first scores and 15,000 for later ones. The last two are kept by the
/// logistic model planned for gas or a balance, of private inputs: docs/integration.md says where not.
#[test]
fn gas_of_every_example_is_as_written_down() {
    let mut text = String::from(
        "What verifying a proof of each example takes, as `verdict codegen --explain` says it: by the\n\
         rules of today, and by EIP-2780, EIP-7976, EIP-8037 and EIP-8038 as they are drafted for\n\
         Amsterdam. A test compares this file; VERDICT_WRITE_SNAPSHOTS=1 writes it again.\n",
    );
    let reports: Vec<(&str, &str, GasReport)> = examples()
        .into_iter()
        .map(|Example { model, way, options }| {
            let planned = planned(model, &options);
            let report = explained(&planned);
            assert_whole(&report, &planned);
            let Plan { shape, opening, k, .. } = planned.plan();
            let _ = write!(text, "\n{model}, {way}: {shape}, {opening}, 2^{k} rows\n\n{report}");
            // The estimate that the planner goes by is that of the verifier alone.
            let (measured, estimate) = (report.verifier_alone.today, estimate(&planned));
            // It takes instances for mostly zeros, as packed input words of a batch are not.
            let part = if way.contains("public inputs") { 9 } else { 100 };
            assert!(
                measured.abs_diff(estimate) * part < measured,
                "{model}, {way}: {measured}, {estimate}"
            );
            match options.batch {
                None => {
                    // A second word of storage, and a word more in calldata, hash and event for each.
                    let more = planned.public_values().outputs as u64 - 1;
                    let most = 40_000 + more.min(1) * 5_000 + more * 600;
                    assert!(report.oracle().today <= most, "{model}, {way}: {report}");
                }
                Some(_) if way != "a batch of 64" || !model.starts_with("credit/") => {}
                Some(size) => {
                    let each =
                        [report.first.today, report.later.today].map(|gas| gas / size as u64);
                    assert!(each[0] <= 32_000 && each[1] <= 15_000, "{each:?} gas a subject");
                }
            }
            (model, way, report)
        })
        .collect();
    let find = |model: &str, way: &str| {
        let mut all = reports.iter();
        let found = all.find(|(its, planned, _)| (*its, *planned) == (model, way));
        found.unwrap_or_else(|| panic!("{model}, {way}")).2.clone()
    };
    for (plain, committed) in
        [("balanced", "inputs committed"), ("for gas", "for gas, inputs committed")]
    {
        let [plain, more] =
            [plain, committed].map(|way| find("credit/logistic.onnx", way).later.today);
        assert!(more - plain <= 45_000, "{} gas more for committed inputs", more - plain);
    }
    let path = root().join("contracts/snapshots/verification.txt");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (now, before)) in text.lines().zip(known.lines()).enumerate() {
        assert_eq!(now, before, "line {} of verification.txt; {WRITE}=1 writes it again", line + 1);
    }
    assert_eq!(text, known, "verification.txt; {WRITE}=1 writes it again");
    assert_documents(find);
}

fn estimate(planned: &PlannedModel) -> u64 {
    let Plan { shape, opening, .. } = planned.plan();
    let protocol = protocol(shape, *opening).expect("supported");
    verdict_codegen::gas_estimate(&protocol, planned.public_values().count())
}
