//! A definition, decoded and indexed for walking: who needs whom, both ways.

/// Decoded graphs by workflow and version, the most recently used ones.
#[derive(Debug, Default)]
pub struct Shelf {}
