//! Tensors that a model keeps in files beside it.
//!
//! A location is a name in the model's folder or below; nothing outside is ever opened, and
//! all files together may hold as much as a model file.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Component, Path},
};

use sha2::{Digest, Sha256};
use tract_onnx::pb::{GraphProto, TensorProto};

use super::{error::OnnxError, node::printable, wire::MAX_FILE_BYTES};

/// Reads the external data of all initializers into them; how many bytes that were. What
/// was read goes into the hash.
pub(super) fn resolve(
    graph: &mut GraphProto,
    folder: &Path,
    hash: &mut Sha256,
) -> Result<u64, OnnxError> {
    let mut total = 0;
    for tensor in &mut graph.initializer {
        if tensor.data_location == Some(1) {
            let data = read(tensor, folder, MAX_FILE_BYTES - total)?;
            hash.update(&data);
            total += data.len() as u64;
            tensor.raw_data = data;
            tensor.data_location = None;
            tensor.external_data = vec![];
        }
    }
    Ok(total)
}

fn read(tensor: &TensorProto, folder: &Path, left: u64) -> Result<Vec<u8>, OnnxError> {
    let bad = |detail: String| OnnxError::ExternalData { tensor: printable(&tensor.name), detail };
    let (mut location, mut offset, mut length) = (None, 0u64, None);
    for entry in &tensor.external_data {
        let number = || {
            let value = printable(&entry.value);
            entry.value.parse::<u64>().map_err(|_| bad(format!("{} is {value}", entry.key)))
        };
        match entry.key.as_str() {
            "location" => location = Some(entry.value.as_str()),
            "offset" => offset = number()?,
            "length" => length = Some(number()?),
            "checksum" => {}
            other => {
                return Err(bad(format!("its external data has a field {}", printable(other))));
            }
        }
    }
    let location = location.ok_or_else(|| bad("the location of its data is missing".into()))?;
    let name = printable(location);
    let inside = Path::new(location).components().all(|c| matches!(c, Component::Normal(_)));
    if location.is_empty() || !inside {
        return Err(bad(format!("its data is in {name}, outside the model's folder")));
    }
    let cannot =
        |error: std::io::Error| bad(format!("its data cannot be read from {name}: {error}"));
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    // A symbolic link may lead out of the folder.
    let root = folder.canonicalize().map_err(cannot)?;
    let path = root.join(location).canonicalize().map_err(cannot)?;
    if !path.starts_with(&root) {
        return Err(bad(format!("its data is in {name}, outside the model's folder")));
    }
    if !path.metadata().map_err(cannot)?.is_file() {
        return Err(bad(format!("its data is in {name}, which is no file")));
    }
    let mut file = File::open(path).map_err(cannot)?;
    file.seek(SeekFrom::Start(offset)).map_err(cannot)?;
    let wanted = length.unwrap_or(left + 1);
    if length.is_some_and(|length| length > left) {
        return Err(bad(format!("its {wanted} bytes in {name} are more than the reader takes")));
    }
    let mut data = vec![];
    file.take(wanted).read_to_end(&mut data).map_err(cannot)?;
    let got = data.len() as u64;
    if length.is_some_and(|length| length != got) {
        return Err(bad(format!("{name} holds {got} of the {wanted} bytes of its data")));
    }
    match got > left {
        true => Err(bad(format!("its data in {name} is more than the reader takes"))),
        false => Ok(data),
    }
}
