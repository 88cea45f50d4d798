"""What the numbers mean, in the same words wherever they are shown."""

__all__ = ["AVERAGE", "CALIBRATION", "DIFFERENCE", "H_OF_MEANS", "INTERVAL", "MARK", "MEAN_OF_H", "SEEDS_ONLY"]

INTERVAL = (
    "Accuracies are in percent: mean ± half-width of the 95 % t-interval over seeds; sd is the sample standard "
    "deviation. An en dash stands where one seed allows neither."
)
H_OF_MEANS = (
    "H of means is the harmonic mean of the mean base and the mean new accuracy, as papers report it: one number, "
    "which has no deviation."
)
MEAN_OF_H = "Mean of H is the mean of each seed's own H; its deviation and interval are over those."
SEEDS_ONLY = (
    "Intervals speak of the seeds (draws of training images, and training); all seeds share one set of test images. "
    "A method that uses no draw is the same for every seed, and its interval has no width."
)
DIFFERENCE = (
    "Differences are paired: the same seed is the same draw of training images. They are in percentage points, "
    "positive where the reference is better, with the 95 % t-interval of the mean difference."
)
AVERAGE = (
    "The average over datasets is taken for each seed first; mean, deviation and interval are over the seeds that have "
    "every dataset. H of averages is the harmonic mean of the averaged base and the averaged new accuracy, as papers "
    "print it; mean of H is the mean over datasets and seeds of each one's own H."
)
CALIBRATION = (
    "A calibrated method is right as often as it is sure: of the predictions that it makes with 80 % confidence, 80 % "
    "are right. The expected calibration error (ECE) is the mean distance from that over 15 bins of equal width, in "
    "percentage points (l1, weighted by images; lower is better)."
)
MARK = "† reads sentences about the new classes at test time"
