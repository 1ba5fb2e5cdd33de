//! What a workflow file may say: the structs that read it, and the words that explain each field.
//!
//! One source for four things: parsing, the JSON Schema that editors take, `oarlock explain workflow.tasks.retry`, and the list of
//! allowed fields in error messages. The doc comments in here are therefore written for authors of files, not of code.
//! `x-expected` in a schema says in words what is expected where several forms are allowed.

mod form;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer};
use serde_json::Value;

pub(crate) use form::{
    Condition, Duration, Each, Expect, Names, Noop, OnFailure, Ordered, Retry, Run, Scalar,
};

/// A workflow: tasks, what they need from each other, and how they are run.
///
/// A file may hold several workflows, with `---` between them. The same fields may be sent as JSON.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workflow {
    /// The version of this format. May be left out.
    #[serde(rename = "apiVersion")]
    #[schemars(example = &"oarlock/v1")]
    #[expect(dead_code, reason = "read for its schema only")]
    pub api_version: Option<String>,
    /// What the document is: `workflow`.
    #[expect(dead_code, reason = "read for its schema only")]
    pub kind: Kind,
    /// What the workflow is called: small letters, digits, `-` and `_`, at most 128. Runs are named after it: `etl/1042`.
    #[schemars(example = &"etl")]
    pub name: String,
    /// What it is for, in a line or two.
    #[schemars(example = &"Load yesterday's orders into the warehouse.")]
    pub description: Option<String>,
    /// What a run is started with. Checked before it starts; anything that is not declared here is refused.
    pub inputs: Option<Ordered<Input>>,
    /// What tasks have where they do not say otherwise.
    pub defaults: Option<Defaults>,
    /// How many runs may be unfinished at a time.
    pub concurrency: Option<Concurrency>,
    /// How long a run may take from its start. What is left then is cancelled, and the run ends `timed_out`. Without it: for ever.
    pub timeout: Option<Duration>,
    /// How urgent its tasks are: 0 low … 10 high. 5 where nothing is said.
    #[schemars(range(min = 0, max = 10))]
    pub priority: Option<u8>,
    /// How long finished runs are kept.
    pub retention: Option<Duration>,
    /// Names and values for finding runs, copied to each run.
    #[schemars(example = example_labels())]
    pub labels: Option<Ordered<Scalar>>,
    /// What a run comes to: any JSON, with `${{ }}` that may name every task. Without it a run has no output.
    #[schemars(example = example_outputs())]
    pub outputs: Option<Value>,
    /// The tasks by name. A task begins when everything it needs has succeeded; tasks that need nothing begin at once.
    pub tasks: Ordered<Task>,
}

/// What a document may be. `workflow` is the only kind so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Workflow,
}

/// An input that a run may or must be started with.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// What kind of value it is. Without it: any.
    #[serde(rename = "type")]
    pub kind: Option<InputType>,
    /// What a text must look like.
    pub format: Option<Format>,
    /// The value where none is given; then the input may be left out. `null` where there is none to name. May be
    /// computed from `run`: `${{ run.scheduled_at.date() }}`.
    #[serde(default, deserialize_with = "present")]
    pub default: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
    /// The only values allowed.
    #[serde(rename = "enum")]
    pub allowed: Option<Vec<Value>>,
    /// Whether it must be given. Without it: yes, unless there is a `default`.
    pub required: Option<bool>,
    /// The smallest number allowed.
    pub minimum: Option<f64>,
    /// The largest number allowed.
    pub maximum: Option<f64>,
    /// The fewest letters allowed.
    pub min_length: Option<u64>,
    /// The most letters allowed.
    pub max_length: Option<u64>,
    /// A regular expression that a text must match.
    pub pattern: Option<String>,
    /// What each element of a list must be.
    pub items: Option<Box<Input>>,
    /// The fewest elements allowed.
    pub min_items: Option<u64>,
    /// The most elements allowed.
    pub max_items: Option<u64>,
}

/// A kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InputType {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    Date,
    DateTime,
    Time,
    Duration,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Uri,
    Uuid,
}

/// What tasks have where they do not say otherwise.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    /// The queue its workers serve. `default` where nothing is said.
    pub queue: Option<String>,
    /// How long one attempt may take. 30 seconds where nothing is said.
    pub timeout: Option<Duration>,
    /// How often and how fast a failed task is tried again.
    pub retry: Option<Retry>,
    /// How urgent they are: 0 low … 10 high.
    #[schemars(range(min = 0, max = 10))]
    pub priority: Option<u8>,
}

/// How many runs may be unfinished at a time.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Concurrency {
    /// Runs with the same key count together. Text with `${{ }}` over `inputs` and `run`. Without it all runs count together.
    #[schemars(example = &"${{ inputs.day }}")]
    pub key: Option<String>,
    /// How many of them may be unfinished. 1 where nothing is said.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub limit: Option<u32>,
    /// What happens to one too many: `queue` (it waits, first come first served), `reject` (its start is refused) or
    /// `cancel_running` (the oldest is cancelled). `queue` where nothing is said.
    pub on_conflict: Option<OnConflict>,
}

/// What happens to a run too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnConflict {
    Queue,
    Reject,
    CancelRunning,
}

