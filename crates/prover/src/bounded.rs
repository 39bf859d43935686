//! Reading files with a bound that holds whatever the file is.
//!
//! A size in metadata is a hint and nothing more: devices and files of `/proc` state 0,
//! a sparse file states what it does not have, pipes state nothing, and a file may grow
//! while it is read. What is counted here is what comes.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a file was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A folder where a file was expected.
    #[error("cannot read {}: it is a folder, a file is expected", .0.display())]
    Folder(PathBuf),
    /// More content than allowed.
    #[error("{} has more than {limit} bytes, the most that is read of such a file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
}

/// Reads a whole file of at most `limit` bytes: a regular file, a pipe, a device.
///
/// # Errors
/// [`ReadError`]; after at most `limit` + 1 bytes, and at once when a regular file
/// says that it is larger.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let io = |source| ReadError::Io { path: path.to_owned(), source };
    let too_large = || ReadError::TooLarge { path: path.to_owned(), limit };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(ReadError::Folder(path.to_owned()));
    }
    if metadata.is_file() && metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let expected = usize::try_from(metadata.len().min(limit)).unwrap_or(0);
    bytes.try_reserve_exact(expected.saturating_add(1)).map_err(|error| io(error.into()))?;
    // One byte more than allowed tells content that is too large.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_of_exactly_the_limit_is_read_and_one_byte_more_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"12345").unwrap();
        assert_eq!(read_bounded(file.path(), 5).unwrap(), b"12345");
        let error = read_bounded(file.path(), 4).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { limit: 4, .. }), "{error}");
        assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
        assert!(error.to_string().contains("4 bytes"), "{error}");
    }

    #[test]
    fn a_folder_and_a_missing_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_bounded(folder.path(), 9), Err(ReadError::Folder(_))));
        let missing = folder.path().join("none.json");
        let error = read_bounded(&missing, 9).unwrap_err();
        assert!(error.to_string().contains("none.json"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_without_end_and_a_sparse_file_are_refused() {
        let error = read_bounded(Path::new("/dev/zero"), 1 << 16).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let error = read_bounded(file.path(), 1 << 16).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_states_no_size_is_read_whole_and_bounded() {
        let status = Path::new("/proc/self/status");
        assert_eq!(std::fs::metadata(status).unwrap().len(), 0);
        assert!(read_bounded(status, 1 << 16).unwrap().starts_with(b"Name:"));
        assert!(matches!(read_bounded(status, 10), Err(ReadError::TooLarge { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_to_its_end_or_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        for (limit, fits) in [(5, true), (4, false)] {
            let writer = path.clone();
            let thread = std::thread::spawn(move || {
                let mut pipe = std::fs::OpenOptions::new().write(true).open(writer).unwrap();
                // The reader may have gone: that is its right.
                let _ = pipe.write_all(b"12345");
            });
            let read = read_bounded(&path, limit);
            thread.join().unwrap();
            assert_eq!(read.is_ok(), fits);
        }
    }
}
