//! Only a test: models of candle-transformers over DFloat11 files.
