//! Positioned reads. The file is opened for each reading and closed again: a model of ten thousand shards must not run out of handles.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::header::{Fault, Header, LENGTH_BYTES, TensorInfo, json_bytes};
use crate::{Error, open};

/// Bytes of a tensor that are in memory at a time where it only passes through: enough that system calls do not matter.
const PIECE_BYTES: u64 = 4 << 20;

/// A safetensors file whose header has been checked.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    header: Header,
    /// Where the data begins in the file.
    data_begin: u64,
}

impl Reader {
    /// Reads and checks the header of the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or breaks a rule of the container.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let unreadable = |fault| Error::Unreadable { path: path.to_path_buf(), fault };
        let file = open::regular(path)?;
        let bytes = file.metadata().map_err(Error::io("open", path))?.len();
        if bytes < LENGTH_BYTES {
            return Err(unreadable(Fault::NoHeaderLength { bytes }));
        }
        let mut length = [0; LENGTH_BYTES as usize];
        read_at(&file, &mut length, 0).map_err(Error::io("read", path))?;
        let json_bytes = json_bytes(length, bytes).map_err(unreadable)?;
        let mut json = vec![0; json_bytes as usize];
        read_at(&file, &mut json, LENGTH_BYTES).map_err(Error::io("read", path))?;
        let data_begin = LENGTH_BYTES + json_bytes;
        let header = Header::parse(&json, bytes - data_begin).map_err(unreadable)?;
        Ok(Reader { path: path.to_path_buf(), header, data_begin })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its checked header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.data_begin + self.header.data_bytes()
    }

    /// The header as it stands in the file: length, JSON and padding.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn header_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; self.data_begin as usize];
        let file = open::regular(&self.path)?;
        read_at(&file, &mut bytes, 0).map_err(Error::io("read", &self.path))?;
        Ok(bytes)
    }

    /// Fills `buffer` with the data of tensor `name` from its byte `offset` on.
    ///
    /// # Errors
    /// The file cannot be read any more, or has been cut short.
    pub fn read(&self, name: &str, info: &TensorInfo, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let file = open::regular(&self.path)?;
        self.read_from(&file, name, info, offset, buffer)
    }

    /// Hands the data of tensor `name` to `take`, with its offset, a piece at a time.
    pub(crate) fn read_chunks(
        &self,
        name: &str,
        info: &TensorInfo,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let file = open::regular(&self.path)?;
        let mut buffer = vec![0; info.bytes().min(PIECE_BYTES) as usize];
        let mut offset = 0;
        while offset < info.bytes() {
            let length = (info.bytes() - offset).min(buffer.len() as u64) as usize;
            self.read_from(&file, name, info, offset, &mut buffer[..length])?;
            take(offset, &buffer[..length])?;
            offset += length as u64;
        }
        Ok(())
    }

    fn read_from(
        &self,
        file: &File,
        name: &str,
        info: &TensorInfo,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        read_at(file, buffer, self.data_begin + info.begin + offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::CutShort { path: self.path.clone(), tensor: name.to_owned() },
            _ => Error::Io { doing: "read", path: self.path.clone(), source: error },
        })
    }
}

/// Fills `buffer` from byte `position` of the file.
#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, position)
}

/// Fills `buffer` from byte `position` of the file.
#[cfg(not(unix))]
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
}
