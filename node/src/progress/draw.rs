//! A graph as a picture made of letters. Pure.
//!
//! ```text
//!   extract_a ─┐
//!   extract_b ─┴─ validate ── transform ── load
//! ```
//!
//! Tasks stand in columns, each behind everything it needs. An edge that leads over several columns gets a place in each of
//! them, so that lines run only between neighbours; an edge that other edges imply is left out. Between two columns, tasks
//! that share exactly the same neighbours share one upright line; otherwise each target has an upright of its own, and a line
//! that only passes by is broken there: `─│─`.
//!
//! A picture that would say something false, or would not fit, is not drawn at all: [`draw`] then gives nothing, and the list
//! of tasks below it has to do.

mod channel;

use unicode_width::UnicodeWidthStr;

use channel::Channel;

/// More tasks than this make no picture.
const NODES_MAX: usize = 60;
/// Names longer than this are cut in the picture.
const NAMES_MAX: [usize; 3] = [24, 14, 9];

/// A task in the picture.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// What it is called.
    pub(crate) name: String,
    /// The places of the tasks it needs.
    pub(crate) needs: Vec<usize>,
}

/// A part of a line of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Space and lines.
    Lines(String),
    /// The name of a task, by its place.
    Name(usize, String),
}

/// Draws the graph within a width and a number of lines, if that is possible.
pub(crate) fn draw(nodes: &[Node], width: usize, lines_max: usize) -> Option<Vec<Vec<Piece>>> {
    if nodes.is_empty() || nodes.len() > NODES_MAX {
        return None;
    }
    let plan = Plan::of(nodes)?;
    if plan.lines() > lines_max {
        return None;
    }
    let channels = plan.channels()?;
    NAMES_MAX.iter().find_map(|longest| plan.picture(nodes, &channels, *longest, width))
}

/// Something in a column: a task, or the place of an edge that passes by.
#[derive(Debug, Clone)]
struct Item {
    node: Option<usize>,
    /// Items of the column before that lead here.
    from: Vec<usize>,
    /// Which line it stands on.
    line: usize,
}

/// Which task stands where.
#[derive(Debug)]
struct Plan {
    columns: Vec<Vec<Item>>,
}

impl Plan {
    fn of(nodes: &[Node]) -> Option<Plan> {
        let needs = reduced(nodes)?;
        let depth = depths(&needs)?;
        let last = *depth.iter().max()?;
        let mut columns: Vec<Vec<Item>> = Vec::new();
        // Where each task's line has got to: the item in the last column that it reached.
        let mut reached: Vec<Option<usize>> = vec![None; nodes.len()];
        for column in 0..=last {
            let mut items = Vec::new();
            let mut next = reached.clone();
            for node in 0..nodes.len() {
                let from: Option<Vec<usize>> = match depth[node] {
                    here if here == column => needs[node].iter().map(|n| reached[*n]).collect(),
                    before if before < column && later(&needs, &depth, node, column) => {
                        reached[node].map(|from| vec![from])
                    }
                    _ => continue,
                };
                next[node] = Some(items.len());
                let name = (depth[node] == column).then_some(node);
                items.push(Item { node: name, from: from?, line: 0 });
            }
            reached = next;
            columns.push(items);
        }
        let mut plan = Plan { columns };
        plan.arrange();
        Some(plan)
    }

    /// Orders each column by where its lines come from, and gives everything a line.
    fn arrange(&mut self) {
        for column in 0..self.columns.len() {
            let above: Vec<usize> = match column.checked_sub(1) {
                Some(before) => self.columns[before].iter().map(|item| item.line).collect(),
                None => Vec::new(),
            };
            let wish = |item: &Item| {
                let mut lines: Vec<usize> = item.from.iter().map(|from| above[*from]).collect();
                lines.sort_unstable();
                lines.get(lines.len() / 2).copied().unwrap_or(0)
            };
            let mut order: Vec<usize> = (0..self.columns[column].len()).collect();
            order.sort_by_key(|place| wish(&self.columns[column][*place]));
            let mut free = 0;
            for place in order {
                let line = wish(&self.columns[column][place]).max(free);
                self.columns[column][place].line = line;
                free = line + 1;
            }
        }
    }

