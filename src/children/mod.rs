//! The decode children: long-lived processes of this same binary in which hostile bytes are read.
