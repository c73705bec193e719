//! The native orchestrator: every asset as soon as what it depends on has ended well.
