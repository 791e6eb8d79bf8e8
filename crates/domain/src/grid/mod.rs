//! The grid file: text in, checked sweep out.
