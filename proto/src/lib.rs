//! What is said: the public shapes of the API, as JSON, and nothing else.
//!
//! Who asks (`oarlock-client`, the command line) and who answers (`oarlock-gateway`) both compile against these structs, so the
//! two cannot drift apart. Within a version things are only added: a reader ignores fields it does not know.
//!
//! Conventions, once for all of them:
//!
//! - moments are RFC 3339 in UTC with milliseconds: `2026-11-21T14:02:07.512Z`;
//! - lengths of time in answers are integers whose name ends in `_ms`; in questions they are texts: `"90s"`, `"10m"`, `"2h"`;
//! - enums are `lower_snake`; a field without a value is left out;
//! - a run is `run_…` or `etl/1042`, a task `etl/1042/load` or `etl/1042/extract[3]`, an attempt `etl/1042/load@2`. Whoever asks
//!   may use either form of a run anywhere.

pub mod v1;
