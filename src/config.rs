//! File, environment and flags, validated into one Config.
