// The time of a training step under a layout: products and attention by their prices
// (latency/prices), elementwise traffic, tensor-, expert-, context- and data-parallel
// communication, the pipeline's bubble, the optimizer and the host. Knows no file.
#pragma once

#include "latency/prices/price_list.h"
#include "plan/layout.h"

#include <array>
#include <string_view>

namespace vitals::plan {

// What a framework makes of the physics, fitted to published runs (tools/calibrate/fit_plans).
struct StepFactors {
  double product = 1.1;       // time of products in that of single kernels
  double attention = 1.2;     // the same for attention
  double traffic = 1;         // elementwise bytes in those that are counted
  double layer_us = 150;      // of the host, a layer, micro-batch and pass
  double collective_us = 30;  // of the host, a tensor- or expert-parallel collective
  double hop_ms = 0.2;        // of the host, an exchange with the next stage
  double link = 0.7;          // share of the link's bandwidth
  double network = 0.6;       // share of the network's
  double data_exposed = 0.5;  // share of data-parallel communication that nothing hides
  double fixed_ms = 10;       // a step
  double scale_gpus = 1e5;    // GPUs at which a step takes twice as long, by cubes (stragglers)
  double experts = 1.3;       // time of the products of experts in that of one large product
};
struct StepFactorField {
  std::string_view name;
  double StepFactors::*member;
  double spread;  // how far (in logarithms) measurements may pull it easily
};
[[nodiscard]] const std::array<StepFactorField, 12>& step_factor_fields();

// Seconds of a micro-batch on the slowest stage, before factors.
struct StageWork {
  double product = 0;  // forward and backward
  double attention = 0;
  double traffic = 0;  // seconds of elementwise bytes at the full bandwidth
  double experts = 0;
  double tp_link = 0;  // tensor-parallel communication at the full bandwidth
  double tp_network = 0;
  double ep_link = 0;
  double ep_network = 0;
  double pp = 0;           // to the next stage, at the full bandwidth of the network
  double launches = 0;     // layer passes
  double collectives = 0;  // tensor- and expert-parallel
  double hops = 0;         // exchanges with other stages
};

struct StepWork {
  StageWork stage;  // of the slowest stage
  double micro_batches = 1;
  double bubbles = 0;  // micro-batches of waiting
  double dp_link = 0;  // seconds of a step at the full bandwidth
  double dp_network = 0;
  double fsdp_link = 0;  // of a micro-batch, beside the computation
  double fsdp_network = 0;
  double optimizer = 0;
  double flops = 0;  // of the model, one GPU, a step
  double gpus = 1;
};

// Throws Error where the device lacks the type, or the layout does not divide the model.
[[nodiscard]] StepWork step_work(const TrainedModel& model, const Layout& layout,
                                 const Machine& machine, const std::string& device,
                                 const prices::PriceList& list);

// Seconds of a step, by what takes them.
struct StepTime {
  double product = 0;
  double attention = 0;
  double elementwise = 0;
  double experts = 0;
  double tp = 0;
  double ep = 0;
  double pp = 0;
  double dp = 0;  // that nothing hides
  double bubble = 0;
  double optimizer = 0;
  double host = 0;
  double stragglers = 0;

  [[nodiscard]] double seconds() const {
    return product + attention + elementwise + experts + tp + ep + pp + dp + bubble + optimizer +
           host + stragglers;
  }
};
// `device`: all of it in units of what the factors say, as runs on this device showed.
[[nodiscard]] StepTime step_time(const StepWork& work, const StepFactors& factors,
                                 double device = 1);

// Parameters of one GPU of the first stage: those that all data-parallel ranks share, and experts.
struct LocalParams {
  double dense = 0;
  double experts = 0;
};
[[nodiscard]] LocalParams local_params(const TrainedModel& model, const Layout& layout);

}  // namespace vitals::plan
