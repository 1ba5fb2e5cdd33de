//! One call of this program: what was asked for, of whom, and how to talk to them.
//!
//! Which node is asked is decided in this order: `--addr`, `--context`, OARLOCK_ADDR, OARLOCK_CONTEXT, the current context, the
//! default. Where the answer came from is kept, because "nothing answers" is nearly always the wrong address.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::io::{BufRead, ErrorKind, IsTerminal, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oarlock_client::v1::Page;
use oarlock_client::{Client, DEFAULT_ADDR, List};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Global;
use crate::config::contexts::Contexts;
use crate::config::span;
use crate::fault::{Exit, Fault};
use crate::output::{Out, Rest, Table, body, complain};

/// How long may be spent on looking for what somebody may have meant.
const GUESS: Duration = Duration::from_millis(300);
/// The longest text that is read from a file or standard input.
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// Items in one page, at most.
const PAGE: usize = 1000;

/// Where a node is, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// `http://host:port`.
    pub(crate) addr: String,
    /// Where it came from, in words.
    pub(crate) origin: String,
    /// The token that goes with it.
    pub(crate) token: Option<String>,
    /// The context that it is of, if one was chosen.
    pub(crate) context: Option<String>,
}

/// One call of this program.
pub(crate) struct Session {
    /// What every command takes.
    pub(crate) global: Global,
    /// How to show things.
    pub(crate) out: Out,
    timeout: Duration,
    client: OnceCell<Client>,
    /// What a console has found out before, so that it is not looked up for each line.
    place: Option<Address>,
    /// How a person is asked; none: on the terminal, by a line.
    asked: Option<fn(&str) -> bool>,
    /// The run that was started last, by its name.
    started: RefCell<Option<String>>,
}

impl Session {
    /// A call, unless its options make no sense.
    pub(crate) fn new(global: Global, out: Out) -> Result<Session, Fault> {
        let timeout = span::parse(&global.timeout).map_err(|why| {
            Fault::new(Exit::Usage, format!("--timeout: {why}")).help("for example: --timeout 30s")
        })?;
        if global.verbose > 0 {
            crate::log::to_stderr(global.verbose);
        }
        let (client, started) = (OnceCell::new(), RefCell::new(None));
        Ok(Session { global, out, timeout, client, place: None, asked: None, started })
    }

    /// With an address that is known already.
    pub(crate) fn at(mut self, place: Address) -> Session {
        self.place = Some(place);
        self
    }

    /// With another way to ask a person than a line on the terminal.
    pub(crate) fn asking(mut self, asked: fn(&str) -> bool) -> Session {
        self.asked = Some(asked);
        self
    }

    /// Takes note that a run was started.
    pub(crate) fn starts(&self, run: &str) {
        self.started.replace(Some(run.to_owned()));
    }

    /// The run that was started last.
    pub(crate) fn started(&self) -> Option<String> {
        self.started.borrow().clone()
    }

    /// The node that answered last, if any was asked.
    pub(crate) fn answered(&self) -> Option<String> {
        self.client.get().map(|client| client.addr().to_owned())
    }

