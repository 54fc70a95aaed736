//! A tar archive with exactly one spelling.
//!
//! The format is ustar (POSIX.1-1988), which every tar reads: a head of 512 bytes for each file, its bytes filled up with zeros to the next
//! multiple of 512, and two empty heads at the end. Mode, owner, group and time are the same for every file. A head that is read is held
//! against the one that would have been written, so there is no head whose parts could be understood in two ways.

/// The unit of the format.
const BLOCK: usize = 512;
/// The longest name. The format has a way to write longer ones, which is left out.
pub(super) const LONGEST_NAME: usize = 100;
/// The most files.
const MOST_FILES: usize = super::MOST_POLICIES + 2;

/// Why bytes are no archive of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The end is missing, or something is behind it.
    #[error("it does not end where a bundle ends: it was cut off, added to, or damaged")]
    End,
    /// A head is not as `bundle build` writes it.
    #[error(
        "at byte {at} is no head of a file as `findings-gate bundle build` writes it: expected a regular file of mode 644, owner 0 and time 0"
    )]
    Head {
        /// The offset of the head.
        at: usize,
    },
    /// There is something between two files.
    #[error("after the file that begins at byte {at} there is something between it and the next one")]
    Padding {
        /// The offset of the file's head.
        at: usize,
    },
    /// There are too many files.
    #[error("it has too many files: expected {MOST_FILES} at the most")]
    TooMany,
}

/// Writes files in this order. Names are short enough and sizes small enough ([`LONGEST_NAME`], [`LARGEST`](super::LARGEST)), or nothing is
/// written.
pub(super) fn write<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Option<Vec<u8>> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        archive.extend_from_slice(&head(name, bytes.len())?);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Some(archive)
}

/// Reads the files that [`write()`] wrote, in their order.
pub(super) fn read(archive: &[u8]) -> Result<Vec<(&str, &[u8])>, ArchiveError> {
    let mut files = Vec::new();
    let mut rest = archive;
    loop {
        let at = archive.len() - rest.len();
        let (block, after) = rest.split_at_checked(BLOCK).ok_or(ArchiveError::End)?;
        if is_empty(block) {
            return if after.len() == BLOCK && is_empty(after) { Ok(files) } else { Err(ArchiveError::End) };
        }
        if files.len() == MOST_FILES {
            return Err(ArchiveError::TooMany);
        }
        let (name, size) = parts(block).ok_or(ArchiveError::Head { at })?;
        if head(name, size).is_none_or(|expected| expected != block) {
            return Err(ArchiveError::Head { at });
        }
        let (padded, after) = after.split_at_checked(size.next_multiple_of(BLOCK)).ok_or(ArchiveError::End)?;
        let (bytes, padding) = padded.split_at(size);
        if !is_empty(padding) {
            return Err(ArchiveError::Padding { at });
        }
        files.push((name, bytes));
        rest = after;
    }
}

fn is_empty(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// What a head says of name and size, if it says so in this format.
fn parts(head: &[u8]) -> Option<(&str, usize)> {
    let name = &head[..LONGEST_NAME];
    let name = name.split(|byte| *byte == 0).next()?;
    let digits = &head[124..135];
    if !digits.iter().all(|digit| matches!(digit, b'0'..=b'7')) {
        return None;
    }
    let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?;
    Some((std::str::from_utf8(name).ok()?, size))
}

/// The head of a regular file.
fn head(name: &str, size: usize) -> Option<[u8; BLOCK]> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') || size > super::LARGEST {
        return None;
    }
    let mut head = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum is made as if there were blanks in its place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(head)
}
