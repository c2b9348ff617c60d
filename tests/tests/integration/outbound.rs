//! The outbound side in many small worlds: see `simulator::run_outbound`.

use simulator::{OutboundResult, Settings, run_outbound};

const SEEDS: u64 = 200;
/// Threads that play them, each its share.
const THREADS: u64 = 4;

#[test]
fn every_revision_is_published_and_every_action_done_once_in_any_world() {
    let share = |first: u64| {
        let mut all = OutboundResult::default();
        for seed in (1..=SEEDS).filter(|seed| seed % THREADS == first) {
            let world = run_outbound(seed, &Settings::all_assumed());
            assert_eq!(world.violations, [""; 0], "seed {seed}");
            all.repeats += world.repeats;
            all.mails += world.mails;
            all.letters += world.letters;
            all.killed += world.killed;
        }
        all
    };
    let shares: Vec<OutboundResult> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || share(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // The worlds are have enough faults to show anything.
    let sum = |of: fn(&OutboundResult) -> usize| shares.iter().map(of).sum::<usize>();
    assert!(sum(|world| world.repeats) > 50 && sum(|world| world.killed) > 500, "{shares:?}");
    assert!(sum(|world| world.mails) > 500 && sum(|world| world.letters) > 50, "{shares:?}");
}

#[test]
fn a_seed_plays_the_same_world_again() {
    for seed in [3, 70, 155] {
        let settings = Settings::default();
        assert_eq!(run_outbound(seed, &settings), run_outbound(seed, &settings), "seed {seed}");
    }
}
