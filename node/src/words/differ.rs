//! What differs between two texts, line by line, in the unified form that `patch` and people read. Pure.

/// Lines shown around a change.
const AROUND: usize = 3;
/// Texts longer than this are compared as a whole: the table below would be too large.
const LINES_MAX: usize = 5_000;

/// One line of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Both(&'a str),
    Old(&'a str),
    New(&'a str),
}

/// The differences, or nothing if there are none. Lines begin with ` `, `-`, `+` or `@@`.
pub(super) fn unified(old: &str, new: &str) -> Option<Vec<String>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    if old == new {
        return None;
    }
    let lines = compared(&old, &new);
    let changed: Vec<usize> =
        (0..lines.len()).filter(|at| !matches!(lines[*at], Line::Both(_))).collect();
    let near = |at: usize| changed.iter().any(|change| change.abs_diff(at) <= AROUND);
    let mut shown = Vec::new();
    let (mut old_line, mut new_line, mut open) = (1, 1, false);
    for (at, line) in lines.iter().enumerate() {
        if near(at) {
            if !open {
                shown.push(format!("@@ -{old_line} +{new_line} @@"));
            }
            shown.push(match line {
                Line::Both(text) => format!(" {text}"),
                Line::Old(text) => format!("-{text}"),
                Line::New(text) => format!("+{text}"),
            });
        }
        open = near(at);
        old_line += usize::from(!matches!(line, Line::New(_)));
        new_line += usize::from(!matches!(line, Line::Old(_)));
    }
    Some(shown)
}

/// Both texts as one, by their longest common subsequence; what both begin and end with is set aside first.
fn compared<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let before = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let ends = old[before..].iter().rev().zip(new[before..].iter().rev());
    let after = ends.take_while(|(a, b)| a == b).count();
    let (from, to) = (&old[before..old.len() - after], &new[before..new.len() - after]);
    let mut lines: Vec<Line<'a>> = old[..before].iter().map(|text| Line::Both(text)).collect();
    if from.len() > LINES_MAX || to.len() > LINES_MAX {
        lines.extend(from.iter().map(|text| Line::Old(text)));
        lines.extend(to.iter().map(|text| Line::New(text)));
    } else {
        middle(from, to, &mut lines);
    }
    lines.extend(old[old.len() - after..].iter().map(|text| Line::Both(text)));
    lines
}

fn middle<'a>(from: &[&'a str], to: &[&'a str], lines: &mut Vec<Line<'a>>) {
    let width = to.len() + 1;
    let mut longest = vec![0_u32; (from.len() + 1) * width];
    for i in (0..from.len()).rev() {
        for j in (0..to.len()).rev() {
            longest[i * width + j] = if from[i] == to[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < from.len() || j < to.len() {
        let old_ahead = i < from.len()
            && (j == to.len() || longest[(i + 1) * width + j] >= longest[i * width + j + 1]);
        if i < from.len() && j < to.len() && from[i] == to[j] {
            lines.push(Line::Both(from[i]));
            (i, j) = (i + 1, j + 1);
        } else if old_ahead {
            lines.push(Line::Old(from[i]));
            i += 1;
        } else {
            lines.push(Line::New(to[j]));
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn equal_texts_have_no_differences() {
        assert_eq!(unified("a\nb\n", "a\nb"), None);
    }

    #[test]
    fn a_changed_line_stands_between_its_neighbours() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9";
        let shown = unified(old, new).expect("they differ");
        assert_eq!(shown, ["@@ -2 +2 @@", " 2", " 3", " 4", "-5", "+five", " 6", " 7", " 8"]);
    }
}
