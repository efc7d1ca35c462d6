// What launchers are told of a layout reads back as the same layout. Their keys are those of their
// own documentation: torchtitan's job config, Megatron-LM's arguments, DeepSpeed's configuration.
#include "plan/launcher.h"

#include "core/error.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace vitals;
using namespace vitals::plan;

namespace {

constexpr double kLayers = 32;

std::vector<LaunchedRun> all_runs() {
  std::vector<LaunchedRun> runs;
  for (const double tp : {1, 4})
    for (const double pp : {1, 4})
      for (const double vpp : {1, 2})
        for (const double cp : {1, 2})
          for (const double ep : {1, 8})
            for (const unsigned zero : {0U, 1U, 2U, 3U})
              for (const bool sp : {false, true})
                for (const double micro : {1, 2})
                  for (const auto recompute :
                       {Recompute::none, Recompute::selective, Recompute::full}) {
                    if ((vpp > 1 && pp == 1) || (sp && tp == 1)) continue;
                    LaunchedRun run;
                    run.seq_len = 4096;
                    run.layers = kLayers;
                    auto& l = run.layout;
                    l.tp = tp;
                    l.pp = pp;
                    l.vpp = vpp;
                    l.cp = cp;
                    l.ep = ep;
                    l.dp = 16;
                    l.zero = zero;
                    l.sp = sp;
                    l.micro_batch = micro;
                    l.micro_batches = 8;
                    l.recompute = recompute;
                    l.gpus = l.dp * tp * pp * cp;
                    runs.push_back(run);
                  }
  return runs;
}

}  // namespace

TEST_CASE("a configuration reads back as the layout that it was written of") {
  for (const auto& launcher : launchers()) {
    CAPTURE(launcher);
    int expressed = 0;
    for (const auto& run : all_runs()) {
      if (!unexpressed(launcher, run).empty()) {
        CHECK_THROWS_AS((void)launcher_config(launcher, run), Error);
        continue;
      }
      ++expressed;
      const auto text = launcher_config(launcher, run);
      CAPTURE(text);
      const auto& l = run.layout;
      const auto read = launched_run(launcher, text, kLayers).layout;
      CHECK(read.gpus == l.gpus);
      CHECK(read.dp == l.dp);
      CHECK(read.zero == l.zero);
      CHECK(read.tp == l.tp);
      CHECK(read.sp == l.sp);
      CHECK(read.pp == l.pp);
      CHECK(read.vpp == l.vpp);
      CHECK(read.cp == l.cp);
      CHECK(read.ep == l.ep);
      CHECK(read.micro_batch == l.micro_batch);
      CHECK(read.micro_batches == l.micro_batches);
      CHECK(read.recompute == l.recompute);
    }
    CHECK(expressed >= 8);
  }
}

TEST_CASE("launchers have their own words") {
  LaunchedRun run;
  run.seq_len = 8192;
  run.layers = kLayers;
  run.layout.gpus = 64;
  run.layout.tp = 8;
  run.layout.sp = true;
  run.layout.pp = 4;
  run.layout.vpp = 2;
  run.layout.dp = 2;
  run.layout.zero = 1;
  run.layout.micro_batches = 16;
  run.layout.recompute = Recompute::selective;
  const auto megatron = launcher_config("megatron", run);
  for (const char* line :
       {"--tensor-model-parallel-size 8\n", "--sequence-parallel\n",
        "--pipeline-model-parallel-size 4\n", "--num-layers-per-virtual-pipeline-stage 4\n",
        "--use-distributed-optimizer\n", "--recompute-granularity selective\n",
        "--global-batch-size 32\n", "--seq-length 8192\n"})
    CHECK(megatron.find(line) != std::string::npos);
  CHECK(unexpressed("torchtitan", run).find("data_parallel_shard_degree") != std::string::npos);
  CHECK(unexpressed("accelerate", run).find("ZeRO stage 1") != std::string::npos);
  CHECK(unexpressed("nanotron", run).find("pp_engine") != std::string::npos);
  CHECK(unexpressed("deepspeed", run).find("sequence parallelism") != std::string::npos);
  run.layout.zero = 0;
  const auto titan = launcher_config("torchtitan", run);
  for (const char* line :
       {"[parallelism]\n", "tensor_parallel_degree = 8\n", "pipeline_parallel_degree = 4\n",
        "pipeline_parallel_schedule = \"Interleaved1F1B\"\n", "local_batch_size = 16\n",
        "[activation_checkpoint]\nmode = \"selective\"\n"})
    CHECK(titan.find(line) != std::string::npos);
}

TEST_CASE("faults of launchers' files") {
  CHECK_THROWS_WITH_AS((void)launched_run("torchtitan", "[training]\nsteps = 3\n", kLayers),
                       "no key of torchtitan 0.2.2 is in it; the first is "
                       "parallelism.data_parallel_replicate_degree",
                       Error);
  CHECK_THROWS_WITH_AS((void)launched_run("nanotron", "parallelism:\n  tp: many\n", kLayers),
                       "parallelism.tp: 'many' is no whole number of 1 or more", Error);
  CHECK_THROWS_AS((void)launched_run("slurm", "x", kLayers), Error);
}
