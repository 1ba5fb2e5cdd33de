//! Names of roles: they say what is driven and which part of it, so that people and logs need no table.
//!
//! ```text
//!   {workflow}-{status}-{process type}-{shard}-of-{total}     order-2-timeout-consumer-1-of-3    a process of a state machine
//!   dag-{workflow}-{shard}-of-{total}                         dag-nightly-report-1-of-1          the runs of a graph
//!   keeper-1-of-1                                                                                what a cell needs done once
//! ```
//!
//! A status is a number, a process type is letters and hyphens, so a name is read from its end. Names that begin with `dag-` are
//! those of graphs: a state machine cannot be called so.

use std::fmt;
use std::str::FromStr;

/// The keeper's: retention and whatever else a cell needs done once.
pub const KEEPER: &str = "keeper-1-of-1";
/// What the roles of graphs begin with.
const DAG: &str = "dag-";

/// Which part of something, of how many: `2-of-3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    /// From 1 to `total`.
    pub number: u32,
    /// At least 1.
    pub total: u32,
}

impl Shard {
    /// The whole.
    pub const WHOLE: Shard = Shard { number: 1, total: 1 };

    /// The part that a key belongs to: by FNV-1a, which is the same in every build and on every machine.
    /// <http://www.isthe.com/chongo/tech/comp/fnv/>
    #[must_use]
    pub fn of(key: &str, total: u32) -> Shard {
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let total = total.max(1);
        let place = u32::try_from(hash % u64::from(total)).expect("it is less than the total");
        Shard { number: place + 1, total }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.number, self.total)
    }
}

/// What a role drives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// What a cell needs done once.
    Keeper,
    /// The runs of a graph.
    Dag {
        /// Which workflow.
        workflow: String,
        /// Which part of its runs.
        shard: Shard,
    },
    /// A process of a typed state machine.
    Machine {
        /// Which workflow.
        workflow: String,
        /// The status whose runs it handles, as its number.
        status: u32,
        /// Which of the status's processes: `consumer`, `timeout-consumer`.
        process: String,
        /// Which part of its runs.
        shard: Shard,
    },
}

impl Name {
    /// Who drives a process of a state machine; none: the name would be read as another's.
    #[must_use]
    pub fn machine(workflow: &str, status: u32, process: &str, shard: Shard) -> Option<Name> {
        let (workflow, process) = (workflow.to_owned(), process.to_owned());
        let name = Name::Machine { workflow, status, process, shard };
        (name.to_string().parse().as_ref() == Ok(&name)).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Keeper => f.write_str(KEEPER),
            Name::Dag { workflow, shard } => write!(f, "{DAG}{workflow}-{shard}"),
            Name::Machine { workflow, status, process, shard } => {
                write!(f, "{workflow}-{status}-{process}-{shard}")
            }
        }
    }
}

/// A text that is no role's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoName(pub String);

impl fmt::Display for NoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no role's name", self.0)
    }
}

impl std::error::Error for NoName {}

