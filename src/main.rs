//! The `sistema-ts` command.

fn main() {}
