//! `oarlock-chaos`: the command line, and the worker that its tasks run.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == "effect") {
        // Before anything else is set up: thousands of tasks run it.
        return oarlock_chaos::effect::main(args);
    }
    oarlock_chaos::cli::main()
}
