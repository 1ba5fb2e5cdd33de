//! The codes of everything that can be wrong with a file, and what `oarlock explain` says about each.

/// Not YAML at all.
pub(super) const SYNTAX: &str = "E0101";
/// A field that nobody knows.
pub(super) const UNKNOWN_FIELD: &str = "E0102";
/// A value of another kind than expected.
pub(super) const WRONG_VALUE: &str = "E0103";
/// Something that must be there is not.
pub(super) const MISSING: &str = "E0104";
/// A key or name that is there twice.
pub(super) const DUPLICATE: &str = "E0105";
/// A field of a later release.
pub(super) const NOT_YET: &str = "E0106";
/// Over a limit.
pub(super) const TOO_LARGE: &str = "E0107";
/// A name with letters that names may not have.
pub(super) const BAD_NAME: &str = "E0108";
/// A duration that cannot be read.
pub(super) const BAD_DURATION: &str = "E0109";
/// No action, or more than one.
pub(super) const ACTION: &str = "E0110";
/// A need that is no task.
pub(super) const UNKNOWN_NEED: &str = "E0111";
/// Tasks that wait for each other.
pub(super) const CYCLE: &str = "E0112";
/// An expression that cannot be read.
pub(super) const EXPRESSION: &str = "E0113";
/// An expression that names what it cannot see.
pub(super) const REFERENCE: &str = "E0114";
/// An `on_failure` that leads nowhere.
pub(super) const ON_FAILURE: &str = "E0115";
/// Fields that do not go together.
pub(super) const COMBINATION: &str = "E0116";
/// A declaration of an input that no value can meet.
pub(super) const BAD_INPUT: &str = "E0117";
/// Something that has no effect.
pub(super) const NO_EFFECT: &str = "E0120";

/// Code, title, explanation: for `oarlock explain E0102` and the documentation.
pub const TABLE: &[(&str, &str, &str)] = &[
    (
        SYNTAX,
        "The file is not YAML",
        "The file could not be read as YAML (or JSON, which is YAML too). The place is where reading stopped; the cause is often a little before it: a bracket or quote that is not closed, a tab, a line that is not indented like its neighbours. Texts that contain `: `, ` #`, or begin with one of `{ [ & * ! | > ' \" % @` need quotes.",
    ),
    (
        UNKNOWN_FIELD,
        "Unknown field",
        "A field is not part of the format at this place. Misspelt fields are never ignored: a `neds` that is ignored would start a task too early. `oarlock explain workflow.tasks` lists what is allowed.",
    ),
    (
        WRONG_VALUE,
        "Wrong value",
        "A field has another kind of value than it takes, or one outside of what is allowed. Only `true` and `false` are truth values: `yes`, `no`, `on`, `off` are texts. Numbers that are meant as text need quotes.",
    ),
    (MISSING, "Missing field", "A field that must be there is not, or has no value."),
    (
        DUPLICATE,
        "Duplicate",
        "A key, a task or a workflow is there twice. Which of them was meant cannot be known, so the file is refused.",
    ),
    (
        NOT_YET,
        "Not available yet",
        "The field belongs to the format, and this release cannot do it yet. It is refused rather than ignored, because a workflow that silently does less than its file says is worse than none.",
    ),
    (
        TOO_LARGE,
        "Over a limit",
        "The file, or something in it, is larger than the limits allow: 1 MiB, 48 levels, 100 documents, 200 000 values with everything that aliases stand for, 5 000 tasks. The limits protect the node from files that are small and unfold into gigabytes.",
    ),
    (
        BAD_NAME,
        "Bad name",
        "Workflows are called with small letters, digits, `-` and `_`, beginning with a letter or digit; tasks may have capital letters too. At most 128 bytes. Names stand in commands, addresses and expressions, so they must need no quotes there.",
    ),
    (
        BAD_DURATION,
        "Bad duration",
        "Durations have a unit: `500ms`, `30s`, `5m`, `2h30m`, `7d`, or ISO 8601 as in `PT30S`. Plain numbers are refused because they mean seconds to some and milliseconds to others; months and years because they vary.",
    ),
    (
        ACTION,
        "No action, or several",
        "A task does exactly one thing: `run`, `http`, `call`, `workflow`, `wait`, `sleep`, `emit` or `noop`. Two things are two tasks, the second of which needs the first.",
    ),
    (UNKNOWN_NEED, "Unknown task in `needs`", "`needs` names a task that is not in the file."),
    (
        CYCLE,
        "Tasks wait for each other",
        "The needs of some tasks lead back to themselves, so none of them could ever begin. The message names the way round. Take one of its needs out.",
    ),
    (
        EXPRESSION,
        "An expression cannot be read",
        "Conditions and `${{ }}` are written in CEL, the Common Expression Language: `==`, `!=`, `&&`, `||`, `!`, `in`, `x ? a : b`, `list.map(x, …)`, `list.filter(x, …)`, `size(x)`, `has(x.y)`. Names: inputs, tasks, run, item, index, env. `$${{` is a literal `${{`.",
    ),
    (
        REFERENCE,
        "An expression names what it cannot see",
        "A task sees the inputs that the file declares and the results of the tasks that have ended before it: those it needs, those they need, and so on. `item` and `index` exist where there is an `each`.",
    ),
    (
        ON_FAILURE,
        "Bad `on_failure`",
        "`on_failure` is `fail`, `ignore`, `dead_letter` or `task:NAME`. The named task runs only then: it needs nothing, and nothing needs it.",
    ),
    (
        COMBINATION,
        "Fields that do not go together",
        "Two fields contradict each other, or one has no meaning without another.",
    ),
    (
        BAD_INPUT,
        "Bad declaration of an input",
        "No value could meet the declaration: the default is of another type, the smallest allowed number is larger than the largest.",
    ),
    (
        NO_EFFECT,
        "Has no effect",
        "The field is understood and does nothing at this place. Only a warning.",
    ),
];
