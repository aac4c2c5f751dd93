// The gate: may this candidate be published? A pure rule over bounded evidence of the holdout.
//
// Missing evidence holds, never passes: too few labelled rows, sums that are absent, not finite or that
// contradict each other, a rule that the spec asks for and the evaluation says nothing of. A candidate whose
// own sums or answers are not finite is rejected. What fails outweighs what is missing.
#pragma once

#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/model.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::registry {

// `gate` is resolved. Without a champion, or with beat: constant, the candidate must beat the constant
// answer of its training rows: the rate or shares of classes, or the mean (AUROC: 0.5). Scores in the verdict
// are means per row in the metric's unit, or AUROCs; gain is positive when the candidate is better; the 95 %
// interval is that of a bootstrap in blocks of event time (evidence/bootstrap.h), or where the evaluation has
// no blocks that of the paired differences per row, normal approximation, log-loss and squared error only.
// Every rule that was asked for is among the checks, also after one has failed.
v1::Verdict judge(const v1::Gate& gate, const v1::Evaluation& evaluation, bool has_champion);

}  // namespace rekindle::registry