impl FromStr for Name {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        if text == KEEPER {
            return Ok(Name::Keeper);
        }
        read(text).ok_or_else(|| NoName(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Name> {
    let (rest, total) = text.rsplit_once("-of-")?;
    let (rest, number) = rest.rsplit_once('-')?;
    let shard = Shard { number: count(number)?, total: count(total)? };
    if shard.number == 0 || shard.number > shard.total {
        return None;
    }
    if let Some(workflow) = rest.strip_prefix(DAG) {
        let workflow = workflow.to_owned();
        return (!workflow.is_empty()).then_some(Name::Dag { workflow, shard });
    }
    // The status is the last number: process types have no digits.
    let mut end = rest.len();
    while let Some((before, part)) = rest[..end].rsplit_once('-') {
        if let Some(status) = count(part) {
            let process = rest.get(end + 1..).filter(|process| worded(process))?;
            let (workflow, process) = (before.to_owned(), process.to_owned());
            return (!before.is_empty()).then_some(Name::Machine {
                workflow,
                status,
                process,
                shard,
            });
        }
        end = before.len();
    }
    None
}

/// A number as it is written here: no sign, no leading zero.
fn count(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Whether it is letters and single hyphens between them.
fn worded(text: &str) -> bool {
    let letters =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    text.split('-').all(letters)
}

/// Who drives the runs of a workflow.
#[must_use]
pub fn dag(workflow: &str) -> String {
    Name::Dag { workflow: workflow.to_owned(), shard: Shard::WHOLE }.to_string()
}

/// The workflow whose runs a role drives, if it is such a role.
#[must_use]
pub fn workflow(role: &str) -> Option<&str> {
    let shard = match role.parse().ok()? {
        Name::Dag { workflow: _, shard } => shard,
        Name::Keeper | Name::Machine { .. } => return None,
    };
    role.strip_prefix(DAG)?.strip_suffix(&format!("-{shard}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_role_names_its_workflow() {
        assert_eq!(workflow(&dag("nightly-report")), Some("nightly-report"));
        assert_eq!(workflow("dag-etl-2-of-3"), Some("etl"));
        assert_eq!(workflow(KEEPER), None);
        assert_eq!(workflow("etl-1-consumer-1-of-1"), None);
    }

    #[test]
    fn a_name_is_written_as_it_always_was() {
        assert_eq!(dag("etl"), "dag-etl-1-of-1");
        let shard = Shard { number: 2, total: 3 };
        let name = Name::machine("order-v2", 1, "timeout-consumer", shard).expect("it is a name");
        assert_eq!(name.to_string(), "order-v2-1-timeout-consumer-2-of-3");
        assert_eq!(KEEPER.parse(), Ok(Name::Keeper));
        let name = Name::machine("order-processing", 1, "consumer", Shard::WHOLE);
        let name = name.expect("it is a name").to_string();
        assert_eq!(name, "order-processing-1-consumer-1-of-1");
        let name = Name::machine("user-onboarding", 2, "timeout-consumer", shard);
        let name = name.expect("it is a name").to_string();
        assert_eq!(name, "user-onboarding-2-timeout-consumer-2-of-3");
    }

    #[test]
    fn what_is_no_name_is_not_read_as_one() {
        for text in [
            "",
            "keeper",
            "dag--1-of-1",
            "etl-1-of-1",
            "dag-etl-2-of-1",
            "dag-etl-0-of-1",
            "dag-etl-01-of-1",
            "etl-1--1-of-1",
            "etl-1-Consumer-1-of-1",
            "-1-x-1-of-1",
        ] {
            assert_eq!(text.parse::<Name>(), Err(NoName(text.to_owned())));
        }
    }

    #[test]
    fn a_state_machine_is_not_called_like_a_graph() {
        assert_eq!(Name::machine("dag-etl", 1, "consumer", Shard::WHOLE), None);
        assert_eq!(Name::machine("etl", 1, "consumer-2", Shard::WHOLE), None);
    }

    #[test]
    fn a_key_belongs_to_the_same_part_for_ever() {
        assert_eq!(Shard::of("customer-42", 1), Shard::WHOLE);
        let parts: Vec<u32> =
            ["a", "b", "c", "customer-42"].map(|key| Shard::of(key, 5).number).into();
        assert_eq!(parts, [2, 5, 4, 2], "a cell that is told otherwise would lose its place");
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_it_was_written(
            workflow in "[a-z0-9][a-z0-9_-]{0,20}",
            status in 0u32..1_000,
            process in "[a-z]{1,8}(-[a-z]{1,8}){0,2}",
            (number, total) in (1u32..50).prop_flat_map(|total| (1..=total, Just(total))),
        ) {
            let shard = Shard { number, total };
            let name = Name::Dag { workflow: workflow.clone(), shard };
            prop_assert_eq!(name.to_string().parse(), Ok(name.clone()));
            let text = name.to_string();
            prop_assert_eq!(super::workflow(&text), Some(workflow.as_str()));
            let machine = Name::machine(&workflow, status, &process, shard);
            prop_assert_eq!(machine.is_none(), workflow.starts_with(DAG));
        }

        #[test]
        fn keys_are_spread_over_all_parts(total in 1u32..9) {
            let mut seen = std::collections::BTreeSet::new();
            for key in 0..400 {
                let shard = Shard::of(&format!("k{key}"), total);
                prop_assert!((1..=total).contains(&shard.number));
                seen.insert(shard.number);
            }
            prop_assert_eq!(seen.len(), total as usize);
        }
    }
}
