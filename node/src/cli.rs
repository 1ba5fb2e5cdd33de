//! The words: what can be typed, and which file does it.
//!
//! One grammar everywhere: everyday verbs stand alone (`oarlock run …`), everything else is a plural noun and a verb (`oarlock
//! runs list`). Singular nouns and unique beginnings are taken too, except that `run` is the verb: it starts something, `runs`
//! looks at them.

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use crate::ask::Session;
use crate::fault::{Exit, Fault};
use crate::output::{Colour, Format, Out, TimeStyle};
use crate::words;

/// Durable workflows and task queues in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "oarlock",
    version,
    about = "Durable workflows and task queues in one binary",
    after_help = "Start here:  oarlock dev\n             oarlock run examples/hello.yaml --watch\n\n\
                  More:        oarlock help cheatsheet, environment, exit-codes, output, filters",
    disable_help_subcommand = true,
    infer_subcommands = true,
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) word: Word,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Use this context of the configuration
    #[arg(
        long,
        global = true,
        env = "OARLOCK_CONTEXT",
        hide_short_help = true,
        hide_env_values = true
    )]
    pub(crate) context: Option<String>,
    /// Ask the node at this address; of several, the next one when one fails
    #[arg(long, global = true, value_name = "ADDR,…", hide_short_help = true)]
    pub(crate) addr: Option<String>,
    /// Say who asks
    #[arg(
        long,
        global = true,
        env = "OARLOCK_TOKEN",
        hide_env_values = true,
        hide_short_help = true
    )]
    pub(crate) token: Option<String>,
    /// Look names up in this namespace
    #[arg(short, long, global = true, env = "OARLOCK_NAMESPACE", hide_short_help = true)]
    pub(crate) namespace: Option<String>,
    /// Show data in this form
    #[arg(short, long, global = true, env = "OARLOCK_OUTPUT", value_name = "FORM")]
    pub(crate) output: Option<Format>,
    /// Show these columns or fields
    #[arg(long, global = true, value_delimiter = ',', value_name = "A,B", hide_short_help = true)]
    pub(crate) columns: Vec<String>,
    /// Sort by this column; -COLUMN: backwards
    #[arg(
        long,
        global = true,
        value_name = "COLUMN",
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(crate) sort: Option<String>,
    /// Only items for which this CEL expression is true
    #[arg(long = "where", global = true, value_name = "CEL", hide_short_help = true)]
    pub(crate) filter: Option<String>,
    /// At most so many items
    #[arg(long, global = true, default_value_t = 50, value_name = "N", hide_short_help = true)]
    pub(crate) limit: usize,
    /// Every item, also what is finished
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) all: bool,
    /// How moments are written
    #[arg(long, global = true, value_name = "STYLE", hide_short_help = true)]
    pub(crate) time: Option<TimeStyle>,
    /// When to use colour
    #[arg(
        long,
        global = true,
        default_value = "auto",
        value_name = "WHEN",
        hide_short_help = true
    )]
    pub(crate) color: Colour,
    /// Say nothing beside the data
    #[arg(short, long, global = true, hide_short_help = true)]
    pub(crate) quiet: bool,
    /// Say what is sent and received; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, hide_short_help = true)]
    pub(crate) verbose: u8,
    /// How long one call may take
    #[arg(long, global = true, default_value = "30s", value_name = "TIME", hide_short_help = true)]
    pub(crate) timeout: String,
    /// Answer every question with yes
    #[arg(short, long, global = true, hide_short_help = true)]
    pub(crate) yes: bool,
    /// Say what would be done, and do nothing
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) dry_run: bool,
    /// Ask nothing: a question is an error
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_input: bool,
    /// Read what the node that answers has, however old
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) stale: bool,
    /// The key by which a repeated call is recognised
    #[arg(long, global = true, value_name = "KEY", hide_short_help = true)]
    pub(crate) idempotency_key: Option<String>,
}

