//! What a file is: its type by content, never by name.
