//! What comes first when processors are scarce: receiving, before deciding.

/// How far what decides stands back, as a nice value: Linux gives it about a quarter of a processor that something else
/// wants (`sched(7)`), and all of one that nothing wants. Less would let a decoder run out of its time on a busy machine.
const STEP_BACK: i32 = 5;

/// Lets the calling thread, and every process that it starts from now on, run behind everything of ordinary priority.
///
/// A customer who uploads waits for an answer to each file; nobody waits for a decision that closely.
pub fn step_back() {
    // Linux keeps the value for each thread, although POSIX has it for the process.
    if let Err(error) = rustix::process::setpriority_process(None, STEP_BACK) {
        tracing::debug!("deciding runs at the priority of receiving: {error}");
    }
}
