//! The compiler's source map: from an instruction to a line of the source.

use super::ExplainError;

const PUSH1: u8 = 0x60;
const PUSH32: u8 = 0x7f;

/// The line, counted from zero, that each byte of `code` where an instruction begins was compiled
/// from; `None` for the compiler's own code.
///
/// The map has an entry an instruction, `start:length:file:jump:depth`, where what is left out is
/// as in the entry before.
pub(crate) fn lines(
    source: &str,
    map: &str,
    code: &[u8],
) -> Result<Vec<Option<usize>>, ExplainError> {
    let mut starts = vec![0];
    starts.extend(source.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1));
    let mut lines = vec![None; code.len()];
    let (mut start, mut file) = (0usize, 0i64);
    let mut at = 0;
    for entry in map.split(';') {
        for (index, field) in entry.split(':').enumerate().filter(|(_, field)| !field.is_empty()) {
            let number: i64 = match index {
                0 | 2 => field.parse().map_err(|_| ExplainError::SourceMap("not a number"))?,
                _ => continue,
            };
            match index {
                0 => start = usize::try_from(number).unwrap_or(usize::MAX),
                _ => file = number,
            }
        }
        let Some(line) = lines.get_mut(at) else { break };
        if file == 0 && start < source.len() {
            *line = Some(starts.partition_point(|begins| *begins <= start) - 1);
        }
        at += match code[at] {
            push @ PUSH1..=PUSH32 => 2 + usize::from(push - PUSH1),
            _ => 1,
        };
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_inherit_what_they_leave_out_and_pushes_are_stepped_over() {
        // PUSH2 5b5b · ADD · STOP · JUMPDEST
        let code = [0x61, 0x5b, 0x5b, 0x01, 0x00, 0x5b];
        let lines = lines("ab\ncd\nef", "0:2:0:-:0;4;:1:1;6:2:0", &code).expect("a map");
        assert_eq!(lines, [Some(0), None, None, Some(1), None, Some(2)]);
    }

    #[test]
    fn a_map_of_something_else_is_refused() {
        assert!(lines("a", "x:1:0", &[0]).is_err());
    }
}
