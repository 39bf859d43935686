//! Where a sender's jobs are, and who owns them.
//!
//! Jobs belong to a sender on a chain, not to the folder somebody works in: two setups with
//! one key share one file, so that neither takes the other's nonces. The lock that makes a
//! process the owner says who that is.

use std::{
    env,
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use alloy::primitives::{Address, B256};

use super::{Result, Scope, Storage};
use crate::{
    backend::{BlockRef, ChainBackend},
    error::{RelayerError, StorageError},
};

/// Most bytes of a lock file that are read.
const SHOWN: u64 = 200;

/// The folder of a user's jobs: `$XDG_STATE_HOME/verdict`, else `~/.local/state/verdict`;
/// `None` without either variable.
pub fn state_dir() -> Option<PathBuf> {
    state_dir_from(|name| env::var_os(name))
}

fn state_dir_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The specification says to ignore a relative path.
    let folder = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")));
    state.map(|state| state.join("verdict"))
}

/// Name of the database of `sender` on a chain. Every development chain has the same id, so
/// the first block is part of it.
pub fn database_name(chain_id: u64, genesis: B256, sender: Address) -> String {
    format!("{}.db", name(chain_id, genesis, sender))
}

/// Hash of the first block of the chain behind `backend`.
///
/// A node that does not have it, pruned or lying, would make every file look like another
/// chain's, and an empty one begin in its place: the sender's jobs would be sent again.
///
/// # Errors
/// [`RelayerError::NoGenesis`] if the node does not have the block; or the chain does not answer.
pub async fn genesis(backend: &dyn ChainBackend) -> std::result::Result<B256, RelayerError> {
    match backend.block(BlockRef::Number(0)).await? {
        Some(first) => Ok(first.hash),
        None => {
            let chain_id = backend.chain_id().await?;
            Err(RelayerError::NoGenesis { endpoint: backend.name(), chain_id })
        }
    }
}

fn name(chain_id: u64, genesis: B256, sender: Address) -> String {
    let genesis = genesis.to_string();
    let short = genesis.get(..10).unwrap_or(&genesis);
    format!("{chain_id}-{short}-{sender}")
}

/// The databases in a folder, in the order of their names; none if there is no folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn databases(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "db") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A database of `sender` in a folder on a chain of this id with another first block, if the one
/// that belongs to `genesis` is not there: a node that lies about the first block, or whose chain was
/// begun anew, would let an empty one begin beside it, and what is in it would be sent again.
///
/// # Errors
/// If the folder cannot be read.
pub fn of_another_genesis(
    folder: &Path,
    chain_id: u64,
    genesis: B256,
    sender: Address,
) -> io::Result<Option<PathBuf>> {
    let own = database_name(chain_id, genesis, sender);
    let (begin, end) = (format!("{chain_id}-0x"), format!("-{sender}.db"));
    let named = |path: &PathBuf, fits: &dyn Fn(&str) -> bool| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(fits)
    };
    let found = databases(folder)?;
    if found.iter().any(|path| named(path, &|name| name == own)) {
        return Ok(None);
    }
    let other = |name: &str| name.starts_with(&begin) && name.ends_with(&end);
    Ok(found.into_iter().find(|path| named(path, &other)))
}

