//! A line as the command line reads it: its words, and its options over those of the console.

use clap::error::ErrorKind::{
    DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches as _};

use crate::ask::Address;
use crate::cli::{Cli, Global};
use crate::config::contexts::Contexts;
use crate::fault::{Exit, Fault};
use crate::output::Out;

/// What the words say; none: they asked for help, and have it. Half a command is a question to a person, and a fault in a script.
pub(super) fn read(
    words: &[String],
    person: bool,
    out: &Out,
) -> Result<Option<(Cli, ArgMatches)>, Fault> {
    let all = std::iter::once("oarlock").chain(words.iter().map(String::as_str));
    let parsed = crate::cli::tree().try_get_matches_from(all).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, matches))
    });
    let fault = match parsed {
        Ok(parsed) => return Ok(Some(parsed)),
        Err(fault) => fault,
    };
    let helps = match fault.kind() {
        DisplayHelp | DisplayVersion => true,
        DisplayHelpOnMissingArgumentOrSubcommand => person,
        _ => false,
    };
    if !helps {
        return Err(unread(&fault, words));
    }
    let text = fault.render();
    out.data(&if out.colour { text.ansi().to_string() } else { text.to_string() });
    Ok(None)
}

/// Words that the parser does not take, as a failure like any other.
fn unread(fault: &clap::Error, words: &[String]) -> Fault {
    if fault.kind() == DisplayHelpOnMissingArgumentOrSubcommand {
        let words = words.join(" ");
        let what = format!("`{words}` is not all of a command");
        return Fault::new(Exit::Usage, what).help(format!("what it takes: help {words}"));
    }
    let text = fault.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut said = Fault::new(Exit::Usage, first.strip_prefix("error: ").unwrap_or(first));
    let empty = ["For more information", "Usage: oarlock [OPTIONS] <COMMAND>"];
    for line in lines.filter(|line| !empty.iter().any(|empty| line.starts_with(empty))) {
        said = said.help(line.replace("Usage: oarlock ", "this is how: ").replace("tip: ", ""));
    }
    said
}

/// The words of a command as the tree knows them: `runs list`.
pub(super) fn path(matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    let mut at = matches;
    while let Some((name, below)) = at.subcommand() {
        words.push(name);
        at = below;
    }
    words.join(" ")
}

/// The options of a line over those of the console.
pub(super) fn over(base: &Global, line: Global, matches: &ArgMatches) -> Global {
    fn pick<T>(typed: bool, line: T, base: T) -> T {
        if typed { line } else { base }
    }
    let base = base.clone();
    Global {
        context: line.context,
        addr: line.addr,
        token: pick(typed(matches, "token"), line.token, base.token),
        namespace: pick(typed(matches, "namespace"), line.namespace, base.namespace),
        output: pick(typed(matches, "output"), line.output, base.output),
        columns: pick(typed(matches, "columns"), line.columns, base.columns),
        sort: pick(typed(matches, "sort"), line.sort, base.sort),
        filter: pick(typed(matches, "filter"), line.filter, base.filter),
        limit: pick(typed(matches, "limit"), line.limit, base.limit),
        all: line.all || base.all,
        time: pick(typed(matches, "time"), line.time, base.time),
        color: pick(typed(matches, "color"), line.color, base.color),
        quiet: line.quiet || base.quiet,
        verbose: line.verbose.max(base.verbose),
        timeout: pick(typed(matches, "timeout"), line.timeout, base.timeout),
        yes: line.yes || base.yes,
        dry_run: line.dry_run || base.dry_run,
        no_input: line.no_input || base.no_input,
        stale: line.stale || base.stale,
        idempotency_key: line.idempotency_key,
    }
}

fn typed(matches: &ArgMatches, name: &str) -> bool {
    matches.value_source(name) == Some(ValueSource::CommandLine)
}

/// Another address than that of the console, if the line names one.
pub(super) fn address(
    base: &Global,
    here: &Address,
    matches: &ArgMatches,
) -> Result<Option<Address>, Fault> {
    let named = |name: &str| {
        typed(matches, name).then(|| matches.get_one::<String>(name).cloned()).flatten()
    };
    let mut elsewhere = match (named("addr"), named("context")) {
        (Some(addr), _) => {
            let (origin, token) = ("--addr".to_owned(), base.token.clone());
            Some(Address { addr, origin, token, context: None })
        }
        (None, Some(context)) => Some(Contexts::load()?.address(&context)?),
        (None, None) => None,
    };
    if let Some(token) = named("token") {
        elsewhere.get_or_insert_with(|| here.clone()).token = Some(token);
    }
    Ok(elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn read_as(text: &str) -> (Cli, ArgMatches) {
        let out = Out::new(None, crate::output::Colour::Never);
        read(&words(text), false, &out).expect("it is understood").expect("it is no help")
    }

    #[test]
    fn a_command_is_known_by_its_whole_words() {
        assert_eq!(path(&read_as("wf ls --all").1), "workflows list");
        assert_eq!(path(&read_as("stat").1), "status");
        let out = Out::new(None, crate::output::Colour::Never);
        let half = read(&words("nodes"), false, &out).expect_err("half a command");
        assert_eq!(half.what, "`nodes` is not all of a command");
        let slip = read(&words("runs lits"), false, &out).expect_err("no command");
        assert!(slip.what.contains("lits") && slip.help[0].contains("list"), "{slip:?}");
    }

    #[test]
    fn what_a_line_says_goes_before_what_the_console_was_told() {
        let (console, _) = read_as("status --limit 7 -o json --yes");
        let (line, matches) = read_as("runs list -o yaml");
        let both = over(&console.global, line.global, &matches);
        assert_eq!((both.limit, both.yes), (7, true));
        assert_eq!(both.output, Some(crate::output::Format::Yaml));
        let here =
            Address { addr: "a:1".to_owned(), origin: String::new(), token: None, context: None };
        let other = |text: &str| {
            let (cli, matches) = read_as(text);
            address(&cli.global, &here, &matches).expect("it can be known")
        };
        assert_eq!(other("runs list"), None);
        assert_eq!(other("runs list --addr b:2").expect("another").addr, "b:2");
        assert_eq!(other("runs list --token x").expect("another").addr, "a:1");
    }
}
