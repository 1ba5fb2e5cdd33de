//! The checkers: each turns a history into what one of them that is not ours understands, and its answer into findings.