/// One task. Exactly one of `run`, `http`, `call`, `workflow`, `wait`, `sleep`, `emit`, `noop` says what it does.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    /// A command for `sh -c`, or a list of words that is run without a shell. Exit 0 is success; if the last line it prints is
    /// JSON, that is the task's output. Runs in a process group of its own, which is killed as a whole on timeout or cancel.
    pub run: Option<Run>,
    /// A request. A status among `expect` is success; the answer's body is the output.
    pub http: Option<Http>,
    /// A handler that some worker has registered; `with` is its input.
    #[schemars(example = &"warehouse.load")]
    pub call: Option<String>,
    /// A run of another workflow; `with` are its inputs. Its output is the task's output.
    #[schemars(example = &"etl")]
    pub workflow: Option<String>,
    /// A signal to this run: `oarlock runs signal etl/1042 approved`. Its payload is the output.
    pub wait: Option<Wait>,
    /// A pause. Needs no worker and survives restarts.
    pub sleep: Option<Duration>,
    /// An event for those who watch the feed; `with` is its payload.
    #[schemars(example = &"orders.loaded")]
    pub emit: Option<String>,
    /// Nothing: for joins and for trying things out.
    #[serde(default, deserialize_with = "present")]
    pub noop: Option<Noop>,

    /// The tasks that must have ended first: a name or a list of names.
    pub needs: Option<Names>,
    /// Another word for `needs`.
    pub depends_on: Option<Names>,
    /// A condition in CEL. False: the task is skipped. `always()` runs it however its needs ended, `failed()` only if one failed.
    #[serde(rename = "if")]
    #[schemars(example = &"tasks.validate.output.rows > 0 || inputs.full")]
    pub condition: Option<Condition>,
    /// Fan-out: the task is done once for each element of a list, or of what one `${{ }}` comes to. In it `item` is the element
    /// and `index` its place.
    pub each: Option<Each>,
    /// How many of them may be unfinished at once. Only with `each`.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_parallel: Option<u32>,
    /// What goes in: the input of a `call`, the inputs of a `workflow`, the payload of an `emit`. Any JSON, with `${{ }}`.
    #[serde(rename = "with")]
    pub input: Option<Value>,
    /// Environment variables of a `run`. Values may have `${{ }}`; the command may then name them as `env.NAME` or `$NAME`.
    pub env: Option<Ordered<Scalar>>,
    /// The working directory of a `run`.
    pub dir: Option<String>,
    /// What it is for.
    #[expect(dead_code, reason = "read for its schema only")]
    pub description: Option<String>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How often and how fast it is tried again after a failure.
    pub retry: Option<Retry>,
    /// How urgent it is: 0 low … 10 high.
    #[schemars(range(min = 0, max = 10))]
    pub priority: Option<u8>,
    /// Which workers may do it: those that serve this queue.
    pub queue: Option<String>,
    /// What happens when the last attempt has failed: `fail` (the run will fail; independent branches go on), `ignore` (the
    /// others go on as if it had succeeded), `dead_letter` (the run waits until somebody retries or discards it) or `task:NAME`
    /// (that task runs, then the run fails). `fail` where nothing is said.
    pub on_failure: Option<OnFailure>,
}

/// A request.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// `GET` where nothing is said.
    pub method: Option<Method>,
    /// Where to: `http://` or `https://`. May have `${{ }}`.
    #[schemars(example = &"https://api.example.com/publish")]
    pub url: String,
    /// Header fields. Values may have `${{ }}`.
    pub headers: Option<Ordered<Scalar>>,
    /// The body as JSON, with `${{ }}`. Sets the content type.
    pub json: Option<Value>,
    /// The body as text. Either this or `json`.
    pub body: Option<String>,
    /// Which statuses are success: `2xx`, a number, or a list of those. `2xx` where nothing is said.
    pub expect: Option<Expect>,
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// A signal to wait for.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// Its name.
    #[schemars(example = &"approved")]
    pub signal: String,
    /// How long to wait. Without it: for ever.
    pub timeout: Option<Duration>,
    /// What running out of time is: `fail` (a failure) or `continue` (a success with the output null). `fail` where nothing is
    /// said.
    pub on_timeout: Option<OnTimeout>,
}

/// What running out of time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnTimeout {
    Fail,
    Continue,
}

/// How often and how fast a failed task is tried again, as an object. A number stands for `max_attempts` less one.
#[derive(Debug, Default, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryPolicy {
    /// Attempts in all: 1 means no second one. 3 where nothing is said.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_attempts: Option<u32>,
    /// The pause before the second attempt. `1s` where nothing is said.
    pub initial_delay: Option<Duration>,
    /// No pause is longer. `5m` where nothing is said.
    pub max_delay: Option<Duration>,
    /// Each pause is so many times the one before. 2 where nothing is said.
    #[schemars(range(min = 1.0, max = 1_000.0))]
    pub backoff_factor: Option<f64>,
    /// Whether pauses are spread, so that many tasks that failed together do not come back together. `false` where nothing is said.
    pub jitter: Option<bool>,
    /// Kinds of failure that no second attempt would mend: `exit:2`, `exit:*`, `http:404`, `timeout`.
    #[schemars(example = example_not_on())]
    pub not_on: Option<Vec<String>>,
    /// Short for `max_attempts`.
    #[schemars(range(min = 1, max = 1_000))]
    pub attempts: Option<u32>,
    /// Short for `initial_delay`.
    pub delay: Option<Duration>,
    /// Short for `max_delay`.
    pub cap: Option<Duration>,
    /// Short for `backoff_factor`.
    #[schemars(range(min = 1.0, max = 1_000.0))]
    pub factor: Option<f64>,
}

/// What a `noop` pretends.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoopBody {
    /// Its output: any JSON, with `${{ }}`.
    #[expect(dead_code, reason = "read for its schema only")]
    pub output: Option<Value>,
    /// Fail with this message.
    #[expect(dead_code, reason = "read for its schema only")]
    pub fail: Option<String>,
}

/// A field that is there with the value null, which is not the same as not being there.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

fn example_not_on() -> Value {
    serde_json::json!(["exit:2"])
}

fn example_labels() -> Value {
    serde_json::json!({"team": "data"})
}

fn example_outputs() -> Value {
    serde_json::json!({"rows": "${{ tasks.load.output.rows }}"})
}