    /// Runs something that waits for the network, on this thread.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|fault| Fault::new(Exit::Failed, fault.to_string()))?;
        runtime.block_on(work)
    }

    /// Where the node is, and who said so.
    pub(crate) fn address(&self) -> Result<Address, Fault> {
        if let Some(place) = &self.place {
            return Ok(place.clone());
        }
        let token = self.global.token.clone();
        let plain = |addr: String, origin: &str, token| {
            Ok(Address { addr, origin: origin.to_owned(), token, context: None })
        };
        if let Some(addr) = &self.global.addr {
            return plain(addr.clone(), "--addr", token);
        }
        let contexts = Contexts::load()?;
        let typed = std::env::args().any(|word| word.starts_with("--context"));
        let from_env = std::env::var("OARLOCK_ADDR").ok().filter(|addr| !addr.is_empty());
        if let (Some(addr), false) = (from_env, typed) {
            return plain(addr, "OARLOCK_ADDR", token);
        }
        let chosen = self.global.context.clone().or_else(|| contexts.current.clone());
        let Some(name) = chosen else {
            let origin = "the default (no context, no OARLOCK_ADDR)";
            return plain(DEFAULT_ADDR.to_owned(), origin, token);
        };
        let mut address = contexts.address(&name)?;
        address.token = token.or(address.token);
        Ok(address)
    }

    /// Whom to ask.
    pub(crate) fn client(&self) -> Result<Client, Fault> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let address = self.address()?;
        let mut builder = Client::builder()
            .addr(address.addr)
            .timeout(self.timeout)
            .patient_connect(false)
            .stale(self.global.stale);
        if let Some(token) = address.token {
            builder = builder.token(token);
        }
        if let Some(namespace) = &self.global.namespace {
            builder = builder.namespace(namespace.clone());
        }
        if let Some(key) = &self.global.idempotency_key {
            builder = builder.idempotency_key(key.clone());
        }
        let client = builder.build()?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// Asks for a list, as much of it as is wanted, and shows it.
    pub(crate) async fn list<T>(&self, table: &Table, list: List<T>) -> Result<(), Fault>
    where
        T: DeserializeOwned + Serialize + Clone + Send + 'static,
    {
        let (items, rest) = self.fetch(list).await?;
        self.out.list(table, items.iter().map(body).collect(), &rest)
    }

    /// Asks for a list, as much of it as is wanted.
    pub(crate) async fn fetch<T>(&self, list: List<T>) -> Result<(Vec<T>, Rest), Fault>
    where
        T: DeserializeOwned + Clone + Send + 'static,
    {
        let list = match &self.global.filter {
            Some(filter) => list.filter(filter.clone()),
            None => list,
        };
        let wanted = if self.global.all { usize::MAX } else { self.global.limit.max(1) };
        let mut items: Vec<T> = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let size = u32::try_from((wanted - items.len()).min(PAGE)).expect("a page is small");
            let page: Page<T> = list.clone().page_size(size).page(token.as_deref()).await?;
            items.extend(page.items);
            token = page.next_page_token;
            if token.is_none() || items.len() >= wanted {
                let cut = token.is_some();
                return Ok((items, Rest { next_page_token: token, cut, total: page.total }));
            }
        }
    }

    /// Whether something that cannot be undone shall be done. Without a person to ask, `--yes` has to have been typed.
    pub(crate) fn sure(&self, question: &str) -> Result<bool, Fault> {
        if self.global.dry_run {
            self.out.note(&format!("dry run: {question}"));
            return Ok(false);
        }
        if self.global.yes {
            return Ok(true);
        }
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        let nobody = !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal();
        if self.global.no_input || ci || nobody {
            let what = format!("{question} There is nobody to ask");
            return Err(Fault::new(Exit::Usage, what).help("add --yes if that is what you want"));
        }
        if let Some(asked) = self.asked {
            let yes = asked(question);
            if !yes {
                self.out.note("nothing was done");
            }
            return Ok(yes);
        }
        complain(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        let yes = read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
        if !yes {
            self.out.note("nothing was done");
        }
        Ok(yes)
    }

    /// Whether this is a dry run; says what would be done.
    pub(crate) fn dry(&self, what: &str) -> bool {
        if self.global.dry_run {
            self.out.note(&format!("dry run: would {what}"));
        }
        self.global.dry_run
    }

    /// A failure with what this call knows about it: whose address it was, what may have been meant.
    pub(crate) fn explained(&self, fault: Fault) -> Fault {
        if fault.code == "E0701" && fault.problem.is_none() {
            let Ok(address) = self.address() else { return fault };
            return fault
                .help("start one with `oarlock dev`, or choose another with --addr or `oarlock context use`")
                .help(format!("this address came from: {}", address.origin));
        }
        let known = fault.help.iter().any(|line| line.contains("did you mean"));
        if fault.exit != Exit::NotFound || known {
            return fault;
        }
        let meant = quoted(&fault.what).map(|word| self.wait(self.guess(&fault.code, word)));
        match meant {
            Some(Ok(Some(name))) => {
                let mut fault = fault;
                fault.help.insert(0, format!("did you mean `{name}`?"));
                fault
            }
            _ => fault,
        }
    }

    /// The name nearest to one that does not exist, asked of the node, silently.
    async fn guess(&self, code: &str, word: &str) -> Result<Option<String>, Fault> {
        // The client that met the failure belongs to a runtime that has ended.
        let address = self.address()?;
        let client = Client::builder().addr(address.addr).timeout(GUESS).attempts_max(1).build()?;
        let names: Vec<String> = match code {
            "E0301" => {
                let page = client.runs().page_size(200).page(None).await?;
                page.items.into_iter().map(|run| run.name).collect()
            }
            "E0302" => {
                let page = client.workflows().page_size(500).page(None).await?;
                page.items.into_iter().map(|workflow| workflow.name).collect()
            }
            "E0304" => {
                let page = client.queues().page(None).await?;
                page.items.into_iter().map(|queue| queue.name).collect()
            }
            _ => Vec::new(),
        };
        Ok(nearest(word, names.iter().map(String::as_str)).map(str::to_owned))
    }
}

