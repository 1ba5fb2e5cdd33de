//! A document as a tree of values that know where they were written.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

/// A value and its bytes in the text. Of lists and objects in block style only the beginning is known.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) node: Node,
    pub(super) at: Range<usize>,
}

/// A key and its bytes in the text.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) at: Range<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spot>),
    /// Entries in order; a key may be there twice.
    Object(Vec<(Key, Spot)>),
}

impl Spot {
    /// As JSON. Of keys that are there twice the first counts.
    pub(super) fn json(&self) -> Value {
        match &self.node {
            Node::Null => Value::Null,
            Node::Bool(truth) => Value::Bool(*truth),
            Node::Number(number) => Value::Number(number.clone()),
            Node::Text(text) => Value::String(text.clone()),
            Node::List(list) => list.iter().map(Spot::json).collect(),
            Node::Object(entries) => {
                let mut object = Map::with_capacity(entries.len());
                for (key, value) in entries {
                    object.entry(key.name.as_str()).or_insert_with(|| value.json());
                }
                Value::Object(object)
            }
        }
    }

    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match &self.node {
            Node::Null => "nothing",
            Node::Bool(_) => "true or false",
            Node::Number(number) if number.is_f64() => "a number with a fraction",
            Node::Number(_) => "a whole number",
            Node::Text(_) => "text",
            Node::List(_) => "a list",
            Node::Object(_) => "an object",
        }
    }

    /// The value under a key.
    pub(super) fn get(&self, name: &str) -> Option<&Spot> {
        self.entry(name).map(|(_, value)| value)
    }

    fn entry(&self, name: &str) -> Option<&(Key, Spot)> {
        match &self.node {
            Node::Object(entries) => entries.iter().find(|(key, _)| key.name == name),
            _ => None,
        }
    }

    /// The value at a JSON Pointer, or the nearest one around it.
    pub(super) fn near(&self, pointer: &str) -> &Spot {
        steps(pointer)
            .try_fold(self, |spot, step| spot.step(&step).ok_or(spot))
            .unwrap_or_else(|s| s)
    }

    /// The key at the end of a JSON Pointer.
    pub(super) fn key(&self, pointer: &str) -> Option<&Key> {
        let (parent, last) = pointer.rsplit_once('/')?;
        let parent = steps(parent).try_fold(self, |spot, step| spot.step(&step))?;
        parent.entry(&unescape(last)).map(|(key, _)| key)
    }

    fn step(&self, step: &str) -> Option<&Spot> {
        match &self.node {
            Node::List(list) => list.get(step.parse::<usize>().ok()?),
            _ => self.get(step),
        }
    }
}

fn steps(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(unescape)
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// A JSON Pointer one step longer.
pub(super) fn join(pointer: &str, step: impl std::fmt::Display) -> String {
    let step = step.to_string().replace('~', "~0").replace('/', "~1");
    format!("{pointer}/{step}")
}

/// The bytes of a place, as far as the reader tells them.
pub(super) fn bytes(at: &Location) -> Range<usize> {
    let start = at.span().byte_offset().unwrap_or(0) as usize;
    start..start + at.span().byte_len().unwrap_or(0) as usize
}

impl From<Spanned<Node>> for Spot {
    fn from(spanned: Spanned<Node>) -> Spot {
        Spot { at: bytes(&spanned.referenced), node: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Spot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Spot, D::Error> {
        Spanned::<Node>::deserialize(deserializer).map(Spot::from)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Key { at: bytes(&spanned.referenced), name: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        struct AnyNode;
        impl<'de> Visitor<'de> for AnyNode {
            type Value = Node;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                Node::deserialize(deserializer)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Node, E> {
                Ok(Node::Bool(truth))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
                Ok(Node::Number(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
                Ok(Number::from_f64(number).map_or(Node::Null, Node::Number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut spots = Vec::new();
                while let Some(spot) = list.next_element()? {
                    spots.push(spot);
                }
                Ok(Node::List(spots))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Node::Object(entries))
            }
        }
        deserializer.deserialize_any(AnyNode)
    }
}
