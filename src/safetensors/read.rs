//! Reads at given positions. One open file and one parsed header serve a whole job.
//!
//! A model of ten thousand shards must not run out of handles. So after the first few files, the
//! handle is closed ([`Reader::let_go`]). The file is then opened for each reading, and must be the
//! same file each time ([`Witness`]).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::foreign::{FIRST_BYTES, Foreign};
use super::header::{Header, json_bytes};
use super::length::LENGTH_BYTES;
use super::rules::{Fault, TensorInfo};
use super::witness::Witness;
use crate::Error;

/// Bytes of a tensor in memory at a time when it is only passed on. Pieces are large enough that
/// the cost of system calls does not matter.
const PIECE_BYTES: u64 = 4 << 20;

/// A safetensors file whose header has been checked.
#[derive(Debug)]
pub struct Reader {
    witness: Witness,
    /// `None` after `let_go`.
    held: Option<File>,
    header: Header,
    /// Length, JSON and padding, as they were parsed.
    header_bytes: Vec<u8>,
}

impl Reader {
    /// Reads and checks the header of the file at `path`, and keeps the file open.
    ///
    /// # Errors
    /// The file cannot be read, or breaks a rule of the container.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let unreadable = |fault| Error::Unreadable { path: path.to_path_buf(), fault };
        let (file, witness) = Witness::open(path)?;
        let bytes = witness.bytes();
        let mut first = vec![0; bytes.min(FIRST_BYTES as u64) as usize];
        read_at(&file, &mut first, 0).map_err(Error::io("read", path))?;
        if let Some(kind) = Foreign::of(&first) {
            return Err(unreadable(Fault::Foreign(kind)));
        }
        let Some(&length) = first.first_chunk() else { return Err(unreadable(Fault::NoHeaderLength { bytes })) };
        let json_bytes = json_bytes(length, bytes).map_err(unreadable)?;
        let mut header_bytes = length.to_vec();
        header_bytes.resize((LENGTH_BYTES + json_bytes) as usize, 0);
        let (_, json) = header_bytes.split_at_mut(LENGTH_BYTES as usize);
        read_at(&file, json, LENGTH_BYTES).map_err(Error::io("read", path))?;
        let header = Header::parse(json, bytes - LENGTH_BYTES - json_bytes).map_err(unreadable)?;
        Ok(Reader { witness, held: Some(file), header, header_bytes })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.witness.path()
    }

    /// Its checked header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.data_begin() + self.header.data_bytes()
    }

    /// The header as it was parsed: length, JSON and padding.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// Where the data begins in the file.
    fn data_begin(&self) -> u64 {
        self.header_bytes.len() as u64
    }

    /// Where the data of a tensor begins in the file.
    #[cfg(feature = "mmap")]
    pub(crate) fn position(&self, info: &TensorInfo) -> u64 {
        self.data_begin() + info.begin
    }

    /// Opens the file again.
    ///
    /// # Errors
    /// It is another file now, or it has changed.
    #[cfg(feature = "mmap")]
    pub(crate) fn reopen(&self) -> Result<File, Error> {
        self.witness.reopen()
    }

    /// Closes the file. From now on each reading opens it, and fails if it is another file by then.
    pub(crate) fn let_go(&mut self) {
        self.held = None;
    }

    /// Checks that the file at its path is still the one whose header was parsed, unchanged.
    ///
    /// # Errors
    /// It is not, or it is gone.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.witness.check()
    }

    /// Fills `buffer` with the data of tensor `name`, starting at its byte `offset`.
    ///
    /// # Errors
    /// The file can no longer be read, or was cut short, or is another file.
    pub fn read(&self, name: &str, info: &TensorInfo, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.with_file(|file| self.read_from(file, name, info, offset, buffer))
    }

    /// Passes the data of tensor `name` to `take`, piece by piece, each with its offset.
    pub(crate) fn read_chunks(
        &self,
        name: &str,
        info: &TensorInfo,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.with_file(|file| {
            let mut buffer = vec![0; info.bytes().min(PIECE_BYTES) as usize];
            let mut offset = 0;
            while offset < info.bytes() {
                let length = (info.bytes() - offset).min(buffer.len() as u64) as usize;
                self.read_from(file, name, info, offset, &mut buffer[..length])?;
                take(offset, &buffer[..length])?;
                offset += length as u64;
            }
            Ok(())
        })
    }

    fn with_file(&self, work: impl FnOnce(&File) -> Result<(), Error>) -> Result<(), Error> {
        match &self.held {
            Some(file) => work(file),
            None => work(&self.witness.reopen()?),
        }
    }

    fn read_from(
        &self,
        file: &File,
        name: &str,
        info: &TensorInfo,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        let path = || PathBuf::from(self.path());
        read_at(file, buffer, self.data_begin() + info.begin + offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::CutShort { path: path(), tensor: name.to_owned() },
            _ => Error::Io { doing: "read", path: path(), source: error },
        })
    }
}

/// Fills `buffer` with the file's bytes, starting at `position`.
#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, position)
}

/// Fills `buffer` with the file's bytes, starting at `position`. Two threads may read one file at
/// once, because each call names its position.
#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, position) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                buffer = &mut buffer[bytes..];
                position += bytes as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `buffer` with the file's bytes, starting at `position`. Targets that are neither Unix nor
/// Windows run one thread.
#[cfg(not(any(unix, windows)))]
fn read_at(mut file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    use io::{Read, Seek};
    file.seek(io::SeekFrom::Start(position))?;
    file.read_exact(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_short_while_it_is_read_is_an_error_naming_the_tensor() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.safetensors");
        let json = br#"{"w":{"dtype":"U8","shape":[40],"data_offsets":[0,40]}}"#;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json);
        bytes.extend_from_slice(&[7; 40]);
        std::fs::write(&path, &bytes).expect("written");
        let reader = Reader::open(&path).expect("valid");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
        let (name, info) = &reader.header().tensors[0];
        let error = reader.read(name, info, 0, &mut [0; 40]).expect_err("cut short");
        assert!(matches!(&error, Error::CutShort { tensor, .. } if tensor == "w"), "{error}");
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).expect("written");
            assert!(matches!(Reader::open(&path), Err(Error::Unreadable { .. })), "cut at {length}");
        }
    }

    #[test]
    fn a_file_that_was_let_go_is_read_again_only_if_it_is_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let [path, other] = ["a", "b"].map(|name| dir.path().join(name));
        let json = br#"{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
        let bytes = [&(json.len() as u64).to_le_bytes()[..], json, &[7; 4]].concat();
        [&path, &other].into_iter().for_each(|path| std::fs::write(path, &bytes).expect("written"));
        let mut reader = Reader::open(&path).expect("valid");
        assert_eq!(reader.header_bytes(), &bytes[..bytes.len() - 4]);
        let (name, info) = reader.header().tensors[0].clone();
        reader.let_go();
        reader.read(&name, &info, 0, &mut [0; 4]).expect("the same");
        std::fs::rename(&other, &path).expect("moved");
        let error = reader.read(&name, &info, 0, &mut [0; 4]).expect_err("another file");
        assert!(matches!(&error, Error::ChangedMeanwhile { .. }), "{error}");
        assert!(reader.check_unchanged().is_err());
    }
}
