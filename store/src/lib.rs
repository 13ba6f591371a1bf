//! What a store of Sistema TS must do, the embedded store, and the conformance suite that every store passes.
