//! The arguments of `init`.

use std::path::PathBuf;

use clap::Args;

use crate::config;
use crate::domain::name::{FleetName, PoolName};

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder to write into; created if it is missing
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// GARM's URL
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Allow `http://` beyond loopback: password and tokens are then sent unencrypted
    #[arg(long)]
    pub insecure_http: bool,
    /// Name of GARM's administrator
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub username: String,
    /// Reference to the administrator's password: env:NAME, file:PATH, vault:PATH#FIELD or
    /// exec:COMMAND [default: env:GARM_PASSWORD]
    #[arg(long, value_name = "REF", value_parser = reference)]
    pub password: Option<String>,
    /// CA of GARM's certificate (PEM) [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// Name of the fleet [default: the name of the organization, repository or enterprise]
    #[arg(long, value_name = "NAME", value_parser = fleet_name)]
    pub fleet: Option<String>,
    /// GitHub organization whose jobs the fleet serves
    #[arg(long, value_name = "NAME", group = "entity")]
    pub organization: Option<String>,
    /// GitHub repository whose jobs the fleet serves
    #[arg(long, value_name = "OWNER/NAME", group = "entity")]
    pub repository: Option<String>,
    /// GitHub enterprise whose jobs the fleet serves
    #[arg(long, value_name = "NAME", group = "entity")]
    pub enterprise: Option<String>,
    /// GARM's provider
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Image of the VMs
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Size of the VMs
    #[arg(long, value_name = "TYPE")]
    pub instance_type: Option<String>,
    /// Name of the first pool, and the label that jobs request
    #[arg(long, value_name = "POOL", default_value = "default", value_parser = PoolName::new)]
    pub pool: PoolName,
}

/// Checks that the text is a secret reference, and returns it unchanged.
fn reference(text: &str) -> Result<String, String> {
    config::parse_reference(text).map(|_| text.to_owned())
}

fn fleet_name(text: &str) -> Result<String, String> {
    FleetName::new(text).map(|_| text.to_owned())
}
