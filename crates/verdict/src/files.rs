//! Writing whole or not at all. Reading is [`verdict_prover::bounded`]'s.

use std::{
    fs::Permissions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a file cannot be written, renamed or removed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone: mode 0644.
    Public,
    /// The owner: mode 0600.
    Private,
}

/// Writes through a temporary file in the same folder: the file is whole or not there.
pub(crate) fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let io = |source| FileError::Io { action: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".verdict-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if access == Access::Private { 0o600 } else { 0o644 };
        builder.permissions(Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Makes a folder that only its owner may enter if it is private.
pub(crate) fn create_folder(path: &Path, access: Access) -> Result<(), FileError> {
    let io = |source| FileError::Io { action: "create", path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(io)?;
    #[cfg(unix)]
    if access == Access::Private {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

/// Leaves a file to its owner alone.
pub(crate) fn restrict(path: &Path) -> Result<(), FileError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|source| {
            FileError::Io { action: "restrict", path: path.to_owned(), source }
        })?;
    }
    Ok(())
}

/// Removes a file; that there is none is as good.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(FileError::Io { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Renames a file.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::rename(from, to).map_err(|source| FileError::Io {
        action: "rename",
        path: from.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn private_files_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        for (access, mode) in [(Access::Private, 0o600), (Access::Public, 0o644)] {
            let path = folder.path().join("file");
            write(&path, b"x", access).expect("written");
            let found = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(found & 0o777, mode);
        }
    }
}
