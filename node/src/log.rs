//! What the program says of its own work: one subscriber, to stderr, as lines for people or as JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How a node writes its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON unless a person watches.
    Auto,
    /// Lines for people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Begins to log with this filter: `info`, `oarlock_raft=debug,warn`. A second call changes nothing.
pub(crate) fn begin(filter: &str, form: Form) -> Result<(), String> {
    // What the consensus library says of its own work is for those who ask for it by name.
    let all = format!("openraft=error,ractor_cluster=warn,{filter}");
    let filter = EnvFilter::try_new(all).map_err(|fault| format!("`{filter}`: {fault}"))?;
    let people = std::io::stderr().is_terminal();
    let json = form == Form::Json || (form == Form::Auto && !people);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Already begun: the first one stays.
    let _ = if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        builder.with_ansi(people).try_init()
    };
    Ok(())
}

/// What `-v` and `-vv` show of a command's own work.
pub(crate) fn to_stderr(verbose: u8) {
    let filter = if verbose > 1 { "trace" } else { "oarlock=debug,oarlock_client=debug" };
    let _ = begin(filter, Form::Pretty);
}
