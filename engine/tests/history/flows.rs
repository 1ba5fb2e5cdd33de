//! The workflows of random histories: small, and between them of every kind.

use std::collections::BTreeMap;

use oarlock_engine::blob::Payload;
use oarlock_engine::catalog::{
    self, Concurrency, Definition, Each, Kind, OnFailure, OnTimeout, Order, Rule, Step,
};
use oarlock_engine::command::Command;
use oarlock_engine::id::{BootId, NodeId, Priority, StepNo, WorkerId};
use oarlock_engine::run::OnConflict;
use oarlock_engine::task::retry::Retry;
use oarlock_engine::time::Span;
use oarlock_engine::{member, version, worker};

/// A step that does nothing, quickly, twice at most.
pub(crate) fn step(name: &str, needs: &[u16]) -> Step {
    Step {
        name: name.to_owned(),
        needs: needs.iter().map(|need| StepNo(*need)).collect(),
        rule: Rule::Succeeded,
        condition: None,
        each: None,
        order: Some(Order::Work {
            kind: Kind::Builtin("noop".to_owned()),
            body: Payload::from("{}"),
        }),
        template: Payload::EMPTY,
        queue: "default".to_owned(),
        priority: None,
        timeout: Span(30_000),
        retry: Retry {
            attempts_max: 2,
            initial: Span(500),
            cap: Span(5_000),
            factor_milli: 2_000,
            jitter: false,
            not_on: Vec::new(),
        },
        on_failure: OnFailure::Fail,
        handler: false,
    }
}

/// A workflow of these steps.
pub(crate) fn flow(name: &str, steps: Vec<Step>) -> Definition {
    Definition {
        name: name.to_owned(),
        description: String::new(),
        steps,
        inputs: Payload::EMPTY,
        outputs: Payload::EMPTY,
        timeout: None,
        priority: Priority::NORMAL,
        concurrency: None,
        labels: BTreeMap::new(),
        retention: None,
        source: Payload::EMPTY,
    }
}

fn computed(step: Step) -> Step {
    Step { order: None, template: Payload::from("{}"), ..step }
}

fn ordered(step: Step, order: Order) -> Step {
    Step { order: Some(order), ..step }
}

/// All workflows of random histories.
pub(crate) fn flows() -> Vec<Definition> {
    let diamond = vec![
        step("a", &[]),
        Step { priority: Some(Priority(9)), ..step("b", &[0]) },
        Step { queue: "slow".to_owned(), on_failure: OnFailure::Ignore, ..step("c", &[0]) },
        step("d", &[1, 2]),
    ];
    let wide = vec![
        Step {
            each: Some(Each { items: Payload::from("${{ x }}"), parallel_max: Some(2) }),
            ..computed(step("spread", &[]))
        },
        Step { condition: Some("x".to_owned()), ..step("maybe", &[0]) },
        Step { rule: Rule::Settled, ..step("always", &[0, 1]) },
        Step { rule: Rule::Failed, ..step("rescue", &[0]) },
    ];
    let waits = vec![
        ordered(step("sleep", &[]), Order::Sleep { span: Span(1_500) }),
        ordered(
            step("wait", &[0]),
            Order::Wait {
                signal: "go".to_owned(),
                timeout: Some(Span(4_000)),
                on_timeout: OnTimeout::Fail,
            },
        ),
        ordered(
            step("say", &[0]),
            Order::Emit { name: "said".to_owned(), body: Payload::from("{}") },
        ),
        ordered(
            step("child", &[0, 1]),
            Order::Child { workflow: "diamond".to_owned(), input: Payload::from("{}") },
        ),
    ];
    let fails = vec![
        Step { on_failure: OnFailure::Task(StepNo(3)), ..step("x", &[]) },
        Step { on_failure: OnFailure::DeadLetter, ..step("y", &[]) },
        step("z", &[0, 1]),
        Step { handler: true, ..step("mend", &[]) },
    ];
    let alone = vec![computed(step("one", &[])), step("two", &[0])];
    vec![
        flow("diamond", diamond),
        Definition { timeout: Some(Span(20_000)), ..flow("wide", wide) },
        Definition { outputs: Payload::from("{}"), ..flow("waits", waits) },
        flow("fails", fails),
        Definition {
            concurrency: Some(Concurrency {
                key: "${{ inputs.k }}".to_owned(),
                limit: 1,
                on_conflict: OnConflict::Queue,
            }),
            ..flow("alone", alone)
        },
    ]
}

/// What founds the cell.
pub(crate) fn opening() -> Vec<Command> {
    let join = member::Command::Join {
        node: NodeId(1),
        name: "n1".to_owned(),
        boot: BootId(1),
        address: "127.0.0.1:1".to_owned(),
        speaks: version::NEWEST,
    };
    let attach = |worker: u128| worker::Command::Attach {
        worker: WorkerId(worker),
        name: format!("w{worker}"),
        node: NodeId(1),
        boot: BootId(1),
        queues: Vec::new(),
        calls: vec!["mail".to_owned()],
        builtin: true,
        slots: 3,
    };
    let mut commands: Vec<Command> = vec![join.into(), attach(1).into(), attach(2).into()];
    for definition in flows() {
        let definition = Box::new(definition);
        commands.push(catalog::Command::Define { definition, expected: None }.into());
    }
    commands
}