/// The first word.
#[derive(Debug, Subcommand)]
pub(crate) enum Word {
    /// Start a throw-away node
    Dev(words::dev::Args),
    /// Run a node for real
    Server(words::server::Args),
    /// Start a workflow, and follow it
    Run(words::run::Args),
    /// Create or change definitions
    Apply(words::files::Apply),
    /// Check files without a node
    Validate(words::files::Validate),
    /// Show what apply would change
    Diff(words::files::Diff),
    /// Turn another tool's files into ours
    Convert(words::files::Convert),
    /// One screen of health, or one thing
    Status(words::status::Args),
    /// What tasks printed
    Logs(words::logs::Args),
    /// Definitions: list, get, graph, pause …
    #[command(subcommand, visible_alias = "workflow", alias = "wf")]
    Workflows(words::workflows::Word),
    /// Executions: list, watch, cancel, retry …
    #[command(subcommand)]
    Runs(words::runs::Word),
    /// Units of work: list, get, complete, fail
    #[command(subcommand, visible_alias = "task")]
    Tasks(words::tasks::Word),
    /// Where tasks wait: list, get, pause, set …
    #[command(subcommand, visible_alias = "queue")]
    Queues(words::queues::Word),
    /// Tasks that failed for good
    #[command(subcommand, alias = "dead")]
    Dlq(words::dlq::Word),
    /// What exactly one node drives at a time
    #[command(subcommand, visible_alias = "role")]
    Roles(words::roles::Word),
    /// Who takes part and who leads
    #[command(subcommand)]
    Cluster(words::cluster::Word),
    /// Several commands in one place, with a prompt
    Console(crate::console::Args),
    /// Call any operation of the API
    Rpc(words::rpc::Args),
    /// The replicated log, as one node sees it
    #[command(subcommand)]
    Raft(words::raft::Word),
    /// The members of the cluster
    #[command(subcommand, visible_alias = "node")]
    Nodes(words::nodes::Nodes),
    /// Who does the work
    #[command(subcommand, visible_alias = "worker")]
    Workers(words::nodes::Workers),
    /// The supervision tree of a node
    #[command(subcommand, visible_alias = "actor")]
    Actors(words::actors::Word),
    /// Print a JSON Schema
    Schema(words::explain::Schema),
    /// Explain an error code or a field
    Explain(words::explain::Args),
    /// Settings of the cluster: list, get, set
    #[command(subcommand, visible_alias = "setting")]
    Settings(words::settings::Word),
    /// Settings of this program and of nodes
    #[command(subcommand)]
    Config(words::config::Word),
    /// Which cluster to talk to
    #[command(subcommand)]
    Context(words::context::Word),
    /// Last resort: go on with one copy alone
    Recover(words::recover::Args),
    /// Find out what is wrong
    Doctor(words::doctor::Args),
    /// Break a cluster on purpose, and judge what came of it
    Chaos(words::chaos::Args),
    /// Print a completion script for a shell
    Completions(words::shell::Completions),
    /// Explain a command or a topic
    Help(words::help::Args),
    /// Print the version
    Version(words::shell::Version),
}

/// Parses, runs, and says how it went.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = cli.global.out();
    let outcome = match Session::new(cli.global, out.clone()) {
        Ok(session) => {
            let done = perform(&session, cli.word, |work| session.wait(work));
            done.map_err(|fault| session.explained(fault))
        }
        Err(fault) => Err(fault),
    };
    let exit = match outcome {
        Ok(()) => Exit::Done,
        Err(fault) => {
            fault.show(&out);
            fault.exit
        }
    };
    ExitCode::from(exit as u8)
}

impl Global {
    /// How data is shown for somebody who asks like this.
    pub(crate) fn out(&self) -> Out {
        let mut out = Out::new(self.output, self.color);
        out.columns.clone_from(&self.columns);
        out.sort.clone_from(&self.sort);
        (out.time, out.quiet) = (self.time, self.quiet);
        out
    }
}

/// Does what a command says; `wait` waits for those that ask a node.
pub(crate) fn perform(
    session: &Session,
    word: Word,
    wait: impl FnOnce(LocalBoxFuture<'_, Result<(), Fault>>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match word {
        // Nodes bring their own threads.
        Word::Dev(args) => words::dev::run(session, args),
        Word::Server(args) => words::server::run(session, &args),
        // A console runs the others.
        Word::Console(args) => crate::console::run(session, &args),
        // These ask nobody.
        Word::Validate(args) => words::files::validate(session, &args),
        Word::Convert(args) => words::files::convert(session, &args),
        Word::Schema(args) => words::explain::schema(session, &args),
        Word::Explain(args) => words::explain::run(session, &args),
        Word::Config(word) => words::config::run(session, &word),
        Word::Context(word) => words::context::run(session, word),
        Word::Recover(args) => words::recover::run(session, &args),
        Word::Chaos(args) => words::chaos::run(session, &args),
        Word::Completions(args) => words::shell::completions(session, &args),
        Word::Help(args) => words::help::run(session, &args),
        Word::Version(args) => words::shell::version(session, &args),
        // All others ask a node.
        word => wait(asking(session, word).boxed_local()),
    }
}

