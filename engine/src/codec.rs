//! Values as bytes; the only file that names the serialization library.
//!
//! A record is one format byte and then bincode 2 in its standard configuration (variable-length integers, little endian).
//! Formats only grow: a changed shape gets a new format byte and the old one stays readable; `tests/frozen/` holds bytes of every
//! format ever released. <https://github.com/bincode-org/bincode/blob/trunk/docs/spec.md>

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The format of everything written today.
const FORMAT: u8 = 1;
/// Nothing larger than this is decoded: a damaged length must not ask for all memory.
const BYTES_MAX: usize = 64 << 20;

/// A value as bytes.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    encode_into(value, &mut bytes);
    bytes
}

/// Appends a value's bytes.
pub fn encode_into<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    bytes.push(FORMAT);
    bincode::serde::encode_into_writer(value, Appender(bytes), bincode::config::standard())
        .expect("values of the engine have no shape that bincode refuses");
}

/// Already encoded values as the bytes of a record whose only field is the list of them: what was encoded once, as it came in,
/// is not encoded again when it goes on in company.
#[must_use]
pub fn join(values: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + values.iter().map(Vec::len).sum::<usize>());
    encode_into(&(values.len() as u64), &mut bytes);
    for value in values {
        bytes.extend_from_slice(value.get(1..).unwrap_or_default());
    }
    bytes
}

/// Writes behind what is already there.
struct Appender<'a>(&'a mut Vec<u8>);

impl bincode::enc::write::Writer for Appender<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Bytes as a value.
///
/// # Errors
/// When they are of an unknown format, cut short, or not of this shape.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Garbled> {
    let (format, rest) = bytes.split_first().ok_or(Garbled("empty record".to_owned()))?;
    if *format != FORMAT {
        return Err(Garbled(format!("record of format {format}, this build reads {FORMAT}")));
    }
    let config = bincode::config::standard().with_limit::<BYTES_MAX>();
    match bincode::serde::decode_from_slice(rest, config) {
        Ok((value, read)) if read == rest.len() => Ok(value),
        Ok((_, read)) => Err(Garbled(format!("{} bytes too many", rest.len() - read))),
        Err(fault) => Err(Garbled(fault.to_string())),
    }
}

/// Bytes that are no such value: corruption, or a newer build's writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbled(pub String);

impl std::fmt::Display for Garbled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot decode: {}", self.0)
    }
}

impl std::error::Error for Garbled {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct List {
        values: Vec<(u64, String)>,
    }

    #[test]
    fn joined_values_are_a_list_of_them() {
        for length in [0, 1, 250, 251, 70_000] {
            let values: Vec<_> = (0..length).map(|n: u64| (n, n.to_string())).collect();
            let parts: Vec<_> = values.iter().map(encode).collect();
            assert_eq!(join(&parts), encode(&List { values }), "{length}");
        }
    }
}
