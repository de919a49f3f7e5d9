//! The DFloat11 codec.
#![no_std]
#![forbid(unsafe_code)]
