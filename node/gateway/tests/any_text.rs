//! Nothing from outside panics: no text whatever breaks the reader of files.

use std::path::Path;

use oarlock_gateway::yaml;

/// Random texts made of what files are made of, and real files with random damage.
#[test]
fn no_text_whatever_panics() {
    let example =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bad/several_mistakes_at_once.yaml");
    let good = std::fs::read_to_string(example).expect("a readable file");
    let words = [
        "kind: workflow\n",
        "name: a\n",
        "tasks:\n",
        "  a:\n",
        "    run: x\n",
        "  b: {needs: [a]}\n",
        ": ",
        "- ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "&x ",
        "*x",
        "|\n",
        ">",
        "#",
        "\t",
        "${{ ",
        " }}",
        "inputs.x",
        "!t ",
        "<<: *x\n",
        "ü",
        "\u{0}",
        "\u{feff}",
        "---\n",
        "...\n",
        "? ",
        "1e999",
        "%",
        "@",
        "`",
        "~",
        "\r\n",
        "\u{1F600}",
        "each: ",
        "if: ",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut next = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    for _ in 0..3_000 {
        let text: String = (0..next(40)).map(|_| words[next(words.len())]).collect();
        look(&text);
    }
    for _ in 0..1_000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = u8::try_from(next(256)).unwrap_or(0),
                1 => drop(bytes.drain(at..(at + next(20)).min(bytes.len()))),
                _ => drop(bytes.splice(at..at, words[next(words.len())].bytes())),
            }
        }
        look(&String::from_utf8_lossy(&bytes));
    }
}

fn look(text: &str) {
    match yaml::parse(text, "any.yaml") {
        Ok(parsed) => assert!(!parsed.warnings.has_errors()),
        Err(report) => {
            assert!(report.has_errors());
            assert!(!report.render(true).is_empty());
            assert_eq!(report.violations().len(), report.problems.len());
        }
    }
    let _ = yaml::from_flowctl(text, "any.yaml");
}
