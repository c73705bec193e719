//! Run history in SQLite, fed by the hook bus alone.
