//! The manifest: everything that the files say, and every problem in them.

use crate::domain::desired::{Desired, Scope};
use crate::domain::name::PoolName;

use super::code::Code;
use super::declared::DeclaredPool;
use super::problem::{Place, Problem};
use super::settings::FleetFile;
use super::source::Source;

/// What the files of a fleet say. Made by [`load`].
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The fleet file, when one was given and its vital parts could be read.
    pub fleet_file: Option<FleetFile>,
    /// The pools that could be read, in the order of the files.
    pub pools: Vec<DeclaredPool>,
    /// Every problem, in the order of the files, then of their lines.
    pub problems: Vec<Problem>,
}

/// Reads a fleet file and pool files. Never fails: whatever is wrong is in the problems.
pub fn load(_fleet: Option<&Source>, _pools: &[Source]) -> Manifest {
    Manifest { fleet_file: None, pools: Vec::new(), problems: Vec::new() }
}

impl Manifest {
    /// What is asked for, complete. Errors with what `plan` still needs. Whether there are other
    /// errors among the [`Self::problems`] is for the caller to look at first.
    pub fn complete(&self, scope: Scope) -> Result<Desired, Vec<Problem>> {
        let Some(fleet_file) = &self.fleet_file else {
            let problem = Problem::of_file(Code::Missing, "runnerctl.yaml", "no fleet file");
            return Err(vec![problem]);
        };
        let pools = self.pools.iter().filter_map(DeclaredPool::complete).collect();
        Ok(Desired {
            fleet: fleet_file.fleet.clone(),
            controller: fleet_file.controller.clone(),
            pools,
            scope,
        })
    }

    /// Where a field of a pool stands: in the pool, or else in `defaults`.
    pub fn place(&self, _pool: &PoolName, _field: &str) -> Option<Place> {
        None
    }
}
