//! A definition, decoded and indexed for walking: who needs whom, both ways.
//!
//! A definition says what each step needs; a run asks the other way round, who waits for the step that has just settled. The
//! answer is computed once a version and kept on a [`Shelf`]: definitions never change, so this is only speed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::{Definition, OnFailure, Step};
use crate::id::{StepNo, Version, WorkflowId};
use crate::store::{View, schema};

/// The most graphs kept decoded.
const SHELF_MAX: usize = 256;

/// A definition that can be walked both ways.
#[derive(Debug)]
pub struct Graph {
    /// As it was applied.
    pub definition: Definition,
    /// By step: who needs it, in file order.
    dependents: Vec<Vec<StepNo>>,
    /// By step: whose `on_failure: task:` it is, in file order.
    handled: Vec<Vec<StepNo>>,
}

impl Graph {
    /// Indexes a definition whose places are known to be in range.
    #[must_use]
    pub fn new(definition: Definition) -> Self {
        let mut dependents = vec![Vec::new(); definition.steps.len()];
        let mut handled = vec![Vec::new(); definition.steps.len()];
        for (no, step) in numbered(&definition) {
            for need in &step.needs {
                dependents[usize::from(need.0)].push(no);
            }
            if let OnFailure::Task(handler) = step.on_failure {
                handled[usize::from(handler.0)].push(no);
            }
        }
        Graph { definition, dependents, handled }
    }

    /// A step; none: the definition has no such place.
    #[must_use]
    pub fn step(&self, no: StepNo) -> Option<&Step> {
        self.definition.steps.get(usize::from(no.0))
    }

    /// All steps with their places, in file order.
    pub fn steps(&self) -> impl Iterator<Item = (StepNo, &Step)> {
        numbered(&self.definition)
    }

    /// How many steps there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.definition.steps.len()
    }

    /// Whether there are none: never, of a definition that was accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.definition.steps.is_empty()
    }

    /// Who needs a step, in file order.
    #[must_use]
    pub fn dependents(&self, no: StepNo) -> &[StepNo] {
        self.dependents.get(usize::from(no.0)).map_or(&[], Vec::as_slice)
    }

    /// Whose `on_failure: task:` a step is, in file order.
    #[must_use]
    pub fn handled_by(&self, no: StepNo) -> &[StepNo] {
        self.handled.get(usize::from(no.0)).map_or(&[], Vec::as_slice)
    }

    /// Steps that need nobody and are not handlers: where a run begins.
    pub fn roots(&self) -> impl Iterator<Item = StepNo> + '_ {
        self.steps().filter(|(_, step)| step.needs.is_empty() && !step.handler).map(|(no, _)| no)
    }
}

fn numbered(definition: &Definition) -> impl Iterator<Item = (StepNo, &Step)> {
    // `zip` with the numbers: the list is checked to be shorter than they are many.
    (0..=u16::MAX).map(StepNo).zip(&definition.steps)
}

/// Decoded graphs by workflow and version, the most recently used ones.
#[derive(Debug, Default)]
pub struct Shelf {
    graphs: BTreeMap<(WorkflowId, Version), (u64, Arc<Graph>)>,
    uses: u64,
}

impl Shelf {
    /// A graph that must exist: runs pin theirs.
    pub(crate) fn get(
        &mut self,
        view: &dyn View,
        workflow: WorkflowId,
        version: Version,
    ) -> Arc<Graph> {
        self.uses += 1;
        if let Some((used, graph)) = self.graphs.get_mut(&(workflow, version)) {
            *used = self.uses;
            return graph.clone();
        }
        let definition = schema::DEFINITION
            .get(view, &(workflow, version))
            .expect("a run pins a version that is in the tables");
        let graph = Arc::new(Graph::new(definition));
        if self.graphs.len() == SHELF_MAX {
            let oldest = self.graphs.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            oldest.map(|key| self.graphs.remove(&key));
        }
        self.graphs.insert((workflow, version), (self.uses, graph.clone()));
        graph
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self) {
        self.graphs.clear();
    }
}
