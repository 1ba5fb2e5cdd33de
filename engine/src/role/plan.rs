//! The placement plan: which live node drives which role.
//!
//! A role stays where it is as long as its node lives: moving it costs an epoch, and whatever its driver had in mind. A role
//! without a node goes to the one that drives the fewest; among equals to the lowest number. The plan is arithmetic over the
//! tables, so every replica makes the same one, and it is made anew in the entry that changes who lives.

use std::collections::BTreeMap;

use crate::id::{NodeId, RoleId};

/// New holders for roles whose holder is not among the live, in the order of the roles. None: nobody lives.
#[must_use]
pub fn plan(roles: &[(RoleId, Option<NodeId>)], live: &[NodeId]) -> Vec<(RoleId, Option<NodeId>)> {
    let mut load: BTreeMap<NodeId, usize> = live.iter().map(|node| (*node, 0)).collect();
    for (_, holder) in roles {
        if let Some(count) = holder.and_then(|node| load.get_mut(&node)) {
            *count += 1;
        }
    }
    let mut moves = Vec::new();
    for (role, holder) in roles {
        if holder.is_some_and(|node| load.contains_key(&node)) {
            continue;
        }
        let least = load.iter_mut().min_by_key(|(node, count)| (**count, **node));
        let next = least.map(|(node, count)| {
            *count += 1;
            *node
        });
        if next != *holder {
            moves.push((*role, next));
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    #[test]
    fn a_role_stays_with_a_node_that_lives() {
        assert_eq!(plan(&[(RoleId(1), Some(A)), (RoleId(2), Some(A))], &[A, B]), vec![]);
    }

    #[test]
    fn roles_of_the_dead_go_to_whoever_drives_fewest() {
        let roles = [(RoleId(1), Some(A)), (RoleId(2), Some(NodeId(9))), (RoleId(3), None)];
        let moves = plan(&roles, &[A, B]);
        assert_eq!(moves, vec![(RoleId(2), Some(B)), (RoleId(3), Some(A))]);
    }

    #[test]
    fn nobody_lives_and_nobody_drives() {
        assert_eq!(plan(&[(RoleId(1), Some(A)), (RoleId(2), None)], &[]), vec![(RoleId(1), None)]);
    }
}