async fn asking(session: &Session, word: Word) -> Result<(), Fault> {
    match word {
        Word::Run(args) => words::run::run(session, args).await,
        Word::Apply(args) => words::files::apply(session, &args).await,
        Word::Diff(args) => words::files::diff(session, &args).await,
        Word::Status(args) => words::status::run(session, &args).await,
        Word::Logs(args) => words::logs::run(session, &args).await,
        Word::Workflows(word) => words::workflows::run(session, word).await,
        Word::Runs(word) => words::runs::run(session, word).await,
        Word::Tasks(word) => words::tasks::run(session, word).await,
        Word::Queues(word) => words::queues::run(session, word).await,
        Word::Dlq(word) => words::dlq::run(session, word).await,
        Word::Roles(word) => words::roles::run(session, word).await,
        Word::Cluster(word) => words::cluster::run(session, word).await,
        Word::Rpc(args) => words::rpc::run(session, args).await,
        Word::Raft(word) => words::raft::run(session, &word).await,
        Word::Nodes(word) => words::nodes::nodes(session, word).await,
        Word::Workers(word) => words::nodes::workers(session, word).await,
        Word::Actors(word) => words::actors::run(session, word).await,
        Word::Settings(word) => words::settings::run(session, word).await,
        Word::Doctor(args) => words::doctor::run(session, &args).await,
        Word::Dev(_)
        | Word::Server(_)
        | Word::Console(_)
        | Word::Validate(_)
        | Word::Convert(_)
        | Word::Schema(_)
        | Word::Explain(_)
        | Word::Config(_)
        | Word::Context(_)
        | Word::Recover(_)
        | Word::Chaos(_)
        | Word::Completions(_)
        | Word::Help(_)
        | Word::Version(_) => Err(Fault::new(Exit::Failed, "this word asks no node")),
    }
}

/// The whole tree, for completions, help and tests.
pub(crate) fn tree() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &clap::Command, path: &str, see: &mut dyn FnMut(&str, &clap::Command)) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name());
            see(&path, sub);
            each(sub, &path, see);
        }
    }

    #[test]
    fn the_tree_is_sound() {
        tree().debug_assert();
    }

    #[test]
    fn every_word_says_in_sixty_letters_what_it_does() {
        each(&tree(), "oarlock", &mut |path, command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty(), "{path} has no summary");
            assert!(about.chars().count() <= 60, "{path}: {about}");
            assert!(!about.ends_with('.'), "{path}: a summary has no full stop");
        });
    }

    #[test]
    fn every_command_shows_an_example() {
        each(&tree(), "oarlock", &mut |path, command| {
            if command.has_subcommands() {
                return;
            }
            let help = command.get_after_long_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            let words: Vec<&str> = path.split(' ').collect();
            assert!(help.contains(&words.join(" ")), "{path} has no example in its long help");
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{path}: over 80 columns");
        });
    }

    #[test]
    fn run_starts_and_runs_looks() {
        let parsed = |words: &[&str]| Cli::try_parse_from(words).map(|cli| cli.word);
        assert!(matches!(parsed(&["oarlock", "run", "x.yaml"]), Ok(Word::Run(_))));
        assert!(matches!(parsed(&["oarlock", "runs", "list"]), Ok(Word::Runs(_))));
        assert!(matches!(parsed(&["oarlock", "wf", "ls"]), Ok(Word::Workflows(_))));
        assert!(matches!(parsed(&["oarlock", "task", "list", "etl/1"]), Ok(Word::Tasks(_))));
        assert!(matches!(parsed(&["oarlock", "stat"]), Ok(Word::Status(_))));
    }
}