/// The name that a word was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.map(|name| (strsim::damerau_levenshtein(word, name), name));
    let far = (word.chars().count() / 3).max(1);
    scored
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// The first text between backticks.
fn quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}

/// A value from text: JSON if it is JSON, else the text itself.
pub(crate) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Whether standard input is where a console reads its lines. There is one of it in a process.
static STDIN_TAKEN: AtomicBool = AtomicBool::new(false);

/// Keeps standard input for a console.
pub(crate) fn take_stdin() {
    STDIN_TAKEN.store(true, Ordering::Relaxed);
}

/// Whether a console reads standard input.
pub(crate) fn stdin_is_taken() -> bool {
    STDIN_TAKEN.load(Ordering::Relaxed)
}

/// Everything from standard input, or from a file; at most [`TEXT_BYTES_MAX`], for a device has no end.
pub(crate) fn read_text(file: &str) -> Result<String, Fault> {
    let wrong = |why: &str| Fault::new(Exit::Invalid, format!("cannot read `{file}`: {why}"));
    if file == "-" && stdin_is_taken() {
        let fault = Fault::new(Exit::Usage, "`-` is where this console reads its own lines");
        return Err(fault.help("put it into a file"));
    }
    let mut text = String::new();
    let limit = TEXT_BYTES_MAX + 1;
    let read = match file {
        "-" => std::io::stdin().lock().take(limit).read_to_string(&mut text),
        path => std::fs::File::open(path).and_then(|f| f.take(limit).read_to_string(&mut text)),
    };
    match read.map_err(|fault| (fault.kind(), fault)) {
        Ok(_) if text.len() as u64 > TEXT_BYTES_MAX => {
            Err(wrong(&format!("it is larger than {} MiB", TEXT_BYTES_MAX >> 20)))
        }
        Ok(_) => Ok(text),
        Err((ErrorKind::NotFound, _)) => Err(wrong("there is no such file")),
        Err((ErrorKind::IsADirectory, _)) => Err(wrong("it is a folder")),
        Err((ErrorKind::PermissionDenied, _)) => Err(wrong("this user may not")),
        Err((ErrorKind::InvalidData, _)) => Err(wrong("it is not text (UTF-8)")),
        Err((_, fault)) => Err(wrong(&fault.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_word_is_not() {
        let names = ["etl/1042", "hello/1", "hello/2"];
        assert_eq!(nearest("elt/1042", names.into_iter()), Some("etl/1042"));
        assert_eq!(nearest("warehouse", names.into_iter()), None);
    }

    #[test]
    fn a_file_without_an_end_is_refused_and_so_is_a_folder() {
        let why = |file: &str| read_text(file).expect_err("no text").what;
        assert_eq!(why("/dev/zero"), "cannot read `/dev/zero`: it is larger than 16 MiB");
        assert_eq!(why("/"), "cannot read `/`: it is a folder");
    }

    #[test]
    fn a_value_is_json_if_it_can_be() {
        assert_eq!(value("5"), serde_json::json!(5));
        assert_eq!(value("2026-11-20"), serde_json::json!("2026-11-20"));
    }
}
