//! A row's key as bytes, in place: keys are short, and a parcel makes tens of thousands of them.
//!
//! Nearly every key fits into [`SHORT_MAX`] bytes and needs no memory of its own; long names spill over into a list. In an ordered
//! map short keys lie beside each other, so a search compares bytes that are already at hand.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

/// Keys up to this length are kept in place.
const SHORT_MAX: usize = 46;

/// A key's bytes, or the bytes it begins with.
#[derive(Clone)]
pub struct Place(Bytes);

#[derive(Clone)]
enum Bytes {
    Short { length: u8, bytes: [u8; SHORT_MAX] },
    Long(Vec<u8>),
}

impl Default for Place {
    fn default() -> Self {
        Place(Bytes::Short { length: 0, bytes: [0; SHORT_MAX] })
    }
}

impl Place {
    /// One byte more.
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Some bytes more.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        match &mut self.0 {
            Bytes::Short { length, bytes } => {
                let begin = usize::from(*length);
                let end = begin + more.len();
                if let Some(room) = bytes.get_mut(begin..end) {
                    room.copy_from_slice(more);
                    // The room ends within the array: its length fits.
                    *length = u8::try_from(end).unwrap_or(u8::MAX);
                } else {
                    let mut long = Vec::with_capacity(end.max(2 * SHORT_MAX));
                    long.extend_from_slice(&bytes[..begin]);
                    long.extend_from_slice(more);
                    self.0 = Bytes::Long(long);
                }
            }
            Bytes::Long(bytes) => bytes.extend_from_slice(more),
        }
    }

    /// As a list.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Bytes::Short { length, bytes } => bytes[..usize::from(length)].to_vec(),
            Bytes::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Place {
    fn from(bytes: &[u8]) -> Self {
        let mut place = Place::default();
        place.extend_from_slice(bytes);
        place
    }
}

impl Deref for Place {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short { length, bytes } => &bytes[..usize::from(*length)],
            Bytes::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Place {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x?}", &**self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_keys_are_the_bytes_they_were_given() {
        let bytes: Vec<u8> = (0..200).collect();
        let mut grown = Place::default();
        for length in 0..bytes.len() {
            assert_eq!(*grown, bytes[..length]);
            assert_eq!(grown, Place::from(&bytes[..length]));
            assert_eq!(grown.clone().into_vec(), bytes[..length]);
            grown.push(bytes[length]);
        }
    }

    #[test]
    fn keys_sort_as_their_bytes_do_whatever_their_length() {
        let mut keys: Vec<Vec<u8>> = (0..100).map(|n| vec![n % 7; usize::from(n)]).collect();
        let mut places: Vec<Place> = keys.iter().map(|key| Place::from(key.as_slice())).collect();
        keys.sort();
        places.sort();
        assert!(keys.iter().zip(&places).all(|(key, place)| *key == **place));
    }
}
