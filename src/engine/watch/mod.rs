//! `watch`: the scaling loop (DESIGN §5).
//!
//! Owns the picture of the fleet, what scaling remembers, every read, every write (through
//! [`act`](super::act)) and every sleep. It knows no board, no alert and no file: it tells an
//! [`Audience`], and takes [`Order`]s.
//!
//! What it does is decided by a state machine without I/O, which turns what has come in at a
//! moment into what is to be done; a driver does that, and sleeps until the next moment.

mod audience;
mod clock;
mod driver;
mod exits;
mod explained;
mod first;
mod freeze;
mod hand;
mod healing;
mod input;
mod leash;
mod look;
mod machine;
mod order;
mod reading;
mod reads;
mod release;
mod roll;
mod stalls;
mod steer;
mod turns;

pub use audience::{Act, ActEnd, Applied, Audience, Deed, Incident, Sight, Stream};
pub use driver::{Doors, End, watch};
pub use first::first_decisions;
pub use order::{Course, Hold, Order, Settings, Writes};
pub use roll::{Enrolled, Found, Managed, Roll, Unmanaged};
