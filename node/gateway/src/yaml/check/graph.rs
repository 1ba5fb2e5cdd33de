//! Who waits for whom: unknown names, ways that lead back to their beginning, handlers.

use oarlock_actors::expression::nearest;

use super::Check;
use crate::yaml::code;
use crate::yaml::file::Task;
use crate::yaml::tree::join;

/// The tasks as places, and what each can see.
pub(in crate::yaml) struct Graph {
    pub(in crate::yaml) names: Vec<String>,
    /// By place: the places it needs, each once, in file order.
    pub(in crate::yaml) needs: Vec<Vec<usize>>,
    /// By place: whether it only runs as another's `on_failure: task:NAME`.
    pub(in crate::yaml) handler: Vec<bool>,
    /// By place: everything that has ended before it. None: it is in a cycle, or behind one.
    before: Vec<Option<Places>>,
}

/// A set of places, a bit each.
#[derive(Clone)]
struct Places(Vec<u64>);

impl Places {
    fn none(size: usize) -> Places {
        Places(vec![0; size.div_ceil(64)])
    }

    fn add(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn add_all(&mut self, other: &Places) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }
}

impl Graph {
    pub(in crate::yaml) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Whether a task can see another's result; true where a cycle leaves it open.
    pub(super) fn sees(&self, from: usize, to: usize) -> bool {
        self.before[from].as_ref().is_none_or(|before| before.has(to))
    }
}

/// What `on_failure` says.
pub(in crate::yaml) fn handler_of(task: &Task) -> Option<&str> {
    task.on_failure.as_ref()?.0.strip_prefix("task:").map(str::trim)
}

