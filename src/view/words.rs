//! What each measure says, what it does not, and where readers go wrong: three sentences each.

use crate::render::html::Words;

/// Of centred kernel alignment.
pub const CKA: Words = Words {
    says: "How alike two layers arrange the same samples, from 0 (nothing in common) to 1 (the same \
           up to rotation and scale).",
    does_not: "How the network uses those features: layers with the same geometry can serve different \
               predictions, and layers that serve the same one can differ in geometry.",
    pitfall: "It is dominated by directions of large variance and moved by few outliers; its biased \
              estimator is about D/(n+D) for unrelated features, which is near 1 where n ≪ D.",
};

/// Of the Fréchet distance and the metrics beside it.
pub const FID: Words = Words {
    says: "How far the features of two sets of images lie apart in mean and covariance: 0 for equal \
           ones, in no unit.",
    does_not: "Anything of single images, nor of what mean and covariance leave out: a set of copies and \
               a set of blurs can have the same distance; precision and recall tell them apart.",
    pitfall: "It rests on a Gaussian assumption, which features seldom meet, and is biased in n, too high \
              where samples are few: compare only values of one extractor, layer, resizing and n.",
};

/// Of the distances of single samples from a reference.
pub const DISTANCE: Words = Words {
    says: "How far each sample lies from what the reference holds, in the features of one layer: from \
           the nearest class mean, and from the k-th nearest reference sample.",
    does_not: "Whether a prediction is wrong: many far samples are predicted rightly, and samples with a \
               wrong prediction can lie near.",
    pitfall: "A distance is worth its reference only where its AUROC is above that of the model's own \
              confidence; those of the reference's own samples are too small where n is not far above D.",
};

/// Of saliency maps.
pub const SALIENCY: Words = Words {
    says: "Which pixels the score of a class responds to, and how far models or methods agree on them.",
    does_not: "Which pixels the prediction needs: sensitivity is not importance, and a pixel can be \
               needed where the score is flat.",
    pitfall: "A map can look right and depend on the image alone: trust a method only where deletion \
              beats a random order and the map changes with the weights.",
};

/// Of feature maps and the matching of channels.
pub const MAPS: Words = Words {
    says: "To which places of the images each channel answers, and which channel of the other network \
           answers most alike.",
    does_not: "That matched channels are used alike, nor, where the correlation is low, that the other \
               network lacks the feature: it may be spread over many channels.",
    pitfall: "The best of many correlations is high by chance where images are few, and a channel that \
              is best for many is a match for none: look at the one-to-one matching too.",
};

/// Of the patches that drive channels.
pub const PATTERNS: Words = Words {
    says: "Which images, and which part of them, drive each channel most, how far it prefers classes, and \
           whether the channels of another network are driven by the same.",
    does_not: "What a channel does for the prediction, nor what it answers to between its largest values and \
               its usual ones: a channel may have many meanings of which the top shows one.",
    pitfall: "Images of one class resemble each other: lists share more than those drawn at random where both \
              channels prefer a class, whatever they see of it. Hold it against a network that was not trained.",
};

/// Of channels and perturbations.
pub const SENSITIVITY: Words = Words {
    says: "How far the score moves when a channel moves, to first order (sensitivity), how far it falls \
           when the channel is taken away (importance), and how predictions hold under noise and \
           attacks.",
    does_not: "What several channels hold in common: taken away one at a time, each of them looks \
               unimportant.",
    pitfall: "A channel at 0 may be one the network never saw, and a prediction that these attacks do not \
              flip may be flipped by better ones: the rates are lower bounds.",
};

/// Of stitching.
pub const STITCH: Words = Words {
    says: "Whether B can use what A has at a layer, after an affine map over channels: the two are then \
           compatible there.",
    does_not: "That they hold the same information: networks with other biases, tasks and even modalities \
               can be stitched.",
    pitfall: "A stitch can do much of the work itself: hold every number against A with random weights, \
              which stitches as well before the first nonlinearity, and trust least squares on \
              activations before a stitch trained on the task.",
};
