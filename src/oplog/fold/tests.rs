//! What a fold keeps.
