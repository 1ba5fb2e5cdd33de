//! `oarlock recover`: the last resort, when a majority of the voters is gone for good.
//!
//! One copy becomes a cluster of its own, under a new name, so that the nodes of the old one can never mix with it. What the lost
//! majority had acknowledged and this copy had not received is gone; nobody can say how much that is, and the command does not
//! pretend to. It works on a directory whose node is stopped, and asks before it does anything.

use std::path::PathBuf;

use oarlock_raft::Recovered;
use serde_json::json;

use crate::ask::Session;
use crate::fault::{Exit, Fault};

/// Of what.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n\
        \x20 oarlock recover --accept-loss --data /var/lib/oarlock\n\n\
        Only when a majority of the voters will never come back: take the copy with\n\
        the highest `applied` (oarlock doctor --data DIR, on each). Every other node\n\
        then joins anew, with an empty directory.")]
pub(crate) struct Args {
    /// The data of a node that is stopped
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Say that what only the lost nodes had is given up
    #[arg(long)]
    accept_loss: bool,
}

/// Does it.
pub(crate) fn run(session: &Session, args: &Args) -> Result<(), Fault> {
    let dir = args.data.display();
    if !args.accept_loss {
        return Err(Fault::new(Exit::Usage, format!("{dir}: this may lose acknowledged work"))
            .help("a majority that is only away comes back by itself: wait for it, or repair it")
            .help("if it is gone for good, say so with --accept-loss"));
    }
    let question = format!(
        "Make the copy in {dir} a cluster of its own? What the other nodes acknowledged and this one never received is gone."
    );
    if !session.sure(&question)? {
        return Ok(());
    }
    let recovered = oarlock_raft::recover(&args.data).map_err(|fault| {
        Fault::new(Exit::Failed, fault.to_string())
            .help(format!("look into it with `oarlock doctor --data {dir}`"))
    })?;
    if session.out.for_people() || session.out.asked.is_none() {
        session.out.data(&told(&recovered));
    } else {
        session.out.value(&body(&recovered));
    }
    Ok(())
}

/// What was done, and what may be gone.
fn told(recovered: &Recovered) -> String {
    let mut text = format!(
        "This copy is a cluster of its own now: node {}, cluster {:032x} (before: {:032x}).\n\
         It ends at log entry {}",
        recovered.identity.node,
        recovered.identity.cluster,
        recovered.cluster_before,
        recovered.last
    );
    if let Some(newest) = newest(recovered) {
        text.push_str(&format!(", proposed at {newest}"));
    }
    text.push_str(". Whatever was acknowledged after it is gone.\n");
    if recovered.last > recovered.committed {
        text.push_str(&format!(
            "Entries behind {} may never have been acknowledged; they count from now on.\n",
            recovered.committed
        ));
    }
    if !recovered.gone.is_empty() {
        let gone: Vec<String> = recovered
            .gone
            .iter()
            .map(|(node, address)| format!("node {node} ({address})"))
            .collect();
        text.push_str(&format!(
            "These have no part in it any more: {}. Start each with an empty directory and --join.\n",
            gone.join(", ")
        ));
    }
    text.push_str("Start it as before; tasks that ran elsewhere run again.\n");
    text
}

fn body(recovered: &Recovered) -> serde_json::Value {
    let gone = recovered.gone.iter();
    let gone: Vec<_> =
        gone.map(|(node, address)| json!({"id": node.0, "address": address})).collect();
    json!({
        "node": recovered.identity.node.0,
        "cluster": format!("{:032x}", recovered.identity.cluster),
        "cluster_before": format!("{:032x}", recovered.cluster_before),
        "last": recovered.last, "committed": recovered.committed, "newest": newest(recovered),
        "gone": gone,
    })
}

/// When the newest command of this copy was proposed.
fn newest(recovered: &Recovered) -> Option<String> {
    let ms = i64::try_from(recovered.newest?.0).ok()?;
    jiff::Timestamp::from_millisecond(ms).ok().map(|at| format!("{at:.3}"))
}
