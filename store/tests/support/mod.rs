//! What the tests of the embedded store share.

pub mod crash;
pub mod lossy_vfs;
pub mod place;
