//! DFloat11 model files.