    fn lines(&self) -> usize {
        self.columns.iter().flatten().map(|item| item.line + 1).max().unwrap_or(0)
    }

    fn channels(&self) -> Option<Vec<Channel>> {
        let pairs = self.columns.windows(2);
        pairs
            .map(|pair| {
                let edge = |item: &Item| {
                    let sources: Vec<usize> =
                        item.from.iter().map(|from| pair[0][*from].line).collect();
                    (item.line, sources)
                };
                let edges: Vec<(usize, Vec<usize>)> = pair[1].iter().map(edge).collect();
                Channel::route(&edges)
            })
            .collect()
    }

    fn picture(
        &self,
        nodes: &[Node],
        channels: &[Channel],
        longest: usize,
        width: usize,
    ) -> Option<Vec<Vec<Piece>>> {
        let short = |node: usize| crate::output::cut(&nodes[node].name, longest);
        let room = |items: &Vec<Item>| {
            items.iter().filter_map(|item| item.node).map(|n| short(n).width()).max().unwrap_or(0)
        };
        let rooms: Vec<usize> = self.columns.iter().map(room).collect();
        let total =
            rooms.iter().sum::<usize>() + channels.iter().map(Channel::width).sum::<usize>();
        if total > width {
            return None;
        }
        let mut picture = Vec::new();
        for line in 0..self.lines() {
            let mut pieces = Pieces::default();
            for (column, items) in self.columns.iter().enumerate() {
                let item = items.iter().find(|item| item.line == line);
                let leads_on = channels.get(column).is_some_and(|c| c.leaves(line));
                match item {
                    Some(Item { node: Some(node), .. }) => {
                        let name = short(*node);
                        let rest = rooms[column] - name.width();
                        pieces.name(*node, name);
                        match (leads_on, rest) {
                            (true, 1..) => pieces.lines(&format!(" {}", "─".repeat(rest - 1))),
                            _ => pieces.lines(&" ".repeat(rest)),
                        }
                        if let Some(channel) = channels.get(column) {
                            let joined = leads_on && rest > 0;
                            pieces.lines(&channel.text(
                                line,
                                joined,
                                passes(self, column + 1, line),
                            ));
                        }
                    }
                    Some(Item { node: None, .. }) => {
                        pieces.lines(&"─".repeat(rooms[column]));
                        if let Some(channel) = channels.get(column) {
                            pieces.lines(&channel.text(line, true, passes(self, column + 1, line)));
                        }
                    }
                    None => {
                        pieces.lines(&" ".repeat(rooms[column]));
                        if let Some(channel) = channels.get(column) {
                            pieces.lines(&channel.text(
                                line,
                                false,
                                passes(self, column + 1, line),
                            ));
                        }
                    }
                }
            }
            picture.push(pieces.done());
        }
        Some(picture)
    }
}

/// Whether a line only passes by at this place.
fn passes(plan: &Plan, column: usize, line: usize) -> bool {
    let here = plan.columns.get(column).and_then(|items| items.iter().find(|i| i.line == line));
    here.is_some_and(|item| item.node.is_none())
}

/// Whether a task's line has to go on beyond a column.
fn later(needs: &[Vec<usize>], depth: &[usize], node: usize, column: usize) -> bool {
    let mut targets = needs.iter().enumerate().filter(|(_, needs)| needs.contains(&node));
    targets.any(|(target, _)| depth[target] > column)
}

/// The edges without those that other edges imply.
fn reduced(nodes: &[Node]) -> Option<Vec<Vec<usize>>> {
    let order = sorted(nodes)?;
    let mut above: Vec<u64> = vec![0; nodes.len()];
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for node in order {
        let direct = &nodes[node].needs;
        let implied = direct.iter().fold(0, |all, need| all | above[*need]);
        needs[node] = direct.iter().copied().filter(|need| implied & (1 << need) == 0).collect();
        needs[node].sort_unstable();
        needs[node].dedup();
        above[node] = direct.iter().fold(implied, |all, need| all | (1 << need));
    }
    Some(needs)
}

