// A c10d::ProcessGroup over our Collectives, for c10d::Reducer.
//
// Operations are done in the order of their calls, on all ranks alike. Long ones go to one communication
// thread, so that backward overlaps them; a short one with nothing before it is done where it is called,
// because handing it over would cost more than the sum itself.
#pragma once

#include "trainer/collectives/collectives.h"
#include "trainer/torch.h"

namespace rekindle::trainer {

// Sums, broadcasts, gathers and barriers of contiguous CPU tensors, sums of float, double and halves; sums
// and broadcasts of tensors on the ranks' GPUs, where the collectives have them. The collectives must outlive
// it; while work is pending, they are used by nobody else (wait for it first).
c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(Collectives& collectives);

// Sum over the ranks of a contiguous tensor, in place, wherever it lies. On the CPU in rank order, halves
// added up in float and rounded once, so that every rank ends with the same bits.
void sum(Collectives& collectives, const at::Tensor& tensor);

}  // namespace rekindle::trainer
