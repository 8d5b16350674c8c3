//! Monitoring of a simulated GARM.

mod normal_life;
