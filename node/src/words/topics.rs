//! What `oarlock help TOPIC` prints.

/// Every topic and its text.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("cheatsheet", CHEATSHEET),
    ("environment", ENVIRONMENT),
    ("exit-codes", EXIT_CODES),
    ("filters", FILTERS),
    ("output", OUTPUT),
];

const CHEATSHEET: &str = "\
Try it
  oarlock dev                                      a node; data in memory
  oarlock dev --nodes 3 --demo                     a cluster, to be broken
  oarlock run examples/hello.yaml --watch          start and follow

Start and follow
  oarlock run FILE -i day=2026-11-20 --watch       apply, start, draw
  oarlock run WORKFLOW --id nightly --wait         once per key; its output
  oarlock runs watch etl/1042                      follow again
  oarlock logs etl/1042/load --follow              what a task prints

Look
  oarlock status                                   one screen of health
  oarlock runs list --status failed --since 1d     what went wrong
  oarlock runs get etl/1042                        one run with its tasks
  oarlock tasks get etl/1042/load                  attempts, output, error
  oarlock queues list                              what waits for whom

Nodes
  oarlock cluster status                           who leads, what happened
  oarlock nodes drain n2                           before it is stopped
  oarlock roles list                               who drives what, and why
  oarlock roles move dag-etl-1-of-1 --to n3

Mend
  oarlock runs retry etl/1042                      what failed, and the rest
  oarlock runs retry etl/1042 --from load          from one task on
  oarlock dlq list                                 dead letters by error
  oarlock dlq retry --where 'error.contains(\"503\")' --rate 5/s
  oarlock runs cancel etl/1042 --reason \"wrong day\"

Change
  oarlock validate flows/                          every fault with its place
  oarlock diff -f etl.yaml                         what apply would change
  oarlock apply -f flows/

Scripts
  oarlock console -c 'nodes list; roles list'      several commands, one program
  oarlock rpc runs.get '{\"id\": \"etl/1042\"}'        any operation of the API
  oarlock runs list -o json | jq '.items[].name'
  oarlock runs list -o name --status failed | xargs -n1 oarlock runs retry
";

const ENVIRONMENT: &str = "\
For commands that ask a node
  OARLOCK_ADDR         where nodes are, with commas --addr
  OARLOCK_TOKEN        who asks                     --token
  OARLOCK_CONTEXT      a cluster by name            --context
  OARLOCK_NAMESPACE    where names are looked up    --namespace
  OARLOCK_OUTPUT       the form of data             --output
  OARLOCK_CONFIG       the file of contexts
                       (~/.config/oarlock/config.toml)
  NO_COLOR             no colour
  CI                   questions are errors: use --yes

For `oarlock server`: each setting NAME of its file is OARLOCK_NAME; a dot
becomes two underscores: worker.slots is OARLOCK_WORKER__SLOTS. A flag wins
over the environment, the environment over the file. Short: OARLOCK_JOIN,
OARLOCK_PEER_LISTEN. The secret of a cluster is OARLOCK_PEER__SECRET, or a
file: peer.secret_file; never a flag, which everybody on a machine can read.
  oarlock config show --origin -o wide             all of them

For tasks: what a process is given
  OARLOCK_RUN, OARLOCK_TASK, OARLOCK_ATTEMPT, OARLOCK_EPOCH,
  OARLOCK_IDEMPOTENCY_KEY (the same for every attempt of a task)
";

const EXIT_CODES: &str = "\
\x20 0    done
  1    the server failed, or something nobody thought of
  2    wrong usage
  3    not found
  4    not signed in, or not allowed
  5    conflict: it exists, has changed since, or is in the wrong state
  6    the file or the input is not valid
  7    cannot reach the node, no leader, or no answer in time
  8    rate-limited or over a quota
  9    diff: there are differences
 10    --watch, --wait: the run failed
 11    … was cancelled
 12    … timed out
 13    console: a line of a script went wrong
130    Ctrl-C
";

const FILTERS: &str = "\
--where takes a CEL expression over the fields of one item, as they stand in
its JSON. `-o help` lists the fields.

  oarlock runs list --all --where 'status == \"failed\" && priority > 5'
  oarlock runs list --where 'labels.team == \"data\"'
  oarlock runs list --where 'has(key) && key.startsWith(\"nightly\")'
  oarlock tasks list etl/1042 --where 'attempt > 1'
  oarlock dlq list --each --where 'error.contains(\"503\")'

Fields that an item may lack are asked for with has(field).
What can be narrowed without an expression is faster: --status, --workflow,
--key, --label, --since, --until.
";

const OUTPUT: &str = "\
On a terminal   columns, header, colour, relative times, fitted to its width
In a pipe       tabs, no header, no colour, ISO times, nothing cut

-o table|wide   columns; wide: all of them
-o json         one thing: exactly the body of the API
                a list: {\"items\": [...], \"next_page_token\": \"...\"}
-o jsonl        one item a line
-o yaml         the same as YAML
-o csv          a header, then values
-o name         only names, one a line
-o help         the fields that --columns, --sort and --where take

--columns a,b   these columns or fields      --sort -took   backwards
--time          relative, local, utc, iso    --color        auto, always, never
--limit 50      at most so many items        --all          every item

Data goes to stdout, everything else to stderr. A list that was cut says so
on stderr. With -o json failures are JSON too, on stderr.
";

#[cfg(test)]
mod tests {
    #[test]
    fn topics_fit_a_page() {
        for (name, text) in super::ALL {
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{name}");
            assert!(text.ends_with('\n'), "{name}");
        }
    }

    #[test]
    fn a_list_begins_where_its_second_line_does() {
        let column = |line: &str| line.find(|c: char| c.is_ascii_digit());
        for line in super::EXIT_CODES.lines().take(10) {
            assert_eq!(column(line), Some(2), "{line:?}");
        }
    }
}
