//! Candidates, verification, verdict. Pure.
