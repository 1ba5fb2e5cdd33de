//! Workflow files. (Seam: replaced by the file format as soon as it lands.)

use oarlock_engine::catalog::Definition;
use oarlock_proto::v1::Violation;

pub(crate) struct Parsed {
    pub(crate) definition: Definition,
    pub(crate) warnings: Vec<String>,
}
pub(crate) struct Diagnostic;
pub(crate) fn parse(_text: &str) -> Result<Vec<Parsed>, Vec<Diagnostic>> {
    Err(vec![])
}
pub(crate) fn violation(_fault: &Diagnostic) -> Violation {
    Violation::default()
}
pub(crate) fn explain(_code: &str) -> Option<String> {
    None
}
pub(crate) fn schema() -> serde_json::Value {
    serde_json::Value::Null
}
