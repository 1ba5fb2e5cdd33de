//! Paths and queries: what stands between two slashes, and ids made here.

use uuid::Uuid;

/// Crockford's base 32: no `i`, `l`, `o`, `u`. <https://www.crockford.com/base32.html>
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of one 128-bit id.
const LETTERS: usize = 26;

/// A new run id: whoever starts a run may choose its id, and starting the same id twice is starting it once.
#[must_use]
pub fn new_run_id() -> String {
    let mut rest = Uuid::now_v7().as_u128();
    let mut letters = [b'0'; LETTERS];
    for letter in letters.iter_mut().rev() {
        let digit = usize::try_from(rest % 32).expect("below 32");
        *letter = ALPHABET[digit];
        rest /= 32;
    }
    let letters = letters.map(char::from);
    let mut id = String::from("run_");
    id.extend(letters);
    id
}

/// One part of a path. A run's short name has a slash in it, which must not look like the end of the part.
pub(crate) fn part(text: &str) -> String {
    escaped(text, |byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@' | b':' | b',')
    })
}

/// A query, or nothing: `?a=1&b=2`.
pub(crate) fn query(pairs: &[(String, String)]) -> String {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b',' | b':')
    };
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(&escaped(name, plain));
        text.push('=');
        text.push_str(&escaped(value, plain));
    }
    text
}

fn escaped(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Splits a task's id: `etl/1042/load` is the task `load` of the run `etl/1042`, and so is `etl/1042/load@2`.
pub(crate) fn of_task(id: &str) -> (&str, &str) {
    let id = id.split_once('@').map_or(id, |(task, _attempt)| task);
    id.rsplit_once('/').unwrap_or((id, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_one_part_of_a_path() {
        assert_eq!(part("etl/1042"), "etl%2F1042");
        assert_eq!(part("extract[3]"), "extract%5B3%5D");
    }

    #[test]
    fn a_query_is_escaped() {
        let pairs = [("filter".to_owned(), "a == \"x&y\"".to_owned())];
        assert_eq!(query(&pairs), "?filter=a%20%3D%3D%20%22x%26y%22");
        assert_eq!(query(&[]), "");
    }

    #[test]
    fn a_task_is_found_in_its_run() {
        assert_eq!(of_task("etl/1042/load@2"), ("etl/1042", "load"));
        assert_eq!(of_task("run_01k/extract[3]"), ("run_01k", "extract[3]"));
    }

    #[test]
    fn run_ids_rise_with_time() {
        let (first, second) = (new_run_id(), new_run_id());
        assert_eq!(first.len(), "run_".len() + LETTERS);
        assert!(first < second);
    }
}
