/// The area under the ROC curve of `(score, is positive)`, by the trapezoid rule over distinct scores; NaN without a
/// positive or without a negative.
pub(crate) fn roc_auc(mut samples: Vec<(f64, bool)>) -> f64 {
    samples.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Half samples, so that all sums are exact.
    let (mut positives, mut negatives, mut twice_area) = (0_u64, 0_u64, 0_u64);
    for tied in samples.chunk_by(|a, b| a.0 == b.0) {
        let hits = tied.iter().filter(|(_, positive)| *positive).count() as u64;
        let misses = tied.len() as u64 - hits;
        twice_area += misses * (2 * positives + hits);
        positives += hits;
        negatives += misses;
    }
    twice_area as f64 / (2.0 * positives as f64 * negatives as f64)
}
