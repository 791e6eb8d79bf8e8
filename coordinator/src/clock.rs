//! The only place of the coordinator that reads a clock or draws a random number for a nonce.
