//! Which format a file has: what its content says, then what its name says.

use std::path::Path;

use super::{error::Problem, npy, npz};

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Npy,
    Npz,
    /// Lines of numbers.
    Table,
}

impl Format {
    /// What a file's name says.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "json" => Some(Self::Json),
            "csv" | "tsv" | "txt" => Some(Self::Table),
            _ => None,
        }
    }
}

/// Formats that people have and that are not read: what they start with, what they are,
/// what to do.
const REFUSED: [(&[u8], &str, &str); 9] = [
    (b"\xff\xfe", "it is UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16 text", "save it as UTF-8"),
    (b"\x1f\x8b", "it is compressed by gzip", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd", "unpack it first"),
    (b"PAR1", "it is a Parquet file", "save the samples as CSV, .npy or JSON"),
    (b"\x89HDF", "it is an HDF5 file", "save the samples as CSV, .npy or JSON"),
    (b"ARROW1", "it is an Arrow file", "save the samples as CSV, .npy or JSON"),
    (b"\x80\x04", "it is a Python pickle, which is never run", "save the samples with numpy.save"),
    (b"\x80\x02", "it is a Python pickle, which is never run", "save the samples with numpy.save"),
];

/// The format of a file.
pub(super) fn sniff(bytes: &[u8], said: Option<Format>) -> Result<Format, Problem> {
    if bytes.starts_with(npy::MAGIC) {
        return Ok(Format::Npy);
    }
    if bytes.starts_with(npz::MAGIC) || bytes.starts_with(b"PK\x05\x06") {
        return Ok(Format::Npz);
    }
    if let Some((_, what, hint)) = REFUSED.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Err(Problem::Unsupported { what: (*what).to_owned(), hint });
    }
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(match (first, said) {
        (None, _) => {
            let what = "it is empty".to_owned();
            return Err(Problem::Unsupported { what, hint: "write the samples into it" });
        }
        (_, Some(Format::Table)) => Format::Table,
        (Some(b'[' | b'{'), _) => Format::Json,
        (Some(b'0'..=b'9' | b'-' | b'+' | b'.'), _) => Format::Table,
        (_, Some(said)) => said,
        _ => Format::Table,
    })
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file's text, without the byte-order mark.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Problem> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Problem::Damaged(format!("byte {at} is not UTF-8 text; save the file as UTF-8"))
    })
}
