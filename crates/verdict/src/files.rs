//! Writing whole or not at all. Reading is [`verdict_prover::bounded`]'s.

use std::{
    fs::{Metadata, Permissions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error as ThisError;
use verdict_contracts::ProofBundle;

use crate::error::Error;

/// Why a file cannot be written, renamed or removed.
#[derive(Debug, ThisError)]
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

/// Why a temporary file cannot be made, without its name, which says nothing to anybody.
fn unnamed(error: io::Error) -> io::Error {
    error.kind().into()
}

/// Finds out whether a file or a folder can be written at `path` later, before anything long
/// is done for it. Folders that are missing on the way to it are made only then.
///
/// # Errors
/// [`FileError`]: there is a folder where a file is to be or the other way round, what is
/// above it is no folder, or nothing may be written there.
pub fn check_writable(path: &Path, folder: bool) -> Result<(), FileError> {
    let io = |source| FileError::Io { action: "write", path: path.to_owned(), source };
    let there = std::fs::metadata(path).ok();
    if let Some(there) = &there {
        refuse_other_kinds(there, folder).map_err(io)?;
    }
    let above = path.ancestors().skip(usize::from(!folder || there.is_none()));
    let mut above = above.map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    let nearest = above.find(|above| above.exists()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".verdict-")
        .tempfile_in(nearest)
        .map_err(unnamed)
        .map_err(io)?;
    Ok(())
}

/// Refuses to replace a folder by a file, a file by a folder, or a device by either.
fn refuse_other_kinds(there: &Metadata, folder: bool) -> io::Result<()> {
    let is = if there.is_dir() {
        "a folder"
    } else if there.is_file() {
        "a file"
    } else {
        "a device, a pipe or a socket"
    };
    let wanted = if folder { "a folder" } else { "a file" };
    if is == wanted {
        return Ok(());
    }
    Err(io::Error::other(format!("it is {is}, not {wanted}")))
}

/// Makes the folders in which a file is to be.
fn create_parents(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map(|()| folder)
        }
        _ => Ok(Path::new(".")),
    }
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone: mode 0644.
    Public,
    /// The owner: mode 0600.
    Private,
}

/// Writes through a temporary file in the same folder, which is made if it is missing: the file
/// is whole or not there.
pub(crate) fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let io = |source| FileError::Io { action: "write", path: path.to_owned(), source };
    if let Ok(there) = std::fs::metadata(path) {
        refuse_other_kinds(&there, false).map_err(io)?;
    }
    let folder = create_parents(path).map_err(io)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".verdict-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if access == Access::Private { 0o600 } else { 0o644 };
        builder.permissions(Permissions::from_mode(mode));
    }
    let mut file = builder.tempfile_in(folder).map_err(unnamed).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Writes a bundle, whole or not at all; folders that are missing are made.
///
/// # Errors
/// The bundle contradicts itself, or cannot be written.
pub fn write_bundle(bundle: &ProofBundle, path: &Path) -> Result<(), Error> {
    Ok(write(path, &bundle.to_json()?, Access::Public)?)
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

    #[test]
    fn whether_something_can_be_written_is_known_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), b"x").expect("written");
        for (name, is_folder) in
            [("new", false), ("a/b/new", false), ("a/b", true), ("file", false)]
        {
            check_writable(&path(name), is_folder).expect(name);
        }
        check_writable(Path::new("new"), false).expect("here");
        check_writable(folder.path(), true).expect("a folder that is there");
        assert!(!path("a").exists(), "nothing is made before");
        for (name, is_folder) in [("", false), ("file", true), ("file/new", false)] {
            let error = check_writable(&path(name), is_folder).expect_err(name).to_string();
            assert!(!error.contains(".verdict-"), "{error}");
        }
        for _ in 0..2 {
            write(&path("a/b/new"), b"x", Access::Public).expect("written");
        }
        let files = std::fs::read_dir(path("a/b")).expect("there");
        assert_eq!(files.count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_replaced_by_a_file() {
        let null = Path::new("/dev/null");
        assert!(check_writable(null, false).is_err());
        let error = write(null, b"x", Access::Public).expect_err("it stays").to_string();
        assert!(error.contains("a device"), "{error}");
    }

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
