//! What the tests of the embedded store share.

pub mod crash;
pub mod lossy_disk;
mod lossy_vfs;
pub mod place;
