//! What can be typed at the prompt of a throw-away cluster. Pure.
//!
//! The words that break things are here; all others are commands of `oarlock`, without the word.

/// What somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Order {
    /// Nothing was typed.
    Nothing,
    /// What can be typed?
    Help,
    /// Stop everything.
    Quit,
    /// End a node's process at once (SIGKILL).
    Kill(String),
    /// Stop a node's process in order (SIGTERM).
    Stop(String),
    /// Hold a node's process (SIGSTOP).
    Pause(String),
    /// Let it go on (SIGCONT).
    Resume(String),
    /// Start a node again that was killed.
    Start(String),
    /// Cut the network: nodes of different groups do not reach each other.
    Partition(Vec<Vec<String>>),
    /// Mend the network.
    Heal,
    /// Start so many runs a second; 0: none.
    Load(f64),
    /// A command of `oarlock`.
    Say(Vec<String>),
}

/// What breaks things, and what keeps them busy.
pub(super) const BREAK: &str = "\
Break it
  nodes kill n2              kill -9: it says nothing more
  nodes stop n2              SIGTERM: it hands over first
  nodes start n2             start it again, with what it has on its disk
  nodes pause n2             SIGSTOP: it is there and does not answer
  nodes resume n2            it wakes, and does not know
  nodes partition n1 | n2,n3 cut the network between the groups
  nodes heal                 mend it
Load it
  load 200/s, load off       start so many runs a second
";

/// What else a pipe may say; a console has its own list.
pub(super) const LOOK: &str = "\
Look
  status, roles, nodes       the cluster, who drives what, the members
  anything else              as `oarlock …` takes it: runs list, dlq list, roles move …
quit                         stop all nodes
";

/// Reads a line.
pub(super) fn read(line: &str) -> Result<Order, String> {
    let line = line.trim().trim_start_matches('\\');
    let words: Vec<&str> = line.split_whitespace().collect();
    // `\demo kill n2`, `nodes kill n2` and `kill n2` are one.
    let bare = match words.as_slice() {
        ["demo" | "nodes" | "node", rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    let one = |order: fn(String) -> Order, node: &str| Ok(order(node.to_owned()));
    match bare {
        [] => Ok(Order::Nothing),
        ["help" | "?"] => Ok(Order::Help),
        ["quit" | "exit" | "q"] => Ok(Order::Quit),
        ["kill", node] => one(Order::Kill, node),
        ["stop", node] => one(Order::Stop, node),
        ["pause", node] => one(Order::Pause, node),
        ["resume", node] => one(Order::Resume, node),
        ["start" | "restart", node] => one(Order::Start, node),
        ["heal"] => Ok(Order::Heal),
        ["partition", rest @ ..] => partition(&rest.join(" ")),
        ["load", "off"] => Ok(Order::Load(0.0)),
        ["load", rate] => load(rate),
        ["kill" | "stop" | "pause" | "resume" | "start" | "restart"] => {
            Err(format!("which node? for example: nodes {} n2", bare[0]))
        }
        ["load"] => Err("how much? for example: load 200/s, or load off".to_owned()),
        _ => Ok(Order::Say(said(&words))),
    }
}

/// Short words for what is asked most.
fn said(words: &[&str]) -> Vec<String> {
    let words: &[&str] = match words {
        ["status"] => &["cluster", "status"],
        ["roles"] => &["roles", "list"],
        ["nodes"] => &["nodes", "list"],
        ["runs"] => &["runs", "list"],
        ["oarlock", rest @ ..] => rest,
        all => all,
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn partition(text: &str) -> Result<Order, String> {
    let names = |group: &str| -> Vec<String> {
        let split = group.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty());
        split.map(str::to_owned).collect()
    };
    let groups: Vec<Vec<String>> =
        text.split('|').map(names).filter(|group| !group.is_empty()).collect();
    if groups.len() < 2 {
        return Err("between whom? for example: nodes partition n1 | n2,n3".to_owned());
    }
    Ok(Order::Partition(groups))
}

fn load(rate: &str) -> Result<Order, String> {
    let number = rate.trim_end_matches("/s");
    match number.parse::<f64>() {
        Ok(rate) if (0.0..=10_000.0).contains(&rate) => Ok(Order::Load(rate)),
        _ => Err(format!("`{rate}` is no rate; for example: load 200/s, or load off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_things_is_understood_in_every_form() {
        for line in ["nodes kill n2", "kill n2", "\\demo kill n2", "  node  kill  n2 "] {
            assert_eq!(read(line), Ok(Order::Kill("n2".to_owned())), "{line}");
        }
        let groups = vec![vec!["n1".to_owned()], vec!["n2".to_owned(), "n3".to_owned()]];
        for line in ["nodes partition n1 | n2,n3", "partition n1|n2 n3"] {
            assert_eq!(read(line), Ok(Order::Partition(groups.clone())), "{line}");
        }
        assert_eq!(read("load 200/s"), Ok(Order::Load(200.0)));
        assert_eq!(read("load off"), Ok(Order::Load(0.0)));
        assert_eq!(read(""), Ok(Order::Nothing));
    }

    #[test]
    fn everything_else_is_a_command() {
        let words = |text: &str| Order::Say(text.split(' ').map(str::to_owned).collect());
        assert_eq!(read("runs list --all"), Ok(words("runs list --all")));
        assert_eq!(read("nodes get n2"), Ok(words("nodes get n2")));
        assert_eq!(read("status"), Ok(words("cluster status")));
    }

    #[test]
    fn half_a_word_is_answered_with_an_example() {
        assert!(read("nodes kill").is_err_and(|why| why.contains("nodes kill n2")));
        assert!(read("nodes partition n1").is_err_and(|why| why.contains("n1 | n2,n3")));
        assert!(read("load much").is_err_and(|why| why.contains("load 200/s")));
    }
}
