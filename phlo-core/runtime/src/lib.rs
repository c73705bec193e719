//! The runtime of phlo: asset graph, planning, write-audit-publish, retries, the hook bus.
