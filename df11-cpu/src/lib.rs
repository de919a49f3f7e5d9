//! DFloat11 on this processor.
