//! Blobs and originals: local folders. Only this module spells object keys.
