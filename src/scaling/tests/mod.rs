//! Each rule with the numbers of its definition, followed by properties that hold for every input.

mod circuit;
mod group_board;
mod group_shares;
mod groups;
mod pressure;
mod properties;

mod routing;
mod runners;
mod scale_sets;
mod scene;
mod some;
mod suspects;

mod waiting;
