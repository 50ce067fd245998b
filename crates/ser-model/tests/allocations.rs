//! A network in use takes no more memory from call to call.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use allocation_counter::measure;
use ndarray::Array2;
use ser_model::{Network, NetworkOptions, PaperFramesOptions, RnnOptions, TimNetOptions};

#[test]
fn a_call_leaves_nothing_behind_and_the_hundredth_takes_as_much_as_the_second() {
    // In a pool of one thread: what is measured is this thread's, and tasks of others pass through queues that they free.
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(calls);
}

fn calls() {
    for options in [
        NetworkOptions::default(),
        NetworkOptions::PaperFrames(PaperFramesOptions::default()),
        NetworkOptions::TimNet(TimNetOptions::default()),
        NetworkOptions::Rnn(RnnOptions::default()),
    ] {
        let network = Network::new(&options, 20, 7, 1).unwrap();
        let utterances = [30, 50].map(|frames| Array2::from_elem((frames, 20), 0.5f32));
        // One utterance, and a batch of two.
        for batch in [&utterances[..1], &utterances[..]] {
            let views: Vec<_> = batch.iter().map(|utterance| utterance.view()).collect();
            let call = || drop(network.logits(&views).unwrap());
            call();
            let second = measure(call);
            (0..97).for_each(|_| call());
            let hundredth = measure(call);
            assert_eq!((second.bytes_current, hundredth.bytes_current), (0, 0), "{options:?}");
            assert!(hundredth.bytes_total <= second.bytes_total, "{options:?}: {second:?}, {hundredth:?}");
        }
    }
}
