//! NumPy's .npz files: a zip archive of .npy files, stored as `numpy.savez` writes them.
//!
//! Only the central directory is believed (APPNOTE.TXT 4.3.12), each of its numbers
//! checked against the file. Zip64's fields are read, since NumPy writes them; archives
//! of many disks, encryption and compression are refused.

use super::{
    array::{Array, Target},
    error::Problem,
    npy,
    place::{Place, shortened},
};

/// What an archive starts with.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
/// Entries of an archive.
const MAX_ENTRIES: usize = 4096;

/// An array of an archive, not yet read.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Its name without `.npy`.
    pub(super) name: String,
    content: Result<&'a [u8], Problem>,
    crc: u32,
}

impl Entry<'_> {
    /// Reads the array for a target, of at most `limit` numbers.
    pub(super) fn array(&self, target: Target<'_>, limit: usize) -> Result<Array, Problem> {
        let place = Place::default().key(&self.name);
        let bytes = self.content.clone()?;
        if crc32(bytes) != self.crc {
            return Err(Problem::Damaged(format!("{place} is damaged: its checksum is wrong")));
        }
        npy::parse(bytes, target, &place, limit)
    }
}

fn damaged(what: &str) -> Problem {
    Problem::Damaged(format!("not a whole .npz archive: {what}"))
}

/// The arrays of an archive, in its order.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Problem> {
    let (count, mut rest) = directory(bytes).ok_or_else(|| damaged("it has no directory"))?;
    if count > MAX_ENTRIES {
        let place = Place::default();
        return Err(Problem::TooMany { place, what: "arrays", limit: MAX_ENTRIES });
    }
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for _ in 0..count {
        let (entry, after) =
            entry(bytes, rest).ok_or_else(|| damaged("its directory is cut short"))?;
        rest = after;
        if entries.iter().any(|other| other.name == entry.name) {
            return Err(Problem::DuplicateKey { place: Place::default(), key: entry.name });
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The number of entries and the directory's bytes.
fn directory(bytes: &[u8]) -> Option<(usize, &[u8])> {
    // The end record has 22 bytes and a comment of at most 65535.
    let from = bytes.len().saturating_sub(22 + 0xffff);
    let tail = bytes.get(from..)?;
    let end = from + tail.windows(END.len()).rposition(|window| window == END)?;
    let record = bytes.get(end..)?;
    let (disk, count) = (u16_at(record, 4)?, u16_at(record, 10)?);
    let (size, start) = (u32_at(record, 12)?, u32_at(record, 16)?);
    // An archive within the limit of a file needs no zip64 directory.
    if disk != 0 || start == u32::MAX || count == 0xffff {
        return None;
    }
    let (size, start) = (usize::try_from(size).ok()?, usize::try_from(start).ok()?);
    Some((count, bytes.get(start..start.checked_add(size)?)?))
}

/// The entry at the start of the directory, and what follows.
fn entry<'a>(archive: &'a [u8], directory: &'a [u8]) -> Option<(Entry<'a>, &'a [u8])> {
    let header = directory.get(..46).filter(|header| header.starts_with(ENTRY))?;
    let (flags, method, crc) = (u16_at(header, 8)?, u16_at(header, 10)?, u32_at(header, 16)?);
    let lengths = [u16_at(header, 28)?, u16_at(header, 30)?, u16_at(header, 32)?];
    let name = directory.get(46..46 + lengths[0])?;
    let after = directory.get(46 + lengths.iter().sum::<usize>()..)?;
    let name = String::from_utf8_lossy(name);
    let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
    let refused = |what: &str, hint| {
        let what = format!("array \"{}\" is {what}", shortened(&name));
        Err(Problem::Unsupported { what, hint })
    };
    let content = if flags & 1 == 1 {
        refused("encrypted", "save the archive with numpy.savez")
    } else if method == 8 {
        refused("compressed", "save the archive with numpy.savez, not numpy.savez_compressed")
    } else if method != 0 {
        refused("compressed by an unknown method", "save the archive with numpy.savez")
    } else {
        let size = usize::try_from(u32_at(header, 24)?).ok()?;
        let start = usize::try_from(u32_at(header, 42)?).ok()?;
        content(archive, start, size).ok_or_else(|| {
            damaged(&format!("array \"{}\" is not where it should be", shortened(&name)))
        })
    };
    Some((Entry { name, content, crc }, after))
}

/// The bytes of an entry whose own header stands at `start`.
fn content(archive: &[u8], start: usize, size: usize) -> Option<&[u8]> {
    let header = archive.get(start..)?.get(..30).filter(|header| header.starts_with(MAGIC))?;
    let start = start + 30 + u16_at(header, 26)? + u16_at(header, 28)?;
    archive.get(start..start.checked_add(size)?)
}

/// The checksum of zip: CRC-32 of ISO 3309.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_zip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