/// The tasks, each behind those it needs; nothing if they need each other in a circle.
fn sorted(nodes: &[Node]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = Vec::with_capacity(nodes.len());
    while order.len() < nodes.len() {
        let ready = (0..nodes.len()).find(|node| {
            !order.contains(node) && nodes[*node].needs.iter().all(|need| order.contains(need))
        })?;
        order.push(ready);
    }
    Some(order)
}

fn depths(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut depth = vec![0; needs.len()];
    for _ in 0..=needs.len() {
        let mut changed = false;
        for node in 0..needs.len() {
            let wanted = needs[node].iter().map(|need| depth[*need] + 1).max().unwrap_or(0);
            if depth[node] != wanted {
                (depth[node], changed) = (wanted, true);
            }
        }
        if !changed {
            return Some(depth);
        }
    }
    None
}

/// A line of the picture while it grows.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn lines(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Lines(last)) => last.push_str(text),
            _ => self.0.push(Piece::Lines(text.to_owned())),
        }
    }

    fn name(&mut self, node: usize, name: String) {
        self.0.push(Piece::Name(node, name));
    }

    fn done(mut self) -> Vec<Piece> {
        if let Some(Piece::Lines(last)) = self.0.last_mut() {
            let end = last.trim_end().len();
            last.truncate(end);
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(tasks: &[(&str, &[&str])]) -> String {
        let place = |name: &str| tasks.iter().position(|(n, _)| *n == name).expect("a task");
        let nodes: Vec<Node> = tasks
            .iter()
            .map(|(name, needs)| Node {
                name: (*name).to_owned(),
                needs: needs.iter().map(|need| place(need)).collect(),
            })
            .collect();
        let Some(picture) = draw(&nodes, 100, 12) else { return "none".to_owned() };
        let line = |pieces: &Vec<Piece>| {
            let text = |piece: &Piece| match piece {
                Piece::Lines(text) | Piece::Name(_, text) => text.clone(),
            };
            pieces.iter().map(text).collect::<String>()
        };
        picture.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn two_sources_join() {
        let picture = drawn(&[
            ("extract_a", &[]),
            ("extract_b", &[]),
            ("validate", &["extract_a", "extract_b"]),
            ("transform", &["validate"]),
        ]);
        assert_eq!(picture, "extract_a ─┐\nextract_b ─┴─ validate ── transform");
    }

    #[test]
    fn a_diamond_opens_and_closes() {
        let picture = drawn(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(picture, "a ─┬─ b ─┐\n   └─ c ─┴─ d");
    }

    #[test]
    fn names_of_different_lengths_are_joined_by_longer_lines() {
        let picture = drawn(&[("extract", &[]), ("x", &[]), ("load", &["extract", "x"])]);
        assert_eq!(picture, "extract ─┐\nx ───────┴─ load");
    }

    #[test]
    fn an_edge_that_others_imply_is_left_out() {
        let picture = drawn(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])]);
        assert_eq!(picture, "a ── b ── c");
    }

    #[test]
    fn an_edge_over_a_column_passes_by() {
        let picture =
            drawn(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["a"]), ("e", &["c", "d"])]);
        assert_eq!(picture, "a ─┬─ b ── c ─┐\n   └─ d ──────┴─ e");
    }

    #[test]
    fn a_circle_is_not_drawn() {
        assert_eq!(drawn(&[("a", &["b"]), ("b", &["a"])]), "none");
    }

    #[test]
    fn different_joins_have_uprights_of_their_own() {
        let picture =
            drawn(&[("a", &[]), ("b", &[]), ("c", &[]), ("x", &["a", "b"]), ("y", &["b", "c"])]);
        assert_eq!(picture, "a ───┐\nb ─┬─┴─ x\nc ─┴─── y");
    }
}
