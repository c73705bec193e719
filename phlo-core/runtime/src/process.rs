//! Whether the process that began a run still lives.

/// Whether a process of this number lives. Where the system does not tell, it is taken for alive: a run that is left open for too
/// long does no harm, one that is closed while it works does.
pub fn is_alive(pid: u32) -> bool {
    let processes = std::path::Path::new("/proc");
    if !cfg!(target_os = "linux") || !processes.join("self").exists() {
        return true;
    }
    processes.join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_beyond_all_numbers_does_not() {
        assert!(is_alive(std::process::id()));
        assert_eq!(is_alive(u32::MAX), cfg!(not(target_os = "linux")));
    }
}