impl Check<'_> {
    pub(super) fn graph(&mut self) -> Graph {
        let file = self.file;
        let names: Vec<String> = file.tasks.iter().map(|(name, _)| name.to_owned()).collect();
        let size = names.len();
        let mut graph = Graph {
            names,
            needs: vec![Vec::new(); size],
            handler: vec![false; size],
            before: vec![None; size],
        };
        for (place, (name, task)) in file.tasks.iter().enumerate() {
            graph.needs[place] = self.needs(&graph, name, task);
        }
        self.cycles(&graph);
        self.handlers(&mut graph);
        reach(&mut graph, file.tasks.iter().map(|(_, task)| handler_of(task)).collect());
        graph
    }

    fn needs(&mut self, graph: &Graph, name: &str, task: &Task) -> Vec<usize> {
        let at = join("/tasks", name);
        let field = if task.needs.is_some() { "needs" } else { "depends_on" };
        let listed = task.needs.as_ref().or(task.depends_on.as_ref());
        let mut places = Vec::new();
        for (element, need) in listed.map(|names| names.list()).unwrap_or_default() {
            let field_at = join(&at, field);
            let pointer =
                element.map_or_else(|| field_at.clone(), |element| join(&field_at, element));
            match graph.place(need) {
                Some(place) if graph.names[place] == name => {
                    let message = format!("task `{name}` needs itself");
                    self.add(code::CYCLE, &pointer, message, "take it out");
                }
                Some(place) if places.contains(&place) => {
                    self.warn(&pointer, format!("`{need}` is needed twice"), "once is enough");
                }
                Some(place) => places.push(place),
                None => {
                    let message =
                        format!("task `{name}` needs `{need}`, and there is no such task");
                    let others =
                        graph.names.iter().map(String::as_str).filter(|other| *other != name);
                    let label = match nearest(need, others) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => String::new(),
                    };
                    if let Some(mut problem) =
                        self.make(code::UNKNOWN_NEED, &pointer, message, &label)
                    {
                        let known: Vec<&str> =
                            graph.names.iter().map(String::as_str).take(20).collect();
                        problem.notes.push(("tasks", known.join(", ")));
                        self.problems.push(problem);
                    }
                }
            }
        }
        places
    }

    /// Reports each cycle by its way round, once.
    fn cycles(&mut self, graph: &Graph) {
        // 0: not looked at, 1: on the way, 2: done.
        let mut state = vec![0u8; graph.names.len()];
        for start in 0..graph.names.len() {
            if state[start] != 0 {
                continue;
            }
            // A walk without recursion: the way, and which need of each is next.
            let mut way = vec![(start, 0usize)];
            state[start] = 1;
            while let Some((place, next)) = way.last_mut() {
                let Some(&need) = graph.needs[*place].get(*next) else {
                    state[*place] = 2;
                    way.pop();
                    continue;
                };
                *next += 1;
                match state[need] {
                    0 => {
                        state[need] = 1;
                        way.push((need, 0));
                    }
                    1 => {
                        let from = way.iter().position(|(place, _)| *place == need).unwrap_or(0);
                        let round: Vec<usize> =
                            way[from..].iter().map(|(place, _)| *place).collect();
                        self.cycle(graph, &round);
                    }
                    _ => {}
                }
            }
        }
    }

    fn cycle(&mut self, graph: &Graph, round: &[usize]) {
        // The way begins at the task that stands first in the file.
        let first =
            round.iter().enumerate().min_by_key(|(_, place)| **place).map_or(0, |(at, _)| at);
        let names: Vec<&str> = (0..=round.len())
            .map(|step| graph.names[round[(first + step) % round.len()]].as_str())
            .collect();
        let shown = match names.len() {
            ..=12 => names.join(" → "),
            many => format!(
                "{} → … {} more … → {}",
                names[..6].join(" → "),
                many - 9,
                names[many - 3..].join(" → ")
            ),
        };
        let at = join("/tasks", names[0]);
        let task = self.file.tasks.get(names[0]);
        let field =
            if task.is_some_and(|task| task.needs.is_some()) { "needs" } else { "depends_on" };
        let label =
            format!("`{}` needs `{}`, and that leads back to `{}`", names[0], names[1], names[0]);
        let mut pointer = join(&at, field);
        let listed = task.and_then(|task| task.needs.as_ref().or(task.depends_on.as_ref()));
        let element = listed.and_then(|listed| {
            listed
                .list()
                .into_iter()
                .find(|(_, name)| *name == names[1])
                .and_then(|(place, _)| place)
        });
        if let Some(element) = element {
            pointer = join(&pointer, element);
        }
        self.add(code::CYCLE, &pointer, format!("tasks wait for each other: {shown}"), &label);
    }

    fn handlers(&mut self, graph: &mut Graph) {
        let file = self.file;
        for (name, task) in file.tasks.iter() {
            let at = join(&join("/tasks", name), "on_failure");
            let Some(word) = task.on_failure.as_ref().map(|word| word.0.as_str()) else { continue };
            let Some(target) = handler_of(task) else {
                if !["fail", "ignore", "dead_letter"].contains(&word) {
                    let message = format!("`{word}` is not a value of `on_failure`");
                    let label = match graph.place(word) {
                        Some(_) => format!("did you mean `task:{word}`?"),
                        None => nearest(word, ["fail", "ignore", "dead_letter"])
                            .map_or_else(String::new, |near| format!("did you mean `{near}`?")),
                    };
                    if let Some(mut problem) = self.make(code::ON_FAILURE, &at, message, &label) {
                        problem
                            .notes
                            .push(("allowed", "fail, ignore, dead_letter, task:NAME".to_owned()));
                        self.problems.push(problem);
                    }
                }
                continue;
            };
            match graph.place(target) {
                None => {
                    let message = format!(
                        "`on_failure` of task `{name}` names `{target}`, and there is no such task"
                    );
                    let near = nearest(target, graph.names.iter().map(String::as_str));
                    let label = near.map_or_else(
                        || "add the task, or name another".to_owned(),
                        |near| format!("did you mean `task:{near}`?"),
                    );
                    self.add(code::ON_FAILURE, &at, message, &label);
                }
                Some(_) if target == name => {
                    let message = format!("task `{name}` cannot be its own `on_failure`");
                    self.add(code::ON_FAILURE, &at, message, "use `retry` to try again");
                }
                Some(place) => {
                    graph.handler[place] = true;
                    self.handler(graph, place, &at, name);
                }
            }
        }
    }

    /// A handler stands outside of the graph.
    fn handler(&mut self, graph: &Graph, place: usize, at: &str, of: &str) {
        let target = graph.names[place].clone();
        let needed_by = (0..graph.names.len()).find(|other| graph.needs[*other].contains(&place));
        if !graph.needs[place].is_empty() {
            let message =
                format!("`{target}` runs when `{of}` has failed, so it cannot need other tasks");
            self.add(code::ON_FAILURE, at, message, &format!("take `needs` of `{target}` away"));
        }
        if let Some(other) = needed_by {
            let other = graph.names[other].clone();
            let message =
                format!("`{target}` only runs when `{of}` has failed, and `{other}` needs it");
            self.add(code::ON_FAILURE, at, message, "make a task of its own for the failure");
        }
    }
}

/// Fills in what each task can see: what it needs, and what that sees. A handler sees the tasks it is for, and what they see.
fn reach(graph: &mut Graph, handlers: Vec<Option<&str>>) {
    let size = graph.names.len();
    let mut links = graph.needs.clone();
    for (place, target) in handlers.into_iter().enumerate() {
        if let Some(target) = target.and_then(|target| graph.place(target))
            && target != place
        {
            links[target].push(place);
        }
    }
    let mut waits: Vec<usize> = links.iter().map(Vec::len).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); size];
    for (place, needs) in links.iter().enumerate() {
        needs.iter().for_each(|need| after[*need].push(place));
    }
    let mut ready: Vec<usize> = (0..size).filter(|place| waits[*place] == 0).collect();
    while let Some(place) = ready.pop() {
        let mut before = Places::none(size);
        for need in &links[place] {
            before.add(*need);
            if let Some(further) = &graph.before[*need] {
                before.add_all(further);
            }
        }
        graph.before[place] = Some(before);
        for next in &after[place] {
            waits[*next] -= 1;
            if waits[*next] == 0 {
                ready.push(*next);
            }
        }
    }
}
