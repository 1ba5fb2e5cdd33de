//! `oarlock completions`, `oarlock version`: small services to shells and people.

use clap_complete::Shell;
use serde_json::json;

use crate::ask::Session;
use crate::fault::Fault;

/// For which shell.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock completions bash > ~/.local/share/bash-completion/completions/oarlock\n\
        \x20 oarlock completions fish > ~/.config/fish/completions/oarlock.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Nothing to choose.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  oarlock version\n  oarlock version -o json")]
pub(crate) struct Version {}

/// Does it.
#[expect(clippy::unnecessary_wraps, reason = "every word answers alike")]
pub(crate) fn completions(session: &Session, args: &Completions) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::tree(), "oarlock", &mut script);
    session.out.data(&String::from_utf8_lossy(&script));
    Ok(())
}

/// Does it.
#[expect(clippy::unnecessary_wraps, reason = "every word answers alike")]
pub(crate) fn version(session: &Session, _args: &Version) -> Result<(), Fault> {
    let version = env!("CARGO_PKG_VERSION");
    if session.out.asked.is_some() {
        let os = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        session
            .out
            .value(&json!({"name": "oarlock", "version": version, "platform": os, "api": "v1"}));
    } else {
        session.out.data(&format!("oarlock {version}\n"));
    }
    Ok(())
}
