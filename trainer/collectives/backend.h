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

// Sum over the ranks of a contiguous CPU tensor of half or bfloat16, in place: added up in float in rank
// order, rounded once, so that every rank ends with the same bits.
void sum_halves(Collectives& collectives, const at::Tensor& halves);

// Above this, a sum is overlapped with what the caller does next.
inline constexpr size_t kInlineBytes = 256u << 10;

}  // namespace rekindle::trainer
