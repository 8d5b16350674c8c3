//! The option that selects GARMs.

use clap::Args;

use crate::domain::name::GarmName;

/// The GARMs that a command is for.
#[derive(Debug, Clone, Default, Args)]
pub struct GarmArgs {
    /// Only this GARM of `garms` in the fleet file; repeatable
    #[arg(long = "garm", value_name = "GARM", value_parser = GarmName::new)]
    pub names: Vec<GarmName>,
}

/// The GARM that a command is for, if it can be for one only.
#[derive(Debug, Clone, Default, Args)]
pub struct OneGarmArgs {
    /// The GARM of `garms` in the fleet file
    #[arg(long = "garm", value_name = "GARM", value_parser = GarmName::new)]
    pub name: Option<GarmName>,
}
