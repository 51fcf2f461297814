//! What a customer sees: names, sizes, times; over the catalogue.
