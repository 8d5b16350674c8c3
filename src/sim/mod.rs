//! A GARM and a GitHub in a box, with two doors.
