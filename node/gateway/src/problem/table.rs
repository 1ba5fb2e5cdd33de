//! Every failure that a caller can meet, on one page: code, status, title, what to do, and the long explanation.
//!
//! `oarlock explain E0301` and `/docs/errors/E0301` print what stands here. E01xx is about files (the single faults of a file have
//! codes of their own, kept with the parser), E02xx about what was sent, E03xx about what is not there, E04xx about what cannot be
//! done now, E05xx about limits, E06xx about who asks, E07xx about reach and availability, E09xx about us.

/// A kind of failure.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// `E0301`: never changes, never used for anything else.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A few words, the same every time.
    pub title: &'static str,
    /// Whether the same request may do better later.
    pub retryable: bool,
    /// What to do, where nothing better is known at the place of the failure; may be empty.
    pub hint: &'static str,
    /// How it comes about and what helps, in whole sentences.
    pub explanation: &'static str,
}

/// A failure that passes by itself.
const PASSES: bool = true;
/// A failure that stays until somebody changes something.
const STAYS: bool = false;

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:literal, $retryable:ident, $title:literal,
       $hint:literal, $explanation:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: Kind = Kind {
                code: $code,
                status: $status,
                title: $title,
                retryable: $retryable,
                hint: $hint,
                explanation: $explanation,
            };
        )*
        /// All of them, by code.
        pub static TABLE: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    BAD_FILE = "E0100", 422, STAYS, "The workflow file is not valid",
        "`oarlock validate FILE` shows every fault with its place",
        "The file was read, and at least one thing in it breaks a rule of the format. Nothing of it was stored. Each fault is listed with its place, its own code and what is allowed there; `oarlock explain` knows those codes too.";
    MALFORMED = "E0200", 400, STAYS, "The request is not well formed",
        "",
        "The body is not the JSON that this path takes: a comma is missing, a field has another type, or a field is unknown. The detail says where. The shapes of all bodies are in /api/openapi.json.";
    TOO_DEEP = "E0201", 400, STAYS, "The JSON is nested too deeply",
        "nest at most 128 levels",
        "Bodies may nest objects and lists 128 deep. More than that is refused before it is read, so that no reader of the data can be brought down by it.";
    BAD_INPUT = "E0202", 422, STAYS, "The inputs do not fit the workflow",
        "`oarlock workflows get NAME -o json` shows the inputs it takes",
        "A run is started only with inputs that its workflow declares, of the declared types. Each input that does not fit is listed. Inputs with a default may be left out.";
    BAD_QUERY = "E0203", 400, STAYS, "A query parameter is not valid",
        "",
        "A parameter behind the `?` is unknown there, or its value cannot be read. The detail names it and says what is allowed.";
    BAD_FILTER = "E0204", 400, STAYS, "The filter is not a valid expression",
        "for example: status == \"failed\" && labels.team == \"data\"",
        "`filter` (`--where`) takes a CEL expression over the fields of one item, as they stand in its JSON, that is true or false. Fields that an item lacks can be asked for with `has(key)`.";
    BAD_PAGE_TOKEN = "E0205", 400, STAYS, "The page token is not valid",
        "begin again without page_token",
        "A page token belongs to the list, filter and order that it was handed out for. It cannot be made up or used for another question.";
    BAD_FIELD = "E0206", 422, STAYS, "A value is not allowed",
        "",
        "The request is well formed, and one of its values breaks a rule: a name with letters that names may not have, a priority above 10, a moment that cannot be read. The detail names the field.";
    BAD_MEDIA = "E0207", 415, STAYS, "The content type is not supported",
        "send `Content-Type: application/json`",
        "Bodies are JSON (`application/json`). Only `POST /workflows` takes YAML as well (`application/yaml`, `text/yaml`, `text/plain`).";
    SLOW_BODY = "E0208", 408, PASSES, "The request did not arrive in time",
        "",
        "The head of the request was there and its body was not, or not all of it. A door that waits for ever is a door that anybody can hold open.";
    NO_RUN = "E0301", 404, STAYS, "No such run",
        "all runs: `oarlock runs list --all`",
        "There is no run of this id or short name (`etl/1042`). It may never have been accepted, or it was deleted: finished runs are kept for the retention of their workflow.";
    NO_WORKFLOW = "E0302", 404, STAYS, "No such workflow",
        "all workflows: `oarlock workflows list`",
        "There is no workflow of this name. Definitions come into being with `oarlock apply -f FILE`.";
    NO_TASK = "E0303", 404, STAYS, "No such task",
        "the tasks of a run: `oarlock tasks list RUN`",
        "The run has no task of this name or item. A task is named by its key in the file: `etl/1042/load`, an item of a fan-out `etl/1042/extract[3]`.";
    NO_QUEUE = "E0304", 404, STAYS, "No such queue",
        "all queues: `oarlock queues list`",
        "There is no queue of this name. A queue comes into being with the first task that stands in it.";
    NO_WORKER = "E0305", 404, STAYS, "No such worker",
        "all workers: `oarlock workers list`",
        "There is no worker session of this id. A session ends with its process, or with the node that it is attached to.";
    NO_MEMBER = "E0306", 404, STAYS, "No such node",
        "all nodes: `oarlock nodes list`",
        "The cluster has no member of this name or number, or that life of it is over.";
    NO_ROLE = "E0307", 404, STAYS, "No such role",
        "all roles: `oarlock roles list`",
        "There is no role of this name or number. Each workflow has one for its runs, and the cell has a keeper.";
    NO_SETTING = "E0308", 404, STAYS, "No such setting",
        "all settings: GET /api/v1/settings",
        "There is no setting of this name. There are few, and all are listed by `GET /api/v1/settings`.";
    NO_DEAD_LETTER = "E0309", 404, STAYS, "No such dead letter",
        "all dead letters: `oarlock dlq list`",
        "This task is no dead letter: it never failed for good, or somebody has retried or discarded it since.";
    NO_ACTOR = "E0310", 404, STAYS, "No such actor",
        "the tree: `oarlock actors tree`",
        "This node has no actor with this path. Actors come and go with the roles and the work of their node.";
    NO_NAMESPACE = "E0311", 404, STAYS, "No such namespace",
        "leave the namespace out, or use `default`",
        "This release has one namespace, `default`. Namespaces that keep workflows of different teams apart come later.";
    NO_PATH = "E0312", 404, STAYS, "No such path",
        "every path: /api/docs",
        "Nothing is served under this path. The API begins at /api/v1; /api/docs lists every path of it.";
    BAD_METHOD = "E0313", 405, STAYS, "The path does not take this method",
        "every path with its methods: /api/docs",
        "The path exists, with another method. The `Allow` header says which.";
    NO_VERSION = "E0314", 404, STAYS, "No such version of the workflow",
        "its versions: `oarlock workflows versions NAME`",
        "The workflow exists and has no such version, or that version went with the last run that used it.";
    TRIMMED = "E0315", 410, STAYS, "The feed has forgotten that",
        "begin at its beginning with after=0; a run's own events are kept as long as the run",
        "The feed of all events is kept for `feed_retention_ms`, seven days unless somebody set it otherwise. A page behind a revision that is older than its beginning would hide a gap, so it is refused. A live stream is not refused: its first event is `feed.trimmed` and says where the feed begins.";
    NOT_HERE = "E0316", 421, STAYS, "This node does not answer callers",
        "ask another node: one that has `api` among its roles",
        "A node can be for some things only. This one was started without the role `api`: it runs tasks, keeps a copy or votes, and answers only probes and metrics. `oarlock nodes list`, asked of another node, shows where the API is.";
    WORKFLOW_PAUSED = "E0401", 409, STAYS, "The workflow is paused",
        "let it go on with `oarlock workflows resume NAME`",
        "Somebody paused the workflow: it takes no new runs until it is resumed. Runs that had been accepted go on.";
    WORKFLOW_BUSY = "E0402", 409, STAYS, "The workflow has unfinished runs",
        "cancel them first, or wait for their end",
        "A workflow is deleted only when none of its runs is unfinished, because they would lose their definition.";
    CHANGED = "E0403", 412, STAYS, "It has changed since",
        "read it again, then send your change with the new ETag",
        "The request said in `If-Match` what it expects, and somebody has changed it meanwhile. Nothing was done.";
    WRONG_RUN_STATE = "E0404", 409, STAYS, "The state of the run does not allow this",
        "`oarlock runs get RUN` shows where it stands",
        "Some things can be done only in some states: a finished run cannot be cancelled, an unfinished one cannot be deleted or retried, only a paused one can be resumed.";
    WRONG_TASK_STATE = "E0405", 409, STAYS, "The state of the task does not allow this",
        "`oarlock tasks get TASK` shows where it stands",
        "A task can be completed or failed by hand only while it is open, and retried only when it is a dead letter.";
    STALE_ATTEMPT = "E0406", 409, STAYS, "Another attempt counts now",
        "",
        "A result names the attempt that it belongs to, and that attempt is over: it ran out of time, its worker was taken for lost, or the run was cancelled. At most one attempt of a task is ever accepted, so this result was refused.";
    STALE_EPOCH = "E0407", 409, PASSES, "The role has changed hands",
        "",
        "The node that asked drove this role and has lost it to another without noticing yet. It will notice by this refusal.";
    KEY_TAKEN = "E0408", 409, STAYS, "An unfinished run has this key",
        "wait for its end, cancel it, or start without a key",
        "At most one unfinished run of a workflow has the same `key`. The detail names the run that has it now.";
    LANE_FULL = "E0409", 409, PASSES, "The concurrency key is taken",
        "",
        "The workflow's `concurrency` lets only so many runs of one key be unfinished, and says that one too many is refused (`on_conflict: reject`).";
    REQUEST_REUSED = "E0410", 422, STAYS, "The Idempotency-Key was used for something else",
        "use a new key for a new request",
        "An `Idempotency-Key` is remembered for 24 hours with a digest of its request. The same key came again with another request, or a `run_id` with another workflow. Repeat the first one exactly, or take a new key.";
    STALE_BOOT = "E0411", 409, STAYS, "The node has begun another life",
        "look at what it is now: `oarlock nodes list`",
        "Each start of a node's process is a life of its own, with a boot that is later than all before. What was asked names an earlier one, which is over; the detail names the one that counts.";
    WRONG_NODE_STATE = "E0412", 409, STAYS, "The state of the node does not allow this",
        "all nodes: `oarlock nodes list`",
        "A node that drains takes on nothing new, one that was lost must begin anew, and one that has left must join first. The detail says in which state it is.";
    INELIGIBLE = "E0413", 409, STAYS, "The node cannot have this role",
        "nodes with their labels: `oarlock nodes list`",
        "Only nodes with `scheduler` among their roles may drive anything, and a role that wants labels goes only to nodes that have them. The detail says what is missing.";
    PINNED = "E0414", 409, STAYS, "The role is pinned to another node",
        "unpin it first: `oarlock roles unpin NAME`",
        "Somebody has pinned the role to a node: it is driven there whenever that node may have it. Moving it by hand would be undone, so it is refused.";
    OLD_RULES = "E0415", 409, STAYS, "The node's build is too old for this cell",
        "install the version that the other nodes run",
        "Once all nodes of a cell know newer rules these come into force, and a node that does not know them would compute other results than its peers. It cannot join.";
    GROUP_REFUSED = "E0416", 409, STAYS, "The cluster cannot be changed like this now",
        "`oarlock cluster status` shows who votes, who leads and who is away",
        "A change of who votes or leads must leave a majority of the voters that answers. What was asked would not, or the node is not in a state for it: a learner that has not caught up cannot be promoted, the only voter cannot be demoted, a node that runs cannot be removed. The detail says which. Nothing was changed.";
    LAST_OF_ITS_KIND = "E0417", 409, STAYS, "Nobody could take over",
        "start another node first, or repeat it with force=true",
        "Draining a node hands its roles to others and prepares it for being stopped. Here nobody else could drive them, or stopping the node would leave the voters without a majority, and the cluster would stand still. The detail says which.";
    TOO_LARGE = "E0501", 413, STAYS, "The request is too large",
        "",
        "Bodies, payloads and files have limits, so that one request cannot take the memory of a node. The detail says which limit it was. Large data belongs into a store of its own, and its address into the payload.";
    TOO_MANY = "E0502", 422, STAYS, "Too many of something",
        "",
        "Lists, labels, names and batches have limits. The detail says which it was and what the limit is.";
    BUSY = "E0503", 429, PASSES, "The node is busy",
        "try again after the time in Retry-After",
        "As many changes as allowed are waiting to be written. The node refuses more rather than growing without bound. Nothing was done; the same request may be sent again after `Retry-After`.";
    STREAMS_FULL = "E0504", 429, PASSES, "Too many live streams",
        "close some, or ask another node",
        "A node serves a bounded number of event and log streams at a time.";
    FOREIGN = "E0601", 403, STAYS, "The request comes from another site",
        "send it from a program, or from a page of this node",
        "A web page of somebody else, open in a browser on this machine, sent this request: its `Origin` or its `Host` is not this node's. A node that asks nobody for a password must not do what any open page tells it, so such requests are refused. Programs send no `Origin` and are not concerned.";
    UNREACHABLE = "E0701", 503, PASSES, "Nothing answers",
        "start a node with `oarlock dev`, or choose another with --addr",
        "No node answers at the address: it is not running, the address is another one, or the network is in between. `oarlock doctor` looks into it.";
    NO_LEADER = "E0702", 503, PASSES, "No leader",
        "try again in a moment; `consistency=stale` (`--stale`) reads what this node has",
        "This node hears of no leader: an election is under way, or a majority of the voters cannot be reached. So nothing can be written and nothing can be read for certain. Reads with `consistency=stale` are still answered, and say `Oarlock-Stale: true`. It goes on by itself when a majority is back.";
    READ_ONLY = "E0703", 503, PASSES, "The node takes no writes",
        "`oarlock doctor` names the cause",
        "The node cannot write: its disk is full, it is stopping, or it cannot reach a majority of the others. What was acknowledged is safe. It goes back to work by itself once the cause is gone.";
    UNKNOWN_OUTCOME = "E0704", 503, PASSES, "It may or may not have been done",
        "repeat the request with the same run id or Idempotency-Key",
        "The request was handed to the log, and the answer was lost: the leader changed or the node is stopping. Asking again with the same ids is safe; it is done once.";
    BEHIND = "E0705", 503, PASSES, "This copy is behind",
        "try again, or ask another node",
        "The request asked (with `Oarlock-Index` or `consistency=linearizable`) for data that this node has not received yet, and it did not arrive in time.";
    NO_ANSWER = "E0706", 503, PASSES, "The other node does not answer",
        "ask it itself, with --addr; `oarlock nodes list` shows where it is",
        "What was asked only another node can tell, and it did not answer in time: it is busy, away, or of another release. Nothing depends on such questions but what people see.";
    INTERNAL = "E0901", 500, PASSES, "Something broke",
        "please report it, with the request id and the log of the node",
        "This is a fault of Oarlock's: the request met a bug. The log of the node says more under the request id.";
}
