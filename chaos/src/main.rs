//! `oarlock-chaos`: the command line.
fn main() {}
