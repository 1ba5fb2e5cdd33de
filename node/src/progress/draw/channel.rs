//! The room between two columns of a picture, where lines change their height. Pure.

/// Orders of uprights that are tried before giving up.
const ORDERS_MAX: usize = 120;

/// An upright line, and what it joins.
#[derive(Debug, Clone)]
struct Upright {
    /// Lines that come from the left.
    sources: Vec<usize>,
    /// Lines that leave to the right.
    targets: Vec<usize>,
    /// Its place among the uprights, from the left.
    place: usize,
}

/// The lines between two columns.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    uprights: Vec<Upright>,
    /// Lines that go straight through.
    straight: Vec<usize>,
    places: usize,
}

impl Channel {
    /// Finds a way for edges: for each target its line, and the lines of its sources. Nothing, if lines would run into each
    /// other.
    pub(super) fn route(edges: &[(usize, Vec<usize>)]) -> Option<Channel> {
        let mut straight = Vec::new();
        let mut uprights: Vec<Upright> = Vec::new();
        for group in groups(edges) {
            let sources = all_sources(edges, &group);
            let targets: Vec<usize> = group.iter().map(|edge| edges[*edge].0).collect();
            if sources == targets && sources.len() == 1 {
                straight.push(sources[0]);
                continue;
            }
            let alike = group.iter().all(|edge| edges[*edge].1.len() == sources.len());
            if alike {
                uprights.push(Upright { sources, targets, place: 0 });
                continue;
            }
            for edge in group {
                let (target, sources) = edges[edge].clone();
                uprights.push(Upright { sources, targets: vec![target], place: 0 });
            }
        }
        orders(uprights.len()).into_iter().find_map(|order| {
            let channel = Channel::placed(&uprights, &straight, &order);
            channel.is_true().then_some(channel)
        })
    }

    /// Gives each upright, in this order, the first place where it meets no other.
    fn placed(uprights: &[Upright], straight: &[usize], order: &[usize]) -> Channel {
        let mut done: Vec<Upright> = Vec::new();
        for which in order {
            let mut upright = uprights[*which].clone();
            let taken = |place: usize| {
                done.iter().any(|other| other.place == place && other.meets(&upright))
            };
            let place = (0..).find(|place| !taken(*place)).expect("places do not end");
            upright.place = place;
            done.push(upright);
        }
        let places = done.iter().map(|upright| upright.place + 1).max().unwrap_or(0);
        Channel { uprights: done, straight: straight.to_vec(), places }
    }

    /// Whether no two things share a piece of a line without belonging together.
    fn is_true(&self) -> bool {
        self.uprights.iter().all(|leaving| {
            leaving.targets.iter().all(|line| {
                let others = self.uprights.iter().filter(|other| other.sources.contains(line));
                others.into_iter().all(|other| other.place <= leaving.place)
            })
        })
    }

    /// Letters it takes from left to right.
    pub(super) fn width(&self) -> usize {
        if self.places == 0 { 4 } else { 2 * self.places + 3 }
    }

    /// Whether something leaves to the right from this line of the column before.
    pub(super) fn leaves(&self, line: usize) -> bool {
        self.straight.contains(&line)
            || self.uprights.iter().any(|upright| upright.sources.contains(&line))
    }

    /// One line of it. `joined`: a line touches it on the left; `passes`: what follows on the right is itself only a line.
    pub(super) fn text(&self, line: usize, joined: bool, passes: bool) -> String {
        let inner = self.width() - 2;
        let mut text = String::new();
        text.push(if joined && self.leaves(line) { '─' } else { ' ' });
        for x in 0..inner {
            text.push(self.letter(line, x));
        }
        let arrives = self.straight.contains(&line)
            || self.uprights.iter().any(|upright| upright.targets.contains(&line));
        text.push(if passes && arrives { '─' } else { ' ' });
        text
    }

    /// The letter at one place: uprights stand at 1, 3, 5 …
    fn letter(&self, line: usize, x: usize) -> char {
        let here = if x % 2 == 1 && self.places > 0 { Some(x / 2) } else { None };
        let upright = self.uprights.iter().find(|u| Some(u.place) == here && u.spans(line));
        let (left, right) = self.along(line, x);
        let Some(upright) = upright else {
            return if left || right { '─' } else { ' ' };
        };
        let (top, bottom) = upright.range();
        let (up, down) = (line > top, line < bottom);
        let joins = upright.sources.contains(&line) || upright.targets.contains(&line);
        if !joins {
            return '│';
        }
        match (left, right, up, down) {
            (true, true, true, true) => '┼',
            (true, true, true, false) => '┴',
            (true, true, false, true) => '┬',
            (true, false, true, true) => '┤',
            (false, true, true, true) => '├',
            (true, false, true, false) => '┘',
            (true, false, false, true) => '┐',
            (false, true, true, false) => '└',
            (false, true, false, true) => '┌',
            (_, _, true, true) => '│',
            _ => '─',
        }
    }

    /// Whether a line lies to the left and to the right of a place.
    fn along(&self, line: usize, x: usize) -> (bool, bool) {
        if self.straight.contains(&line) {
            return (true, true);
        }
        let at = |place: usize| 2 * place + 1;
        let from = self.uprights.iter().filter(|u| u.sources.contains(&line));
        let until = from.map(|u| at(u.place)).max();
        let leaving = self.uprights.iter().filter(|u| u.targets.contains(&line));
        let since = leaving.map(|u| at(u.place)).min();
        let left = until.is_some_and(|until| x <= until) || since.is_some_and(|since| x > since);
        let right = until.is_some_and(|until| x < until) || since.is_some_and(|since| x >= since);
        (left, right)
    }
}

impl Upright {
    fn range(&self) -> (usize, usize) {
        let lines = || self.sources.iter().chain(&self.targets).copied();
        (lines().min().unwrap_or(0), lines().max().unwrap_or(0))
    }

    fn spans(&self, line: usize) -> bool {
        let (top, bottom) = self.range();
        (top..=bottom).contains(&line)
    }

    fn meets(&self, other: &Upright) -> bool {
        let ((top, bottom), (first, last)) = (self.range(), other.range());
        top <= last && first <= bottom
    }
}

/// Targets that hang together by their sources.
fn groups(edges: &[(usize, Vec<usize>)]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (edge, (_, sources)) in edges.iter().enumerate() {
        if sources.is_empty() {
            continue;
        }
        let shares = |group: &Vec<usize>| {
            group.iter().any(|other| edges[*other].1.iter().any(|line| sources.contains(line)))
        };
        let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(shares);
        groups = apart;
        let mut group: Vec<usize> = joined.into_iter().flatten().collect();
        group.push(edge);
        groups.push(group);
    }
    groups
}

fn all_sources(edges: &[(usize, Vec<usize>)], group: &[usize]) -> Vec<usize> {
    let mut sources: Vec<usize> = group.iter().flat_map(|edge| edges[*edge].1.clone()).collect();
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// Orders of `count` things, the given one first, a bounded number of them.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for thing in 0..count {
        let mut longer = Vec::new();
        for order in &orders {
            for place in (0..=order.len()).rev() {
                let mut next: Vec<usize> = order.clone();
                next.insert(place, thing);
                longer.push(next);
                if longer.len() >= ORDERS_MAX {
                    break;
                }
            }
            if longer.len() >= ORDERS_MAX {
                break;
            }
        }
        orders = longer;
    }
    orders
}
