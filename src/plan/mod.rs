//! Compares the desired state with the fleet and makes a plan: what to do, why, and with which
//! consequences.
//!
//! Decides all steps and their order. Never performs I/O and never fails: what cannot be done
//! becomes a blocked step with its reason. A plan is data and leaves no choices to its execution.

mod adopt;
mod blocker;
pub mod consent;
mod consequences;
mod context;
mod controller;
mod credentials;
mod diff;
mod drift;
mod index;
mod level;
mod make;
mod note;
mod notes;
mod options;
pub mod policy_changes;
mod policy_text;
mod rebuild;
mod replace_blockers;
mod resolve;
mod retire;
mod runner_kit;
pub mod saved;
mod set_names;
mod shown;
mod specs;
mod step;
mod stranded;
mod systems;
#[cfg(test)]
pub(crate) mod tests;
mod wanted_spec;

pub use self::drift::drifts;
pub use self::make::plan;
pub use self::note::{Note, NoteSeverity};
pub use self::options::{PlanOptions, RunnerKit};
pub use self::policy_changes::{PolicyChanges, PoolPolicyChange, SettingChange};
pub use self::resolve::has_create_in_flight;
pub use self::shown::ShownPlan;
pub use self::specs::are_same as are_same_specs;
pub use self::step::{
    Action, Consent, Creation, FieldChange, Operation, Plan, Promotion, Resource, ShownValue, Step,
    Summary,
};
