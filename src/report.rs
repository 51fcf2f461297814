//! What came back, what is missing, and why.