/// Creates a folder that only its user can enter, with those above it.
///
/// # Errors
/// If it cannot be created.
pub fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The file behind links, so that two ways to one file are one.
pub(super) fn resolved(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Holds the lock file of a sender; the operating system frees it when the process ends.
#[derive(Debug)]
pub(crate) struct SenderLock {
    _file: File,
}

impl Storage {
    /// Opens the jobs of `sender` on the chain behind `backend`: in `file`, or in the sender's
    /// own in the user's [`state_dir`]. The lock is in that folder in any case, so that two
    /// files with one sender keep each other out.
    ///
    /// # Errors
    /// If the chain does not answer or has no first block, there is no such folder, or the file
    /// cannot be opened.
    pub async fn of_sender(
        backend: &dyn ChainBackend,
        sender: Address,
        file: Option<&Path>,
    ) -> std::result::Result<Self, RelayerError> {
        let folder = state_dir().ok_or(StorageError::NoPlace);
        let made = folder.and_then(|folder| match create_private(&folder) {
            Ok(()) => Ok(folder),
            Err(source) => Err(StorageError::Folder { path: folder, source }),
        });
        match (file, made) {
            (Some(file), Ok(folder)) => Ok(Self::open(file).await?.with_locks_in(folder)),
            // Without a place for locks, beside the file has to do.
            (Some(file), Err(_)) => Ok(Self::open(file).await?),
            (None, made) => {
                let folder = made?;
                let chain_id = backend.chain_id().await?;
                let first = genesis(backend).await?;
                let file = folder.join(database_name(chain_id, first, sender));
                Ok(Self::open(&file).await?.with_locks_in(folder))
            }
        }
    }

    /// Takes the lock that makes this process the only owner of the sender's nonces.
    pub(crate) fn lock_sender(&self, scope: Scope, genesis: B256) -> Result<SenderLock> {
        let Scope { chain_id, sender: address } = scope;
        let path = match &self.locks {
            Some(folder) => folder.join(format!("{}.lock", name(chain_id, genesis, address))),
            None => {
                let mut path = self.path.clone().into_os_string();
                path.push(format!(".{chain_id}-{address}.lock"));
                path.into()
            }
        };
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(source) => return Err(StorageError::Lock { path, source }),
        };
        match file.try_lock() {
            Ok(()) => {
                // What cannot be written only makes another's error less telling.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", this_process()));
                Ok(SenderLock { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder_in(&path).unwrap_or_else(|| "another process".to_owned());
                Err(StorageError::InUse { holder, address, chain_id, path })
            }
            Err(TryLockError::Error(source)) => Err(StorageError::Lock { path, source }),
        }
    }
}

fn this_process() -> String {
    let program = env::current_exe().ok();
    let name = program.as_deref().and_then(Path::file_name).unwrap_or_default();
    format!("process {} ({})", std::process::id(), name.to_string_lossy())
}

fn holder_in(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(SHOWN).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line: String = text.lines().next()?.chars().filter(|c| !c.is_control()).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Option<PathBuf> {
        state_dir_from(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_state_folder_follows_the_specification() {
        let home = ("HOME", "/home/a");
        let default = Some(PathBuf::from("/home/a/.local/state/verdict"));
        assert_eq!(from(&[home]), default);
        assert_eq!(from(&[home, ("XDG_STATE_HOME", "")]), default);
        assert_eq!(from(&[home, ("XDG_STATE_HOME", "not/absolute")]), default);
        assert_eq!(from(&[home, ("XDG_STATE_HOME", "/s")]), Some("/s/verdict".into()));
        assert_eq!(from(&[]), None);
    }

    #[test]
    fn chains_with_one_id_and_senders_have_files_of_their_own() {
        let name = |chain, genesis, sender| {
            database_name(chain, B256::repeat_byte(genesis), Address::repeat_byte(sender))
        };
        let first = name(31_337, 1, 2);
        assert!(first.starts_with("31337-0x01010101-0x0202") && first.ends_with(".db"), "{first}");
        for other in [name(1, 1, 2), name(31_337, 3, 2), name(31_337, 1, 3)] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn a_sender_s_database_of_a_chain_with_another_first_block_is_found() {
        let place = tempfile::tempdir().expect("a folder");
        let (first, second) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let (sender, stranger) = (Address::repeat_byte(3), Address::repeat_byte(4));
        let find = |folder: &Path, chain, genesis, sender| {
            of_another_genesis(folder, chain, genesis, sender).expect("read")
        };
        assert_eq!(find(&place.path().join("none"), 5, first, sender), None);
        let old = place.path().join(database_name(5, first, sender));
        fs::write(&old, "").expect("written");
        assert_eq!(find(place.path(), 5, first, sender), None, "its own");
        assert_eq!(find(place.path(), 5, second, sender), Some(old));
        assert_eq!(find(place.path(), 5, second, stranger), None);
        assert_eq!(find(place.path(), 15, second, sender), None);
        // Once both are there, somebody has said so.
        fs::write(place.path().join(database_name(5, second, sender)), "").expect("written");
        assert_eq!(find(place.path(), 5, second, sender), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_for_jobs_is_its_user_s_alone() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("a/b");
        create_private(&folder).expect("created");
        create_private(&folder).expect("there already");
        let mode = fs::metadata(&folder).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(databases(&folder).expect("read").is_empty());
        assert!(databases(&folder.join("none")).expect("read").is_empty());
        fs::write(folder.join("b.db"), "").expect("written");
        fs::write(folder.join("a.db-wal"), "").expect("written");
        assert_eq!(databases(&folder).expect("read"), [folder.join("b.db")]);
    }
}
