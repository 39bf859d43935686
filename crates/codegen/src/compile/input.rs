//! What the compiler is given: one source, and the settings of foundry.toml.

use std::path::PathBuf;

use foundry_compilers::artifacts::{
    Optimizer, Settings as SolcSettings, SettingsMetadata, SolcInput, SolcLanguage, Source,
    Sources, output_selection::OutputSelection,
};
use serde_json::{Value, json};

/// The settings of everything that is compiled here.
const FOUNDRY: &str = include_str!("../../../../foundry.toml");

/// What the source is called in the compiler's input and output.
pub(super) const FILE: &str = "Verifier.sol";

/// What is asked of the compiler about each contract.
const OUTPUTS: [&str; 3] =
    ["evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.sourceMap"];

/// A setting of foundry.toml, without quotes; the first of its name, which is the default profile's.
fn foundry(key: &str) -> &'static str {
    let value = |line: &'static str| line.strip_prefix(key)?.trim_start().strip_prefix('=');
    FOUNDRY.lines().find_map(value).unwrap_or_default().trim().trim_matches('"')
}

/// What decides the bytecode beside the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether to optimize.
    pub optimizer: bool,
    /// How often the code is expected to run.
    pub runs: u32,
    /// Whether to compile by way of Yul.
    pub via_ir: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let runs = foundry("optimizer_runs").replace('_', "").parse().unwrap_or_default();
        let on = |key| foundry(key) == "true";
        Self { optimizer: on("optimizer"), runs, via_ir: on("via_ir") }
    }
}

impl Settings {
    /// Every setting that has an effect on bytecode is written out, so that no compiler's and no
    /// library's default decides about it.
    fn for_solc(self) -> SolcSettings {
        let outputs = OUTPUTS.map(str::to_owned).to_vec();
        SolcSettings {
            stop_after: None,
            remappings: Vec::new(),
            optimizer: Optimizer {
                enabled: Some(self.optimizer),
                runs: usize::try_from(self.runs).ok(),
                details: None,
            },
            model_checker: None,
            metadata: Some(SettingsMetadata {
                use_literal_content: None,
                bytecode_hash: foundry("bytecode_hash").parse().ok(),
                cbor_metadata: Some(foundry("cbor_metadata") == "true"),
            }),
            output_selection: OutputSelection(
                [(FILE.to_owned(), [("*".to_owned(), outputs)].into())].into(),
            ),
            evm_version: foundry("evm_version").parse().ok(),
            via_ir: Some(self.via_ir),
            debug: None,
            libraries: Default::default(),
        }
    }
}

/// The compiler's standard JSON input for one source.
///
/// It is both what is compiled and what block explorers take to verify the contract: with it
/// anyone gets the same bytecode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardInput(pub(super) Value);

impl StandardInput {
    /// The input for `source` alone; it can import nothing.
    pub fn new(source: &str, settings: Settings) -> Self {
        let mut sources = Sources::new();
        sources.insert(PathBuf::from(FILE), Source::new(source));
        let settings = settings.for_solc();
        Self(json!(SolcInput { language: SolcLanguage::Solidity, sources, settings }))
    }

    /// As a file's text.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_the_checkout() {
        let expected = Settings { optimizer: true, runs: 1_000_000, via_ir: false };
        assert_eq!(Settings::default(), expected);
        assert_eq!(foundry("no such setting"), "");
    }

    #[test]
    fn the_compiler_is_told_source_and_settings_and_nothing_else() {
        let expected = json!({
            "language": "Solidity",
            "sources": { "Verifier.sol": { "content": "contract C {}" } },
            "settings": {
                "optimizer": { "enabled": true, "runs": 1_000_000 },
                "viaIR": false,
                "evmVersion": "cancun",
                "metadata": { "bytecodeHash": "none", "appendCBOR": false },
                "outputSelection": { "Verifier.sol": { "*": OUTPUTS } },
                "libraries": {},
            },
        });
        assert_eq!(StandardInput::new("contract C {}", Settings::default()).0, expected);
        let other = Settings { optimizer: false, runs: 1, via_ir: true };
        let settings = &StandardInput::new("", other).0["settings"];
        assert_eq!(settings["optimizer"], json!({ "enabled": false, "runs": 1 }));
        assert_eq!(settings["viaIR"], true);
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_input() {
        let input = StandardInput::new("contract \"\u{e9}\" {}\r\n", Settings::default());
        let read: SolcInput = serde_json::from_str(&input.to_json()).expect("an input");
        assert_eq!(StandardInput(json!(read)), input);
    }
}
