//! The calls of one function, whatever they go to, and what happens to the planned ones.

use std::sync::{Arc, Mutex, PoisonError};

use cloud::embedded::{CallFault, CallPlan, Planner};
use tokio::sync::Notify;

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It does not leave.
    NotSent,
    /// It is done, and its answer is lost.
    AnswerLost,
    /// It is turned away for now.
    Throttled,
    /// Status 500.
    Failed,
    /// The function is killed before it.
    KilledBefore,
    /// The function is killed after it, before it has the answer.
    KilledAfter,
    /// Of a call to the shop: no answer comes, and some time later it is done nonetheless.
    Late,
}

impl Trouble {
    /// What can happen to a call, whatever it goes to.
    pub const OF_ANY_CALL: [Self; 6] =
        [Self::NotSent, Self::AnswerLost, Self::Throttled, Self::Failed, Self::KilledBefore, Self::KilledAfter];
}

/// Counts the calls of a function, and lets the planned ones meet trouble.
#[derive(Debug, Default)]
pub struct Wire {
    state: Mutex<State>,
    kill: Notify,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    /// The first call that meets trouble, how many do, and which.
    planned: Option<(usize, usize, Trouble)>,
}

impl Wire {
    /// From now on calls `first` to `first + times - 1` meet trouble; calls count from 0.
    pub fn plan(&self, first: usize, times: usize, trouble: Trouble) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) =
            State { calls: 0, planned: Some((first, times, trouble)) };
    }

    /// Counts a call; what happens to it.
    pub fn next_call(&self) -> Option<Trouble> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let call = state.calls;
        state.calls += 1;
        let planned = state.planned.filter(|(first, times, _)| (*first..first + times).contains(&call));
        planned.map(|(_, _, trouble)| trouble)
    }

    /// Kills the function in whose call this stands.
    pub async fn killed(&self) -> ! {
        self.kill.notify_one();
        std::future::pending().await
    }

    /// Lets a function work, unless it is killed.
    pub async fn alive<F: Future>(&self, invocation: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.kill.notified() => None,
            output = invocation => Some(output),
        }
    }

    /// Plans the calls of an AWS client.
    pub fn planner(self: &Arc<Self>) -> Planner {
        let wire = self.clone();
        Arc::new(move |_| {
            let fault = match wire.next_call() {
                None => None,
                Some(Trouble::NotSent) => Some(CallFault::NotSent),
                Some(Trouble::AnswerLost | Trouble::Late) => Some(CallFault::AnswerLost),
                Some(Trouble::Throttled) => Some(CallFault::Throttled),
                Some(Trouble::Failed) => Some(CallFault::Failed),
                // The kill is noticed before the fault of this call is.
                Some(trouble @ (Trouble::KilledBefore | Trouble::KilledAfter)) => {
                    wire.kill.notify_one();
                    Some(if trouble == Trouble::KilledAfter { CallFault::AnswerLost } else { CallFault::NotSent })
                }
            };
            CallPlan { fault, ..CallPlan::default() }
        })
    }
}
