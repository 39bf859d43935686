//! Development SRS files kept between runs.
//!
//! One file for each k, `development-<k>.srs`, because keys made with one τ are of no
//! use with another: making a larger SRS must not replace the smaller one that existing
//! keys depend on. The first process to finish a file wins, others adopt it.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use super::{
    Srs,
    error::SrsError,
    file::{self, Existing, Part},
    progress::Progress,
};

/// The folder for files that can be made again: `$XDG_CACHE_HOME/verdict`, else
/// `$HOME/.cache/verdict`; `None` if neither variable holds an absolute path.
pub fn cache_dir() -> Option<PathBuf> {
    cache_dir_from(|name| env::var_os(name))
}

fn cache_dir_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    folder("XDG_CACHE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("verdict"))
}

/// Name of the development SRS of size `k` in a cache folder.
pub(super) fn file_name(k: u32) -> String {
    format!("development-{k}.srs")
}

pub(super) fn cached(folder: &Path, k: u32, progress: &dyn Progress) -> Result<Srs, SrsError> {
    let path = folder.join(file_name(k));
    let existing = match file::load(&path, Some(k), Part::Whole, progress) {
        Ok(srs) if srs.is_development() && srs.k() == k => return Ok(srs),
        // Damaged, of another version or not of our making: of no use to any key.
        Ok(_) | Err(SrsError::File { .. }) => Existing::Replace,
        Err(SrsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Existing::Keep
        }
        Err(error) => return Err(error),
    };
    let srs = Srs::development_with(k, progress)?;
    file::create_folder(folder)?;
    if file::save(&srs, &path, existing, progress)? {
        Ok(srs)
    } else {
        file::load(&path, Some(k), Part::Whole, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_srs_cache_folder_follows_the_environment_and_ignores_relative_paths() {
        let dir = |pairs: &[(&str, &str)]| {
            cache_dir_from(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            })
        };
        assert_eq!(dir(&[]), None);
        assert_eq!(dir(&[("HOME", "relative")]), None);
        assert_eq!(dir(&[("HOME", "/home/a")]), Some("/home/a/.cache/verdict".into()));
        let both = [("HOME", "/home/a"), ("XDG_CACHE_HOME", "/var/b")];
        assert_eq!(dir(&both), Some("/var/b/verdict".into()));
    }
}
