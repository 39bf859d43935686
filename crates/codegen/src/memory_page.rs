//! The memory map as a page of documentation.

use std::fmt::Write;

use crate::solidity::ShapeVerifier;

/// A Markdown page with the memory map of `verifier`; `file` is where its source is.
pub fn memory_page(verifier: &ShapeVerifier, file: &str) -> String {
    let memory = &verifier.memory;
    let mut page = String::from(PREFACE);
    let _ = writeln!(page, "\n## Map of `{file}`\n");
    let _ = writeln!(
        page,
        "Contract `{}`, addresses {:#06x} to {:#06x}.",
        verifier.contract_name,
        memory.start(),
        memory.end()
    );
    for section in &memory.sections {
        let _ = writeln!(page, "\n### {}\n", section.title);
        page.push_str("| address | words | name | content |\n|---|---|---|---|\n");
        for slot in &section.slots {
            let _ = writeln!(
                page,
                "| {:#06x} | {} | `{}` | {} |",
                slot.address,
                slot.words,
                slot.name,
                slot.note.replace('|', "\\|")
            );
        }
    }
    page
}

const PREFACE: &str = "\
# Memory map of a generated verifier

<!-- Generated together with the verifier: cargo run --release -p verdict-codegen --example golden -->

A generated verifier keeps every value at a fixed address. The addresses are constants
of the contract, named as in the tables below; they depend on the shape alone. The map
of another shape differs in the number of columns, rotations and challenges, not in its
structure.

## Rules

- The words in front of the map belong to Solidity: its scratch space, the free memory
  pointer (never moved), the zero word and, compiled by way of Yul, variables that do not
  fit the stack. The room for those grows with the number of evaluations. The contract
  checks that the free memory pointer is not above the map's start, and allocates nothing.
- Every word is written before it is read. Nothing relies on memory being zero.
- `Key` is the payload of the key contract, copied there in one piece.
- `Proof` is the proof in transcript order. In front of each round after the first is a
  word for the digest of the round before, so that a round is hashed in place.
- Round 0 has a variable length: key digest, instances, first points. It is hashed where
  the key's digest already lies, in `KEY_DIGEST` and behind it, over words that are
  written later. Its points are then copied to their own place.
- Secret columns and the quotient are not opened: the linearisation, put together from
  their commitments with `SECRET_SCALAR_…` and powers of x, has the value
  `EVAL_LINEARISATION` at x.
- A second challenge of one round hashes the digest and the byte 1; that byte lies in
  the first word of the next round, which is written afterwards.
- `INVERSE_…` words hold partial products first and inverses afterwards.
- The pairing's input is the key's beginning: W' replaces the two words in front of τ·G2,
  and F the two words in front of −G2. Those words (shape id, number of instances, k,
  1/n) are used up by then.
- `ACCUMULATOR, SCALAR` is ecMul's input. `PRODUCT, ADDEND` and `TOTAL, TERM` are ecAdd's.
- The pairing's result goes to 0x00, which is zeroed before.

## Calldata

| offset | content |
|---|---|
| 0x00 | selector of `verify(address,bytes32,uint256[],bytes)` |
| 0x04 | key |
| 0x24 | key hash |
| 0x44 | 0x80 |
| 0x64 | 0xa0 + 32·m, m the number of instances |
| 0x84 | m |
| 0xa4 | instances |
| 0xa4 + 32·m | PROOF_LENGTH |
| 0xc4 + 32·m | proof: points and scalars of the rounds, W, W', inverse hint |

Any other encoding is refused, and so are bytes behind the proof.

## Errors

| error | meaning |
|---|---|
| `InvalidProofLength()` | the proof is not `PROOF_LENGTH` bytes long |
| `NonCanonicalCalldata()` | offsets other than above, or bytes behind the proof |
| `InvalidKey()` | code hash is not the expected one, no code, or another shape's key |
| `InvalidInstanceCount()` | not as many instances as the key asks for |
| `InvalidPoint()` | point off the curve, at infinity, or coordinate ≥ q |
| `ScalarOutOfRange()` | evaluation ≥ r |
| `InstanceOutOfRange()` | instance ≥ r |
| `InvalidInverse()` | hint ≥ r, or not the inverse of the product of denominators |
| `PairingFailed()` | well-formed, but the proof does not prove these instances |

They are checked in this order. Arguments that Solidity's own decoder refuses (an
address with high bits, an offset behind the end of the calldata) revert without data.
";
