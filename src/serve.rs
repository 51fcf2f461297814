//! Wires endpoints, pipeline and web; stops them in order.
