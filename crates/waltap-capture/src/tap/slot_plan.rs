//! The plan for a tap's slot stands beside the tap, because `waltap check` makes it too.

pub(crate) use crate::slot_plan::{SlotPlan, plan};
