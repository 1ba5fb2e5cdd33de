//! What the leader has to propose so that every role has a living driver: pure, from what the tables and the vigil say.

use std::collections::BTreeMap;
use std::fmt;

use oarlock_engine::command::Command;
use oarlock_engine::id::{BootId, NodeId};
use oarlock_engine::member::{self, Member};
use oarlock_engine::role::{self, Role, eligible, wish};
use oarlock_engine::store::View;
use oarlock_engine::time::Span;

/// A node that must be given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// For how long nothing was heard of it.
    pub(crate) silent: Span,
    /// For people.
    pub(crate) why: String,
    /// Of which life this was found, if that is known: a later one is not meant.
    pub(crate) boot: Option<BootId>,
}

/// What there is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Which node looks.
    pub(crate) here: NodeId,
    /// The members in the tables.
    pub(crate) members: Vec<Member>,
    /// Nodes of which nothing is heard any more.
    pub(crate) verdicts: BTreeMap<NodeId, Verdict>,
    /// Whether some role has no driver that may have it, though somebody could.
    pub(crate) adrift: bool,
}

/// Something to propose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// A node is lost.
    GiveUp { node: NodeId, boot: BootId, silent: Span, why: String },
    /// Roles have no driver.
    Rebalance,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::GiveUp { node, silent, why, .. } => {
                write!(f, "node {node} is lost: silent for {} ms, {why}", silent.0)
            }
            Order::Rebalance => f.write_str("roles without a driver are given to somebody"),
        }
    }
}

impl From<Order> for Command {
    fn from(order: Order) -> Command {
        match order {
            Order::GiveUp { node, boot, silent, why } => {
                Command::Member(member::Command::GiveUp { node, boot, silent: Some(silent), why })
            }
            Order::Rebalance => {
                Command::Role(role::Command::Rebalance { why: "its driver is gone".to_owned() })
            }
        }
    }
}

/// What to propose. A leader never gives itself up: it is the one that listens.
pub(crate) fn orders(sight: &Sight) -> Vec<Order> {
    let mut orders = Vec::new();
    for member in &sight.members {
        let Some(verdict) = sight.verdicts.get(&member.node) else { continue };
        let meant = verdict.boot.is_none_or(|boot| boot == member.boot);
        if member.state.present() && member.node != sight.here && meant {
            orders.push(Order::GiveUp {
                node: member.node,
                boot: member.boot,
                silent: verdict.silent,
                why: verdict.why.clone(),
            });
        }
    }
    if orders.is_empty() && sight.adrift {
        orders.push(Order::Rebalance);
    }
    orders
}

/// Whether some role has no driver that may have it, though somebody could. The engine sees to that in every entry that changes
/// members or wishes; this is the second look of whoever trusts nothing.
pub(crate) fn adrift(view: &dyn View, roles: &[Role]) -> bool {
    let nodes = member::live(view);
    roles.iter().any(|role| {
        let wish = wish(view, role.id);
        let may = |node: NodeId| eligible(view, &wish, node).is_ok();
        !role.node.is_some_and(may) && nodes.iter().any(|node| may(*node))
    })
}

#[cfg(test)]
mod tests {
    use oarlock_engine::member::State;
    use oarlock_engine::time::Moment;

    use super::*;

    fn member(node: u64, state: State) -> Member {
        Member {
            node: NodeId(node),
            name: format!("n{node}"),
            boot: BootId(10),
            state,
            since: Moment(0),
            address: String::new(),
            speaks: 2,
        }
    }

    fn sight(verdicts: &[(u64, Option<u128>)]) -> Sight {
        let verdict = |boot: Option<u128>| Verdict {
            silent: Span(1_500),
            why: "no sign of life".to_owned(),
            boot: boot.map(BootId),
        };
        let states = [State::Up, State::Draining, State::Lost, State::Left];
        Sight {
            here: NodeId(1),
            members: (1..).zip(states).map(|(node, state)| member(node, state)).collect(),
            verdicts: verdicts.iter().map(|(node, boot)| (NodeId(*node), verdict(*boot))).collect(),
            adrift: false,
        }
    }

    fn given_up(sight: &Sight) -> Vec<u64> {
        let given_up = |order: &Order| match order {
            Order::GiveUp { node, .. } => Some(node.0),
            Order::Rebalance => None,
        };
        orders(sight).iter().filter_map(given_up).collect()
    }

    #[test]
    fn only_who_takes_part_is_given_up_and_never_oneself() {
        assert_eq!(given_up(&sight(&[(1, None), (2, None), (3, None), (4, None), (9, None)])), [2]);
        assert_eq!(given_up(&sight(&[])), [0; 0]);
    }

    #[test]
    fn a_verdict_about_an_earlier_life_does_not_end_this_one() {
        assert_eq!(given_up(&sight(&[(2, Some(9))])), [0; 0]);
        assert_eq!(given_up(&sight(&[(2, Some(10))])), [2]);
    }

    #[test]
    fn roles_adrift_are_settled_when_nobody_has_to_be_given_up_first() {
        let mut sight = sight(&[(2, None)]);
        sight.adrift = true;
        assert_eq!(orders(&sight).len(), 1);
        sight.verdicts.clear();
        assert_eq!(orders(&sight), [Order::Rebalance]);
    }
}
