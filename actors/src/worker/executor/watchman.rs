//! Sees to it that no process outlives its node, even one that dies of `kill -9`.
//!
//! A node that stops in order kills its process groups itself. One that is killed cannot, so a watchman does: a small shell that
//! reads from a pipe which groups there are (`+ 4711`, `- 4711`). When the node is gone, the pipe ends, and the watchman kills
//! what is left of the list. It stands in a process group of its own, so that a Ctrl-C in the terminal does not reach it.
//!
//! Why not the parent-death signal: it reaches only the direct child and not its children, and setting it between fork and exec
//! needs unsafe code. Why not at the next start: nobody promises one. What the watchman does not reach: processes that left
//! their group on purpose (`setsid`), and one that was forked within the microseconds before the node was killed.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use rustix::fs::OFlags;

const SCRIPT: &str = r#"
trap '' INT TERM HUP
groups=' '
while read -r what group; do
    case "$what$groups" in
        +*) groups="$groups$group " ;;
        -*" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
"#;

/// The node's end of the pipe. The shell is started with the first process group.
#[derive(Default)]
pub(crate) struct Watchman {
    watch: Mutex<Watch>,
}

#[derive(Default)]
struct Watch {
    groups: BTreeSet<u32>,
    post: Option<Post>,
}

struct Post {
    shell: Child,
    pipe: ChildStdin,
}

impl Watchman {
    /// This process group exists now.
    pub(crate) fn guard(&self, group: u32) {
        let mut watch = self.lock();
        watch.groups.insert(group);
        watch.tell(&format!("+ {group}\n"));
    }

    /// It is gone.
    pub(crate) fn release(&self, group: u32) {
        let mut watch = self.lock();
        watch.groups.remove(&group);
        watch.tell(&format!("- {group}\n"));
    }

    fn lock(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().expect("nothing panics while it holds the watch")
    }
}

impl Watch {
    /// Writes one line; if the shell is dead (or stuck), a new one gets the whole list.
    fn tell(&mut self, line: &str) {
        if let Some(post) = &mut self.post {
            // Asked first: a process that was being forked may still hold the other end of a dead one's pipe, and a write to it
            // would succeed and be lost.
            let alive = matches!(post.shell.try_wait(), Ok(None));
            if alive && post.pipe.write_all(line.as_bytes()).is_ok() {
                return;
            }
            tracing::warn!("the watchman does not listen any more, posting another");
            self.relieve();
        }
        match self.post() {
            Ok(post) => self.post = Some(post),
            Err(why) => {
                tracing::error!(%why, "no watchman: processes may outlive a node that is killed");
            }
        }
    }

    fn post(&self) -> std::io::Result<Post> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "oarlock-watchman"])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let mut pipe = shell.stdin.take().expect("its standard input is a pipe");
        // A write must never wait: a shell that does not read is as good as dead.
        rustix::fs::fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        for group in &self.groups {
            writeln!(pipe, "+ {group}")?;
        }
        Ok(Post { shell, pipe })
    }

    fn relieve(&mut self) {
        if let Some(mut post) = self.post.take() {
            // Killed first: it must not act on its list when its pipe ends.
            let _ = post.shell.kill();
            drop(post.pipe);
            let _ = post.shell.wait();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(Post { mut shell, pipe }) = self.post.take() {
            drop(pipe);
            let _ = shell.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").process_group(0).spawn().expect("sleep exists")
    }

    #[test]
    fn when_the_pipe_ends_the_groups_on_the_list_are_killed_and_the_others_are_not() {
        let (mut kept, mut lost, mut other) = (sleeper(), sleeper(), sleeper());
        let watchman = Watchman::default();
        for group in [lost.id(), kept.id(), other.id()] {
            watchman.guard(group);
        }
        watchman.release(kept.id());
        drop(watchman);
        assert_eq!(lost.wait().expect("it ran").signal(), Some(9));
        assert_eq!(other.wait().expect("it ran").signal(), Some(9));
        assert!(kept.try_wait().expect("it runs").is_none());
        kept.kill().expect("it runs");
        kept.wait().expect("it ran");
    }

    #[test]
    fn a_watchman_that_is_killed_is_replaced_and_the_new_one_knows_the_list() {
        let (mut first, mut second) = (sleeper(), sleeper());
        let watchman = Watchman::default();
        watchman.guard(first.id());
        {
            let mut watch = watchman.lock();
            let post = watch.post.as_mut().expect("it was posted");
            post.shell.kill().expect("it runs");
            post.shell.wait().expect("it ran");
        }
        watchman.guard(second.id());
        drop(watchman);
        assert_eq!(first.wait().expect("it ran").signal(), Some(9));
        assert_eq!(second.wait().expect("it ran").signal(), Some(9));
    }
}
