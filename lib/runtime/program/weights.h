// Parameters and inputs out of checkpoints: whatever floating type they are stored in, as fp32.
// Must not know of kernels or the command line.
#pragma once

#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/checkpoint/match.h"
#include "runtime/program/params.h"

#include <vector>

namespace vitals {

// The tensor's values, row-major, of F16, BF16, F32 or F64 (rounded to fp32). Throws Error that
// names the file and the tensor for other types, and for the first value that is NaN or infinite.
[[nodiscard]] std::vector<float> read_values(TensorReader& reader, const Checkpoint& checkpoint,
                                             const StoredTensor& tensor);

// The parameters of a trace from a checkpoint that fits it; one tensor is in memory at a time. Both
// must outlive the source.
[[nodiscard]] ParamSource stored_params(const Checkpoint& checkpoint, const CheckpointFit& fit);

// When the checkpoint's only fault is a position embedding for another image size: a sentence that
// says so, with the size that it was made for where that can be told. Else empty.
[[nodiscard]] std::string position_advice(const Graph& graph, const CheckpointFit& fit);

}  // namespace vitals
