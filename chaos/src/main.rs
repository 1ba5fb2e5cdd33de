//! `oarlock-chaos`: the command line.

fn main() -> std::process::ExitCode {
    oarlock_chaos::cli::main()
}
