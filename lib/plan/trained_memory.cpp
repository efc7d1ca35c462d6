#include "plan/trained_memory.h"

#include "core/error.h"
#include "memory/estimate.h"
#include "memory/optimizer.h"
#include "memory/precision.h"

namespace vitals::plan {
namespace {

std::uint64_t whole(double x) { return static_cast<std::uint64_t>(x); }

// Of mixed-precision training as the frameworks have it: 16-bit weights beside a float32 copy.
MemoryOptions memory_options(const Layout& l) {
  MemoryOptions o;
  o.training = true;
  o.precision = precision("mixed18");
  o.optimizer = optimizer("adamw");
  o.checkpoint = l.recompute == Recompute::full        ? ActivationCheckpointing::block
                 : l.recompute == Recompute::selective ? ActivationCheckpointing::selective
                                                       : ActivationCheckpointing::none;
  o.composition = false;
  o.parallel.data = whole(l.dp * l.cp);
  o.parallel.zero = l.zero;
  o.parallel.tensor = whole(l.tp);
  o.parallel.sequence = l.sp && l.tp > 1;
  o.parallel.pipeline = whole(l.pp);
  o.parallel.interleave = whole(l.vpp);
  o.parallel.micro_batches = whole(l.micro_batches);
  return o;
}

}  // namespace

Count trained_peak(const Model& model, const Layout& l, std::uint64_t seq_len) {
  if (l.ep > 1 || l.cp > 1) fail("the memory of expert and context parallelism is not simulated");
  BuildOptions build;
  build.batch = whole(l.micro_batch);
  build.seq_len = seq_len;
  build.training = true;
  build.attention = l.flash ? AttentionKernel::fused : AttentionKernel::eager;
  return needed_memory(model.build(build), memory_options(l));
}

}  // namespace vitals::plan
