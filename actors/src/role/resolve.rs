//! Filled in next.

use oarlock_engine::dag::{Answer, Question};
use oarlock_engine::id::RoleId;
use oarlock_engine::store::View;
use oarlock_engine::time::Moment;

#[derive(Default)]
pub(crate) struct Resolver {}

impl Resolver {
    pub(crate) fn answers(
        &self,
        view: &dyn View,
        role: RoleId,
        _now: Moment,
    ) -> Vec<(Question, Answer)> {
        let questions =
            oarlock_engine::dag::questions(view, role, oarlock_engine::dag::ANSWERS_MAX);
        questions.into_iter().map(|question| (question, Answer::Proceed(None))).collect()
    }
}
