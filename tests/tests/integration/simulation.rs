//! The simulator: a number of worlds, and that a seed is a world. CI simulates thousands with `simulate`.

use simulator::{Settings, run};

#[test]
fn the_poll_loses_nothing_in_any_world() {
    for seed in 1..=60 {
        assert_eq!(run(seed, &Settings::all_assumed()).violations, [""; 0], "seed {seed}");
    }
}

#[test]
fn a_seed_plays_the_same_world_again() {
    for seed in [2, 27, 142, 299] {
        let settings = Settings { trace: true, ..Settings::default() };
        let first = run(seed, &settings);
        assert!(first.trace.len() > 50, "seed {seed} is a world in which something happens");
        assert_eq!(first, run(seed, &settings), "seed {seed}");
    }
}
