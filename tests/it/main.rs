//! Integration tests, one binary. What belongs where stands beside each module.
